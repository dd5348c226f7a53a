"""When people work: adds and measures time that counts only while the office is open."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from crm_mailer.model.moment import at_local, local_day

_DAY = timedelta(days=1)
_NOTHING = timedelta(0)
#: An office that is closed for so many days on end is taken for one that never closes.
_PATIENCE = 400


@dataclass(frozen=True, slots=True, kw_only=True)
class OfficeHours:
    """When a shop answers, as it says so; empty texts stand for the shop's own zone and country."""

    time_zone: str = ""
    opens: tuple[int, int] = (9, 0)
    #: Midnight, (0, 0), ends the day.
    closes: tuple[int, int] = (18, 0)
    #: 0 is Monday.
    weekdays: frozenset[int] = frozenset(range(5))
    #: The country whose public holidays are off; "none" for no country.
    holidays_of: str = ""
    #: The shop's own days off, and days on which it works all the same.
    days_off: frozenset[date] = frozenset()
    days_on: frozenset[date] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class BusinessCalendar:
    """The hours in which a clock runs. All instants are aware; answers are in UTC."""

    place: ZoneInfo
    opens: tuple[int, int] = (9, 0)
    closes: tuple[int, int] = (18, 0)
    weekdays: frozenset[int] = frozenset(range(5))
    days_off: frozenset[date] = frozenset()
    #: Days on which people work although weekday or holiday would say no.
    days_on: frozenset[date] = frozenset()
    #: A clock on the wall: it never stops.
    is_always: bool = False

    def is_working_day(self, day: date) -> bool:
        """Whether the office opens on this day."""
        if day in self.days_on:
            return True
        return day.weekday() in self.weekdays and day not in self.days_off

    def add(self, moment: datetime, span: timedelta) -> datetime:
        """When `span` of open time has passed since `moment`.

        A time that ends with the working day ends in that minute, not on the next morning.
        """
        if self.is_always:
            return moment + span
        left = span
        for opens, closes in self._hours(moment):
            start = max(opens, moment)
            if closes - start >= left:
                return start + left
            left -= closes - start
        return moment + span

    def between(self, earlier: datetime, later: datetime) -> timedelta:
        """How much open time lies between two instants; nothing where they are out of order."""
        if later <= earlier:
            return _NOTHING
        if self.is_always:
            return later - earlier
        passed = _NOTHING
        for opens, closes in self._hours(earlier):
            if opens >= later:
                break
            passed += min(closes, later) - max(opens, earlier)
        return passed

    def is_open(self, moment: datetime) -> bool:
        """Whether somebody is at work."""
        if self.is_always:
            return True
        opens, _closes = next(self._hours(moment), (moment + _DAY, moment))
        return opens <= moment

    def _hours(self, since: datetime) -> Iterator[tuple[datetime, datetime]]:
        """The open hours of each working day that are not over at `since`."""
        day, waited = local_day(since, self.place), 0
        while waited < _PATIENCE:
            waited += 1
            if self.is_working_day(day):
                opens, closes = self._hours_on(day)
                if closes > since and closes > opens:
                    waited = 0
                    yield opens, closes
            day += _DAY

    def _hours_on(self, day: date) -> tuple[datetime, datetime]:
        last = day + _DAY if self.closes == (0, 0) else day
        return (
            at_local(day, *self.opens, self.place),
            at_local(last, *self.closes, self.place),
        )


#: Every minute of every day counts.
ROUND_THE_CLOCK = BusinessCalendar(place=ZoneInfo("UTC"), is_always=True)
