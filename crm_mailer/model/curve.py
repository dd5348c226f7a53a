"""When to come back to a customer before the shop is forgotten: moments on a memory curve.

A ladder has fixed places. The adaptive curve keeps a half-life for each customer: what is noticed
makes it longer, silence makes us wait longer, and a customer who stays silent is left alone.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from enum import StrEnum
from zoneinfo import ZoneInfo

from crm_mailer.model import moment
from crm_mailer.model.score import ValueClass

DAY = timedelta(days=1)

# ------------------------------------------------------------------ ladders


def counts_days(offset: timedelta) -> bool:
    """Whether an offset means calendar days (4d) rather than a span of time (12h, 36h)."""
    return offset >= DAY and offset % DAY == timedelta(0)


def after_moment(
    anchor: datetime, offset: timedelta, *, place: ZoneInfo, send_at: tuple[int, int]
) -> datetime:
    """When a step comes after an event at `anchor`.

    Whole days are counted in the customer's calendar and the mail leaves at `send_at` there: a
    parcel that arrived on Monday at 23:50 has its "one day after" on Tuesday. Spans are exact.
    """
    if not counts_days(offset):
        return anchor + offset
    return moment.at_local(moment.local_day(anchor, place) + offset, *send_at, place)


def after_day(
    day: date, offset: timedelta, *, place: ZoneInfo, send_at: tuple[int, int]
) -> datetime:
    """When a step comes that counts from a day of the customer's calendar (a birthday)."""
    if offset and not counts_days(offset):
        return moment.at_local(day, 0, 0, place) + offset
    return moment.at_local(day + offset, *send_at, place)


# ------------------------------------------------------------------ the adaptive curve


class Signal(StrEnum):
    """What was heard of a customer between two touches, the weakest first."""

    NOTHING = "nothing"
    #: A mailbox that was full for a while gave it back: the customer never had it.
    BOUNCED = "bounced"
    #: A mail program or a scanner fetched the pictures or followed the links: nobody knows.
    MACHINE_OPEN = "machine_open"
    HUMAN_OPEN = "human_open"
    CLICK = "click"
    REPLY = "reply"
    PURCHASE = "purchase"
    #: A complaint, an opt-out, a dead address, a flag: the course ends.
    STOP = "stop"


#: Signal -> its place among them: of several the strongest counts.
STRENGTH: Mapping[Signal, int] = {signal: place for place, signal in enumerate(Signal)}
#: How much a touch that was noticed lengthens the half-life.
GAINS: Mapping[Signal, float] = {
    Signal.HUMAN_OPEN: 0.5,
    Signal.CLICK: 1.0,
    Signal.REPLY: 1.5,
    Signal.PURCHASE: 2.0,
}
#: How much of a miss a touch is that nobody was seen to notice.
MISSES: Mapping[Signal, float] = {Signal.NOTHING: 1.0, Signal.MACHINE_OPEN: 0.5}


class Ending(StrEnum):
    """Why an adaptive course has no next touch."""

    #: All its touches have left.
    DONE = "done"
    #: So many touches in a row were missed that the customer is left alone: the sunset.
    PAUSED = "paused"
    #: The customer complained, opted out, cannot be reached or left the campaign.
    STOPPED = "stopped"
    #: The customer bought: the care for the new order begins anew, with the half-life kept.
    CONVERTED = "converted"


#: Days until the next touch when this one did not reach the customer.
RETRY = 1.0
#: What the parameters of an adaptive curve may be: name -> least and greatest.
RANGES: Mapping[str, tuple[float, float]] = {
    "first_half_life": (1 / 24, 365),
    "retention": (0.05, 0.95),
    "backoff": (1, 10),
    "decay": (0.1, 10),
    "shortest": (1, 365),
    "longest": (1, 730),
    "longest_half_life": (1, 3650),
    "misses": (0.5, 30),
    "touches": (1, 30),
}
#: The half-life of a shop that has not learnt its own, in days: where the mark R falls from 5 to 4.
UNLEARNT_HALF_LIFE = 90.0


