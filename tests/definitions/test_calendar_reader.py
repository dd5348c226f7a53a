from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

import pytest

from crm_mailer.definitions import calendar_reader
from crm_mailer.definitions.calendar_reader import read_festivals
from crm_mailer.definitions.campaign_reader import Known, read_campaign
from crm_mailer.definitions.problems import Problem
from crm_mailer.definitions.shop_reader import read_shop
from crm_mailer.model.campaign import (
    BirthdayAnchor,
    CatchUp,
    FestivalAnchor,
    FirstOrderAnchor,
    Kind,
    MonthlyAnchor,
)
from crm_mailer.model.festivals import Festival, occurrences
from crm_mailer.model.send_window import SendWindow
from crm_mailer.model.shop import Shop

SHOP = Shop(name="Lotus Shop", sender="a@b.cd", postal_address="1 Lake Road")
ROOT = Path(__file__).parents[2]


def calendar(folder: Path, text: str) -> tuple[dict[str, Festival], list[Problem]]:
    path, problems = folder / "calendar.yaml", list[Problem]()
    path.write_text(f"festivals:\n{text}", encoding="utf-8")
    return read_festivals(path, problems, "calendar.yaml"), problems


def campaign(folder: Path, *lines: str) -> tuple[object, list[Problem]]:
    path, problems = folder / "one.yaml", list[Problem]()
    more = ["audience: {country: [DE]}", "steps: [{id: s, template: care/one}]", ""]
    text = "\n".join(["id: one", "name: One", *lines, *more])
    path.write_text(text, encoding="utf-8")
    known = Known(
        shop=SHOP,
        festivals=read_festivals(folder / "calendar.yaml", problems),
        templates={"care/one": ["en"]},
    )
    return read_campaign(path, known, problems, "one.yaml"), problems


def days(festival: Festival, year: int = 2027) -> list[date]:
    return [one.day for one in occurrences(festival, date(year, 1, 1), date(year, 12, 31))]


def test_the_festivals_that_ship_are_right_and_name_holidays_that_exist() -> None:
    _found, problems = calendar_reader._read(calendar_reader.SHIPPED, "festivals.yaml")

    assert problems == []


def test_the_starter_calendar_is_right() -> None:
    problems: list[Problem] = []

    found = read_festivals(ROOT / "campaigns" / "calendar.yaml", problems)

    assert problems == []
    assert {"shop-birthday", "black-friday"} <= set(found)


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("11-11", [date(2027, 11, 11)]),
        ("02-29", [date(2027, 2, 28)]),
        ("4th thu of nov + 1d", [date(2027, 11, 26)]),
        ("Last Sunday of May", [date(2027, 5, 30)]),
        ("5th mon of feb", []),
        ("easter - 48d", [date(2027, 2, 8)]),
        ("orthodox easter", [date(2027, 5, 2)]),
        ("01-03 - 7d", [date(2027, 12, 27)]),
        ("2027-02-06", [date(2027, 2, 6)]),
        ("[2026-02-17, 2027-02-06, 2027-08-06]", [date(2027, 2, 6), date(2027, 8, 6)]),
    ],
)
def test_a_day_is_written_as_people_say_it(
    tmp_path: Path, written: str, expected: list[date]
) -> None:
    found, problems = calendar(tmp_path, f"  feast: {written}\n")

    assert problems == []
    assert days(found["feast"]) == expected


def test_a_shops_own_word_beats_the_known_festival(tmp_path: Path) -> None:
    found, _problems = calendar(tmp_path, "  halloween: {on: 10-30, countries: [DE]}\n")

    assert days(found["halloween"]) == [date(2027, 10, 30)]
    assert days(found["black-friday"]) == [date(2027, 11, 26)]


