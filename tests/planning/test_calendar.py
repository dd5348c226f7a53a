from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest

from crm_mailer.model.campaign import BirthdayAnchor
from crm_mailer.planning import calendar, occasions
from crm_mailer.store.engine import Store
from tests.planning.people import SHOP, campaign, customer

DAY = timedelta(days=1)


def test_three_years_celebrate_every_birthday_once_a_year() -> None:
    start, end = date(2027, 1, 1), date(2029, 12, 31)
    found: dict[tuple[int, tuple[int, int]], int] = {}
    day = start
    while day <= end:
        for year, pairs in calendar.birthdays_between(day, day).items():
            for pair in pairs:
                found[year, pair] = found.get((year, pair), 0) + 1
        day += DAY

    assert set(found.values()) == {1}
    assert len(found) == 3 * 366


@pytest.mark.parametrize(
    ("born", "first", "expected"),
    [
        ((2, 29), date(2027, 2, 1), date(2027, 2, 28)),
        ((2, 29), date(2028, 2, 28), date(2028, 2, 29)),
        ((12, 31), date(2026, 12, 30), date(2026, 12, 31)),
        ((1, 1), date(2026, 12, 30), date(2027, 1, 1)),
    ],
)
def test_a_birthday_is_the_next_one(born: tuple[int, int], first: date, expected: date) -> None:
    assert calendar.celebration(born, first) == expected


@pytest.mark.parametrize(
    ("day", "years", "expected"),
    [
        (date(2024, 2, 29), 1, date(2025, 2, 28)),
        (date(2024, 2, 29), 4, date(2028, 2, 29)),
        (date(2024, 5, 1), 2, date(2026, 5, 1)),
    ],
)
def test_an_anniversary_is_the_same_day_of_a_later_year(
    day: date, years: int, expected: date
) -> None:
    assert calendar.anniversary(day, years) == expected


def test_a_leap_days_anniversary_lies_within_its_span() -> None:
    first = datetime(2024, 2, 29, 12, tzinfo=UTC)
    for year in (2025, 2026, 2027, 2028):
        window = datetime(year, 2, 28, tzinfo=UTC)
        spans = calendar.spans_of_years(window - DAY, window + 2 * DAY, earliest=first)
        start, end = spans[year - 2024]
        assert start <= first <= end


@pytest.mark.parametrize("place", ["Pacific/Apia", "Asia/Kathmandu", "America/Los_Angeles"])
@pytest.mark.parametrize("born", [(2, 29), (12, 31), (1, 1)])
def test_a_daily_look_over_three_years_finds_each_birthday_in_its_own_year(
    sqlite_store: Store, place: str, born: tuple[int, int]
) -> None:
    customer(sqlite_store, time_zone=place, birth_month=born[0], birth_day=born[1])
    wish = campaign(anchor=BirthdayAnchor(), offsets=(timedelta(0),), valid_for=DAY)
    anchors: set[tuple[str, date | None]] = set()
    for days in range(0, 3 * 365, 2):
        now = datetime(2027, 1, 4, 1, 0, tzinfo=UTC) + timedelta(days=days)
        if now.month not in (12, 1, 2, 3):
            continue
        for page in occasions.pages(sqlite_store, wish, SHOP, now=now):
            anchors |= {(one.anchor, one.day) for one in page}

    years = sorted(anchor for anchor, _day in anchors)
    assert len(years) == len(set(years))
    assert all(anchor == f"birthday:{day.year}" for anchor, day in anchors if day is not None)
    assert {"birthday:2028", "birthday:2029"} <= set(years)
