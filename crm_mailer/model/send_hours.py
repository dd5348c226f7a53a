"""At which hour a customer's mail leaves: the one at which they answer and buy, if known."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from crm_mailer.model import chance
from crm_mailer.model.chance import BUCKETS
from crm_mailer.model.windows import is_quiet

HOURS = 24
#: A customer with fewer answers and orders gets the hour of their country.
ENOUGH = 3
#: A country with fewer gets the hour of the shop.
ENOUGH_FOR_A_COUNTRY = 200
#: How many observations of a customer weigh as much as everybody's habit.
STRENGTH = 10
#: By day, in local time: from the first hour up to, not including, the last.
BY_DAY = (9, 20)
#: So many hundredths of the mails leave at an hour by lot, or the shop would only ever learn the
#: hours at which it writes.
TRIED = 10
#: What an observation counts for the hours around it, in quarters: it is smoothed over its
#: neighbours (1/2, 1/4, 1/4), and three hours around the one that is judged are added up.
WEIGHTS = {0: 4, 1: 3, 2: 1}


@dataclass(frozen=True, slots=True, kw_only=True)
class Hours:
    """The hour for a customer, and those that might be taken instead."""

    best: int
    allowed: tuple[int, ...]


def allowed(quiet_from: int, quiet_until: int) -> tuple[int, ...]:
    """The hours at which a mail may be sent by choice: by day and not quiet; else all not quiet."""
    loud = [
        hour
        for hour in range(HOURS)
        if not is_quiet(hour, quiet_from=quiet_from, quiet_until=quiet_until)
    ]
    return tuple(hour for hour in loud if BY_DAY[0] <= hour < BY_DAY[1]) or tuple(loud)


def weight(observed: int, candidate: int) -> int:
    """What one observation at an hour counts for another hour, in quarters."""
    apart = abs(observed - candidate)
    return WEIGHTS.get(min(apart, HOURS - apart), 0)


def habit(counts: Sequence[int]) -> tuple[float, ...]:
    """What everybody's answers and orders count for each hour, as one customer's would.

    Shares of the hour and its two neighbours, times `STRENGTH`, in quarters like the weights.

    Args:
        counts: observations of each of the 24 hours, at least one in all.
    """
    total = sum(counts)
    return tuple(
        4 * STRENGTH * sum(counts[(hour + near) % HOURS] for near in (-1, 0, 1)) / total
        for hour in range(HOURS)
    )


def best_hour(
    counts: Sequence[int], everybody: Sequence[float], hours: Sequence[int]
) -> int | None:
    """The hour around which the customer most likely answers or buys; None: too little is known.

    With s the customer's smoothed histogram and pi everybody's, P(h) = (s(h) + m pi(h)) / (n + m)
    for m = 10; chosen is the allowed hour with the greatest P(h-1) + P(h) + P(h+1), the earliest
    of equals. The denominator is the same for each hour and left out.

    Args:
        counts: the customer's observations of each of the 24 hours.
        everybody: the `habit` of the country or the shop.
        hours: those that are allowed.
    """
    if sum(counts) < ENOUGH:
        return None
    return max(hours, key=lambda hour: (_score(counts, everybody, hour), -hour))


def popular_hour(counts: Sequence[int], hours: Sequence[int]) -> int:
    """The hour for those of whom too little is known: most of everybody's observations lie in it
    and beside it; of equals the one with more in itself, then the earliest.
    """
    everybody = habit(counts)
    return max(hours, key=lambda hour: (everybody[hour], counts[hour], -hour))


def _score(counts: Sequence[int], everybody: Sequence[float], hour: int) -> float:
    own = sum(number * weight(observed, hour) for observed, number in enumerate(counts))
    return own + everybody[hour]


def chosen(hours: Hours, *, customer_id: int, name: str) -> int:
    """The best hour, or for some of the mails called `name` one by lot, the same for ever."""
    if not hours.allowed or chance.bucket(customer_id, f"{name}:lot") >= TRIED * BUCKETS // 100:
        return hours.best
    lot = chance.bucket(customer_id, f"{name}:hour")
    return hours.allowed[lot * len(hours.allowed) // BUCKETS]


def delay(spread: timedelta, *, customer_id: int, name: str) -> timedelta:
    """Where in the span the customer's mail of a campaign leaves, in whole seconds; always the
    same.
    """
    place = chance.bucket(customer_id, f"{name}:spread")
    return timedelta(seconds=int(spread.total_seconds()) * place // BUCKETS)
