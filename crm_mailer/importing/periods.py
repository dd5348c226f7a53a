"""Reads the period of a figure: a month, a quarter, a year, a week, or two days."""

from __future__ import annotations

import calendar
import re
from collections.abc import Callable
from datetime import date, timedelta

from crm_mailer.importing.cells import CellError
from crm_mailer.model.sentence import Sentence

Period = tuple[date, date]

_MONTH = re.compile(r"(\d{4})[-/.年 ](\d{1,2})月?")
_MONTH_FIRST = re.compile(r"(\d{1,2})[/.](\d{4})")
_QUARTER = re.compile(r"(\d{4})[-/ ]?Q([1-4])|Q([1-4])[-/ ]?(\d{4})", re.IGNORECASE)
_WEEK = re.compile(r"(\d{4})-?W(\d{1,2})", re.IGNORECASE)
_YEAR = re.compile(r"(\d{4})年?")
_TO = re.compile(r"\s*(?:\.\.+|[~～—–]|\s-\s|\bto\b|\bbis\b|\buntil\b|至|到)\s*")


def period(text: str, day: Callable[[str], date]) -> Period:
    """First and last day of `2026-10`, `2026-Q3`, `2026-W40`, `2026` or `2026-10-01..2026-10-31`.

    Args:
        text: the cell.
        day: reads one day as the file writes it.

    Raises:
        CellError: it is none of these, or ends before it begins.
    """
    body = text.strip()
    try:
        found = _named(body)
    except ValueError:
        raise _no_period(body) from None
    if found is not None:
        return found
    ends = [part for part in _TO.split(body) if part]
    if len(ends) > 2 or not ends:
        raise _no_period(body)
    return span(day(ends[0]), day(ends[-1]))


def span(first: date, last: date) -> Period:
    """The days from `first` to `last`, both included.

    Raises:
        CellError: it ends before it begins.
    """
    if last < first:
        raise CellError(
            Sentence("the period ends on {last}, before it begins", last=last),
            Sentence("it begins on {first}", first=first),
        )
    return first, last


def _named(body: str) -> Period | None:
    """A period that has a name of its own; ValueError where there is no such one."""
    if found := _QUARTER.fullmatch(body):
        year, quarter = int(found[1] or found[4]), int(found[2] or found[3])
        return date(year, 3 * quarter - 2, 1), _month(year, 3 * quarter)[1]
    if found := _MONTH.fullmatch(body):
        return _month(int(found[1]), int(found[2]))
    if found := _MONTH_FIRST.fullmatch(body):
        return _month(int(found[2]), int(found[1]))
    if found := _WEEK.fullmatch(body):
        monday = date.fromisocalendar(int(found[1]), int(found[2]), 1)
        return monday, monday + timedelta(days=6)
    if found := _YEAR.fullmatch(body):
        return date(int(found[1]), 1, 1), date(int(found[1]), 12, 31)
    return None


def _month(year: int, month: int) -> Period:
    first = date(year, month, 1)
    return first, first.replace(day=calendar.monthrange(year, month)[1])


def _no_period(body: str) -> CellError:
    return CellError(
        Sentence("`{text}` is no period", text=body[:40]), "such as 2026-10, 2026-Q3 or two days"
    )
