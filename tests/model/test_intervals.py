from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crm_mailer.model import intervals


@pytest.mark.parametrize(
    ("hits", "trials", "low", "high"),
    # Newcombe, Statistics in Medicine 17 (1998), table I: 81/263, 15/148, 0/20, 1/29
    [
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0000, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ],
    ids=["81 of 263", "15 of 148", "0 of 20", "1 of 29"],
)
def test_wilson_as_published(hits: int, trials: int, low: float, high: float) -> None:
    found = intervals.wilson(hits, trials)

    assert (found.low, found.high) == pytest.approx((low, high), abs=0.00006)


def test_the_difference_as_published() -> None:
    # Newcombe 1998, method 10: 56/70 - 48/80
    found = intervals.difference(56, 70, 48, 80)

    assert found.value == pytest.approx(0.2)
    assert (found.low, found.high) == pytest.approx((0.0524, 0.3339), abs=0.0001)


@given(st.integers(0, 500), st.integers(0, 500))
def test_a_rate_lies_in_its_interval(hits: int, misses: int) -> None:
    found = intervals.wilson(hits, hits + misses)

    assert 0 <= found.low <= found.high <= 1
    assert hits + misses == 0 or found.low <= found.value + 1e-12
    assert found.value <= found.high + 1e-12


def test_of_nobody_nothing_is_known() -> None:
    assert intervals.wilson(0, 0) == intervals.Interval(0.0, 0.0, 1.0)
    assert intervals.mean_difference((5.0, 25.0, 1), (5.0, 25.0, 1)).high == math.inf
