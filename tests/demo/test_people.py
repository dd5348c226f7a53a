from __future__ import annotations

from collections import Counter
from zoneinfo import ZoneInfo

import pytest

from crm_mailer.demo import people
from crm_mailer.demo.people import Person, person
from crm_mailer.model.address import AddressKind, is_marketplace_relay, kind

EVERYBODY = [person(str(number), "United Kingdom", 1) for number in range(12346, 12346 + 5942)]


def _of(language: str) -> list[Person]:
    return [one for one in EVERYBODY if one.language == language]


def test_the_same_number_is_the_same_person() -> None:
    assert person("13085", "Germany", 1) == person("13085", "Germany", 1)


def test_another_seed_makes_other_people() -> None:
    assert person("13085", "Germany", 1) != person("13085", "Germany", 2)


def test_no_two_customers_share_a_mail_address() -> None:
    assert len({one.email.casefold() for one in EVERYBODY}) == len(EVERYBODY)


def test_nobody_has_an_address_that_could_exist() -> None:
    for one in EVERYBODY:
        host = one.email.rpartition("@")[2]
        assert host in people.FREE_HOSTS or host.endswith(".example") or host == people.RELAY_HOST
        assert one.email.isascii()
        assert " " not in one.email


def test_one_in_a_hundred_hides_behind_a_marketplace() -> None:
    relays = [one for one in EVERYBODY if is_marketplace_relay(one.email)]

    assert 0.005 < len(relays) / len(EVERYBODY) < 0.015


def test_some_write_for_a_company() -> None:
    kinds = Counter(kind(one.email) for one in EVERYBODY)

    assert 0.04 < kinds[AddressKind.COMPANY] / len(EVERYBODY) < 0.09
    assert kinds[AddressKind.ROLE]


def test_languages_come_as_the_demo_says() -> None:
    counts = Counter(one.language for one in EVERYBODY)

    for language, percent in people.LANGUAGES.items():
        assert abs(counts[language] * 100 / len(EVERYBODY) - percent) < 2


def test_names_look_varied() -> None:
    assert len({one.name for one in EVERYBODY}) > 0.75 * len(EVERYBODY)


def test_russian_names_agree_with_themselves() -> None:
    women = [one for one in _of("ru") if one.patronymic.endswith("на")]
    men = [one for one in _of("ru") if one.patronymic.endswith("ич")]

    assert len(women) > 100
    assert len(men) > 50
    assert not any(one.family_name.endswith(("ов", "ев", "ин", "ский")) for one in women)
    assert not any(one.family_name.endswith(("ова", "ева", "ская")) for one in men)


def test_chinese_names_begin_with_the_family() -> None:
    assert all(one.name == one.family_name + one.given_name for one in _of("zh"))


@pytest.mark.parametrize(
    ("country", "code"),
    [("Germany", {"DE"}), ("Austria", {"AT"}), ("Iceland", {"DE", "AT", "CH"})],
)
def test_the_datas_country_counts_where_the_language_is_spoken(
    country: str, code: set[str]
) -> None:
    found = {
        one.country
        for one in (person(str(number), country, 1) for number in range(400))
        if one.language == "de"
    }

    assert found == code


def test_addresses_are_whole() -> None:
    for one in EVERYBODY:
        assert one.street
        assert one.city
        assert one.postcode
        assert one.country_name
        assert "{" not in one.street + one.postcode + one.phone
        assert "#" not in one.postcode + one.phone
        assert ZoneInfo(one.time_zone)


@pytest.mark.parametrize(
    "word", ["School", "школа", "Colegio", "Universidade", "Hôpital", "gymnasium", "中学"]
)
def test_some_live_where_they_work(word: str) -> None:
    assert any(word in one.street or word.title() in one.street for one in EVERYBODY)


def test_birthdays_are_known_for_most_and_sometimes_without_a_year() -> None:
    known = [one.birthday for one in EVERYBODY if one.birthday]

    assert 0.66 < len(known) / len(EVERYBODY) < 0.74
    assert 0.15 < sum(day.year is None for day in known) / len(known) < 0.25


def test_some_were_born_on_the_29th_of_february() -> None:
    leap = [one.birthday for one in EVERYBODY if one.birthday and
            (one.birthday.month, one.birthday.day) == (2, 29)]  # fmt: skip

    assert 5 < len(leap) < 60
    assert all(day.year is None or day.year % 4 == 0 for day in leap)
