"""How far customers have gone: the shop's own half-life of forgetting, and states cut by it.

The hazard of the next purchase t days after one falls as (1 + k t / h)^-d with d = 1.5; h, after
which half of the pull is left, is fitted to the shop's own days between purchases.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from math import exp, inf, log, log1p

from crm_mailer.model.score import ChurnState
from crm_mailer.segmenting.simplex import Point, minimize

EXPONENT = 1.5
_K = 2 ** (1 / EXPONENT) - 1
#: Days; what a shop with too few orders to learn from is taken for.
DEFAULT_HALF_LIFE = 90.0
SHORTEST, LONGEST = 3.0, 365.0
#: Nobody is more than lost after so many days, however slow the shop's trade.
LOST_AFTER = 720
#: Fewer days between purchases teach nothing.
FEWEST_GAPS = 50
_STATES = ((ChurnState.ACTIVE, 1 / 2), (ChurnState.COOLING, 1 / 4), (ChurnState.LAPSED, 1 / 8))


@dataclass(frozen=True, slots=True)
class Gaps:
    """Days from a purchase to the next (`closed`), or to today without one (`open`), counted."""

    closed: Mapping[int, int]
    open: Mapping[int, int]


def gaps(days: Iterable[tuple[int, int]]) -> Gaps:
    """The gaps of (customer, days ago) pairs, several customers', each day once or more often."""
    by_customer: dict[int, set[int]] = {}
    for customer, day in days:
        by_customer.setdefault(customer, set()).add(day)
    closed: Counter[int] = Counter()
    open_: Counter[int] = Counter()
    for own in by_customer.values():
        ordered = sorted(own)
        open_[ordered[0]] += 1
        closed.update(later - earlier for earlier, later in pairwise(ordered))
    return Gaps(closed, open_)


def half_life(found: Gaps) -> float:
    """Days after which half of the pull is left, by binomial likelihood of each day's purchases.

    The default for a shop with too few gaps; never outside `SHORTEST`..`LONGEST`.
    """
    if sum(found.closed.values()) < FEWEST_GAPS:
        return DEFAULT_HALF_LIFE
    rows = _exposure(found)

    def unlikely(point: Point) -> float:
        level, scale = point
        if not -30 < level < -1e-6 or not -2 < scale < 12:
            return inf
        rate, days = exp(level), exp(scale)
        total = 0.0
        for day, at_risk, bought in rows:
            hazard = rate * (1 + _K * (day - 1) / days) ** -EXPONENT  # as the day begins
            total += bought * log(hazard) + (at_risk - bought) * log1p(-hazard)
        return -total

    (_, scale), _ = minimize(unlikely, (log(0.02), log(30.0)))
    return min(LONGEST, max(SHORTEST, exp(scale)))


@lru_cache(maxsize=16)
def limits(half_life_days: float) -> tuple[tuple[ChurnState, int], ...]:
    """The last whole day of each state but the final one: recall over 1/2, 1/4, 1/8."""
    return tuple(
        (state, min(LOST_AFTER, int(half_life_days * (recall ** (-1 / EXPONENT) - 1) / _K)))
        for state, recall in _STATES
    )


def state(days_since_last: int, half_life_days: float) -> ChurnState:
    """How far a customer has gone who bought that many days ago."""
    for name, last_day in limits(half_life_days):
        if days_since_last <= last_day:
            return name
    return ChurnState.LOST


def _exposure(found: Gaps) -> list[tuple[int, int, int]]:
    """For each day after a purchase: how many had not bought again before it, and how many do."""
    longest = max((*found.closed, *found.open), default=0)
    at_risk = sum(found.closed.values()) + sum(found.open.values()) - found.open.get(0, 0)
    rows = []
    for day in range(1, longest + 1):
        bought = found.closed.get(day, 0)
        if at_risk:
            rows.append((day, at_risk, bought))
        at_risk -= bought + found.open.get(day, 0)
    return rows
