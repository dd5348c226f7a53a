"""Instants are aware and in UTC; days are counted in the zone of the one who counts."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from typing import Protocol
from zoneinfo import ZoneInfo


class Clock(Protocol):
    """Where `now` comes from; the only source of time for decisions."""

    def now(self) -> datetime:
        """The present instant, aware, in UTC."""
        ...


def as_utc(moment: datetime) -> datetime:
    """The same instant in UTC.

    Raises:
        ValueError: `moment` has no zone.
    """
    if moment.tzinfo is None:
        raise ValueError(f"{moment!r} has no time zone")
    return moment.astimezone(UTC)


def zone(name: str, default: str = "UTC") -> ZoneInfo:
    """The zone called `name`; `default` where there is none by that name."""
    try:
        return ZoneInfo(name)
    except (ValueError, OSError, KeyError):  # ZoneInfoNotFoundError is a KeyError
        return ZoneInfo(default)


@lru_cache(maxsize=16_384)
def local_day(moment: datetime, place: ZoneInfo) -> date:
    """The calendar day on which `moment` falls in `place`."""
    return moment.astimezone(place).date()


@lru_cache(maxsize=16_384)
def stated_day(moment: datetime, place: ZoneInfo, home: ZoneInfo) -> date:
    """The day that a reader in `place` is told of an instant.

    A day that was given without an hour is kept as the midnight that begins it, where the shop
    is or in UTC: it is that day for everybody, also where the evening before is not over.
    """
    for there in (home, UTC):
        wall = moment.astimezone(there)
        if wall.time() == time.min:
            return wall.date()
    return local_day(moment, place)


def days_between(earlier: datetime, later: datetime, place: ZoneInfo) -> int:
    """Whole calendar days from `earlier` to `later`, as a person in `place` counts them."""
    return (local_day(later, place) - local_day(earlier, place)).days


@lru_cache(maxsize=65_536)
def at_local(day: date, hour: int, minute: int, place: ZoneInfo) -> datetime:
    """The UTC instant of a wall-clock time.

    A time that a clock change skips becomes the first valid minute after; one that occurs twice
    means its first occurrence.
    """
    wall = datetime(day.year, day.month, day.day, hour, minute, tzinfo=place)
    instant = wall.astimezone(UTC)
    for _ in range(24 * 60):
        if instant.astimezone(place).replace(tzinfo=None) == wall.replace(tzinfo=None):
            return instant
        wall = (wall.replace(tzinfo=None) + timedelta(minutes=1)).replace(tzinfo=place)
        instant = wall.astimezone(UTC)
    return instant
