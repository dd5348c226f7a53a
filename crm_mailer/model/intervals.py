"""How sure a rate is: intervals that stay honest for few customers and rare orders."""

from __future__ import annotations

import math
from dataclasses import dataclass

#: The normal quantile of a 95 % interval.
Z95 = 1.959963984540054


@dataclass(frozen=True, slots=True)
class Interval:
    """A rate, or a difference of two, with the ends between which it lies in 95 of 100 cases."""

    value: float
    low: float
    high: float


def wilson(hits: int, trials: int, z: float = Z95) -> Interval:
    """The rate `hits / trials` with Wilson's score interval (1927); of nothing: 0 to 1.

    Args:
        hits: 0 to `trials`.
        trials: how many there were.
        z: the normal quantile.
    """
    if trials <= 0:
        return Interval(0.0, 0.0, 1.0)
    rate, square = hits / trials, z * z
    middle = (rate + square / (2 * trials)) / (1 + square / trials)
    spread = rate * (1 - rate) / trials + square / (4 * trials * trials)
    half = z * math.sqrt(spread) / (1 + square / trials)
    return Interval(rate, max(0.0, middle - half), min(1.0, middle + half))


def difference(
    hits: int, trials: int, other_hits: int, other_trials: int, z: float = Z95
) -> Interval:
    """The rate of the first minus that of the other, with Newcombe's hybrid interval (1998,
    method 10): made of the two Wilson intervals.
    """
    first, other = wilson(hits, trials, z), wilson(other_hits, other_trials, z)
    value = first.value - other.value
    below = math.hypot(first.value - first.low, other.high - other.value)
    above = math.hypot(first.high - first.value, other.value - other.low)
    return Interval(value, max(-1.0, value - below), min(1.0, value + above))


def mean_difference(
    first: tuple[float, float, int], other: tuple[float, float, int], z: float = Z95
) -> Interval:
    """The mean of the first minus that of the other (Welch): each is (sum, sum of squares, how
    many). With fewer than two on a side nothing is known.
    """
    if min(first[2], other[2]) < 2:
        return Interval(0.0, -math.inf, math.inf)
    (mean, error), (other_mean, other_error) = map(_mean_and_error, (first, other))
    half = z * math.hypot(error, other_error)
    value = mean - other_mean
    return Interval(value, value - half, value + half)


def _mean_and_error(given: tuple[float, float, int]) -> tuple[float, float]:
    """The mean and its standard error."""
    total, squares, number = given
    mean = total / number
    variance = max(0.0, squares - number * mean * mean) / (number - 1)
    return mean, math.sqrt(variance / number)
