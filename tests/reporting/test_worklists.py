from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from crm_mailer.reporting.worklists import MEANINGS, TODO, WorklistName, WorkRow, overview, worklist
from crm_mailer.store import report_orders
from crm_mailer.store.engine import Store
from crm_mailer.store.tables import order_items
from tests.reporting.months import NOW, PLACE, Shop, ago

LATE, ODD = WorklistName.LATE, WorklistName.ABNORMAL


@pytest.fixture
def shop(store: Store) -> Shop:
    return Shop(store)


def rows(shop: Shop, name: WorklistName, limit: int = 50) -> tuple[WorkRow, ...]:
    found = worklist(shop.store, name, now=NOW, place=PLACE, limit=limit)
    assert found.count == len(found.rows)
    return found.rows


def numbers(shop: Shop, name: WorklistName) -> list[str]:
    return [row.number for row in rows(shop, name)]


def oddities(shop: Shop) -> dict[str, tuple[str, ...]]:
    return {row.number: row.reasons for row in rows(shop, ODD)}


def to_ship(shop: Shop, number: str, customer: int | None = None, **more: Any) -> int:
    values: dict[str, Any] = {"state": "paid", "promised_ship_at": NOW + timedelta(days=1), **more}
    return shop.order(number, customer, **values)


def test_an_empty_shop_has_nothing_to_do(shop: Shop) -> None:
    found = overview(shop.store, now=NOW, place=PLACE, limit=5)

    assert [one.name for one in found] == list(WorklistName) == list(MEANINGS)
    assert {(one.count, one.rows) for one in found} == {(0, ())}


def test_orders_past_their_promise_come_longest_overdue_first(shop: Shop) -> None:
    to_ship(shop, "due")
    to_ship(shop, "late", promised_ship_at=ago(days=1))
    to_ship(shop, "later", promised_ship_at=ago(days=3), state="delayed")
    to_ship(shop, "left", promised_ship_at=ago(days=3), state="shipped")

    assert numbers(shop, LATE) == ["later", "late"]
    assert [row.reasons for row in rows(shop, LATE)] == [("delayed",), ("late",)]


def test_goods_that_are_there_again_come_before_missing_ones(shop: Shop) -> None:
    to_ship(shop, "missing", state="out_of_stock")
    to_ship(shop, "back", state="restocked")

    assert numbers(shop, WorklistName.OUT_OF_STOCK) == ["back", "missing"]
    assert "within the hour" in rows(shop, WorklistName.OUT_OF_STOCK)[0].todo[0]


def test_an_order_is_unconfirmed_until_its_buyer_says_something(shop: Shop) -> None:
    to_ship(shop, "silent")
    to_ship(shop, "bank", state="funds_pending", promised_ship_at=NOW + timedelta(days=2))
    shop.task("reply:1", "confirmed", order_id=to_ship(shop, "confirmed"))
    shop.task("reply:2", "change_order", order_id=to_ship(shop, "changed"))
    shop.task("reply:3", "answer")

    assert numbers(shop, WorklistName.UNCONFIRMED) == ["silent", "bank"]


def test_unpaid_orders_of_the_last_month_come_newest_first(shop: Shop) -> None:
    for number, days in (("old", 20), ("new", 1), ("gone", 31)):
        shop.order(number, state="placed", placed_at=ago(days=days), paid_at=None)

    assert numbers(shop, WorklistName.UNPAID) == ["new", "old"]


def test_orders_under_way_without_an_address_are_told(shop: Shop) -> None:
    known = shop.customer(email="a@example.com", email_key="a@example.com")
    to_ship(shop, "known", known)
    to_ship(shop, "nameless", shop.customer("Без адреса"))
    to_ship(shop, "nobody")
    shop.order("ended", state="received")

    assert sorted(numbers(shop, WorklistName.NO_ADDRESS)) == ["nameless", "nobody"]


def test_cases_in_which_we_are_owed_an_answer_are_not_listed(shop: Shop) -> None:
    anna = shop.customer()
    shop.case(anna, due_at=ago(hours=1), state="open")
    shop.case(anna, due_at=ago(hours=2))
    shop.case(anna, state="waiting_customer")
    shop.case(anna, state="closed")

    assert numbers(shop, WorklistName.CASES) == ["2", "1"]
    assert rows(shop, WorklistName.CASES)[0].customer == "Анна Петрова"


def test_unanswered_reviews_come_worst_first(shop: Shop) -> None:
    shop.review(5, "lovely", order_id=shop.order("R-5", shop.customer()))
    shop.review(1, "broke")
    shop.review(3)
    shop.review(2, answered_at=NOW)
    shop.review(1, at=ago(days=61))

    found = rows(shop, WorklistName.REVIEWS)

    assert [row.reasons for row in found] == [
        ("review_bad",),
        ("review_middling",),
        ("review_good",),
    ]
    assert (found[2].customer, found[2].order_number) == ("Анна Петрова", "R-5")


