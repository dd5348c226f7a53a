"""What a customer is likely to buy and to spend: BG/NBD and Gamma-Gamma in the standard library.

Fader, Hardie & Lee, "Counting your customers" the easy way (2005), and their note on the
Gamma-Gamma model of spending (2013). Times are in weeks. Days with several orders count once.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from math import exp, inf, lgamma, log, log1p

from crm_mailer.segmenting.simplex import Point, minimize

#: Discount of a month's money in a customer's value.
MONTHLY_DISCOUNT = 0.01
MONTHS = 12
WEEKS_PER_MONTH = 365.25 / 12 / 7
#: A fit of fewer customers who came back says more about chance than about the shop.
FEWEST_REPEATERS = 50
#: Parameters beyond these (as logarithms) fit nothing better and break the arithmetic.
_FARTHEST = 12.0
_LARGEST_SERIES = 10_000


@dataclass(frozen=True, slots=True)
class History:
    """`repeats` purchases after the first, the last of them at age `last`; now `age` weeks old."""

    repeats: int
    last: float
    age: float


@dataclass(frozen=True, slots=True)
class Buying:
    """Parameters of BG/NBD: how often customers buy (r, alpha) and how they stop (a, b)."""

    r: float
    alpha: float
    a: float
    b: float


@dataclass(frozen=True, slots=True)
class Spending:
    """Parameters of Gamma-Gamma: how much customers spend a purchase."""

    p: float
    q: float
    v: float


# ------------------------------------------------------------------ fits


def fit_buying(histories: Iterable[History]) -> tuple[Buying, float] | None:
    """The parameters that make these histories most likely, and their log-likelihood.

    None with too few customers who came back.
    """
    counted = Counter(histories)
    if sum(number for one, number in counted.items() if one.repeats) < FEWEST_REPEATERS:
        return None

    grouped = _by_repeats(counted)

    def unlikely(point: Point) -> float:
        if any(abs(one) > _FARTHEST for one in point):
            return inf
        return -_likelihood(Buying(*(exp(one) for one in point)), grouped)

    # Weeks between purchases set the scale of alpha; the rest begins at 1.
    mean_age = sum(one.age * number for one, number in counted.items()) / counted.total()
    point, value = minimize(unlikely, (0.0, log(max(1.0, mean_age / 4)), 0.0, 0.5))
    return Buying(*(exp(one) for one in point)), -value


def fit_spending(spent: Iterable[tuple[int, float]]) -> tuple[Spending, float] | None:
    """The parameters for (repeats, mean money of one), and their log-likelihood.

    Only customers who came back and paid count; None with too few of them.
    """
    grouped: dict[int, list[float]] = {}
    for repeats, mean in spent:
        if repeats > 0 and mean > 0:
            grouped.setdefault(repeats, []).append(mean)
    number = sum(len(means) for means in grouped.values())
    if number < FEWEST_REPEATERS:
        return None

    def unlikely(point: Point) -> float:
        if any(abs(one) > _FARTHEST for one in point):
            return inf
        return -_spending_likelihood(Spending(*(exp(one) for one in point)), grouped)

    typical = sum(sum(means) for means in grouped.values()) / number
    point, value = minimize(unlikely, (1.0, 1.0, log(typical)))
    return Spending(*(exp(one) for one in point)), -value


def log_likelihood(buying: Buying, counted: Mapping[History, int]) -> float:
    """How likely these histories are; each with how many customers have it."""
    return _likelihood(buying, _by_repeats(counted))


def _by_repeats(counted: Mapping[History, int]) -> dict[int, list[tuple[float, float, int]]]:
    """(last, age, how many customers) by the number of repeats: most of the work is by number."""
    found: dict[int, list[tuple[float, float, int]]] = {}
    for one, number in counted.items():
        found.setdefault(one.repeats, []).append((one.last, one.age, number))
    return found


def _likelihood(buying: Buying, grouped: Mapping[int, list[tuple[float, float, int]]]) -> float:
    r, alpha, a, b = buying.r, buying.alpha, buying.a, buying.b
    of_all = r * log(alpha) - lgamma(r) + lgamma(a + b) - lgamma(b)
    total = 0.0
    for x, rows in grouped.items():
        before = of_all + lgamma(r + x) + lgamma(b + x) - lgamma(a + b + x)
        odds = log(a / (b + x - 1)) if x else 0.0
        for last, age, number in rows:
            alive = -(r + x) * log(alpha + age)
            if x:
                gone = odds - (r + x) * log(alpha + last)
                alive = max(alive, gone) + log1p(exp(-abs(alive - gone)))
            total += number * (before + alive)
    return total


def _spending_likelihood(spending: Spending, grouped: Mapping[int, list[float]]) -> float:
    p, q, v = spending.p, spending.q, spending.v
    of_all = q * log(v) - lgamma(q)
    total = 0.0
    for x, means in grouped.items():
        each = of_all + lgamma(p * x + q) - lgamma(p * x) + p * x * log(x)
        varying = sum((p * x - 1) * log(mean) - (p * x + q) * log(x * mean + v) for mean in means)
        total += len(means) * each + varying
    return total


# ------------------------------------------------------------------ what is to be expected


def chance_alive(buying: Buying, one: History) -> float:
    """The model's own chance that a customer still buys at all.

    For tests and mathematics only: who bought once always has 1, so it is no way to choose.
    """
    if one.repeats == 0:
        return 1.0
    return 1 / (1 + _odds_gone(buying, one))


def chance_to_buy(buying: Buying, one: History, weeks: float) -> float:
    """The chance, 0..1, of at least one purchase in the next `weeks`."""
    shape = buying.r + one.repeats
    none = exp(shape * log((buying.alpha + one.age) / (buying.alpha + one.age + weeks)))
    return chance_alive(buying, one) * (1 - none)


def expected_purchases(buying: Buying, one: History, weeks: float) -> float:
    """How many purchases to expect in the next `weeks`.

    The series is summed after Euler's transformation, which keeps it short and free of overflow:
    ((alpha+T)/(alpha+T+t))^(r+x) F(r+x, b+x; c; z) = (1-z)^(a-1) F(a+b-1-r, a-1; c; z).
    """
    return _if_alive(buying, one.repeats, one.age, weeks) * chance_alive(buying, one)


def expected_by_a_newcomer(buying: Buying, weeks: float) -> float:
    """How many repeat purchases to expect of somebody who has just bought for the first time."""
    return expected_purchases(buying, History(0, 0.0, 0.0), weeks)


def expected_spend(spending: Spending, repeats: int, mean: float) -> float:
    """Money of a purchase to come, given the mean of `repeats`; the shop's mean without any."""
    p, q, v = spending.p, spending.q, spending.v
    if repeats == 0:
        return p * v / (q - 1) if q > 1 else p * v / q
    return p * (v + repeats * mean) / (p * repeats + q - 1)


