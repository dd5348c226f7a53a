from __future__ import annotations

from datetime import timedelta

import pytest

from crm_mailer.learning import learn
from crm_mailer.learning.unrest import is_unrest
from crm_mailer.store import alerts
from crm_mailer.store.tables import touches
from crm_mailer.store.unrest import Unrest
from tests.learning.shop import NOW, SmallShop


@pytest.mark.parametrize(
    ("complaints", "accepted", "is_told"),
    [
        (2, 10, False),
        (3, 10, True),
        (3, 999, True),
        (3, 1_000, False),
        (4, 1_000, True),
        (3, 0, True),
    ],
)
def test_three_complaints_and_more_than_three_in_a_thousand_are_unrest(
    complaints: int, accepted: int, is_told: bool
) -> None:
    assert is_unrest(Unrest("sale", complaints, accepted)) is is_told


def mailed(shop: SmallShop, customer: int, *, days_ago: int = 1) -> int:
    at = NOW - timedelta(days=days_ago)
    return shop.add(
        touches, campaign="sale", step="s", anchor=f"date:{customer}", customer_id=customer,
        stream="marketing", template="t", anchored_at=at, due_at=at, state="accepted",
        planned_at=at, settled_at=at,
    )  # fmt: skip


def complained(shop: SmallShop, *, people: int, days_ago: int = 1) -> None:
    for number in range(people):
        customer = shop.customer(f"c{number}", f"c{number}-{days_ago}@example.com")
        touch = mailed(shop, customer, days_ago=days_ago)
        shop.wrote(
            "complaint", "mail.too_many", customer_id=customer, order_id=None, touch_id=touch
        )


def told(shop: SmallShop) -> list[str]:
    with shop.store.read() as connection:
        return [alert.message for alert in alerts.list_open(connection)]


def test_many_complaints_after_one_campaign_raise_one_alert(shop: SmallShop) -> None:
    complained(shop, people=3)

    learn(shop.store, now=NOW)
    learn(shop.store, now=NOW + timedelta(hours=1))

    assert told(shop) == ["campaign sale: 3 customers complained in answer to 3 mails (100.0%)"]


def test_one_angry_customer_is_no_unrest(shop: SmallShop) -> None:
    touch = mailed(shop, shop.anna)
    for _letter in range(5):
        shop.wrote("complaint", "mail.too_many", touch_id=touch)

    learn(shop.store, now=NOW)

    assert told(shop) == []


def test_an_alert_ends_when_it_has_been_quiet_for_a_week(shop: SmallShop) -> None:
    complained(shop, people=3)
    learn(shop.store, now=NOW)

    learn(shop.store, now=NOW + timedelta(days=8))

    assert told(shop) == []


def test_complaints_about_mails_of_long_ago_are_not_counted(shop: SmallShop) -> None:
    complained(shop, people=3, days_ago=9)

    learn(shop.store, now=NOW)

    assert told(shop) == []