def test_tasks_are_those_due_before_the_shops_day_ends(shop: Shop) -> None:
    midnight = NOW + timedelta(hours=4)  # 20:00 in Shanghai
    shop.task("a", due_at=midnight - timedelta(seconds=1), text="today")
    shop.task("b", due_at=midnight, text="tomorrow")
    shop.task("c", due_at=ago(days=1), state="done")
    shop.task("d", "a-new-kind", due_at=ago(days=1), text="yesterday")

    found = rows(shop, WorklistName.TASKS)

    assert [row.text for row in found] == ["yesterday", "today"]
    assert "case done" in found[0].todo[0]


def test_an_order_with_two_oddities_is_one_row_with_the_graver_first(shop: Shop) -> None:
    liar = shop.customer(is_flagged=True, street="1 Main St")
    to_ship(shop, "flagged", liar, amount_minor=500)
    to_ship(shop, "fine", shop.customer(street="2 Main St"))

    assert oddities(shop) == {"flagged": ("flagged_buyer", "amount_mismatch")}
    assert len(rows(shop, ODD)[0].todo) == 2


def test_amounts_may_differ_by_postage_but_not_by_half(shop: Shop) -> None:
    for number, cents in (("dear", 4001), ("post", 4000), ("coupon", 1000), ("cheap", 999)):
        to_ship(shop, number, amount_minor=cents)
    free = to_ship(shop, "no prices", amount_minor=3000)
    with shop.store.write() as connection:
        connection.execute(
            order_items.update().where(order_items.c.order_id == free).values(price_minor=0)
        )

    assert sorted(oddities(shop)) == ["cheap", "dear"]


def test_many_buyers_at_one_address_or_telephone_are_odd(shop: Shop) -> None:
    for number in range(3):
        to_ship(shop, f"street-{number}", shop.customer(street="1 Main St"))
        to_ship(shop, f"phone-{number}", shop.customer(street=f"{number} B St", phone="+7 1"))
    for number in range(2):
        to_ship(shop, f"pair-{number}", shop.customer(street="2 Main St"))

    found = oddities(shop)

    assert sorted(found) == [f"{kind}-{n}" for kind in ("phone", "street") for n in range(3)]
    assert set(found.values()) == {("many_buyers",)}


def test_many_orders_of_one_buyer_in_a_day_are_odd(shop: Shop) -> None:
    busy, calm = shop.customer(street="1 A St"), shop.customer(street="2 A St")
    for number in range(5):
        to_ship(shop, f"{number}", busy, placed_at=ago(hours=number))
        to_ship(shop, f"calm-{number}", calm, placed_at=ago(days=number))

    assert oddities(shop) == {f"{number}": ("many_orders",) for number in range(5)}


def test_a_missing_street_is_odd_only_where_files_tell_streets(shop: Shop) -> None:
    to_ship(shop, "ebay", shop.customer(), platform="ebay")
    to_ship(shop, "empty", shop.customer())
    to_ship(shop, "full", shop.customer(street="1 Main St"))

    assert oddities(shop) == {"empty": ("address_missing",)}


def test_paid_orders_and_parcels_that_do_not_move_are_odd(shop: Shop) -> None:
    to_ship(shop, "stuck", promised_ship_at=None, paid_at=ago(days=8))
    to_ship(shop, "fresh", promised_ship_at=None, paid_at=ago(days=6))
    shop.order("lost", state="shipped", placed_at=ago(days=61))
    shop.order("promised", state="shipped", expected_at=ago(days=15))
    shop.order("slow", state="shipped", placed_at=ago(days=61), expected_at=ago(days=13))
    shop.order("history", state="shipped", placed_at=ago(days=181))

    assert oddities(shop) == {
        "stuck": ("no_movement",),
        "lost": ("no_arrival",),
        "promised": ("no_arrival",),
    }


def test_a_dispute_without_a_case_and_a_wish_to_cancel_are_odd(shop: Shop) -> None:
    anna = shop.customer(street="1 A St")
    shop.order("alone", anna, state="disputed")
    shop.case(anna, order_id=shop.order("cared for", anna, state="disputed"))
    to_ship(shop, "cancel", anna, state="cancel_requested")

    assert oddities(shop) == {"alone": ("disputed",), "cancel": ("cancel_requested",)}


def test_the_gravest_oddities_come_first(shop: Shop) -> None:
    to_ship(shop, "stuck", promised_ship_at=None, paid_at=ago(days=8))
    to_ship(shop, "flagged", shop.customer(is_flagged=True))

    assert numbers(shop, ODD) == ["flagged", "stuck"]


def test_a_limit_shortens_the_rows_and_not_the_count(shop: Shop) -> None:
    for number in range(4):
        to_ship(shop, f"{number}", promised_ship_at=ago(days=number + 1))

    found = worklist(shop.store, LATE, now=NOW, place=PLACE, limit=2)

    assert (found.count, [row.number for row in found.rows]) == (4, ["3", "2"])


def test_every_reason_says_what_to_do() -> None:
    assert set(report_orders.ODDITIES) <= set(TODO)
