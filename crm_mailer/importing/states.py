"""How an order's life goes on when a newer (or an older) export tells of it.

An order keeps the time of every state it reached; the earlier time wins, so that the sequence in
which files come does not matter. Its present state is the one reached last: by day, and within a
day by rank, since many exports tell days only. A state without a time is believed when it ranks
higher than the present one (then it was reached by now at the latest); otherwise the export is an
older one and moves nothing back. A state that truly returns (say, out of stock after paid) comes
with its time.
"""

from __future__ import annotations

from collections.abc import Mapping, Set
from dataclasses import dataclass
from datetime import datetime

from crm_mailer.model.order import UNCOUNTED, OrderState

#: The usual sequence; later states rank higher.
RANK = {
    state: place
    for place, state in enumerate(
        (
            OrderState.PLACED,
            OrderState.FUNDS_PENDING,
            OrderState.PAID,
            OrderState.DELAYED,
            OrderState.OUT_OF_STOCK,
            OrderState.RESTOCKED,
            OrderState.CANCEL_REQUESTED,
            OrderState.SHIPPED,
            OrderState.IN_TRANSIT_LONG,
            OrderState.ARRIVED,
            OrderState.RECEIVED,
            OrderState.REVIEWED,
            OrderState.PARTLY_REFUNDED,
            OrderState.DISPUTED,
            OrderState.ARBITRATION,
            OrderState.DISPUTE_DECIDED,
            OrderState.EXPIRED,
            OrderState.CANCELLED,
            OrderState.REFUNDED,
        )
    )
}
#: States that an order which was never paid may have been in.
NOT_PAID = UNCOUNTED | {OrderState.CANCEL_REQUESTED}


@dataclass(frozen=True, slots=True)
class Life:
    """An order's present state, the time of each state reached, and whether nothing was new."""

    state: OrderState
    times: dict[OrderState, datetime]
    is_older: bool = False


def first_life(
    placed_at: datetime, times: Mapping[OrderState, datetime], claimed: Set[OrderState]
) -> Life:
    """The life of an order that was not known: claimed states without a time take the last one."""
    reached = {OrderState.PLACED: placed_at, **times}
    latest = max(reached.values())
    for state in claimed:
        reached.setdefault(state, latest)
    return Life(max((*claimed, _last(reached)), key=RANK.__getitem__), reached)


def next_life(
    known: Life,
    times: Mapping[OrderState, datetime],
    claimed: Set[OrderState],
    now: datetime,
) -> Life:
    """The life of a known order after another export."""
    reached = dict(known.times)
    fresh: set[OrderState] = set()
    for state, at in times.items():
        if state not in reached:
            fresh.add(state)
            reached[state] = at
        elif at < reached[state] or _is_guess(state, known.times):
            reached[state] = at
    for state in claimed - reached.keys():
        if RANK[state] > RANK[known.state]:
            fresh.add(state)
            reached[state] = now
    is_older = known.state not in claimed and bool(claimed) and not claimed & fresh
    candidates = {state: reached[state] for state in (*fresh, known.state) if state in reached}
    return Life(_last(candidates) if fresh else known.state, reached, is_older)


def is_counted(life: Life, *, amount_minor: int, refunded_minor: int) -> bool:
    """Whether an order counts for scores: paid, and not cancelled or wholly refunded."""
    if life.state in UNCOUNTED or (0 < amount_minor <= refunded_minor):
        return False
    return not life.times.keys() <= NOT_PAID


def paid_at(life: Life) -> datetime | None:
    """When it was paid, as far as the states tell."""
    return life.times.get(OrderState.PAID)


def _is_guess(state: OrderState, times: Mapping[OrderState, datetime]) -> bool:
    """Whether a state seems to have taken the time of another one, having none of its own."""
    return any(
        at == times[state] and RANK[other] < RANK[state]
        for other, at in times.items()
        if other is not OrderState.PLACED
    ) or (state is not OrderState.PLACED and times[state] == times.get(OrderState.PLACED))


def _last(reached: Mapping[OrderState, datetime]) -> OrderState:
    return max(reached, key=lambda state: (reached[state].date(), RANK[state]))
