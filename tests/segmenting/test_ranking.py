"""Who buys next: how well each rule puts the next buyers first, on published orders."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta
from functools import cache
from itertools import groupby
from pathlib import Path

import pytest

from crm_mailer.segmenting import rfm, value
from crm_mailer.segmenting.value import History

CUTS = (date(1997, 9, 30), date(1997, 12, 31))
AHEAD = timedelta(days=90)
Orders = dict[int, dict[date, int]]


def read(path: Path) -> Orders:
    """Customer -> day -> US cents; a day's orders are one."""
    found: Orders = {}
    for line in path.read_text(encoding="ascii").splitlines()[1:]:
        customer, day, _pieces, dollars = line.split()
        own = found.setdefault(int(customer), {})
        key = date.fromisoformat(day)
        own[key] = own.get(key, 0) + round(float(dollars) * 100)
    return found


def auc(scores: Sequence[float], hits: Sequence[bool]) -> float:
    """The chance that a buyer stands before one who does not buy; ties count half."""
    rank, ranks, buyers = 0, 0.0, sum(hits)
    ordered = sorted(zip(scores, hits, strict=True))
    for _score, alike in groupby(ordered, key=lambda pair: pair[0]):
        group = [hit for _score, hit in alike]
        ranks += (rank + (len(group) + 1) / 2) * sum(group)
        rank += len(group)
    return (ranks - buyers * (buyers + 1) / 2) / (buyers * (len(hits) - buyers))


def rankings(orders: Orders, cut: date) -> dict[str, float]:
    past = [sorted(day for day in own if day <= cut) for own in orders.values()]
    hits = [any(cut < day <= cut + AHEAD for day in own) for own in orders.values()]
    marks = [
        rfm.score(
            days_since_last=(cut - days[-1]).days,
            order_count=len(days),
            spent_usd_cents=sum(own[day] for day in days),
        )
        for days, own in zip(past, orders.values(), strict=True)
    ]
    histories = [
        History(len(days) - 1, (days[-1] - days[0]).days // 7, (cut - days[0]).days // 7)
        for days in past
    ]
    fitted = value.fit_buying(histories)
    assert fitted is not None
    buying = fitted[0]
    expected = cache(lambda one: value.expected_purchases(buying, one, AHEAD.days / 7))
    alive = cache(lambda one: value.chance_alive(buying, one))
    return {
        "expected purchases": auc([expected(one) for one in histories], hits),
        "R+F+M": auc([one.r + one.f + one.m if one else 0 for one in marks], hits),
        "orders": auc([len(days) for days in past], hits),
        "days since last": auc([-(cut - days[-1]).days for days in past], hits),
        "alive": auc([alive(one) for one in histories], hits),
    }


@pytest.mark.shared
def test_the_marks_rank_the_next_buyers_nearly_as_well_as_the_model(shared: Path) -> None:
    orders = read(shared / "data" / "CDNOW_master.txt")
    found = [rankings(orders, cut) for cut in CUTS]
    mean = {name: (found[0][name] + found[1][name]) / 2 for name in found[0]}

    assert len(orders) == 23_570
    assert mean == {
        "expected purchases": pytest.approx(0.784, abs=0.004),
        "R+F+M": pytest.approx(0.783, abs=0.002),
        "orders": pytest.approx(0.777, abs=0.002),
        "days since last": pytest.approx(0.778, abs=0.002),
        "alive": pytest.approx(0.333, abs=0.005),
    }
    assert mean["R+F+M"] > mean["days since last"] > mean["orders"] > 0.5 > mean["alive"]


def test_equal_scores_rank_as_well_as_a_coin() -> None:
    assert auc([1, 1, 1, 1], [True, False, True, False]) == 0.5
    assert auc([3, 2, 1], [True, False, False]) == 1
    assert auc([1, 2, 3], [True, False, False]) == 0