def discounted_purchases(buying: Buying, one: History, months: int = MONTHS) -> float:
    """Purchases to expect in the next `months`, each worth less the later it comes."""
    return _worth_if_alive(buying, one.repeats, one.age, months) * chance_alive(buying, one)


@lru_cache(maxsize=100_000)
def _worth_if_alive(buying: Buying, repeats: int, age: float, months: int) -> float:
    """The same without regard to when the last purchase was: few customers differ in the rest."""
    before = worth = 0.0
    for month in range(1, months + 1):
        until = _if_alive(buying, repeats, age, month * WEEKS_PER_MONTH)
        worth += (until - before) / (1 + MONTHLY_DISCOUNT) ** month
        before = until
    return worth


def _if_alive(buying: Buying, repeats: int, age: float, weeks: float) -> float:
    """Purchases to expect in the next `weeks` of somebody who still buys now."""
    if weeks <= 0:
        return 0.0
    a, b = buying.a, buying.b
    a = a if abs(a - 1) > 1e-7 else 1 + 1e-7  # there the closed form is 0 / 0
    z = weeks / (buying.alpha + age + weeks)
    series = _hypergeometric(a + b - 1 - buying.r, a - 1, a + b + repeats - 1, z)
    reach: float = (a + b + repeats - 1) / (a - 1) * (1 - (1 - z) ** (a - 1) * series)
    return max(0.0, reach)


def _odds_gone(buying: Buying, one: History) -> float:
    """The odds that a customer who came back has stopped since."""
    x = one.repeats
    power = (buying.r + x) * log((buying.alpha + one.age) / (buying.alpha + one.last))
    return buying.a / (buying.b + x - 1) * exp(min(power, 700.0))


def _hypergeometric(a: float, b: float, c: float, z: float) -> float:
    """Gauss' series for 0 <= z < 1."""
    total = term = 1.0
    for n in range(_LARGEST_SERIES):
        term *= (a + n) * (b + n) / ((c + n) * (1 + n)) * z
        total += term
        if math.fabs(term) < 1e-13 * math.fabs(total):
            break
    return total
