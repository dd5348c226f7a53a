"""Suppressions and reviews."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from crm_mailer.importing import Count, ImportReport, import_reviews, import_suppressions
from crm_mailer.model.errors import SourceError
from tests.importing.desk import NOW, Desk, order


def suppress(desk: Desk, path: Path, *, is_dry_run: bool = False) -> ImportReport:
    return import_suppressions(desk.store, path, now=NOW, is_dry_run=is_dry_run)


def review(desk: Desk, path: Path) -> ImportReport:
    return import_reviews(desk.store, path, shop_zone=ZoneInfo("UTC"), now=NOW)


def test_a_list_of_addresses_stops_marketing(desk: Desk) -> None:
    report = suppress(desk, desk.text("Email\nAnna@Example.com\nbad\nivan@example.com\n"))

    assert desk.all("suppressions", "address_key", "reason", "scope", "source") == [
        ("anna@example.com", "imported", "marketing", "export.csv"),
        ("ivan@example.com", "imported", "marketing", "export.csv"),
    ]
    assert [(p.row, p.column) for p in report.problems] == [(3, "email")]


def test_a_list_without_a_header_is_read_too(quick: Desk) -> None:
    report = suppress(quick, quick.text("1;anna@example.com\n2;ivan@example.com\n"))

    assert report.count(Count.ADDRESSES_NEW) == 2


def test_the_same_list_twice_changes_nothing(quick: Desk) -> None:
    path = quick.text("email\nanna@example.com\n")
    suppress(quick, path)

    again = suppress(quick, path)

    assert (again.count(Count.ADDRESSES_NEW), again.count(Count.ADDRESSES_KNOWN)) == (0, 1)


def test_a_list_tried_out_writes_nothing(quick: Desk) -> None:
    suppress(quick, quick.text("email\nanna@example.com\n"), is_dry_run=True)

    assert quick.count("suppressions") == 0


def test_a_list_without_addresses_is_refused(quick: Desk) -> None:
    with pytest.raises(SourceError, match="no column of mail addresses"):
        suppress(quick, quick.text("name,city\nAnna,Perm\n"))


def test_reviews_find_their_orders(desk: Desk) -> None:
    desk.orders([order(), order(order_number="A2")])

    report = review(
        desk,
        desk.text("order number,stars,comment,date\nA1,5,Lovely,2026-10-20\nA9,4,?,\nA2,nine,,\n"),
    )

    assert desk.all("reviews", "order_id", "customer_id", "stars", "comment", "at") == [
        (1, 1, 5, "Lovely", datetime(2026, 10, 20, tzinfo=UTC))
    ]
    assert desk.all("orders", "number", "state") == [("A1", "reviewed"), ("A2", "paid")]
    assert [(p.row, p.what) for p in report.problems] == [
        (4, "`nine` is no number of stars"),
        (3, "there is no order A9"),
    ]


def test_a_review_of_a_number_that_two_platforms_have_asks_which(quick: Desk) -> None:
    quick.orders([order(platform="ebay"), order(platform="wish", email="b@example.com")])

    vague = review(quick, quick.text("order number,stars\nA1,5\n"))
    clear = review(quick, quick.text("order number,stars,platform\nA1,5,wish\n"))

    assert "more than one platform" in vague.problems[0].what
    assert clear.count(Count.REVIEWS) == 1


def test_a_review_keeps_its_platform_and_product(quick: Desk) -> None:
    quick.orders([order()])

    review(quick, quick.text("order number,stars,sku\nA1,5,TP-1\n"))

    assert quick.all("reviews", "platform", "product", "source") == [
        (quick.all("orders", "platform")[0], "TP-1", "file")
    ]


def test_the_same_reviews_twice_change_nothing(quick: Desk) -> None:
    quick.orders([order()])
    path = quick.text("order number,stars,comment,date\nA1,2,slow,2026-10-20\n")
    review(quick, path)
    with quick.store.write() as connection:
        connection.exec_driver_sql("UPDATE reviews SET learnt_at = 5, answered_at = 6")

    review(quick, path)

    assert quick.count("reviews") == 1
    with quick.store.read() as connection:
        row = connection.exec_driver_sql("SELECT learnt_at, answered_at FROM reviews").one()
    assert tuple(row) == (5, 6)
