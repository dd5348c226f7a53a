from __future__ import annotations

import csv
import math
from collections import Counter
from pathlib import Path
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crm_mailer.segmenting import value
from crm_mailer.segmenting.value import Buying, History, Spending

#: As published for the 2,357 customers of the CDNOW sample, in weeks.
CDNOW = Buying(r=0.243, alpha=4.414, a=0.793, b=2.426)
SPENT = Spending(p=6.25, q=3.74, v=15.44)


@pytest.fixture
def sample(shared: Path) -> list[dict[str, str]]:
    with (shared / "data" / "cdnow_customers_summary_with_transactions.csv").open() as file:
        return list(csv.DictReader(file))


def histories(rows: list[dict[str, str]]) -> list[History]:
    return [History(int(float(row["x"])), float(row["t_x"]), float(row["T"])) for row in rows]


@pytest.mark.shared
def test_the_fit_of_buying_is_the_published_one(sample: list[dict[str, str]]) -> None:
    found = value.fit_buying(histories(sample))

    assert found is not None
    buying, likelihood = found
    assert (buying.r, buying.alpha) == pytest.approx((0.243, 4.414), abs=0.002)
    assert (buying.a, buying.b) == pytest.approx((0.793, 2.426), abs=0.002)
    assert likelihood == pytest.approx(-9582.4, abs=0.05)


@pytest.mark.shared
def test_the_fit_of_spending_is_the_published_one(sample: list[dict[str, str]]) -> None:
    found = value.fit_spending((int(float(row["x"])), float(row["zbar"])) for row in sample)

    assert found is not None
    spending, likelihood = found
    assert (spending.p, spending.q, spending.v) == pytest.approx((6.25, 3.74, 15.44), abs=0.02)
    assert likelihood == pytest.approx(-4055.92, abs=0.01)


@pytest.mark.shared
def test_all_repeat_purchases_of_the_sample_are_foretold(sample: list[dict[str, str]]) -> None:
    foretold = sum(value.expected_purchases(CDNOW, one, 39) for one in histories(sample))

    assert foretold == pytest.approx(1653.9, abs=1)


@pytest.mark.parametrize(
    ("repeats", "last", "purchases", "alive", "buys"),
    [
        (2, 30.43, 1.2260, 0.7266, 0.5546),
        (0, 0.0, 0.1951, 1.0, 0.1446),
        (1, 1.71, 0.2032, 0.2121, 0.1167),
        (10, 35.0, 6.1636, 0.8469, 0.8458),
    ],
)
def test_expectations_at_the_published_values(
    repeats: int, last: float, purchases: float, alive: float, buys: float
) -> None:
    one = History(repeats, last, 38.86)

    assert value.expected_purchases(CDNOW, one, 39) == pytest.approx(purchases, abs=1e-4)
    assert value.chance_alive(CDNOW, one) == pytest.approx(alive, abs=1e-4)
    assert value.chance_to_buy(CDNOW, one, 39) == pytest.approx(buys, abs=1e-4)


def test_what_a_newcomer_and_a_buyer_are_worth_at_the_published_values() -> None:
    assert value.expected_by_a_newcomer(CDNOW, 39) == pytest.approx(1.1967, abs=1e-4)
    assert value.expected_spend(SPENT, 2, 22.35) == pytest.approx(24.664, abs=1e-3)


def test_who_never_came_back_is_taken_to_spend_as_everybody_does() -> None:
    assert value.expected_spend(SPENT, 0, 0) == pytest.approx(6.25 * 15.44 / 2.74)


def test_the_fit_finds_the_customers_that_were_made_up() -> None:
    dice, truth = Random(4), Buying(r=0.8, alpha=6.0, a=0.9, b=3.0)
    made_up = [live(dice, truth, weeks=dice.randint(20, 90)) for _ in range(4000)]

    found = value.fit_buying(made_up)

    assert found is not None
    buying, likelihood = found
    assert likelihood >= value.log_likelihood(truth, Counter(made_up))
    assert value.expected_by_a_newcomer(buying, 52) == pytest.approx(
        value.expected_by_a_newcomer(truth, 52), rel=0.1
    )


