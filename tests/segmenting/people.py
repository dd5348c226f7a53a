"""Customers and orders for tests, written straight into the tables."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

import sqlalchemy as sa

from crm_mailer.store import tables as t
from crm_mailer.store.engine import Store

NOW = datetime(2026, 11, 2, 12, 0, tzinfo=UTC)
_numbers = count(1)


def add_customer(store: Store, **values: Any) -> int:
    """A customer; what is not said is unknown."""
    number = next(_numbers)
    row = {
        "email": f"c{number}@example.com",
        "email_key": f"c{number}@example.com",
        "created_at": NOW,
        "changed_at": NOW,
        **values,
    }
    with store.write() as connection:
        done = connection.execute(sa.insert(t.customers).values(row).returning(t.customers.c.id))
        return int(done.scalar_one())


def add_order(
    store: Store,
    customer_id: int | None,
    *,
    days_ago: float = 0,
    usd_cents: int | None = 1000,
    is_counted: bool = True,
    state: str = "paid",
    at: datetime | None = None,
    changed_at: datetime = NOW,
    items: tuple[dict[str, Any], ...] = (),
) -> int:
    """An order of the customer, paid if `is_counted`."""
    placed_at = at or NOW - timedelta(days=days_ago)
    row = {
        "platform": "test",
        "number": str(next(_numbers)),
        "customer_id": customer_id,
        "state": state,
        "is_counted": is_counted,
        "placed_at": placed_at,
        "currency": "USD",
        "amount_minor": usd_cents or 0,
        "net_usd_cents": usd_cents,
        "created_at": changed_at,
        "changed_at": changed_at,
    }
    with store.write() as connection:
        done = connection.execute(sa.insert(t.orders).values(row).returning(t.orders.c.id))
        order_id = int(done.scalar_one())
        for line, item in enumerate(items, start=1):
            connection.execute(
                sa.insert(t.order_items).values(order_id=order_id, line=line, **item)
            )
    return order_id


def add_buyer(store: Store, *days_ago: int, usd_cents: int = 1000, **values: Any) -> int:
    """A customer with an order on each of those days."""
    customer_id = add_customer(store, **values)
    for days in days_ago:
        add_order(store, customer_id, days_ago=days, usd_cents=usd_cents)
    return customer_id


def marks(store: Store, customer_id: int) -> tuple[int, int, int] | None:
    """R, F and M as stored; None without a score."""
    with store.read() as connection:
        row = connection.execute(
            sa.select(t.scores).where(t.scores.c.customer_id == customer_id)
        ).first()
    return None if row is None else (row.r, row.f, row.m)