@pytest.mark.parametrize(
    ("written", "code", "place", "words"),
    [
        ("  feast: 02-30\n", "CRM111", "2:10", "no year has the day 02-30"),
        ("  feast: {on: 13-01}\n", "CRM111", "2:15", "no year has the day 13-01"),
        ("  feast: 6th mon of may\n", "CRM111", "2:10", "is no day"),
        ("  feast: easter + 999d\n", "CRM111", "2:10", "more than 120 days away"),
        ("  feast: [2027-02-29]\n", "CRM111", "2:10", "`2027-02-29` is no day that exists"),
        ("  feast: {name: Feast}\n", "CRM160", "2:10", "either `on`"),
        ("  feast: {on: 05-05, holiday: X-mas}\n", "CRM160", "2:10", "either `on`"),
        ("  feast: {holiday: Diwali}\n", "CRM160", "2:20", "whose holiday"),
        ("  feast: {holiday: Divali, of: IN}\n", "CRM160", "2:20", "did you mean `Diwali`?"),
        ("  feast: {holiday: Easter, of: QQ}\n", "CRM160", "2:20", "holidays of `QQ`"),
        ("  feast: {on: 05-05, of: IN}\n", "CRM160", "2:26", "`of` names"),
        ("  feast: {on: 05-05, countries: [Germany]}\n", "CRM107", "2:34", "no country"),
        ("  feast: {days: [{on: 05-05}, {on: 05-06}]}\n", "CRM160", "2:3", "two lines without"),
        ("  feast: {on: 05-05, days: [{on: 05-06}]}\n", "CRM160", "2:3", "each country"),
        ("  Big Feast: 05-05\n", "CRM117", "2:3", "lower-case"),
        ("  feast: {om: 05-05}\n", "CRM104", "2:11", "known: countries, days"),
    ],
)
def test_a_wrong_calendar_is_told_where_and_what_to_do(
    tmp_path: Path, written: str, code: str, place: str, words: str
) -> None:
    found, problems = calendar(tmp_path, written)

    assert [(one.code, one.place) for one in problems] == [(code, f"calendar.yaml:{place}")]
    assert words in problems[0].as_text()
    assert "black-friday" in found


def test_a_holiday_that_one_of_several_countries_does_not_have_is_a_warning(tmp_path: Path) -> None:
    found, problems = calendar(tmp_path, "  feast: {holiday: Diwali, countries: [IN, DE]}\n")

    assert [(one.code, one.is_error) for one in problems] == [("CRM160", False)]
    assert days(found["feast"]) == [date(2027, 10, 29)]


@pytest.mark.parametrize(
    ("anchor", "expected"),
    [
        ("{birthday: -3d}", BirthdayAnchor(days_before=3)),
        ("{birthday: 0d}", BirthdayAnchor()),
        ("{birthday: 2d}", BirthdayAnchor(days_before=-2)),
        ("{birthday: {days_before: 5}}", BirthdayAnchor(days_before=5)),
        ("{anniversary: first_order}", FirstOrderAnchor(is_yearly=True)),
        ("{monthly: 31}", MonthlyAnchor(day=31)),
    ],
)
def test_an_anchor_in_the_calendar(tmp_path: Path, anchor: str, expected: object) -> None:
    found, problems = campaign(tmp_path, f"anchor: {anchor}")

    assert problems == []
    assert getattr(found, "anchor", None) == expected


@pytest.mark.parametrize(
    ("anchor", "before"),
    [
        ("black-friday", 0),
        ("black-friday - 7d", 7),
        ("black-friday +1d", -1),
        ("{name: black-friday, days_before: 2}", 2),
    ],
)
def test_an_anchor_at_a_festival(tmp_path: Path, anchor: str, before: int) -> None:
    found, problems = campaign(tmp_path, f"anchor: {{festival: {anchor}}}")

    assert problems == []
    known = calendar_reader.shipped()["black-friday"]
    assert getattr(found, "anchor", None) == FestivalAnchor(festival=known, days_before=before)
    assert getattr(found, "kind", None) is Kind.EDM


