from __future__ import annotations

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crm_mailer.model import festivals, public_holidays
from crm_mailer.model.festivals import (
    Easter,
    Festival,
    FixedDay,
    GivenDays,
    Observance,
    PublicHoliday,
    WeekdayOfMonth,
)

YEARS = st.integers(1990, 2100)


def festival(*observances: Observance) -> Festival:
    return Festival(id="feast", observances=observances)


def found(feast: Festival, first: date, last: date) -> list[tuple[str, str]]:
    return [(one.key, one.day.isoformat()) for one in festivals.occurrences(feast, first, last)]


@pytest.mark.parametrize(
    ("year", "western", "orthodox"),
    [
        (2024, "2024-03-31", "2024-05-05"),
        (2025, "2025-04-20", "2025-04-20"),
        (2026, "2026-04-05", "2026-04-12"),
        (2027, "2027-03-28", "2027-05-02"),
        (2038, "2038-04-25", "2038-04-25"),
        (2049, "2049-04-18", "2049-04-25"),
    ],
)
def test_easter(year: int, western: str, orthodox: str) -> None:
    assert festivals.western_easter(year).isoformat() == western
    assert festivals.orthodox_easter(year).isoformat() == orthodox


@given(YEARS)
def test_easter_is_a_sunday_of_spring_and_the_orthodox_one_never_earlier(year: int) -> None:
    western, orthodox = festivals.western_easter(year), festivals.orthodox_easter(year)

    assert western.weekday() == orthodox.weekday() == 6
    assert date(year, 3, 22) <= western <= date(year, 4, 25)
    assert western <= orthodox


def test_easter_agrees_with_the_library_of_holidays() -> None:
    for year in range(2015, 2045):
        (friday,) = public_holidays.days_of("DE", year, "Good Friday")
        assert festivals.western_easter(year) - friday == timedelta(days=2)
        (friday,) = public_holidays.days_of("GR", year, "Good Friday")
        assert festivals.orthodox_easter(year) - friday == timedelta(days=2)


@pytest.mark.parametrize("country", ["US"])
def test_thanksgiving_agrees_with_the_library_of_holidays(country: str) -> None:
    rule = WeekdayOfMonth(nth=4, weekday=3, month=11)
    for year in range(2015, 2045):
        assert rule.in_year(year) == public_holidays.days_of(country, year, "Thanksgiving Day")


@given(YEARS, st.integers(0, 6), st.integers(1, 12))
def test_the_last_weekday_of_a_month_is_its_fourth_or_fifth(
    year: int, weekday: int, month: int
) -> None:
    (last,) = WeekdayOfMonth(nth=-1, weekday=weekday, month=month).in_year(year)
    fourth = WeekdayOfMonth(nth=4, weekday=weekday, month=month).in_year(year)
    fifth = WeekdayOfMonth(nth=5, weekday=weekday, month=month).in_year(year)

    assert (last,) == (fifth or fourth)
    assert last.weekday() == weekday


def test_a_festival_at_the_turn_of_the_year_belongs_to_its_own_year() -> None:
    eve = festival(Observance(rule=FixedDay(month=1, day=1), shift=timedelta(days=-1)))

    assert found(eve, date(2026, 12, 1), date(2027, 12, 30)) == [
        ("festival:feast:2027", "2026-12-31")
    ]


def test_a_moons_year_that_fits_twice_into_ours_has_two_names() -> None:
    eid = festival(Observance(rule=PublicHoliday(name="Eid al-Fitr", of="IN")))

    assert found(eid, date(2033, 1, 1), date(2033, 12, 31)) == [
        ("festival:feast:2033", "2033-01-03"),
        ("festival:feast:2033.2", "2033-12-24"),
    ]


def test_days_written_one_by_one_are_told_apart_by_their_month() -> None:
    listed = festival(Observance(rule=GivenDays(days=(date(2027, 2, 6), date(2027, 8, 9)))))

    assert [key for key, _day in found(listed, date(2027, 1, 1), date(2027, 12, 31))] == [
        "festival:feast:2027-02",
        "festival:feast:2027-08",
    ]


def test_the_upper_line_wins_and_the_line_for_all_leaves_out_whom_others_name() -> None:
    feast = festival(
        Observance(rule=FixedDay(month=1, day=7), countries=frozenset({"RU"})),
        Observance(rule=FixedDay(month=1, day=8), countries=frozenset({"RU", "DE"})),
        Observance(rule=FixedDay(month=1, day=9)),
    )

    days = festivals.occurrences(feast, date(2027, 1, 1), date(2027, 1, 31))

    whose = {
        country: [one.day.day for one in days if one.is_for(country)]
        for country in ("RU", "DE", "FR", "")
    }
    assert whose == {"RU": [7], "DE": [8], "FR": [9], "": [9]}


def test_a_holiday_is_kept_on_the_day_of_each_country() -> None:
    eid = festival(
        Observance(rule=PublicHoliday(name="Eid al-Fitr"), countries=frozenset({"TR", "IN"}))
    )

    days = festivals.occurrences(eid, date(2027, 1, 1), date(2027, 12, 31))

    assert [(one.day.isoformat(), sorted(one.countries)) for one in days] == [
        ("2027-03-09", ["TR"]),
        ("2027-03-10", ["IN"]),
    ]


def test_a_holiday_that_lasts_a_week_begins_once_and_substitutes_do_not_count() -> None:
    assert public_holidays.days_of("CN", 2027, "Chinese New Year") == (date(2027, 2, 6),)
    assert public_holidays.days_of("US", 2027, "Independence Day") == (date(2027, 7, 4),)
    assert public_holidays.days_of("QQ", 2027, "Christmas Day") == ()


@given(
    st.sampled_from(
        [
            FixedDay(month=2, day=29),
            WeekdayOfMonth(nth=4, weekday=3, month=11),
            Easter(),
            Easter(is_orthodox=True),
        ]
    ),
    st.integers(-60, 60),
    st.dates(date(2020, 1, 1), date(2040, 1, 1)),
    st.integers(1, 40),
)
def test_looking_in_slices_finds_each_day_once(
    rule: FixedDay | WeekdayOfMonth | Easter, shift: int, first: date, width: int
) -> None:
    feast = festival(Observance(rule=rule, shift=timedelta(days=shift)))
    last = first + timedelta(days=800)
    sliced, start = [], first
    while start <= last:
        end = min(start + timedelta(days=width), last)
        sliced += found(feast, start, end)
        start = end + timedelta(days=1)

    assert sliced == found(feast, first, last)
    assert len({key for key, _day in sliced}) == len(sliced)


@given(st.dates(date(2020, 1, 1), date(2030, 1, 1)), st.integers(1, 31))
def test_a_day_of_the_month_comes_once_in_each_month(first: date, day: int) -> None:
    days = festivals.days_of_month(day, first, first + timedelta(days=730))

    months = [(one.year, one.month) for one in days]
    assert len(set(months)) == len(months) >= 23
    assert all(one.day == day or (one + timedelta(days=1)).day == 1 for one in days)
