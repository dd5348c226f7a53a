from __future__ import annotations

from datetime import UTC, datetime, timedelta

from crm_mailer.importing import Count
from crm_mailer.model.order import OrderState
from tests.importing.desk import NOW, Desk, order


def test_an_order_comes_in_with_its_customer_items_and_events(desk: Desk) -> None:
    desk.orders(
        [
            order(
                sku="S1",
                title="Cup",
                quantity=2,
                price="10",
                customer_name="Anna",
                country="Russia",
            )
        ]
    )

    assert desk.all("customers", "email", "name", "country", "language", "time_zone") == [
        ("anna@example.com", "Anna", "RU", "ru", "Europe/Moscow")
    ]
    assert desk.all("orders", "platform", "number", "state", "amount_minor", "is_counted") == [
        ("generic", "A1", "paid", 2000, True)
    ]
    assert desk.all("order_items", "line", "sku", "title", "quantity", "price_minor") == [
        (1, "S1", "Cup", 2, 1000)
    ]
    assert set(desk.events()) == {"placed", "paid"}


def test_a_time_without_a_zone_is_the_shops(quick: Desk) -> None:
    quick.orders([order(placed_at="2026-10-01 10:00")])

    assert quick.all("orders", "placed_at") == [datetime(2026, 10, 1, 2, 0, tzinfo=UTC)]


def test_the_same_file_twice_changes_nothing(desk: Desk) -> None:
    path = desk.file([order(sku="S1", price="20"), order(order_number="A2", email="b@example.com")])
    desk.orders(path)
    before = desk.all("orders", "changed_at"), desk.all("customers", "changed_at")
    desk.now = NOW + timedelta(days=1)

    again = desk.orders(path)

    assert (again.orders_new, again.orders_changed, again.orders_unchanged) == (0, 0, 2)
    assert (again.customers_new, again.customers_changed) == (0, 0)
    assert (desk.all("orders", "changed_at"), desk.all("customers", "changed_at")) == before
    assert desk.count("order_items") == 1


def test_a_newer_export_moves_the_state_and_keeps_the_earlier_times(desk: Desk) -> None:
    desk.orders([order(paid_at="2026-10-01 11:00")])

    report = desk.orders(
        [order(state="shipped", shipped_at="2026-10-03", carrier="DHL", tracking_number="T1")]
    )

    assert report.orders_changed == 1
    assert desk.all("orders", "state", "carrier", "tracking_number") == [("shipped", "DHL", "T1")]
    assert desk.events()["paid"] == datetime(2026, 10, 1, 3, 0, tzinfo=UTC)
    assert desk.events()["shipped"] == datetime(2026, 10, 2, 16, 0, tzinfo=UTC)


def test_an_older_export_moves_nothing_back(desk: Desk) -> None:
    older = desk.file([order(carrier="old", amount="99")])
    desk.orders([order(state="shipped", shipped_at="2026-10-03", carrier="new")])

    desk.orders(older)

    assert desk.all("orders", "state", "carrier", "amount_minor") == [("shipped", "new", 2000)]


def test_a_state_without_a_time_in_a_newer_export_was_reached_by_now(quick: Desk) -> None:
    quick.orders([order()])

    quick.orders([order(state="received")])

    assert quick.events()["received"] == NOW


def test_every_state_has_a_column_for_its_time(quick: Desk) -> None:
    times = {f"{s.value}_at": f"2026-10-{d:02} 12:00" for d, s in enumerate(OrderState, start=1)}

    quick.orders([order(state="", **times)])

    assert set(quick.events()) == {s.value for s in OrderState}


def test_lines_of_one_order_become_its_items_and_its_total_is_not_added_up(quick: Desk) -> None:
    quick.orders([order(sku="S1", amount="30"), order(sku="S2", amount="30")])

    assert quick.all("orders", "amount_minor") == [3000]
    assert quick.all("order_items", "sku") == ["S1", "S2"]


def test_without_a_total_the_lines_are_the_amount(quick: Desk) -> None:
    row = order(sku="S1", price="10", quantity="3", shipping_fee="2")
    del row["amount"]

    quick.orders([row, {**row, "sku": "S2", "price": "5", "quantity": "1"}])

    assert quick.all("orders", "amount_minor") == [3700]