@pytest.mark.parametrize(
    ("lines", "code", "place", "words"),
    [
        (["anchor: {festival: blak-friday}"], "CRM161", "3:20", "did you mean `black-friday`?"),
        (["anchor: {festival: black-friday - 99d}"], "CRM110", "3:20", "more than 60"),
        (["anchor: {birthday: soon}"], "CRM110", "3:20", "`soon` is no number of days"),
        (["anchor: {birthday: -90d}"], "CRM110", "3:20", "more than 60 days"),
        (["anchor: {monthly: 32}"], "CRM107", "3:19", "at most 31"),
        (["anchor: {monthly: 0}"], "CRM107", "3:19", "at least 1"),
        (["anchor: {anniversary: wedding}"], "CRM107", "3:23", "`wedding` is not known"),
        (["anchor: {monthly: 1, order: paid}"], "CRM119", "3:9", "there are 2"),
        (["anchor: {monthly: 1}", "kind: lifecycle"], "CRM119", "3:9", "started by an event"),
        (["anchor: {monthly: 1}", "spread: 9h"], "CRM162", "4:9", "more than 6h"),
        (["anchor: {monthly: 1}", "catch_up: sometimes"], "CRM107", "4:11", "latest, skip"),
        (["anchor: {monthly: 1}", "send_at: best hour"], "CRM111", "4:10", "or best"),
        (
            ["anchor: {monthly: 1}", "window: {from: 22, until: 23}"],
            "CRM163",
            "4:9",
            "it never opens",
        ),
        (["anchor: {monthly: 1}", "window: {days: []}"], "CRM163", "4:16", "never opens"),
        (["anchor: {monthly: 1}", "window: {from: 25}"], "CRM107", "4:16", "at most 23"),
        (
            ["anchor: {monthly: 1}", "window: {days: [fry]}"],
            "CRM107",
            "4:17",
            "did you mean `fri`?",
        ),
        (["anchor: {date: 2026-02-30}"], "CRM111", "3:16", "a day that exists"),
    ],
)
def test_a_wrong_time_in_a_campaign_is_told_where_and_what_to_do(
    tmp_path: Path, lines: list[str], code: str, place: str, words: str
) -> None:
    found, problems = campaign(tmp_path, *lines)

    errors = [one for one in problems if one.is_error]
    assert [(one.code, one.place) for one in errors] == [(code, f"one.yaml:{place}")]
    assert words in errors[0].as_text()
    assert found is None


def test_a_spread_that_ends_in_the_night_is_a_warning(tmp_path: Path) -> None:
    found, problems = campaign(tmp_path, "anchor: {monthly: 1}", 'send_at: "20:30"', "spread: 1h")

    assert [(one.code, one.is_error) for one in problems] == [("CRM162", False)]
    assert getattr(found, "spread", None) == timedelta(hours=1)


def test_another_day_for_the_festival_is_another_version(tmp_path: Path) -> None:
    versions = set()
    for day in ("05-05", "05-06", "05-06"):
        calendar(tmp_path, f"  feast: {day}\n")
        found, _problems = campaign(tmp_path, "anchor: {festival: feast}")
        versions.add(getattr(found, "version", ""))

    assert len(versions) == 2


def test_best_and_catch_up_are_read(tmp_path: Path) -> None:
    found, _problems = campaign(tmp_path, "anchor: {monthly: 1}", "send_at: best", "catch_up: skip")

    read = [getattr(found, name) for name in ("is_best_hour", "send_at", "catch_up")]
    assert read == [True, None, CatchUp.SKIP]


def test_the_shop_says_where_clocks_hang_and_when_leap_days_are_kept(tmp_path: Path) -> None:
    path, problems = tmp_path / "shop.yaml", list[Problem]()
    path.write_text(
        "name: S\nsender: a@b.cd\nleap_day: 03-01\n"
        "time_zones: {RU: Asia/Yekaterinburg, US-Hawaii: Pacific/Honolulu}\n",
        encoding="utf-8",
    )

    shop = read_shop(path, problems, "shop.yaml")

    assert problems == []
    assert shop is not None
    assert shop.leap_day == (3, 1)
    assert dict(shop.time_zones)["US-Hawaii"] == "Pacific/Honolulu"


