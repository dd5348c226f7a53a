from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from crm_mailer.reporting.complaints import ComplaintReport, complaint_report, every_complaint
from crm_mailer.store.engine import Store
from crm_mailer.store.report_complaints import sold
from crm_mailer.store.tables import order_items, replies
from tests.reporting.months import LATELY, NOW, Shop, ago


@pytest.fixture
def shop(store: Store) -> Shop:
    return Shop(store)


def report(shop: Shop, newest: int = 10) -> ComplaintReport:
    return complaint_report(shop.store, LATELY, newest=newest)


def test_a_shop_without_words_has_an_empty_report(shop: Shop) -> None:
    found = report(shop)

    assert (found.totals.complaints, found.by_reason, found.newest) == (0, (), ())
    assert [month.key for month in found.by_month] == ["2026-08", "2026-09", "2026-10", "2026-11"]


def test_complaints_are_counted_by_reason_with_the_period_before(shop: Shop) -> None:
    for _one in range(3):
        shop.said("complaint", "nad.damaged")
    shop.said("complaint", "nr.customs")
    shop.said("complaint", "nad.damaged", at=ago(days=100))
    shop.said("complaint", "nad.damaged", at=ago(days=1000))
    shop.said("question", "ask.price")

    found = report(shop)

    assert [(one.key, one.complaints, one.before) for one in found.by_reason] == [
        ("nad.damaged", 3, 1),
        ("nr.customs", 1, 0),
    ]
    assert (found.totals.complaints, found.totals.before) == (4, 1)


def test_the_last_second_of_the_last_day_counts_and_the_next_one_does_not(shop: Shop) -> None:
    shop.said("complaint", "other", at=LATELY.before - timedelta(seconds=1))
    shop.said("complaint", "other", at=LATELY.before)
    shop.said("complaint", "other", at=LATELY.since)
    shop.said("complaint", "other", at=LATELY.since - timedelta(seconds=1))

    assert report(shop).totals.complaints == 2


def test_praise_stands_beside_complaints_by_country(shop: Shop) -> None:
    anna, jose = shop.customer(), shop.customer("José", country="ES")
    shop.said("complaint", "nad.quality", customer_id=anna)
    shop.said("praise", customer_id=anna)
    shop.said("praise", customer_id=jose)

    found = report(shop).by_country

    assert [(one.key, one.complaints, one.praise) for one in found] == [
        ("RU", 1, 1),
        ("ES", 0, 1),
    ]


def test_the_named_product_counts_else_each_of_the_order(shop: Shop) -> None:
    order = shop.order("1")
    shop.add(order_items, order_id=order, line=2, sku="CUP-2", title="Cup")
    shop.said("complaint", "nad.quality", order_id=order)
    shop.said("complaint", "nad.quality", order_id=order, product="CUP-2")

    found = {one.product: one for one in report(shop).by_product}

    assert {sku: one.complaints for sku, one in found.items()} == {"CUP-2": 2, "TP-1": 1}
    assert (found["CUP-2"].title, found["CUP-2"].sold, found["CUP-2"].rate) == ("Cup", 1, 2.0)


def test_an_order_with_one_product_on_two_lines_counts_once(shop: Shop) -> None:
    order = shop.order("1")
    shop.add(order_items, order_id=order, line=2, sku="TP-1", title="Teapot")
    shop.said("complaint", "nad.quality", order_id=order)

    [one] = report(shop).by_product

    assert (one.complaints, one.sold) == (1, 1)


def test_months_begin_where_the_shop_is(shop: Shop) -> None:
    shop.said("complaint", "other", at=LATELY.months()[2][1])
    shop.said("complaint", "other", at=LATELY.months()[2][1] - timedelta(seconds=1))

    found = {one.key: one.complaints for one in report(shop).by_month}

    assert found == {"2026-08": 0, "2026-09": 1, "2026-10": 1, "2026-11": 0}


def test_the_very_words_come_with_what_became_of_them(shop: Shop) -> None:
    anna = shop.customer()
    order = shop.order("AE-77", anna)
    reply = shop.add(replies, kind="human", received_at=ago(days=5))
    shop.said(
        "complaint", "nr.in_transit", customer_id=anna, order_id=order, reply_id=reply,
        text="посылка не пришла, верните деньги", campaign="win-back",
    )  # fmt: skip
    number = shop.case(anna, reply_id=reply, owner="lin", asks="refund", remedy="resend")

    [one] = report(shop).newest

    assert (one.text, one.customer) == ("посылка не пришла, верните деньги", "Анна Петрова")
    assert (one.order_number, one.product, one.country) == ("AE-77", "Teapot", "RU")
    assert (one.case, one.agent, one.severity) == (number, "lin", "P2")
    assert [(row.key, row.complaints) for row in report(shop).by_agent] == [("lin", 1)]


