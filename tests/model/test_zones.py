from __future__ import annotations

from zoneinfo import ZoneInfo

import pytest

from crm_mailer.model import provinces
from crm_mailer.model.zones import BY_COUNTRY, home_zone

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


def test_every_zone_that_is_named_exists() -> None:
    for name in {*BY_COUNTRY.values(), *provinces.zones()}:
        ZoneInfo(name)