@pytest.mark.parametrize(
    ("line", "place", "words"),
    [
        ("time_zone: Asia/Shanghay", "3:12", "did you mean `Asia/Shanghai`?"),
        ("time_zone: Novosibirsk", "3:12", "did you mean `Asia/Novosibirsk`?"),
        ("time_zone: ../../etc/passwd", "3:12", "is no time zone"),
        ("time_zones: {RU: Moskow}", "3:18", "did you mean"),
        ("time_zones: {Russia: Europe/Moscow}", "3:14", "no country or province"),
        ("leap_day: 02-27", "3:11", "02-28 or 03-01"),
    ],
)
def test_a_wrong_zone_is_told_where_and_what_was_meant(
    tmp_path: Path, line: str, place: str, words: str
) -> None:
    path, problems = tmp_path / "shop.yaml", list[Problem]()
    path.write_text(f"name: S\nsender: a@b.cd\n{line}\n", encoding="utf-8")

    assert read_shop(path, problems, "shop.yaml") is None
    assert [one.place for one in problems] == [f"shop.yaml:{place}"]
    assert words in problems[0].as_text()


def test_a_place_where_nobody_lives_is_a_warning(tmp_path: Path) -> None:
    path, problems = tmp_path / "shop.yaml", list[Problem]()
    path.write_text(
        "name: S\nsender: a@b.cd\ntime_zones:\n  ZZ: Europe/London\n  US-Hawai: Pacific/Honolulu\n"
        "  US-HI: Pacific/Honolulu\n  US-VI: America/St_Thomas\n  US-Calif.: Etc/GMT+8\n"
        "  RU-Московская область: Europe/Moscow\n  CA-Nunavut: America/Iqaluit\n"
        "  UK-London: Europe/London\n"
        "subject_prefix: {XX: AD, DE: AD}\ntracking: {off_in: [DE, QQ]}\ncountry: ZX\n",
        encoding="utf-8",
    )

    shop = read_shop(path, problems, "shop.yaml")

    assert shop is not None
    assert {one.code for one in problems} == {"CRM143"}
    assert not any(one.is_error for one in problems)
    assert {one.place.partition(":")[2] for one in problems} == {
        "4:3", "5:3", "11:3", "12:18", "13:25", "14:10",
    }  # fmt: skip
    helps = {one.line: one.help for one in problems}
    assert helps[5] == "did you mean `Hawaii`?"
    assert helps[11] == "did you mean `GB`?"


@pytest.mark.parametrize(
    ("line", "place"),
    [
        ("  own: {on: 11-11, countries: [DE, XX]}", "2:36"),
        ("  own: {on: 11-11, countries: DE XX}", "2:31"),
        ("  own: {days: [{on: 11-11, countries: [XX]}]}", "2:40"),
        ("  own: {holiday: Diwali, of: IN, countries: [XX]}", "2:46"),
    ],
)
def test_a_festival_of_a_country_that_is_none_is_a_warning(
    tmp_path: Path, line: str, place: str
) -> None:
    found, problems = calendar(tmp_path, f"{line}\n")

    assert "own" in found
    assert [(one.code, one.is_error, one.place) for one in problems] == [
        ("CRM143", False, f"calendar.yaml:{place}")
    ]


def test_a_window_is_read_and_a_time_outside_of_it_is_a_warning(tmp_path: Path) -> None:
    found, problems = campaign(
        tmp_path,
        "anchor: {monthly: 1}",
        'send_at: "08:30"',
        "window: {from: 9, until: 18, days: [mon, fri]}",
    )

    assert [(one.code, one.place, one.is_error) for one in problems] == [
        ("CRM163", "one.yaml:5:9", False)
    ]
    assert getattr(found, "window", None) == SendWindow(
        opens=9, closes=18, weekdays=frozenset({0, 4})
    )


def test_countries_may_stand_in_one_text(tmp_path: Path) -> None:
    found, problems = calendar(tmp_path, "  feast: {on: 05-05, countries: DE AT CH}\n")

    assert problems == []
    assert found["feast"].observances[0].countries == {"DE", "AT", "CH"}


def test_order_mail_does_not_wait_for_the_best_hour(tmp_path: Path) -> None:
    _found, problems = campaign(
        tmp_path, "anchor: {order: paid}", "stream: transactional", "send_at: best"
    )

    assert [(one.code, one.is_error) for one in problems] == [("CRM163", False)]
