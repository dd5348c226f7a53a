from __future__ import annotations

from collections import Counter
from datetime import timedelta

import pytest

from crm_mailer.demo.story import END, START, Calendar, Purchase, invoices, purchases
from crm_mailer.model.order import OrderState as S


@pytest.fixture(scope="module")
def story() -> list[Purchase]:
    return purchases(7)


def test_every_paid_invoice_of_the_file_is_an_order(story: list[Purchase]) -> None:
    paid = [one for one in invoices() if one.pence > 0 and one.at < END]
    real = {order.number: order for order in story if not order.is_made_up}
    assert len(real) == len(paid) > 35_000
    for invoice in paid:
        order = real[invoice.number]
        assert (order.placed_at, order.pence) == (invoice.at, invoice.pence)


def test_no_order_is_given_back_more_than_it_cost(story: list[Purchase]) -> None:
    assert all(0 <= order.refunded <= order.pence for order in story)


def test_the_same_seed_is_the_same_story_and_another_is_not(story: list[Purchase]) -> None:
    assert purchases(7) == story
    assert purchases(8) != story


def test_the_past_has_no_parcels_under_way(story: list[Purchase]) -> None:
    past = [order for order in story if order.placed_at < START]
    assert all(S.SHIPPED not in order.states for order in past)
    assert all(S.RECEIVED in order.states for order in past)


def test_states_come_in_the_order_of_life(story: list[Purchase]) -> None:
    life = [S.PLACED, S.PAID, S.SHIPPED, S.ARRIVED, S.REVIEWED]
    for order in story:
        times = [order.states[state] for state in life if state in order.states]
        assert times == sorted(times), order


def test_what_the_file_lacks_is_there(story: list[Purchase]) -> None:
    seen = Counter(state for order in story for state in order.states if order.placed_at >= START)
    for state in (S.FUNDS_PENDING, S.DELAYED, S.SHIPPED, S.ARRIVED, S.REVIEWED, S.EXPIRED,
                  S.CANCELLED, S.IN_TRANSIT_LONG, S.PARTLY_REFUNDED, S.REFUNDED):  # fmt: skip
        assert seen[state] > 10, state


def test_each_change_is_told_once(story: list[Purchase]) -> None:
    calendar = Calendar(story)
    told = Counter[tuple[str, int]]()
    for day in range(10):
        since = START + timedelta(days=day)
        for order in calendar.changes(since, since + timedelta(days=1)):
            told[(order.number, day)] += 1
            assert any(since < at <= since + timedelta(days=1) for at in order.states.values())
    assert told
    assert set(told.values()) == {1}
