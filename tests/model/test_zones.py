from __future__ import annotations

from zoneinfo import ZoneInfo

import pytest

from crm_mailer.model import provinces
from crm_mailer.model.zones import BY_COUNTRY, home_zone, likely

SHOP = "Asia/Shanghai"
TABLE = (("RU", "Asia/Yekaterinburg"), ("US-Hawaii", "Pacific/Honolulu"), ("US-TX", "Etc/GMT+6"))


@pytest.mark.parametrize(
    ("kept", "country", "region", "expected"),
    [
        ("", "", "", SHOP),
        ("", "DE", "", "Europe/Berlin"),
        ("", "de", "", "Europe/Berlin"),
        ("Europe/Vienna", "DE", "", "Europe/Vienna"),
        ("Mars/Olympus", "DE", "", "Europe/Berlin"),
        ("", "US", "California", "America/Los_Angeles"),
        ("", "RU", "Новосибирская область", "Asia/Novosibirsk"),
        ("", "RU", "Tomsk Oblast", "Asia/Tomsk"),
        ("", "AU", "wa", "Australia/Perth"),
        ("", "US", "WA", "America/Los_Angeles"),
        ("", "US", "Nowhere", "America/New_York"),
    ],
)
def test_a_clock_hangs_where_the_customer_lives(
    kept: str, country: str, region: str, expected: str
) -> None:
    assert home_zone(kept, country, SHOP, region=region) == ZoneInfo(expected)


@pytest.mark.parametrize(
    ("kept", "country", "region", "expected"),
    [
        ("", "RU", "", "Asia/Yekaterinburg"),
        ("Europe/Moscow", "RU", "", "Asia/Yekaterinburg"),
        ("Asia/Omsk", "RU", "Омск", "Asia/Omsk"),
        ("America/Los_Angeles", "US", "hawaii", "Pacific/Honolulu"),
        ("America/Chicago", "US", "tx", "Etc/GMT+6"),
        ("America/Chicago", "US", "", "America/Chicago"),
    ],
)
def test_the_shops_own_table_beats_a_guess(
    kept: str, country: str, region: str, expected: str
) -> None:
    assert home_zone(kept, country, SHOP, region=region, overrides=TABLE) == ZoneInfo(expected)


@pytest.mark.parametrize(
    ("key", "region"),
    [
        ("US-Hawaii", "HI"),
        ("US-HI", "Hawaii"),
        ("US-HI", "US-HI"),
        ("US-CA", "Calif."),
        ("US-Calif", "California"),
        ("US-DC", "Washington, D.C."),
        ("RU-Свердловская область", "Sverdlovskaya oblast"),
        ("RU-SVE", "Свердловская обл."),
        ("RU-Московская область", "RU-Московская обл"),
        ("DE-BY", "DE-BY"),
        ("CA-QC", "Québec"),
    ],
)
def test_the_shops_table_knows_a_province_by_its_name_or_its_code(key: str, region: str) -> None:
    country = key[:2]
    found = home_zone("", country, SHOP, region=region, overrides=((key, "Asia/Tokyo"),))
    assert found == ZoneInfo("Asia/Tokyo")


@pytest.mark.parametrize(
    ("key", "region"),
    [
        ("US-CA", "California, MD"),
        ("US-WA", "Washington, DC"),
        ("US-NV", "California"),
        ("RU-Курская область", "Kurganskaya oblast"),
        ("US-CA", ""),
    ],
)
def test_another_province_is_not_meant(key: str, region: str) -> None:
    country = key[:2]
    found = home_zone("", country, SHOP, region=region, overrides=((key, "Asia/Tokyo"),))
    assert found != ZoneInfo("Asia/Tokyo")


def test_every_zone_that_is_named_exists() -> None:
    for name in {*BY_COUNTRY.values(), *provinces.zones()}:
        ZoneInfo(name)


@pytest.mark.parametrize(
    ("country", "region", "zone"),
    [
        ("RU", "Sverdlovskaya oblast", "Asia/Yekaterinburg"),
        ("RU", "Primorskiy kray", "Asia/Vladivostok"),
        ("RU", "Novosibirskaya oblast'", "Asia/Novosibirsk"),
        ("RU", "Chelyabinskaya", "Asia/Yekaterinburg"),
        ("RU", "Kaliningradskaya", "Europe/Kaliningrad"),
        ("RU", "Republic of Sakha (Yakutia)", "Asia/Yakutsk"),
        ("RU", "Khanty-Mansiyskiy avtonomnyy okrug - Yugra", "Asia/Yekaterinburg"),
        ("RU", "Zabaykal'skiy kray", "Asia/Chita"),
        ("RU", "Пермский край", "Asia/Yekaterinburg"),
        ("RU", "RU-OMS", "Asia/Omsk"),
        ("RU", "Moskovskaya oblast", "Europe/Moscow"),
        ("RU", "Kurskaya oblast", "Europe/Moscow"),
        ("RU", "Orlovskaya", "Europe/Moscow"),
        ("US", "Calif.", "America/Los_Angeles"),
        ("US", "N.Y.", "America/New_York"),
        ("US", "Mass.", "America/New_York"),
        ("US", "Tex.", "America/Chicago"),
        ("US", "US-CA", "America/Los_Angeles"),
        ("US", "Washington, D.C.", "America/New_York"),
        ("US", "Washington, DC", "America/New_York"),
        ("US", "Washington DC", "America/New_York"),
        ("US", "District of Columbia", "America/New_York"),
        ("US", "Washington", "America/Los_Angeles"),
        ("US", "California, MD", "America/New_York"),
        ("US", "California, MD 20619-1234", "America/New_York"),
        ("US", "Wyoming, MI", "America/New_York"),
        ("US", "Texas, MD", "America/New_York"),
        ("US", "Texas, Nowhere", "America/Chicago"),
        ("US", "Nowhere", "America/Chicago"),
        ("AU", "Western Australia", "Australia/Perth"),
        ("LK", "", "Asia/Colombo"),
        ("XK", "", "Europe/Belgrade"),
        ("PR", "", "America/Puerto_Rico"),
        ("XX", "", ""),
    ],
)
def test_the_zone_of_an_address_as_marketplaces_write_it(
    country: str, region: str, zone: str
) -> None:
    assert likely(country, region) == zone


def test_every_province_is_found_by_each_of_its_names() -> None:
    for (country, name), (_, zone) in provinces.NAMES.items():
        assert provinces.zone_of(country, name) == zone


@pytest.mark.parametrize("country", ["LK", "DZ", "AL", "MN", "BD", "IR"])
def test_each_country_has_a_clock_of_its_own(country: str) -> None:
    assert home_zone("", country, SHOP) != ZoneInfo(SHOP)
