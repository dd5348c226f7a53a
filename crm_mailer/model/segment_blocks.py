"""What the blocks of a rule ask: goods, mails, marks that moved, segments passed, lists."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta

#: A day of the calendar, or so many days ago.
Day = date | int


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """How many there must be: from `least` to `most`, both included; no end where it is None."""

    least: int = 0
    most: int | None = None

    def holds(self, number: int) -> bool:
        """Whether so many are right."""
        return self.least <= number and (self.most is None or number <= self.most)


ONCE = Bounds(least=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Purchase:
    """Paid orders. What names goods must all fit one line; of nothing: any paid order.

    Days are those on which orders were placed. With `orders`, `pieces` or `spent_usd_cents` so
    many must fit, and none at all counts as 0; without, one is enough.
    """

    sku: str = ""
    category: str = ""
    #: A piece of the title; upper and lower case count.
    title: str = ""
    within_days: int | None = None
    since: Day | None = None
    until: Day | None = None
    orders: Bounds | None = None
    pieces: Bounds | None = None
    #: Net, in US cents; of goods that are named: their share of the order.
    spent_usd_cents: Bounds | None = None

    @property
    def names_goods(self) -> bool:
        """Whether lines are asked for, not only orders."""
        return bool(self.sku or self.category or self.title)


@dataclass(frozen=True, slots=True, kw_only=True)
class Contact:
    """Mails that passed between the shop and a customer; with no other word, one is enough."""

    campaign: str = ""
    #: What a reply wants; empty for any.
    intent: str = ""
    within_days: int | None = None
    since: Day | None = None
    until: Day | None = None
    times: Bounds = ONCE


#: What can rise and fall.
MARKS = ("r", "f", "m", "total")


@dataclass(frozen=True, slots=True, kw_only=True)
class Move:
    """A mark (of `MARKS`) that is at least `by` higher, or lower, than it was that day.

    Who had no mark then has not moved: a new customer does not rise.
    """

    mark: str
    within_days: int
    by: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Passage:
    """Having come into a segment, or left it, on one of those days: as its memberships tell."""

    segment: str
    within_days: int | None = None
    since: Day | None = None
    until: Day | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """Being on a list that somebody made: mail addresses (their keys) and customer numbers."""

    file: str
    addresses: frozenset[str] = frozenset()
    numbers: frozenset[int] = frozenset()


def day_of(day: Day, today: date) -> date:
    """The day of the calendar that is meant on `today`."""
    return today - timedelta(days=day) if isinstance(day, int) else day


def window(block: Purchase | Contact | Passage, today: date) -> tuple[date | None, date | None]:
    """The first and the last day that count, both included; None where there is no end."""
    starts = [day_of(day, today) for day in (block.within_days, block.since) if day is not None]
    last = day_of(block.until, today) if block.until is not None else None
    return max(starts, default=None), last