def test_chance_and_number_of_purchases_are_those_of_simulated_customers() -> None:
    dice = Random(1)
    lives = [buy(dice, CDNOW, weeks=80) for _ in range(60_000)]
    seen = [(seen_until(one, 40), one) for one in lives]
    for repeats in (0, 1, 2):
        alike = [(past, one) for past, one in seen if past.repeats == repeats]
        later = [sum(40 < week <= 80 for week in one) for _, one in alike]
        foretold = [value.chance_to_buy(CDNOW, past, 40) for past, _ in alike]
        number = [value.expected_purchases(CDNOW, past, 40) for past, _ in alike]

        assert share(foretold) == pytest.approx(share([n > 0 for n in later]), abs=0.02)
        assert share(number) == pytest.approx(share(later), rel=0.1)


def share(numbers: list[float] | list[int] | list[bool]) -> float:
    return sum(numbers) / len(numbers)


def buy(dice: Random, buying: Buying, weeks: float) -> list[float]:
    """When one made-up customer buys again."""
    rate = dice.gammavariate(buying.r, 1 / buying.alpha)
    stops = dice.betavariate(buying.a, buying.b)
    week, bought = 0.0, []
    while rate > 1e-12:
        week += dice.expovariate(rate)
        if week > weeks:
            break
        bought.append(week)
        if dice.random() < stops:
            break
    return bought


def seen_until(bought: list[float], week: float) -> History:
    past = [one for one in bought if one <= week]
    return History(len(past), past[-1] if past else 0.0, week)


def live(dice: Random, buying: Buying, weeks: float) -> History:
    return seen_until(buy(dice, buying, weeks), weeks)


@pytest.mark.parametrize("number", [0, 49], ids=["none", "too_few"])
def test_a_few_customers_who_came_back_teach_nothing(number: int) -> None:
    rows = [History(0, 0.0, 40.0)] * 500 + [History(1, 10.0 + n, 60.0) for n in range(number)]

    assert value.fit_buying(rows) is None
    assert value.fit_spending([(1, 10.0)] * number) is None


@pytest.mark.parametrize(
    "rows",
    [
        [History(3, 30.0, 40.0)] * 100,
        [History(1, 0.0, 0.0)] * 100,
        [History(500, 600.0, 601.0)] * 100 + [History(0, 0.0, 1.0)] * 100,
    ],
    ids=["all_alike", "of_today", "buyers_by_the_hundred"],
)
def test_odd_shops_are_fitted_without_a_fault(rows: list[History]) -> None:
    found = value.fit_buying(rows)

    assert found is not None
    for one in set(rows):
        assert 0 <= value.chance_to_buy(found[0], one, 12) <= 1
        assert math.isfinite(value.discounted_purchases(found[0], one))


parameters = st.builds(
    Buying,
    r=st.floats(0.05, 20),
    alpha=st.floats(0.1, 200),
    a=st.floats(0.05, 10),
    b=st.floats(0.1, 20),
)
any_history = st.tuples(st.integers(0, 300), st.floats(0, 1), st.floats(0, 1500)).map(
    lambda told: History(told[0], told[1] * told[2] if told[0] else 0.0, told[2])
)


@given(buying=parameters, one=any_history, weeks=st.floats(0.1, 200))
def test_expectations_keep_within_reason(buying: Buying, one: History, weeks: float) -> None:
    chance = value.chance_to_buy(buying, one, weeks)
    number = value.expected_purchases(buying, one, weeks)

    assert 0 <= chance <= 1
    assert number >= 0
    assert number >= chance * 0.999 - 1e-6  # at least one purchase, where there is one
    assert value.chance_to_buy(buying, one, weeks * 2) >= chance - 1e-9
    assert value.expected_purchases(buying, one, weeks * 2) >= number * 0.999 - 1e-6


@given(buying=parameters, one=any_history)
def test_money_to_come_is_worth_less_than_money_now(buying: Buying, one: History) -> None:
    year = value.MONTHS * value.WEEKS_PER_MONTH

    worth = value.discounted_purchases(buying, one)

    assert worth <= value.expected_purchases(buying, one, year) * 1.001 + 1e-6
