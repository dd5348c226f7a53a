"""Events that come round each year in the customer's own calendar: birthdays, anniversaries."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, datetime, timedelta

from crm_mailer.model import birthday
from crm_mailer.model.festivals import Occurrence

#: A window of days is never longer, so that a birthday occurs in it once only.
LONGEST = 330


def birthdays_between(
    first: date, last: date, *, leap_day: tuple[int, int] = birthday.LEAP_DAY_STAND_IN
) -> dict[int, list[tuple[int, int]]]:
    """Who is celebrated from `first` to `last`: year -> (month, day) of birth.

    `leap_day` is when those born on 29 February celebrate in other years.
    """
    found: dict[int, list[tuple[int, int]]] = {}
    for ahead in range(min((last - first).days, LONGEST) + 1):
        day = first + timedelta(days=ahead)
        found.setdefault(day.year, []).extend(birthday.celebrated_on(day, stand_in=leap_day))
    return found


def celebration(
    born: tuple[int, int], first: date, *, leap_day: tuple[int, int] = birthday.LEAP_DAY_STAND_IN
) -> date:
    """The first day from `first` on when one who was born on (month, day) is celebrated."""
    return birthday.next_birthday(*born, today=first, stand_in=leap_day)


def soonest(days: Iterable[Occurrence]) -> list[Occurrence]:
    """Of a festival's days the first for each country: one look shows nobody two years of it."""
    found: list[Occurrence] = []
    for one in days:
        if not any(_meet(one, other) for other in found):
            found.append(one)
    return found


def _meet(one: Occurrence, other: Occurrence) -> bool:
    """Whether the two days are for the same customers; lines of one festival never overlap."""
    if one.is_for_others or other.is_for_others:
        return one.is_for_others and other.is_for_others
    return bool(one.countries & other.countries)


def anniversary(
    day: date, years: int, *, leap_day: tuple[int, int] = birthday.LEAP_DAY_STAND_IN
) -> date:
    """The day `years` years after `day`; `leap_day` for 29 February in other years."""
    try:
        return day.replace(year=day.year + years)
    except ValueError:
        return date(day.year + years, *leap_day)


def spans_of_years(
    first: datetime, last: datetime, *, earliest: datetime
) -> dict[int, tuple[datetime, datetime]]:
    """For each whole number of years: which moments have their anniversary in the window.

    The ends are a day wider than needed, for leap days; the day itself is worked out later.
    """
    spans = {}
    for years in range(1, last.year - earliest.year + 1):
        back = timedelta(days=round(years * 365.25))
        spans[years] = (first - back - timedelta(days=1), last - back + timedelta(days=1))
    return spans
