"""Finds the least value of a function of few numbers (Nelder and Mead's simplex)."""

from __future__ import annotations

from collections.abc import Callable, Sequence

Point = tuple[float, ...]


def minimize(
    function: Callable[[Point], float],
    start: Sequence[float],
    *,
    step: float = 0.5,
    tolerance: float = 1e-9,
    rounds: int = 2000,
) -> tuple[Point, float]:
    """The point at which `function` is least, as far as a simplex from `start` finds it.

    Args:
        function: may return infinity where it makes no sense.
        start: the first corner; the others lie `step` away on each axis.
        step: how far the other corners lie.
        tolerance: ends when the corners differ by less, relative to the least value.
        rounds: ends after so many at the latest.
    """
    corners = [tuple(start)]
    for axis in range(len(start)):
        corner = list(start)
        corner[axis] += step
        corners.append(tuple(corner))
    simplex = sorted((function(corner), corner) for corner in corners)
    for _ in range(rounds):
        best, worst = simplex[0][0], simplex[-1][0]
        if worst - best <= tolerance * (abs(best) + tolerance):
            break
        simplex = sorted(_next(function, simplex))
    value, point = simplex[0]
    return point, value


def _next(
    function: Callable[[Point], float], simplex: list[tuple[float, Point]]
) -> list[tuple[float, Point]]:
    """The simplex with its worst corner moved, or drawn together around its best one."""
    *kept, (worst_value, worst) = simplex
    centre = tuple(
        sum(axis) / len(kept) for axis in zip(*(point for _, point in kept), strict=True)
    )

    def at(distance: float) -> tuple[float, Point]:
        point = tuple(c + distance * (c - w) for c, w in zip(centre, worst, strict=True))
        return function(point), point

    reflected = at(1.0)
    if reflected[0] < simplex[0][0]:
        return [*kept, min(reflected, at(2.0))]
    if reflected[0] < kept[-1][0]:
        return [*kept, reflected]
    inner = at(0.5) if reflected[0] < worst_value else at(-0.5)
    if inner[0] < min(reflected[0], worst_value):
        return [*kept, inner]
    best = simplex[0][1]
    drawn = [
        tuple((b + p) / 2 for b, p in zip(best, point, strict=True)) for _, point in simplex[1:]
    ]
    return [simplex[0], *((function(point), point) for point in drawn)]
