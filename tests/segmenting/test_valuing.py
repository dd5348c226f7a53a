from __future__ import annotations

from datetime import timedelta
from random import Random
from zoneinfo import ZoneInfo

import pytest
import sqlalchemy as sa

from crm_mailer.model.moment import days_between, local_day
from crm_mailer.segmenting import churn, segment, valuing
from crm_mailer.segmenting.value import Buying, Spending
from crm_mailer.segmenting.valuing import Models
from crm_mailer.store import customers, values
from crm_mailer.store import tables as t
from crm_mailer.store.engine import Store
from crm_mailer.store.values import Figures, Valued
from tests.segmenting.people import NOW, add_buyer, add_customer, add_order

ZONE = ZoneInfo("America/Sao_Paulo")
MODELS = Models(
    half_life=28.0,
    buying=Buying(r=0.243, alpha=4.414, a=0.793, b=2.426),
    spending=Spending(p=6.25, q=3.74, v=15.44),
)


def shop_with(store: Store, dice: Random, number: int) -> list[int]:
    ids = [add_customer(store) for _ in range(number)]
    for id_ in ids:
        began = dice.randint(30, 700)
        for _ in range(dice.choice([1, 1, 1, 2, 3, 5])):
            days = began - dice.randint(0, began)
            add_order(store, id_, at=NOW - timedelta(days=days, minutes=dice.randrange(1440)),
                      usd_cents=dice.choice([None, 900, 2500, 12_000]), changed_at=NOW)  # fmt: skip
    return ids


def run(store: Store, days: int = 0) -> None:
    now = NOW + timedelta(days=days)
    segment(store, [], zone=ZONE, now=now, is_valued=True)


def by_the_rules(store: Store, days: int = 0) -> dict[int, Valued]:
    """What is to be expected by the pure function, one customer after another."""
    now = NOW + timedelta(days=days)
    standing = valuing.standing(store)
    assert standing is not None
    with store.read() as connection:
        rows = connection.execute(sa.select(t.orders).where(t.orders.c.is_counted)).all()
    expected = {}
    for id_ in {row.customer_id for row in rows}:
        money: dict[int, int] = {}
        for row in (row for row in rows if row.customer_id == id_):
            ago = days_between(row.placed_at, now, ZONE)
            money[ago] = money.get(ago, 0) + (row.net_usd_cents or 0)
        first = max(money)
        later = {ago: cents for ago, cents in money.items() if ago != first}
        figures = Figures(id_, len(later), sum(later.values()), first, min(money))
        expected[id_] = valuing.expect(standing.models, figures)
    return expected


def in_the_store(store: Store) -> dict[int, Valued]:
    with store.read() as connection:
        rows = connection.execute(sa.select(t.customer_values)).all()
    return {
        row.customer_id: Valued(row.churn, row.chance_percent, row.clv_usd_cents) for row in rows
    }


def test_the_store_holds_what_the_rules_expect_day_after_day(store: Store) -> None:
    dice = Random(3)
    ids = shop_with(store, dice, 90)

    for days in (0, 1, 2, 3, 7, 8, 20, 21):
        run(store, days)
        assert in_the_store(store) == by_the_rules(store, days)
        now = NOW + timedelta(days=days, hours=3)
        for id_ in dice.sample(ids, 5):
            add_order(store, id_, at=now, usd_cents=3000, changed_at=now)


def test_a_state_ends_on_its_day(store: Store) -> None:
    cooling, lapsed, lost = (add_buyer(store, 500, days) for days in (89, 231, 458))
    run(store)
    run(store, days=1)  # from now on the orders are no news
    before = in_the_store(store)

    run(store, days=2)

    assert [before[id_].churn for id_ in (cooling, lapsed, lost)] == ["active", "cooling", "lapsed"]
    after = in_the_store(store)
    assert [after[id_].churn for id_ in (cooling, lapsed, lost)] == ["cooling", "lapsed", "lost"]


def test_the_shop_has_models_of_its_own(store: Store) -> None:
    shop_with(store, Random(3), 120)

    run(store)

    standing = valuing.standing(store)
    assert standing is not None
    assert standing.models.customers == 120
    assert standing.models.repeaters >= 50
    assert standing.models.buying is not None
    assert standing.models.half_life != churn.DEFAULT_HALF_LIFE


