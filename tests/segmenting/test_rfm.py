from __future__ import annotations

import pytest

from crm_mailer.model.score import RfmProfile, RfmSegment, Score, ValueClass
from crm_mailer.segmenting import rfm

#: A published table: days, orders, dollars -> R, F, M, total.
WORKED_EXAMPLE = {
    "Jack": ((90, 2, 98), (5, 2, 1, 8)),
    "Lily": ((388, 3, 769), (2, 3, 4, 9)),
    "Tom": ((600, 3, 280), (2, 3, 3, 8)),
    "Marry": ((166, 2, 666), (4, 2, 4, 10)),
    "Rose": ((788, 3, 182), (1, 3, 2, 6)),
}


def scored(days: int, orders: int, cents: int) -> Score:
    score = rfm.score(days_since_last=days, order_count=orders, spent_usd_cents=cents)
    assert score is not None
    return score


@pytest.mark.parametrize("name", WORKED_EXAMPLE)
def test_the_worked_example_is_reproduced(name: str) -> None:
    (days, orders, dollars), expected = WORKED_EXAMPLE[name]

    score = scored(days, orders, dollars * 100)

    assert (score.r, score.f, score.m, score.total) == expected


@pytest.mark.parametrize(
    ("days", "r"),
    [(0, 5), (90, 5), (91, 4), (180, 4), (181, 3), (360, 3), (361, 2), (720, 2), (721, 1)],
)
def test_a_limit_of_days_belongs_to_the_better_mark(days: int, r: int) -> None:
    assert scored(days, 1, 0).r == r


@pytest.mark.parametrize(
    ("cents", "m"),
    [(0, 1), (9_999, 1), (10_000, 2), (20_000, 3), (49_999, 3), (50_000, 4), (99_999, 4),
     (100_000, 5)],
)  # fmt: skip
def test_a_limit_of_money_belongs_to_the_better_mark(cents: int, m: int) -> None:
    assert scored(0, 1, cents).m == m


def test_without_a_paid_order_there_is_no_score() -> None:
    assert rfm.score(days_since_last=0, order_count=0, spent_usd_cents=0) is None


def test_a_shop_may_have_limits_of_its_own() -> None:
    groceries = RfmProfile(name="groceries", r_days=(7, 14, 30, 60), f_orders=(50, 20, 10, 5))

    score = rfm.score(days_since_last=8, order_count=20, spent_usd_cents=0, profile=groceries)

    assert score is not None
    assert (score.r, score.f) == (4, 4)


def test_the_ten_segments_share_out_all_pairs() -> None:
    named = [rfm.segment(r, f) for r in range(1, 6) for f in range(1, 6)]

    assert len(named) == 25
    assert set(named) == set(RfmSegment)


def test_the_eight_classes_are_told_by_what_is_high() -> None:
    assert rfm.value_class(5, 4, 4) is ValueClass.KEY_VALUE
    assert rfm.value_class(3, 5, 4) is ValueClass.KEY_KEEP
    assert rfm.value_class(3, 3, 3) is ValueClass.GENERAL_RESCUE
