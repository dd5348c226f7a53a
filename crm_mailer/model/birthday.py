"""When a birthday comes round: the year may be unknown, and 29 February needs a stand-in."""

from __future__ import annotations

from collections.abc import Collection
from datetime import date, timedelta

#: The day on which those born on 29 February celebrate in other years.
LEAP_DAY_STAND_IN = (2, 28)
_LEAP_DAY = (2, 29)
#: From the last day of February of a leap year to the same day of the next, with a century between.
FARTHEST = 366


def celebrated_on(
    day: date, *, stand_in: tuple[int, int] = LEAP_DAY_STAND_IN
) -> tuple[tuple[int, int], ...]:
    """The (month, day) pairs whose birthday is celebrated on `day`."""
    today = (day.month, day.day)
    if today == stand_in and not _is_leap(day.year):
        return (today, _LEAP_DAY)
    return (today,)


def next_birthday(
    month: int, day: int, *, today: date, stand_in: tuple[int, int] = LEAP_DAY_STAND_IN
) -> date:
    """The first day from `today` on (today counts) when a birthday is celebrated.

    Raises:
        ValueError: there is no such day in any year.
    """
    date(2000, month, day)  # a leap year: refuses what is no day at all
    return next(
        found
        for year in (today.year, today.year + 1)
        if (found := _in_year(year, month, day, stand_in)) >= today
    )


def days_to_birthday(
    month: int, day: int, *, today: date, stand_in: tuple[int, int] = LEAP_DAY_STAND_IN
) -> int:
    """Whole days from `today` to the next celebration; 0 on the day itself."""
    return (next_birthday(month, day, today=today, stand_in=stand_in) - today).days


def birthdays_within(
    today: date, days: Collection[int], *, stand_in: tuple[int, int] = LEAP_DAY_STAND_IN
) -> set[tuple[int, int]]:
    """The (month, day) pairs whose next celebration is as many days away as `days` says."""
    found: dict[tuple[int, int], int] = {}
    for ahead in range(FARTHEST + 1):
        for pair in celebrated_on(today + timedelta(days=ahead), stand_in=stand_in):
            found.setdefault(pair, ahead)
    return {pair for pair, ahead in found.items() if ahead in days}


def age_on(
    today: date,
    *,
    birth_year: int,
    birth_month: int | None = None,
    birth_day: int | None = None,
) -> int:
    """Full years on `today`; without day and month of birth, the difference of the years."""
    is_known = birth_month is not None and birth_day is not None
    is_ahead = is_known and (birth_month, birth_day) > (today.month, today.day)
    return today.year - birth_year - is_ahead


def _in_year(year: int, month: int, day: int, stand_in: tuple[int, int]) -> date:
    if (month, day) == _LEAP_DAY and not _is_leap(year):
        return date(year, *stand_in)
    return date(year, month, day)


def _is_leap(year: int) -> bool:
    return year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