def test_models_are_fitted_once_a_week_and_when_told(store: Store) -> None:
    shop_with(store, Random(3), 100)
    fitted = []
    for days in (0, 1, 6, 7, 8):
        run(store, days)
        standing = valuing.standing(store)
        assert standing is not None
        fitted.append((standing.fitted_on - local_day(NOW, ZONE)).days)
    valuing.value_customers(store, zone=ZONE, now=NOW + timedelta(days=8), is_forced=True)
    standing = valuing.standing(store)

    assert fitted == [0, 0, 0, 7, 7]
    assert standing is not None
    assert (standing.fitted_on - local_day(NOW, ZONE)).days == 8


def test_customers_are_valued_once_a_day(store: Store) -> None:
    add_buyer(store, 10)
    run(store)

    assert valuing.value_customers(store, zone=ZONE, now=NOW + timedelta(hours=1)) == 0


def test_a_small_shop_knows_how_far_customers_have_gone_and_nothing_more(store: Store) -> None:
    customer = add_buyer(store, 100)

    run(store)

    assert in_the_store(store) == {customer: Valued("cooling", None, None)}


def test_orders_of_one_day_count_as_one_purchase(store: Store) -> None:
    customer = add_buyer(store, 50, 50, 50, 20, 20, usd_cents=700)

    run(store)

    with store.read() as connection:
        row = connection.execute(sa.select(t.customer_values)).one()
    assert (row.customer_id, row.repeats, row.repeat_usd_cents) == (customer, 1, 1400)


def test_who_has_no_paid_order_left_has_no_value(store: Store) -> None:
    customer = add_buyer(store, 5)
    run(store)
    later = NOW + timedelta(days=1)
    with store.write() as connection:
        connection.execute(sa.update(t.orders).values(is_counted=False, changed_at=later))

    run(store, days=1)

    with store.read() as connection:
        assert values.find(connection, customer) is None


def test_two_customers_who_become_one_are_valued_as_one(store: Store) -> None:
    loser, winner = add_buyer(store, 50), add_buyer(store, 20)
    run(store)
    later = NOW + timedelta(days=1)
    with store.write() as connection:
        customers.merge(connection, loser, winner, now=later)

    run(store, days=1)

    assert list(in_the_store(store)) == [winner]
    with store.read() as connection:
        assert connection.scalar(sa.select(t.customer_values.c.repeats)) == 1


def test_loss_by_bounce_complaint_or_blacklist_is_told_apart(store: Store) -> None:
    silent, flagged = add_buyer(store, 200), add_buyer(store, 200, is_flagged=True)
    bounced = add_buyer(store, 200, email="b@example.com", email_key="b@example.com")
    gone = add_buyer(store, 200, email="u@example.com", email_key="u@example.com")
    with store.write() as connection:
        for key, reason in (("b@example.com", "hard_bounce"), ("u@example.com", "unsubscribed")):
            connection.execute(
                sa.insert(t.suppressions).values(
                    address_key=key, reason=reason, scope="all", source="test", at=NOW
                )
            )
    run(store)

    with store.read() as connection:
        (found,) = values.by_churn(connection)

    assert len({silent, flagged, bounced, gone}) == found.customers == 4
    assert found.involuntary == 2


@pytest.mark.parametrize(
    ("days", "words"),
    [
        (10, "active: last paid order 10 days ago, 10 <= 28 (half-life 28 days)"),
        (40, "cooling: last paid order 40 days ago, 28 < 40 <= 72"
             " (half-life 28 days)"),
        (500, "lost: last paid order 500 days ago, 143 < 500 (half-life 28 days)"),
    ],
    ids=["active", "cooling", "lost"],
)  # fmt: skip
def test_what_is_expected_is_told_in_words(days: int, words: str) -> None:
    valued = valuing.expect(MODELS, Figures(1, 2, 5000, 600, days))

    told = valuing.in_words(valued, days, MODELS.half_life)

    assert told[0] == words
    assert told[1] == f"buys again within 90 days: {valued.chance_percent} %"
    assert told[2].endswith("USD in twelve months")


def test_the_longer_a_repeat_buyer_is_silent_the_less_is_expected() -> None:
    found = [valuing.expect(MODELS, Figures(1, 5, 12_000, 700, days)) for days in (7, 70, 350)]

    chances = [one.chance_percent for one in found]
    money = [one.clv_usd_cents for one in found]
    assert None not in chances
    assert chances == sorted(chances, key=lambda one: -(one or 0))
    assert money == sorted(money, key=lambda one: -(one or 0))
    assert len(set(chances)) == 3