def test_a_long_list_comes_page_by_page_and_newest_first(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("crm_mailer.store.report_complaints._PAGE", 2)
    for hours in (1, 3, 2, 2, 2):
        shop.said("complaint", "other", at=NOW - timedelta(hours=hours), text=f"{hours}")

    every = list(every_complaint(shop.store, LATELY, limit=4))

    assert [one.text for one in every] == ["1", "2", "2", "2"]
    assert len({one.id for one in every}) == 4


def test_what_was_sold_is_the_same_for_few_products_and_for_all(shop: Shop) -> None:
    for number, item in enumerate([("TP-1", "Teapot"), ("", "Cup"), ("TP-1", "Teapot")]):
        order = shop.order(str(number), item=item)
        shop.said("complaint", "nad.damaged", order_id=order)
    shop.order("3", item=("", "Cup"))
    shop.order("4", item=("XX-1", "Cup"))
    twice = shop.order("5")
    shop.add(order_items, order_id=twice, line=2, sku="TP-1", title="Teapot", quantity=1,
             price_minor=2000)  # fmt: skip
    names = ["TP-1", "Cup"]

    with shop.store.read() as connection:
        few = sold(connection, LATELY, names)
        many = sold(connection, LATELY, [*names, *(f"no-{n}" for n in range(60))])

    assert few == many == {"TP-1": 3, "Cup": 2}


def test_the_table_of_products_may_be_short(shop: Shop) -> None:
    for number, item in enumerate([("TP-1", "Teapot"), ("TP-1", "Teapot"), ("", "Cup")]):
        shop.said("complaint", "nad.damaged", order_id=shop.order(str(number), item=item))

    found = complaint_report(shop.store, LATELY, newest=0, products=1)

    assert [(one.product, one.sold) for one in found.by_product] == [("TP-1", 2)]


def test_what_was_sold_of_few_products_is_found_by_the_index_of_skus(
    sqlite_store: Store,
) -> None:
    asked: list[tuple[str, Any]] = []
    with sqlite_store.read() as connection:

        def note(_c: object, _k: object, text: str, values: Any, *_more: object) -> None:
            asked.append((text, values))

        sa.event.listen(connection, "before_cursor_execute", note)
        sold(connection, LATELY, ["TP-1", "Cup"])
        text, values = next(one for one in asked if "order_items" in one[0])
        steps = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {text}", values).all()

    told = [step[3] for step in steps]
    assert any("ix_order_items_sku" in one for one in told)
    assert not [one for one in told if one.startswith("SCAN o")]


def test_each_list_has_the_numbers_that_one_counts_by_hand(shop: Shop) -> None:
    people = [(shop.customer(country=land), land) for land in ("RU", "ES", "DE")]
    told: list[tuple[str, dict[str, str], bool]] = []
    for number in range(60):
        kind = ("complaint", "praise", "question")[number % 7 % 3]
        who, land = people[number % 3]
        keys = {
            "reason": ("nad.damaged", "nr.customs", "other")[number % 5 % 3],
            "campaign": ("win-back", "")[number % 11 % 2],
            "channel": ("email", "chat")[number % 13 % 2],
            "country": land,
            "agent": "",
        }
        reply = shop.add(replies, kind="human", received_at=NOW)
        if number % 2:
            keys["agent"] = ("lin", "wei")[number % 4 // 2]
            shop.case(who, reply_id=reply, owner=keys["agent"])
        is_now = number % 3 != 1
        shop.said(
            kind, keys["reason"], customer_id=who, reply_id=reply, campaign=keys["campaign"],
            channel=keys["channel"], at=ago(days=5 if is_now else 95),
        )  # fmt: skip
        told.append((kind, keys, is_now))

    found = report(shop)

    for name in ("reason", "country", "campaign", "channel", "agent"):
        has_praise = name not in ("reason", "agent")
        by_hand = {
            value: [
                sum(keys[name] == value and (kind, is_now) == wanted for kind, keys, is_now in told)
                for wanted in (("complaint", True), ("praise", True), ("complaint", False))
            ]
            for value in {keys[name] for _kind, keys, _now in told}
        }
        assert {
            one.key: [one.complaints, one.praise, one.before]
            for one in getattr(found, f"by_{name}")
        } == {
            value: [now, praise * has_praise, before]
            for value, (now, praise, before) in by_hand.items()
            if now + praise * has_praise
        }
