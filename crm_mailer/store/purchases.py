"""What a customer bought: the products that a letter may be about."""

from __future__ import annotations

import sqlalchemy as sa

from crm_mailer.store.tables import order_items, orders

#: Of a letter that names no order, so many of the customer's latest orders are looked at.
_ORDERS = 5
_ITEMS = 50


def of_order(connection: sa.Connection, order_id: int) -> list[tuple[str, str]]:
    """Sku and title of each item of an order."""
    query = sa.select(order_items.c.sku, order_items.c.title).where(
        order_items.c.order_id == order_id
    )
    rows = connection.execute(query.order_by(order_items.c.line).limit(_ITEMS))
    return [(row.sku, row.title) for row in rows]


def of_customer(connection: sa.Connection, customer_id: int) -> list[tuple[str, str]]:
    """Sku and title of each item of a customer's latest orders."""
    latest = (
        sa.select(orders.c.id)
        .where(orders.c.customer_id == customer_id)
        .order_by(orders.c.placed_at.desc(), orders.c.id.desc())
        .limit(_ORDERS)
        .scalar_subquery()
    )
    query = sa.select(order_items.c.sku, order_items.c.title).where(
        order_items.c.order_id.in_(latest)
    )
    rows = connection.execute(query.order_by(order_items.c.order_id).limit(_ITEMS))
    return [(row.sku, row.title) for row in rows]
