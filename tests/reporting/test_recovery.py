from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from crm_mailer.reporting.recovery import RecoveryReport, recovery_report
from crm_mailer.store.engine import Store
from crm_mailer.store.tables import replies
from tests.reporting.months import LATELY, NOW, Shop, ago


@pytest.fixture
def shop(store: Store) -> Shop:
    return Shop(store)


def report(shop: Shop) -> RecoveryReport:
    return recovery_report(shop.store, LATELY, ["payment-reminder"], now=NOW)


def unpaid(shop: Shop, number: str, paid_at: datetime | None = None, **more: object) -> int:
    return shop.order(
        number, shop.customer(), paid_at=paid_at, is_counted=paid_at is not None,
        state="paid" if paid_at else "placed", **more,
    )  # fmt: skip


def remind(shop: Shop, order: int, *days: float) -> int:
    touch = 0
    for number, at in enumerate(days):
        touch = shop.reminder(order, 1, ago(days=at), step=f"{number}")
    return touch


def test_an_order_paid_within_a_week_of_its_last_reminder_is_recovered(shop: Shop) -> None:
    remind(shop, unpaid(shop, "1", ago(days=8)), 20, 15)
    remind(shop, unpaid(shop, "2", ago(days=7, hours=23)), 20, 15)
    remind(shop, unpaid(shop, "3", ago(days=8) + timedelta(seconds=1)), 20, 15)

    total = report(shop).total

    assert (total.reminded, total.recovered, total.usd_cents) == (3, 1, 2000)


def test_a_reminder_that_left_after_the_payment_recovers_nothing(shop: Shop) -> None:
    remind(shop, unpaid(shop, "1", ago(days=20)), 19)
    remind(shop, unpaid(shop, "2", ago(days=20)), 21, 19)

    found = report(shop)

    assert (found.total.reminded, found.total.recovered) == (1, 1)
    assert [(one.key, one.recovered) for one in found.by_reminders] == [("1", 1)]


def test_what_is_not_paid_yet_waits_for_a_week(shop: Shop) -> None:
    remind(shop, unpaid(shop, "1"), 6)
    remind(shop, unpaid(shop, "2"), 8)

    assert (report(shop).total.reminded, report(shop).total.waiting) == (2, 1)


def test_an_order_that_does_not_say_when_it_was_paid_is_asked_for_its_states(shop: Shop) -> None:
    order = unpaid(shop, "1")
    remind(shop, order, 10)
    shop.reached(order, "paid", ago(days=9))

    assert report(shop).total.recovered == 1


def test_reasons_come_from_the_order_else_from_the_answer(shop: Shop) -> None:
    told = unpaid(shop, "1", ago(days=9), unpaid_reason="price")
    remind(shop, told, 10)
    answered = unpaid(shop, "2")
    touch = remind(shop, answered, 10)
    shop.add(replies, kind="human", received_at=ago(days=9), touch_id=touch,
             reasons=["pay.refused"])  # fmt: skip
    remind(shop, unpaid(shop, "3"), 10)

    found = {one.key: (one.reminded, one.recovered) for one in report(shop).by_reason}

    assert found == {"price": (1, 1), "card_trouble": (1, 0), "": (1, 0)}


def test_months_are_those_of_the_first_reminder(shop: Shop) -> None:
    remind(shop, unpaid(shop, "1", ago(days=2), payment_method="Boleto"), 35, 3)

    found = report(shop)

    assert [(one.key, one.reminded) for one in found.by_month if one.reminded] == [("2026-09", 1)]
    assert [(one.key, one.recovered) for one in found.by_method] == [("Boleto", 1)]


def test_mails_of_other_campaigns_and_unsent_ones_are_no_reminders(shop: Shop) -> None:
    order = unpaid(shop, "1", ago(days=9))
    shop.reminder(order, 1, ago(days=10), campaign="shipped")
    shop.reminder(order, 1, ago(days=10), state="refused")

    assert report(shop).total.reminded == 0