def _retentions() -> dict[ValueClass, float]:
    return {
        ValueClass.KEY_VALUE: 0.6,
        ValueClass.KEY_KEEP: 0.6,
        ValueClass.GENERAL_RESCUE: 0.4,
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class Adaptive:
    """The parameters of an adaptive curve. Lengths are days; `RANGES` says what they may be."""

    first_half_life: float = 1.0
    #: The first half-life as a share of the shop's own, in place of the one above.
    share_of_shop: float | None = None
    #: Comes back when the chance of being remembered has fallen to this.
    retention: float = 0.5
    #: The same for customers of these classes of value.
    retention_by_value: Mapping[ValueClass, float] = field(default_factory=_retentions)
    #: Each miss lengthens the wait by this factor.
    backoff: float = 2.0
    #: The power with which the curve falls.
    decay: float = 1.5
    shortest: float = 1.0
    longest: float = 90.0
    longest_half_life: float = 180.0
    #: So many misses in a row pause the course.
    misses: float = 4.0
    touches: int = 8

    @property
    def latest_start(self) -> timedelta:
        """No first touch comes later than this after its anchor."""
        return timedelta(days=self.longest)

    def of_shop(self, half_life: float | None) -> Adaptive:
        """The same with a first half-life in days, where it is a share of the shop's own."""
        if self.share_of_shop is None:
            return self
        days = (half_life or UNLEARNT_HALF_LIFE) * self.share_of_shop
        return replace(self, first_half_life=min(max(days, 1.0), self.longest_half_life))


@dataclass(frozen=True, slots=True, kw_only=True)
class Memory:
    """What is known of a customer's memory: half-life in days, misses in a row, touches."""

    half_life: float
    misses: float = 0.0
    touches: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Course:
    """A history played through: the gaps before each touch and their sums, in days.

    `ended` None: the next touch comes `next_gap` days after the last one.
    """

    gaps: tuple[float, ...]
    offsets: tuple[float, ...]
    ended: Ending | None
    memory: Memory
    next_gap: float | None = None


def recall(days: float, half_life: float, *, decay: float = 1.5) -> float:
    """The chance of being remembered `days` after the last contact: 1 at once, 1/2 at `half_life`.

    A power law, (1 + k t / h) ^ -d with k = 2 ^ (1/d) - 1, as it fits repeat orders of real shops;
    exponential decay does not.
    """
    k = float(2 ** (1 / decay)) - 1
    return float((1 + k * days / half_life) ** -decay)


def stretch(retention: float, decay: float) -> float:
    """After how many half-lives the recall has fallen to `retention`; 1 for one half."""
    return float((retention ** (-1 / decay) - 1) / (2 ** (1 / decay) - 1))


def wait(
    memory: Memory,
    adaptive: Adaptive,
    *,
    retention: float | None = None,
    signal: Signal = Signal.NOTHING,
) -> float:
    """Days from the last touch to the next.

    Args:
        memory: with the last touch counted.
        adaptive: the curve.
        retention: in place of the curve's own.
        signal: what was heard of the last touch: one that came back is soon followed by another.
    """
    if signal is Signal.BOUNCED:
        return RETRY
    aim = adaptive.retention if retention is None else retention
    days = memory.half_life * stretch(aim, adaptive.decay) * adaptive.backoff**memory.misses
    return float(min(max(days, adaptive.shortest), adaptive.longest))


def heard(memory: Memory, signal: Signal, elapsed: float, adaptive: Adaptive) -> Memory:
    """The memory after one more touch and what was heard of it.

    Args:
        memory: as it was before the touch.
        signal: the strongest one before the next touch was due.
        elapsed: days between this touch and the one before it (or the anchor), as they really
            were: a touch that comes late and is noticed says more.
        adaptive: the curve.
    """
    if signal is Signal.BOUNCED:
        return memory
    touches = memory.touches + 1
    if signal is Signal.STOP:
        return replace(memory, touches=touches)
    if signal in MISSES:
        return replace(memory, misses=memory.misses + MISSES[signal], touches=touches)
    forgotten = 1 - recall(elapsed, memory.half_life, decay=adaptive.decay)
    longer = memory.half_life * (1 + 2 * GAINS[signal] * forgotten)
    half_life = max(memory.half_life, min(longer, adaptive.longest_half_life))
    return Memory(half_life=half_life, misses=0.0, touches=touches)


def ending(memory: Memory, signal: Signal, adaptive: Adaptive) -> Ending | None:
    """Whether the course ends here; `memory` counts the signal already."""
    if signal is Signal.STOP:
        return Ending.STOPPED
    if signal is Signal.PURCHASE:
        return Ending.CONVERTED
    if memory.misses >= adaptive.misses:
        return Ending.PAUSED
    return Ending.DONE if memory.touches >= adaptive.touches else None


def play(signals: Iterable[Signal], adaptive: Adaptive) -> Course:
    """Play a history through, each touch when it is due; what comes after the end is not heard."""
    memory = Memory(half_life=adaptive.first_half_life)
    gaps: list[float] = []
    ended: Ending | None = None
    before, unseen = Signal.NOTHING, 0.0
    for signal in signals:
        gaps.append(wait(memory, adaptive, signal=before))
        elapsed = unseen + gaps[-1]
        memory = heard(memory, signal, elapsed, adaptive)
        before, unseen = signal, elapsed if signal is Signal.BOUNCED else 0.0
        ended = ending(memory, signal, adaptive)
        if ended is not None:
            break
    return Course(
        gaps=tuple(gaps),
        offsets=tuple(math.fsum(gaps[:number]) for number in range(1, len(gaps) + 1)),
        ended=ended,
        memory=memory,
        next_gap=None if ended is not None else wait(memory, adaptive, signal=before),
    )


def whole_days(days: float) -> timedelta:
    """The nearest whole number of days, at least one.

    A mail wants its hour more than its minute; what it is early or late by counts in the recall
    when it is noticed.
    """
    return max(1, math.floor(days + 0.5)) * DAY
