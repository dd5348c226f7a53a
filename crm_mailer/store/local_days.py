"""Counts days in a zone inside SQL, which knows no zones: its clock changes become a CASE."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

import sqlalchemy as sa

#: Clock changes before this are not looked for: no shop has orders so old.
_FIRST = datetime(1995, 1, 1, tzinfo=UTC)
_STEP = timedelta(days=7)
_DAY = 86_400


def days_ago(column: sa.ColumnElement[Any], today: date, place: ZoneInfo) -> sa.ColumnElement[int]:
    """Whole days from the instant in `column` to `today`, as `place` counts them; at least 0."""
    days = (today - date(1970, 1, 1)).days - wall_seconds(column, today, place) // _DAY
    return sa.case((days > 0, days), else_=0)


def wall_seconds(
    column: sa.ColumnElement[Any], today: date, place: ZoneInfo
) -> sa.ColumnElement[int]:
    """What the wall clock of `place` shows at the instant in `column`, as seconds since 1970."""
    seconds = sa.type_coerce(column, sa.BigInteger)
    first, *changes = offsets(place, today)
    shift = (
        sa.case(*((seconds >= at, offset) for at, offset in reversed(changes)), else_=first[1])
        if changes
        else sa.literal(first[1])
    )
    return seconds + shift


@lru_cache(maxsize=1024)
def offsets(place: ZoneInfo, today: date) -> tuple[tuple[int, int], ...]:
    """From which instant on which offset from UTC holds, in seconds, oldest first."""
    end = datetime(today.year, today.month, today.day, tzinfo=UTC) + timedelta(days=2)
    found = [(int(_FIRST.timestamp()), _offset(_FIRST, place))]
    moment = _FIRST
    while moment < end:
        later = moment + _STEP
        if _offset(later, place) != found[-1][1]:
            found.append((_change(moment, later, place), _offset(later, place)))
        moment = later
    return tuple(found)


def _change(before: datetime, after: datetime, place: ZoneInfo) -> int:
    """The second at which the offset changes between the two."""
    low, high = int(before.timestamp()), int(after.timestamp())
    old = _offset(before, place)
    while high - low > 1:
        middle = (low + high) // 2
        if _offset(datetime.fromtimestamp(middle, UTC), place) == old:
            low = middle
        else:
            high = middle
    return high


def _offset(moment: datetime, place: ZoneInfo) -> int:
    offset = moment.astimezone(place).utcoffset()
    return int(offset.total_seconds()) if offset is not None else 0
