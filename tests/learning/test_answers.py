from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest

from crm_mailer.definitions.template_index import index
from crm_mailer.learning import answers
from crm_mailer.learning.answers import Situation
from crm_mailer.model.order import Order, OrderState
from crm_mailer.model.reply import REASONS
from crm_mailer.store.bundled import bundled

NOW = datetime.fromisoformat("2026-11-02T12:00:00+00:00")
DAY = timedelta(days=1)
SHIPPED = {OrderState.SHIPPED: NOW - 5 * DAY}
ARRIVED = {**SHIPPED, OrderState.ARRIVED: NOW - DAY}
CANNED = [name for name in index(bundled("templates")) if name.startswith("replies/")]
#: DOMAIN: every intent of a mail that is no complaint.
INTENTS = (
    "ask.product ask.price ask.wholesale ask.stock ask.shipping_method ask.shipping_time "
    "ask.customs ask.safety ask.payment ask.invoice ask.tracking ask.hurry ask.change_order "
    "ask.change_shipping ask.cancel ask.return ask.gift ask.free_shipping confirm suggestion "
    "praise objection.need objection.money objection.authority objection.product objection.price "
    "objection.time objection.service objection.policy"
).split()


def chosen(*codes: str, **facts: Any) -> str:
    found = answers.choose(Situation(codes=codes, now=NOW, **facts), CANNED)
    return found.template.removeprefix("replies/")


@pytest.mark.parametrize("code", [*REASONS, *INTENTS])
def test_every_reason_and_every_intent_has_a_reply_of_its_own(code: str) -> None:
    assert (chosen(code) in ("other", "question")) is (code == "other")


@pytest.mark.parametrize(
    ("state", "facts", "promised", "reply"),
    [
        (OrderState.PAID, {}, NOW - DAY, "hurry-late"),
        (OrderState.DELAYED, {}, None, "hurry-late"),
        (OrderState.SHIPPED, SHIPPED, NOW - DAY, "hurry-shipped"),
        (OrderState.PAID, {}, NOW + DAY, "hurry-in-time"),
        (OrderState.PAID, {}, None, "hurry-in-time"),
        (OrderState.CANCELLED, {}, NOW - DAY, "order-cancel"),
        (OrderState.ARRIVED, ARRIVED, NOW - DAY, "nr-marked-delivered"),
    ],
)
def test_when_will_you_ship_has_an_answer_for_each_state_of_the_order(
    state: OrderState, facts: Any, promised: datetime | None, reply: str
) -> None:
    assert chosen("ask.hurry", state=state, facts=facts, promised_at=promised) == reply


@pytest.mark.parametrize("code", ["ask.hurry", "ask.tracking"])
def test_where_is_it_without_an_order_asks_which_one(code: str) -> None:
    assert chosen(code) == "which-order"


def test_a_parcel_that_never_left_is_not_said_to_be_on_its_way() -> None:
    late = {"state": OrderState.PAID, "promised_at": NOW - DAY}

    assert chosen("nr.in_transit", **late) == "hurry-late"
    assert chosen("nr.no_tracking", **late) == "hurry-late"
    assert chosen("nr.in_transit", state=OrderState.SHIPPED, facts=SHIPPED) == "nr-in-transit"


def test_words_that_the_parcels_state_contradicts_are_asked_about() -> None:
    on_its_way = {"state": OrderState.SHIPPED, "facts": SHIPPED}
    there = {"state": OrderState.ARRIVED, "facts": ARRIVED}

    assert chosen("nad.damaged", **on_its_way) == "clash-not-arrived"
    assert chosen("nad.short", state=OrderState.PAID) == "clash-not-arrived"
    assert chosen("nad.damaged", **there) == "nad-damaged"
    assert chosen("nr.in_transit", **there) == "nr-marked-delivered"
    assert chosen("order.cancel", **on_its_way) == "hurry-shipped"


def test_an_export_that_never_tells_of_arrivals_contradicts_nobody() -> None:
    long_ago = {OrderState.SHIPPED: NOW - 40 * DAY}
    due = {"state": OrderState.SHIPPED, "facts": SHIPPED, "expected_at": NOW - DAY}

    assert chosen("nad.damaged", state=OrderState.SHIPPED, facts=long_ago) == "nad-damaged"
    assert chosen("nad.damaged", **due) == "nad-damaged"
    assert chosen("nad.damaged") == "nad-damaged"


def test_a_demand_for_money_is_answered_about_its_cause() -> None:
    refunded = {OrderState.REFUNDED: NOW - DAY}

    assert chosen("pay.refund", "nad.quality") == "nad-quality"
    assert chosen("pay.refund", "nad.quality", facts=refunded) == "pay-refund"
    assert chosen("pay.refund", "nr.buyer_returned") == "pay-refund"


@pytest.mark.parametrize("code", ["safety", "threat.legal", "privacy", "threat.dispute"])
def test_what_is_serious_comes_first(code: str) -> None:
    assert chosen("nad.quality", code) == code.replace(".", "-")


def test_a_wish_to_change_or_cancel_knows_whether_the_parcel_has_left() -> None:
    left = {"state": OrderState.SHIPPED, "facts": SHIPPED}

    assert chosen("ask.cancel", state=OrderState.PAID) == "ask-cancel"
    assert chosen("ask.cancel", **left) == "ask-cancel-shipped"
    assert chosen("ask.change_shipping", **left) == "ask-change-shipped"


def test_a_shops_own_reason_finds_the_shops_own_reply() -> None:
    situation = Situation(codes=("nr.lost_drone",), now=NOW)

    found = answers.choose(situation, [*CANNED, "replies/nr-lost-drone"])

    assert found.template == "replies/nr-lost-drone"
    assert chosen("nr.lost_drone") == "question"


def test_every_canned_reply_is_suggested_for_something() -> None:
    anything = {"other", "question", "clash-not-arrived", "confirm", "suggestion", "praise",
                "review"}  # fmt: skip
    # agents take these when a matter is settled: no letter asks for them
    anything |= {"order-changed", "replacement-sent", "refund-sent", "dispute-agreed"}
    idle = [name for name in CANNED if not answers.codes_of(name)]

    assert {name.removeprefix("replies/") for name in idle} <= anything


def test_the_order_that_is_meant_is_the_only_one_that_is_not_over() -> None:
    def order(number: str, state: OrderState) -> Order:
        return Order(
            id=1, platform="shop", number=number, customer_id=1, state=state, placed_at=NOW
        )

    over, open_, other = (
        order("1", OrderState.RECEIVED),
        order("2", OrderState.SHIPPED),
        order("3", OrderState.PAID),
    )
    assert answers.likely_order([over, open_]) == open_
    assert answers.likely_order([over]) == over
    assert answers.likely_order([over, open_, other]) is None
    assert answers.likely_order([]) is None
