"""Which waiting mails give way to one of a campaign with more weight, and where they go."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import groupby
from typing import Any
from zoneinfo import ZoneInfo

from crm_mailer.model import windows
from crm_mailer.model.campaign import Campaign
from crm_mailer.model.shop import Shop
from crm_mailer.model.standing import Standing
from crm_mailer.model.windows import Limits
from crm_mailer.store.pasts import Slot

#: How far ahead a day is sought for a mail that never expires.
FAR = timedelta(days=30)
#: Kinds of customers that are remembered.
MOST = 20_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Move:
    """A mail that gives way. `to` None: there is no day left for it before its time is over."""

    slot: Slot
    to: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class GaveWay:
    """How many mails of a campaign move to a later day, and for how many there is none left."""

    campaign: str
    moved: int = 0
    ended: int = 0


def added(known: Sequence[GaveWay], moves: Sequence[Move]) -> tuple[GaveWay, ...]:
    """The numbers with these moves, by campaign."""
    if not moves:
        return tuple(known)
    by_campaign = {one.campaign: one for one in known}
    for move in moves:
        name = move.slot.campaign
        before = by_campaign.get(name, GaveWay(campaign=name))
        is_moved = move.to is not None
        by_campaign[name] = GaveWay(
            campaign=name, moved=before.moved + is_moved, ended=before.ended + (not is_moved)
        )
    return tuple(by_campaign[name] for name in sorted(by_campaign))


def carry_out(moves: Iterable[Move], slots: list[Slot]) -> None:
    """Have the customer's slots stand as they do after these moves."""
    for one in moves:
        slots.remove(one.slot)
        if one.to is not None:
            slots.append(one.slot._replace(at=one.to))


class Scales:
    """What each campaign weighs, and the rules for its mails.

    Args:
        shop: its hours and caps.
        campaigns: all that can be read.
        now: the clock.
    """

    def __init__(self, shop: Shop, campaigns: Mapping[str, Campaign], now: datetime) -> None:
        self._shop, self._campaigns, self._now = shop, campaigns, now
        self._weights = {one.id: one.priority for one in campaigns.values()}
        #: What was found for those who are alike: which of their mails move, and where to.
        self._known: dict[Any, list[tuple[int, datetime | None]]] = {}
        self._limits: dict[tuple[str, str, bool], Limits] = {}

    def gives_way(self, slot: Slot, weight: int) -> bool:
        """Whether the mail waits, and its campaign has less than `weight`.

        What is on its way has its day, and so has a mail of which no campaign file tells the
        weight.
        """
        return bool(slot.touch_id) and self._weights.get(slot.campaign, weight) < weight

    def moves(
        self,
        waiting: Sequence[Slot],
        *,
        taken: Sequence[datetime],
        given: Sequence[datetime],
        place: ZoneInfo,
        standing: Standing,
    ) -> list[Move]:
        """What of the `waiting` mails of one customer gives way to new ones.

        Args:
            waiting: all that weighs less.
            taken: when the customer has other marketing mail.
            given: when the new ones leave.
            place: where the customer's clock hangs.
            standing: what the customer wishes.
        """
        in_line = sorted(waiting, key=lambda slot: slot.touch_id)
        alike = (
            tuple([(one.campaign, one.event, one.at, one.expires_at) for one in in_line]),
            tuple(taken), tuple(given), place.key, standing.wants_fewer, standing.snoozed_until,
        )  # fmt: skip
        known = self._known.get(alike)
        if known is None:
            room = Room(
                taken=[*taken, *given],
                base=list(taken),
                limits_of=lambda campaign: self._limits_of(campaign, place, standing.wants_fewer),
                now=self._now,
                pause=standing.snoozed_until,
            )
            found = room.moves(in_line, self._weights)
            if len(self._known) >= MOST:
                self._known.clear()
            known = self._known[alike] = [(in_line.index(one.slot), one.to) for one in found]
        return [Move(slot=in_line[number], to=to) for number, to in known]

    def _limits_of(self, campaign: str, place: ZoneInfo, wants_fewer: bool) -> Limits:
        key = campaign, place.key, wants_fewer
        if key not in self._limits:
            self._limits[key] = windows.limits_for(
                self._shop, self._campaigns[campaign], place, wants_fewer=wants_fewer
            )
        return self._limits[key]


@dataclass(slots=True, kw_only=True)
class Room:
    """The days of one customer as mails of more weight have been given theirs.

    Args:
        taken: when marketing mail left, or is to leave and stays: the new mails', too.
        base: the same without what is new.
        limits_of: the rules for a campaign's mails to this customer.
        now: what should have left before leaves now.
        pause: until when the customer wants no mail.
    """

    taken: list[datetime]
    base: list[datetime]
    limits_of: Callable[[str], Limits]
    now: datetime
    pause: datetime | None = None

    def moves(self, waiting: Sequence[Slot], weights: Mapping[str, int]) -> Iterator[Move]:
        """What of the `waiting` mails gives way.

        The weightier are seen to first, and each once: a mail that gives way takes the day of no
        mail of its own weight, but maybe one of less. So they come to an end, and each later than
        it was or not at all.
        """

        def by_weight(slot: Slot) -> int:
            return -weights[slot.campaign]

        in_time = [one for one in waiting if one.expires_at is None or one.expires_at >= self.now]
        for _, level in groupby(sorted(in_time, key=by_weight), key=by_weight):
            for one in self._displaced(sorted(level, key=lambda slot: slot.touch_id)):
                to = self._place(one)
                if to != one.at:
                    yield Move(slot=one, to=to)

    def _displaced(self, level: Sequence[Slot]) -> list[Slot]:
        """Those of one weight that cannot stay: who was planned first stays first.

        The later mails about an event go with one that cannot, so that none overtakes another.
        """
        displaced: list[Slot] = []
        for one in level:
            is_behind = any(self._is_of_one(one, other) for other in displaced)
            if is_behind or not self._stays(one):
                displaced.append(one)
            else:
                self.taken.append(self._leaves_at(one))
                self.base.append(self._leaves_at(one))
        return displaced

    def _stays(self, one: Slot) -> bool:
        """Whether there is room where it stands. What had none before is no matter of ours."""
        limits, at = self.limits_of(one.campaign), self._leaves_at(one)
        return windows.fits(at, self.taken, limits) or not windows.fits(at, self.base, limits)

    def _place(self, one: Slot) -> datetime | None:
        earliest = self._leaves_at(one)
        if self.pause is not None and self.pause > earliest:
            earliest = self.pause
        until = one.expires_at or earliest + FAR
        to = windows.first_slot(earliest, self.taken, self.limits_of(one.campaign), until=until)
        if to is not None:
            self.taken.append(to)
        return to if to != self._leaves_at(one) else one.at

    def _leaves_at(self, one: Slot) -> datetime:
        return max(one.at, self.now)

    @staticmethod
    def _is_of_one(one: Slot, other: Slot) -> bool:
        return (one.campaign, one.event) == (other.campaign, other.event)
