"""Events that come round each year in the customer's own calendar: birthdays, anniversaries."""

from __future__ import annotations

from datetime import date, datetime, timedelta

from crm_mailer.model import birthday

#: A window of days is never longer, so that a birthday occurs in it once only.
LONGEST = 330


def birthdays_between(first: date, last: date) -> dict[int, list[tuple[int, int]]]:
    """Who is celebrated from `first` to `last`: year -> (month, day) of birth."""
    found: dict[int, list[tuple[int, int]]] = {}
    for ahead in range(min((last - first).days, LONGEST) + 1):
        day = first + timedelta(days=ahead)
        found.setdefault(day.year, []).extend(birthday.celebrated_on(day))
    return found


def celebration(born: tuple[int, int], first: date) -> date:
    """The first day from `first` on when one who was born on (month, day) is celebrated."""
    return birthday.next_birthday(*born, today=first)


def anniversary(day: date, years: int) -> date:
    """The day `years` years after `day`; 28 February for 29 February in other years."""
    try:
        return day.replace(year=day.year + years)
    except ValueError:
        return date(day.year + years, 2, 28)


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
