"""Orders with their items, the times of their states, and their reviews."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from crm_mailer.model.errors import NotFound
from crm_mailer.model.order import Order, OrderItem, OrderState
from crm_mailer.model.sentence import Sentence
from crm_mailer.store import bulk
from crm_mailer.store.tables import order_events, order_items, orders, reviews

FACTS = (
    "platform number customer_id buyer_id state is_counted placed_at paid_at currency amount_minor "
    "refunded_minor net_usd_cents payment_method promised_ship_at carrier tracking_number "
    "tracking_url expected_at note coupons shipping_minor"
).split()

#: A look-up is faster than an enum's `value`.
TEXT = {state: state.value for state in OrderState}


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderFacts:
    """An order as it is stored, without its id, events and items."""

    platform: str
    number: str
    customer_id: int | None
    buyer_id: str
    state: OrderState
    is_counted: bool
    placed_at: datetime
    paid_at: datetime | None
    currency: str
    amount_minor: int
    refunded_minor: int
    net_usd_cents: int | None
    payment_method: str = ""
    promised_ship_at: datetime | None = None
    carrier: str = ""
    tracking_number: str = ""
    tracking_url: str = ""
    expected_at: datetime | None = None
    note: str = ""
    #: Codes that the order names, as the export writes them.
    coupons: str = ""
    #: What the buyer paid for shipping; None where no file told it.
    shipping_minor: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredOrder:
    """A known order with all that belongs to it."""

    id: int
    facts: OrderFacts
    times: dict[OrderState, datetime] = field(default_factory=dict)
    items: tuple[OrderItem, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Review:
    """What a customer said of an order, 1 to 5 stars."""

    order_id: int
    customer_id: int | None
    stars: int
    comment: str
    at: datetime
    platform: str = ""
    #: Sku, else title of what was reviewed.
    product: str = ""


def with_state(facts: OrderFacts, state: OrderState) -> OrderFacts:
    """The same facts in another state."""
    return replace(facts, state=state)


def get(connection: sa.Connection, order_id: int) -> Order:
    """The order with this id, with its items.

    Raises:
        NotFound: there is none.
    """
    row = connection.execute(sa.select(orders).where(orders.c.id == order_id)).first()
    if row is None:
        raise NotFound(Sentence("there is no order {order_id}", order_id=order_id))
    items = _items(connection, [order_id]).get(order_id, [])
    facts = _facts(row)
    return Order(
        id=row.id,
        platform=facts.platform,
        number=facts.number,
        customer_id=facts.customer_id,
        state=facts.state,
        placed_at=facts.placed_at,
        paid_at=facts.paid_at,
        currency=facts.currency,
        amount_minor=facts.amount_minor,
        refunded_minor=facts.refunded_minor,
        amount_usd_cents=facts.net_usd_cents,
        payment_method=facts.payment_method,
        promised_ship_at=facts.promised_ship_at,
        carrier=facts.carrier,
        tracking_number=facts.tracking_number,
        tracking_url=facts.tracking_url,
        expected_at=facts.expected_at,
        note=facts.note,
        items=tuple(items),
    )


def find_by_numbers(
    connection: sa.Connection, platform: str, numbers: Iterable[str]
) -> dict[str, StoredOrder]:
    """Order number -> what is stored of it, events and items included.

    In a write transaction: nobody else may write into an order, such as a customer's wish into
    its note, between this look and `change`.
    """
    found: dict[str, StoredOrder] = {}
    for batch in bulk.batches(numbers):
        rows = connection.execute(
            sa.select(orders)
            .where(orders.c.platform == platform, bulk.among(connection, orders.c.number, batch))
            .with_for_update()
        ).all()
        ids = [row.id for row in rows]
        times, items = _times(connection, ids), _items(connection, ids)
        for row in rows:
            found[row.number] = StoredOrder(
                id=row.id,
                facts=_facts(row),
                times=times.get(row.id, {}),
                items=tuple(items.get(row.id, ())),
            )
    return found


def find_by_number(connection: sa.Connection, number: str) -> list[tuple[int, str, int | None]]:
    """(id, platform, customer id) of each order with this number, on whichever platform."""
    query = sa.select(orders.c.id, orders.c.platform, orders.c.customer_id)
    rows = connection.execute(query.where(orders.c.number == number).order_by(orders.c.id))
    return [(row.id, row.platform, row.customer_id) for row in rows]


def take_ids(connection: sa.Connection, count: int) -> Sequence[int]:
    """Ids for new orders."""
    return bulk.take_ids(connection, orders, count)


def add(connection: sa.Connection, new: Iterable[tuple[int, OrderFacts]], *, now: datetime) -> None:
    """Insert orders under ids from `take_ids`."""
    at = bulk.seconds(now)
    rows = [(order_id, *_values(facts), at, at) for order_id, facts in new]
    bulk.insert(connection, orders, ("id", *FACTS, "created_at", "changed_at"), rows)


def change(
    connection: sa.Connection, changed: Iterable[tuple[int, OrderFacts]], *, now: datetime
) -> None:
    """Write the facts of known orders."""
    at = bulk.seconds(now)
    rows = [(*_values(facts), at, order_id) for order_id, facts in changed]
    bulk.update(connection, orders, (*FACTS, "changed_at"), rows)


def put_events(
    connection: sa.Connection,
    reached: Iterable[tuple[int, OrderState, datetime]],
    *,
    learnt_at: datetime,
) -> None:
    """Keep when orders reached a state; a known state takes the time given, not `learnt_at`."""
    learnt = bulk.seconds(learnt_at)
    rows = [(order_id, TEXT[state], int(at.timestamp()), learnt) for order_id, state, at in reached]
    bulk.insert(
        connection,
        order_events,
        ("order_id", "state", "at", "learnt_at"),
        rows,
        conflict="ON CONFLICT (order_id, state) DO UPDATE SET at = excluded.at",
    )


def put_items(
    connection: sa.Connection, items: Iterable[tuple[int, Iterable[OrderItem]]], *, replace: bool
) -> None:
    """Write the items of orders; with `replace`, instead of those that are there."""
    held = list(items)
    if replace:
        for batch in bulk.batches([order_id for order_id, _ in held]):
            connection.execute(
                sa.delete(order_items).where(bulk.among(connection, order_items.c.order_id, batch))
            )
    rows = [
        (order_id, line, item.sku, item.title, item.category, item.quantity, item.price_minor)
        for order_id, lines in held
        for line, item in enumerate(lines, start=1)
    ]
    columns = ("order_id", "line", "sku", "title", "category", "quantity", "price_minor")
    bulk.insert(connection, order_items, columns, rows)


def put_reviews(connection: sa.Connection, told: Iterable[Review]) -> None:
    """Keep reviews of a platform's file, one for each order; the later one wins.

    One that was changed is learnt and answered anew. What a customer wrote to us, or told an
    agent, gives way to what stands on the platform.
    """
    rows = [
        (one.order_id, one.customer_id, one.stars, one.comment, bulk.seconds(one.at),
         one.platform, one.product, "file")
        for one in told
    ]  # fmt: skip
    bulk.insert(
        connection,
        reviews,
        ("order_id", "customer_id", "stars", "comment", "at", "platform", "product", "source"),
        rows,
        conflict=_TOLD_ANEW,
    )


#: What stands on the platform, where nothing or something else was known of the order's review.
_TOLD_ANEW = """ON CONFLICT (order_id) DO UPDATE SET
 learnt_at = CASE WHEN reviews.stars = excluded.stars AND reviews.comment = excluded.comment
   THEN reviews.learnt_at END,
 answered_at = CASE WHEN reviews.stars = excluded.stars AND reviews.comment = excluded.comment
   THEN reviews.answered_at END,
 stars = excluded.stars, comment = excluded.comment, at = excluded.at,
 platform = CASE excluded.platform WHEN '' THEN reviews.platform ELSE excluded.platform END,
 product = CASE excluded.product WHEN '' THEN reviews.product ELSE excluded.product END,
 source = excluded.source
 WHERE reviews.at <= excluded.at OR reviews.source <> 'file'"""


def _values(facts: OrderFacts) -> tuple[Any, ...]:
    return (
        facts.platform,
        facts.number,
        facts.customer_id,
        facts.buyer_id,
        TEXT[facts.state],
        facts.is_counted,
        int(facts.placed_at.timestamp()),
        bulk.maybe_seconds(facts.paid_at),
        facts.currency,
        facts.amount_minor,
        facts.refunded_minor,
        facts.net_usd_cents,
        facts.payment_method,
        bulk.maybe_seconds(facts.promised_ship_at),
        facts.carrier,
        facts.tracking_number,
        facts.tracking_url,
        bulk.maybe_seconds(facts.expected_at),
        facts.note,
        facts.coupons,
        facts.shipping_minor,
    )


def _facts(row: sa.Row[Any]) -> OrderFacts:
    values = {name: getattr(row, name) for name in FACTS}
    values["state"] = OrderState(values["state"])
    return OrderFacts(**values)


def _times(connection: sa.Connection, ids: Iterable[int]) -> dict[int, dict[OrderState, datetime]]:
    found: dict[int, dict[OrderState, datetime]] = {}
    table = order_events.c
    for batch in bulk.batches(ids):
        query = sa.select(table.order_id, table.state, table.at).where(
            bulk.among(connection, table.order_id, batch)
        )
        for order_id, state, at in connection.execute(query):
            found.setdefault(order_id, {})[OrderState(state)] = at
    return found


def _items(connection: sa.Connection, ids: Iterable[int]) -> dict[int, list[OrderItem]]:
    found: dict[int, list[OrderItem]] = {}
    table = order_items.c
    for batch in bulk.batches(ids):
        query = (
            sa.select(order_items)
            .where(bulk.among(connection, table.order_id, batch))
            .order_by(table.order_id, table.line)
        )
        for row in connection.execute(query):
            found.setdefault(row.order_id, []).append(
                OrderItem(
                    sku=row.sku,
                    title=row.title,
                    category=row.category,
                    quantity=row.quantity,
                    price_minor=row.price_minor,
                )
            )
    return found
