"""Why orders are not paid: from answers to reminders, and by hand."""

from __future__ import annotations

import pytest

from crm_mailer.learning import learn
from crm_mailer.model.unpaid import UnpaidReason, reason_of
from crm_mailer.store.engine import Store
from crm_mailer.store.tables import orders
from tests.learning.shop import NOW, SmallShop


@pytest.mark.parametrize(
    ("codes", "reason"),
    [
        (("pay.refused", "objection.price"), UnpaidReason.CARD_TROUBLE),
        (("ask.payment",), UnpaidReason.CARD_TROUBLE),
        (("nr.wrong_address",), UnpaidReason.WRONG_ADDRESS),
        (("ask.change_order",), UnpaidReason.OPTION_NOT_CHOSEN),
        (("objection.price", "ask.cancel"), UnpaidReason.PRICE),
        (("ask.cancel",), UnpaidReason.CHANGED_MIND),
        (("nad.damaged", "praise"), None),
        ((), None),
    ],
)
def test_the_surest_reason_is_told(codes: tuple[str, ...], reason: UnpaidReason | None) -> None:
    assert reason_of(codes) is reason


@pytest.mark.parametrize(
    ("state", "kind", "known"),
    [
        ("placed", "human", "price"),
        ("paid", "human", ""),
        ("placed", "auto_reply", ""),
    ],
)
def test_an_answer_about_an_unpaid_order_tells_why(
    store: Store, state: str, kind: str, known: str
) -> None:
    shop = SmallShop(store)
    order = shop.new_order("A-7", shop.anna, state=state)
    shop.wrote("question", "ask.price", kind=kind, order_id=order, own_text="too dear")

    learn(store, now=NOW)

    with store.read() as connection:
        row = connection.execute(orders.select().where(orders.c.id == order)).one()
    assert row.unpaid_reason == known
