"""Which alerts people are told of outside the program: once, daily, and that it is over."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from typing import NamedTuple

#: What is not over is told again after so long.
AGAIN = timedelta(hours=24)
#: What comes back after it was over is not told sooner: it may come and go every minute.
CALM = timedelta(minutes=15)


class Change(StrEnum):
    """What is new of a cause."""

    NEW = "new"
    AGAIN = "again"
    OVER = "over"


class Cause(NamedTuple):
    """A cause as it stands: since when it is met, and whether it is over."""

    cause: str
    message: str
    hint: str
    first_at: datetime
    times: int = 1
    is_over: bool = False


class Told(NamedTuple):
    """What was last told of a cause: of which beginning, when, and whether that it is over."""

    first_at: datetime
    told_at: datetime
    is_over: bool = False


class News(NamedTuple):
    """Something to tell."""

    change: Change
    cause: Cause


def news(causes: Sequence[Cause], told: Mapping[str, Told], now: datetime) -> Iterator[News]:
    """What is to be told now. The end of what nobody was told of is not told."""
    for one in causes:
        change = _change(one, told.get(one.cause), now)
        if change is not None:
            yield News(change, one)


def _change(one: Cause, last: Told | None, now: datetime) -> Change | None:
    if one.is_over:
        return Change.OVER if last is not None and not last.is_over else None
    if last is None:
        return Change.NEW
    if last.is_over:
        return Change.NEW if last.told_at + CALM <= now else None
    if last.first_at != one.first_at and last.told_at + CALM <= now:
        return Change.NEW  # it was over for a moment, and nobody heard of that
    return Change.AGAIN if last.told_at + AGAIN <= now else None
