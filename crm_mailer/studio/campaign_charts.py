"""Geometry of the small charts on the pages of campaigns: plain numbers, drawn by the looks."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from crm_mailer.model.intervals import Interval


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """A bar, in the chart's own units from its upper left corner."""

    x: float
    y: float
    width: float
    height: float


def sparkline(values: Sequence[int], *, width: float = 98, height: float = 26) -> list[Bar]:
    """One bar for each value, the largest as high as the chart; nothing is drawn for 0."""
    most = max(values, default=0)
    step = width / max(1, len(values))
    return [
        Bar(
            x=round(place * step, 2),
            y=round(height - tall, 2),
            width=round(step - 2, 2),
            height=round(tall, 2),
        )
        for place, value in enumerate(values)
        if value and (tall := max(2.0, height * value / most))
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class Whisker:
    """A rate and its interval on a scale, all from 0 to 100."""

    low: float
    high: float
    value: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Scale:
    """The ends of a scale, and round places on it: where, and what they stand for."""

    low: float
    high: float
    ticks: tuple[tuple[float, float], ...]

    def place(self, value: float) -> float:
        """Where a value stands, from 0 to 100; beyond the ends at the ends."""
        if not math.isfinite(value):
            return 100.0 if value > 0 else 0.0
        part = (value - self.low) / (self.high - self.low)
        return round(100 * min(1.0, max(0.0, part)), 2)

    def whisker(self, one: Interval) -> Whisker:
        """An interval on the scale."""
        return Whisker(
            low=self.place(one.low), high=self.place(one.high), value=self.place(one.value)
        )


def scale(intervals: Sequence[Interval], *, has_zero: bool = True) -> Scale:
    """A scale that has room for all intervals, with about five round places."""
    ends = [end for one in intervals for end in (one.low, one.high) if math.isfinite(end)]
    if has_zero:
        ends.append(0.0)
    low, high = (min(ends), max(ends)) if ends else (0.0, 1.0)
    if high - low < 1e-9:
        high = low + 0.01
    step = _round((high - low) / 4)
    first, last = math.floor(low / step + 1e-9) * step, math.ceil(high / step - 1e-9) * step
    number = round((last - first) / step)
    found = Scale(low=first, high=last, ticks=())
    ticks = tuple(
        (found.place(first + step * place), round(first + step * place, 10))
        for place in range(number + 1)
    )
    return Scale(low=first, high=last, ticks=ticks)


def _round(step: float) -> float:
    """The next of 1, 2, 5, 10, ... that is not smaller."""
    power = 10.0 ** math.floor(math.log10(step))
    return next(power * one for one in (1, 2, 5, 10) if power * one >= step - 1e-12)


def shares(values: Mapping[str, int]) -> list[tuple[str, int, float]]:
    """Each name with its number and its part of all, most first."""
    total = sum(values.values())
    return [
        (name, number, number / total if total else 0.0)
        for name, number in sorted(values.items(), key=lambda one: (-one[1], one[0]))
    ]
