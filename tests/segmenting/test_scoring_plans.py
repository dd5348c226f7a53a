"""Scoring asks SQLite's indexes, also where SQLite knows how large a shop has become."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import sqlalchemy as sa

from crm_mailer.segmenting.scoring import update_scores
from crm_mailer.store.engine import Store
from tests.segmenting.people import NOW, add_customer, add_order

ZONE, DAY = ZoneInfo("Asia/Shanghai"), timedelta(days=1)
#: What ANALYZE wrote of a shop of 1,000,000 customers with 10,000,000 orders: table, index, sizes.
LARGE = [
    ("customers", "ix_customers_changed_at", "1000000 4"),
    ("customers", "sqlite_autoindex_customers_1", "1000000 1"),
    ("scores", "ix_scores_last_order_at", "1000000 1"),
    ("orders", "ix_orders_customer_id", "10000000 10"),
    ("orders", "ix_orders_changed_at", "10000000 10"),
    ("orders", "ix_orders_placed_at", "10000000 1"),
    ("orders", "ix_orders_rfm", "10000000 10 10 1 1"),
]


@contextmanager
def steps_of(store: Store) -> Iterator[list[str]]:
    """How the database goes about each statement of the block, told while its tables are there.

    Whether there is any row at all is no question to look at.
    """
    told: list[str] = []

    def hear(_c: Any, cursor: Any, text: str, values: Any, _context: Any, is_many: bool) -> None:
        if text.startswith(("SELECT", "INSERT", "UPDATE", "DELETE")) and "LIMIT" not in text:
            given = values[0] if is_many else values
            plan = cursor.connection.execute(f"EXPLAIN QUERY PLAN {text}", given)
            told.extend(row[3] for row in plan)

    sa.event.listen(store.engine, "before_cursor_execute", hear)
    yield told
    sa.event.remove(store.engine, "before_cursor_execute", hear)


def walks(steps: list[str]) -> set[str]:
    """The large tables that are read from end to end, and what is made of one for the moment."""
    found = {step.split()[1] for step in steps if step.startswith("SCAN")}
    made = {step for step in steps if step.startswith(("BLOOM", "AUTOMATIC"))}
    return (found & {table for table, _, _ in LARGE}) | made


@pytest.fixture
def shop(sqlite_store: Store) -> Store:
    """Three customers with orders, which SQLite takes for a million."""
    for days in (3, 40, 400):
        add_order(sqlite_store, add_customer(sqlite_store), days_ago=days)
    with sqlite_store.write() as connection:
        connection.exec_driver_sql("ANALYZE")
        connection.exec_driver_sql("DELETE FROM sqlite_stat1")
        connection.exec_driver_sql("INSERT INTO sqlite_stat1 VALUES (?, ?, ?)", LARGE)
    sqlite_store.close()  # the next connection believes it
    return sqlite_store


def test_everybody_is_scored_by_one_walk_along_one_index(shop: Store) -> None:
    with steps_of(shop) as steps:
        update_scores(shop, zone=ZONE, now=NOW)

    assert [one for one in steps if "orders" in one] == [
        "SEARCH orders USING COVERING INDEX ix_orders_rfm (customer_id>?)"
    ]
    assert not [one for one in steps if "TEMP B-TREE" in one]


def test_new_orders_are_scored_without_a_look_at_the_others(shop: Store) -> None:
    update_scores(shop, zone=ZONE, now=NOW).stand(shop, NOW)
    later = NOW + timedelta(hours=1)
    for _ in range(3):
        add_order(shop, add_customer(shop, changed_at=later), changed_at=later, at=later)

    with steps_of(shop) as steps:
        marked = update_scores(shop, zone=ZONE, now=later)

    assert marked.scored == 3
    assert walks(steps) == set()
    assert "SEARCH orders USING INDEX ix_orders_changed_at (changed_at>?)" in steps
    of_orders = {one.partition(" (")[2] for one in steps if "ix_orders_rfm" in one}
    assert of_orders == {"customer_id=? AND is_counted=?)"}


def test_a_new_day_reads_only_those_who_passed_a_limit(shop: Store) -> None:
    update_scores(shop, zone=ZONE, now=NOW).stand(shop, NOW)

    with steps_of(shop) as steps:
        update_scores(shop, zone=ZONE, now=NOW + DAY)

    assert walks(steps) == set()
    ways = {one.partition(" (")[2] for one in steps if "ix_scores_last_order_at" in one}
    assert ways == {"last_order_at>? AND last_order_at<?)"}
