"""A course as it really went: each touch, what was heard of it, and how the memory changed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from crm_mailer.model.curve import STRENGTH, Adaptive, Memory, Signal, heard, recall, wait

DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Recollection:
    """One touch. Lengths are days; `recall` is the chance of being remembered as it arrived.

    `half_life` and `misses` count what was heard of it.
    """

    at: datetime
    elapsed: float
    recall: float
    signal: Signal
    signal_at: datetime | None
    half_life: float
    misses: float
    next_wait: float


def tell(
    anchored_at: datetime,
    left: Sequence[datetime],
    signals: Sequence[tuple[datetime, Signal]],
    adaptive: Adaptive,
    *,
    first_half_life: float,
    retention: float,
    now: datetime,
) -> list[Recollection]:
    """Tell a course touch by touch.

    A signal belongs to the last touch before it. Of several the strongest counts; after the last
    touch it counts until the next one would have been due, had nothing been heard.
    """
    memory = Memory(half_life=first_half_life)
    told: list[Recollection] = []
    since, unseen = anchored_at, 0.0
    for number, at in enumerate(left):
        elapsed = unseen + (at - since) / DAY
        until = left[number + 1] if number + 1 < len(left) else now
        silent = heard(memory, Signal.NOTHING, elapsed, adaptive)
        if silent.misses >= adaptive.misses:
            until = min(until, at + wait(silent, adaptive, retention=retention) * DAY)
        signal_at, signal = _strongest(signals, at, until)
        before = recall(elapsed, memory.half_life, decay=adaptive.decay)
        memory = heard(memory, signal, elapsed, adaptive)
        told.append(
            Recollection(
                at=at,
                elapsed=elapsed,
                recall=before,
                signal=signal,
                signal_at=signal_at,
                half_life=memory.half_life,
                misses=memory.misses,
                next_wait=wait(memory, adaptive, retention=retention, signal=signal),
            )
        )
        since, unseen = at, elapsed if signal is Signal.BOUNCED else 0.0
    return told


def _strongest(
    signals: Sequence[tuple[datetime, Signal]], since: datetime, until: datetime
) -> tuple[datetime | None, Signal]:
    """The strongest signal after `since`, and its first moment."""
    within = [one for one in signals if since < one[0] <= until]
    if not within:
        return None, Signal.NOTHING
    return max(within, key=lambda one: (STRENGTH[one[1]], -one[0].timestamp()))