def test_without_order_numbers_a_customers_day_is_one_order(quick: Desk) -> None:
    rows = [{"customer_id": "7", "date": "20261001", "pieces": 1, "value": v} for v in (10, 5)]
    rows.append({"customer_id": "7", "date": "20261002", "pieces": 1, "value": 1})

    quick.orders(rows, map="transactions")

    assert quick.all("orders", "number", "amount_minor") == [
        ("7-20261001", 1500),
        ("7-20261002", 100),
    ]


def test_lines_that_stand_far_apart_are_still_one_order(quick: Desk) -> None:
    rows = [
        order(sku="S1", price="1"),
        order(order_number="A2", email="b@example.com"),
        order(order_number="A3", email="c@example.com"),
        order(sku="S2", price="2"),
    ]
    for row in rows:
        del row["amount"]

    quick.orders(rows, chunk_rows=2)

    assert quick.all("orders", "number", "amount_minor")[0] == ("A1", 300)
    assert quick.all("order_items", "sku")[:2] == ["S1", "S2"]


def test_an_unpaid_a_cancelled_and_a_refunded_order_count_for_no_score(quick: Desk) -> None:
    quick.orders(
        [
            order(order_number="1", state="unpaid"),
            order(order_number="2", state="cancelled"),
            order(order_number="3", state="paid", refunded="20"),
            order(order_number="4", state="paid", refunded="5"),
            order(order_number="5", state="cancel requested"),
            order(order_number="6", state="cancel requested", paid_at="2026-10-01"),
        ]
    )

    assert quick.all("orders", "number", "state", "is_counted") == [
        ("1", "placed", False),
        ("2", "cancelled", False),
        ("3", "refunded", False),
        ("4", "partly_refunded", True),
        ("5", "cancel_requested", False),
        ("6", "cancel_requested", True),
    ]


def test_the_value_in_dollars_is_net_of_refunds_at_the_days_rate(quick: Desk) -> None:
    quick.orders([order(currency="EUR", amount="100", refunded="40")])

    assert quick.all("orders", "net_usd_cents") == [6600]


def test_without_a_rate_the_value_is_empty_and_one_note_says_so(quick: Desk) -> None:
    report = quick.orders(
        [order(currency="RUB"), order(order_number="A2", currency="RUB", amount="5")]
    )

    assert quick.all("orders", "net_usd_cents") == [None, None]
    assert len([note for note in report.notes if "no rate for RUB" in note]) == 1


def test_yen_have_no_cents(quick: Desk) -> None:
    quick.orders([order(currency="JPY", amount="1,500")])

    assert quick.all("orders", "amount_minor") == [1500]


def test_a_dry_run_tells_all_and_writes_nothing(desk: Desk) -> None:
    report = desk.orders([order(), order(order_number="A2")], is_dry_run=True)

    assert (report.orders_new, report.customers_new, report.is_dry_run) == (2, 1, True)
    assert [desk.count(name) for name in ("orders", "customers", "import_runs")] == [0, 0, 0]


def test_each_import_is_written_down(quick: Desk) -> None:
    quick.orders([order()])

    assert quick.all("import_runs", "kind", "mapping") == [("orders", "generic")]


def test_a_review_comes_with_its_order(quick: Desk) -> None:
    quick.orders([order(stars="5", review="Lovely", reviewed_at="2026-10-09")])

    assert quick.all("reviews", "stars", "comment") == [(5, "Lovely")]
    assert quick.all("orders", "state") == ["reviewed"]


def test_a_note_that_an_agent_may_have_written_stays(quick: Desk) -> None:
    quick.orders([order(note="gift wrap")])

    quick.orders([order(note="something else")])

    assert quick.all("orders", "note") == ["gift wrap"]


def test_progress_is_told(quick: Desk) -> None:
    seen: list[int] = []

    quick.orders([order(), order(order_number="A2")], progress=seen.append)

    assert seen == [2]


def test_orders_without_an_address_are_kept_and_counted(quick: Desk) -> None:
    row = order(buyer_id="buyer7", email="")

    report = quick.orders([row, {**row, "order_number": "A2"}])

    assert report.orders_without_address == 2
    assert quick.all("customers", "email") == [None]
    assert report.count(Count.CUSTOMERS_NEW) == 1
