from __future__ import annotations

from datetime import date
from pathlib import Path
from random import Random

import pytest

from crm_mailer.model.score import ChurnState
from crm_mailer.segmenting import churn
from crm_mailer.segmenting.churn import Gaps


@pytest.mark.shared
def test_the_half_life_of_a_known_shop(shared: Path) -> None:
    with (shared / "data" / "CDNOW_master.txt").open() as file:
        next(file)
        rows = [line.split() for line in file]
    end = date(1998, 6, 30)
    days = [(int(row[0]), (end - date.fromisoformat(row[1])).days) for row in rows]

    found = churn.gaps(days)

    assert sum(found.closed.values()) == 44_021
    assert sum(found.open.values()) == 23_570
    assert churn.half_life(found) == pytest.approx(28.1, abs=0.1)


def test_the_half_life_of_a_made_up_shop_is_found_again() -> None:
    dice = Random(7)
    closed: dict[int, int] = {}
    open_: dict[int, int] = {}
    for _ in range(20_000):
        watched = dice.randint(1, 900)
        gap = next((day for day in range(1, watched + 1) if dice.random() < hazard(day)), None)
        where = open_ if gap is None else closed
        key = watched if gap is None else gap
        where[key] = where.get(key, 0) + 1

    assert churn.half_life(Gaps(closed, open_)) == pytest.approx(60, rel=0.1)


def hazard(day: int) -> float:
    recall: float = (1 + (2 ** (1 / 1.5) - 1) * (day - 1) / 60) ** -1.5
    return 0.01 * recall


def test_days_with_several_orders_make_no_gap() -> None:
    found = churn.gaps([(1, 10), (1, 10), (1, 3), (2, 5)])

    assert found == Gaps({7: 1}, {3: 1, 5: 1})


@pytest.mark.parametrize(
    "found",
    [Gaps({}, {}), Gaps({3: 49}, {10: 5000})],
    ids=["without_orders", "hardly_anybody_came_back"],
)
def test_a_shop_with_few_orders_is_taken_for_a_usual_one(found: Gaps) -> None:
    assert churn.half_life(found) == 90


@pytest.mark.parametrize(
    "found",
    [Gaps({1: 10_000}, {}), Gaps({700: 5_000}, {1: 5}), Gaps({0: 60}, {0: 1})],
    ids=["daily", "every_two_years", "of_one_day"],
)
def test_the_half_life_keeps_within_a_year(found: Gaps) -> None:
    assert churn.SHORTEST <= churn.half_life(found) <= churn.LONGEST


@pytest.mark.parametrize(
    ("half_life", "limits"), [(28.0, (28, 72, 143)), (56.0, (56, 144, 286)), (300, (300, 720, 720))]
)
def test_states_end_where_recall_is_a_half_a_quarter_an_eighth(
    half_life: float, limits: tuple[int, ...]
) -> None:
    assert tuple(day for _, day in churn.limits(half_life)) == limits


@pytest.mark.parametrize(
    ("days", "state"),
    [
        (0, ChurnState.ACTIVE), (28, ChurnState.ACTIVE), (29, ChurnState.COOLING),
        (72, ChurnState.COOLING), (73, ChurnState.LAPSED), (143, ChurnState.LAPSED),
        (144, ChurnState.LOST), (5000, ChurnState.LOST),
    ],
)  # fmt: skip
def test_the_state_follows_from_days_and_half_life(days: int, state: ChurnState) -> None:
    assert churn.state(days, 28.0) is state


def test_nobody_is_kept_beyond_two_years() -> None:
    assert churn.state(720, 365.0) is not ChurnState.LOST
    assert churn.state(721, 365.0) is ChurnState.LOST
