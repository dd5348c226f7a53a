"""Messages: what each touch became, and the facts that a batch of mails is written from."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from crm_mailer.model.customer import Customer, Gender, Occupation
from crm_mailer.model.message import Message
from crm_mailer.model.order import Order, OrderItem, OrderState
from crm_mailer.store import bulk, links
from crm_mailer.store.engine import Packed
from crm_mailer.store.events import reached
from crm_mailer.store.prepared import Prepared
from crm_mailer.store.tables import (
    customers,
    memberships,
    messages,
    order_events,
    order_items,
    orders,
    touches,
)

#: Ids asked for in one statement.
CHUNK = 500


def save(
    connection: sa.Connection,
    rendered: Iterable[Message],
    now: datetime,
    keep_content: Collection[int],
) -> None:
    """Keep what was rendered; a touch that is rendered again replaces its row.

    Args:
        connection: a write turn.
        rendered: the messages.
        now: when.
        keep_content: touches whose bytes are kept (transactional mail); of the others the
            snapshot of their fields is.
    """
    at = bulk.seconds(now)
    mails = list(rendered)
    rows = [_row(message, at, message.touch_id in keep_content) for message in mails]
    if connection.dialect.name == "postgresql" and rows and not keep_content:
        # one statement for all costs the server a third
        connection.execute(_adding(), {"rows": json.dumps([_in_hex(row) for row in rows])})
    else:
        bulk.insert(connection, messages, _SAVED, rows, conflict=_REPLACING)
    links.save(connection, mails, at)


@lru_cache(maxsize=1)
def _adding() -> Any:
    """INSERT ... SELECT of many messages without bytes, for PostgreSQL."""
    types = {name: messages.c[name].type for name in _SAVED}
    given = bulk.as_rows(
        "postgresql",
        {**types, "snapshot": sa.LargeBinary(), "content": sa.LargeBinary(),
         "rendered_at": sa.BigInteger()},
    )  # fmt: skip
    rows = sa.select(*(given.c[name] for name in _SAVED))
    insert = postgresql.insert(messages).from_select(_SAVED, rows)
    return insert.on_conflict_do_update(
        index_elements=["touch_id"], set_={name: insert.excluded[name] for name in _SAVED[1:]}
    )


def _in_hex(row: tuple[Any, ...]) -> tuple[Any, ...]:
    """The same with its bytes as PostgreSQL reads them in a text."""
    return tuple([f"\\x{one.hex()}" if isinstance(one, bytes) else one for one in row])


def find_content(connection: sa.Connection, touch_ids: Sequence[int]) -> dict[int, Message]:
    """The messages whose bytes were kept: a second attempt sends exactly these."""
    found: dict[int, Message] = {}
    for ids in _chunks(touch_ids):
        query = sa.select(messages).where(
            messages.c.touch_id.in_(ids), messages.c.content.is_not(None)
        )
        for row in bulk.every(connection, query):
            found[row.touch_id] = _message(row)
    return found


def find_customers(connection: sa.Connection, ids: Sequence[int]) -> dict[int, Customer]:
    """Customers by id; those that are not there are left out."""
    statement = _finding(connection.dialect.name)
    rows = statement.rows(connection, {"ids": json.dumps(ids)})
    return {row[0]: _customer(row) for row in rows}


@lru_cache(maxsize=2)
def _finding(dialect: str) -> Prepared:
    return Prepared(sa.select(*CUSTOMER).where(customers.c.id.in_(bulk.given_ids(dialect))))


def find_orders(connection: sa.Connection, ids: Sequence[int]) -> dict[int, Order]:
    """Orders with their items, by id."""
    items: dict[int, list[OrderItem]] = {}
    found: dict[int, Order] = {}
    for part in _chunks(ids):
        query = sa.select(order_items).where(order_items.c.order_id.in_(part))
        in_order = query.order_by(order_items.c.order_id, order_items.c.line)
        for row in bulk.every(connection, in_order):
            items.setdefault(row.order_id, []).append(_item(row))
        for row in bulk.every(connection, sa.select(orders).where(orders.c.id.in_(part))):
            found[row.id] = _order(row, tuple(items.get(row.id, ())))
    return found


def find_order_id(connection: sa.Connection, number: str, customer_id: int | None) -> int | None:
    """The newest order with this number, of this customer where one is named."""
    query = sa.select(orders.c.id).where(orders.c.number == number)
    if customer_id is not None:
        query = query.where(orders.c.customer_id == customer_id)
    return connection.execute(query.order_by(orders.c.placed_at.desc()).limit(1)).scalar()


def find_texts(connection: sa.Connection, touch_ids: Sequence[int]) -> dict[int, str]:
    """What agents wrote, for touches that carry a text of their own."""
    found: dict[int, str] = {}
    for ids in _chunks(touch_ids):
        query = sa.select(touches.c.id, touches.c.detail).where(touches.c.id.in_(ids))
        found.update({row.id: row.detail for row in bulk.every(connection, query)})
    return found


def find_order_event(
    connection: sa.Connection, customer_id: int, state: OrderState, order_id: int | None = None
) -> tuple[int, datetime] | None:
    """The customer's last order (or `order_id`) that reached a state, and when."""
    query = (
        sa.select(orders.c.id, order_events.c.at)
        .join(order_events, order_events.c.order_id == orders.c.id)
        .where(orders.c.customer_id == customer_id, reached(state))
    )
    if order_id is not None:
        query = query.where(orders.c.id == order_id)
    query = query.order_by(order_events.c.at.desc()).limit(1)
    row = bulk.first(connection, query)
    return None if row is None else (row.id, row.at)


def find_membership(connection: sa.Connection, customer_id: int, segment: str) -> datetime | None:
    """Since when the customer has been in a segment; of an ended membership, since when it was."""
    query = (
        sa.select(memberships.c.since)
        .where(memberships.c.customer_id == customer_id, memberships.c.segment == segment)
        .order_by(memberships.c.since.desc())
        .limit(1)
    )
    return connection.execute(query).scalar()


def find_first_order(connection: sa.Connection, customer_id: int) -> datetime | None:
    """When the customer's first counted order was placed."""
    query = sa.select(sa.func.min(orders.c.placed_at)).where(
        orders.c.customer_id == customer_id, orders.c.is_counted
    )
    return connection.execute(query).scalar()


#: The columns that a mail may be written from, in the sequence of the fields.
CUSTOMER = [customers.c[name] for name in Customer._fields]
_GENDER, _OCCUPATION, _GUESSED, _FLAGGED, _CREATED = (
    Customer._fields.index(name)
    for name in ("gender", "occupation", "is_gender_guessed", "is_flagged", "created_at")
)


def _chunks(ids: Sequence[int]) -> Iterable[Sequence[int]]:
    return (ids[begin : begin + CHUNK] for begin in range(0, len(ids), CHUNK))


_SAVED = (
    "touch_id message_id rcpt_to mail_from subject language template template_version sha256 "
    "snapshot content rendered_at links"
).split()
#: Bytes that were kept and leave once more are as old as they were.
_RENDERED_AT = (
    "CASE WHEN messages.sha256 = excluded.sha256 THEN messages.rendered_at"
    " ELSE excluded.rendered_at END"
)
_REPLACING = "ON CONFLICT (touch_id) DO UPDATE SET " + ", ".join(
    f"{name} = {_RENDERED_AT if name == 'rendered_at' else f'excluded.{name}'}"
    for name in _SAVED[1:]
)


def _row(message: Message, at: int, keep_content: bool) -> tuple[Any, ...]:
    """The values of `_SAVED`."""
    return (
        message.touch_id,
        message.message_id,
        message.rcpt_to,
        message.mail_from,
        message.subject,
        message.language,
        message.template,
        message.template_version,
        message.sha256,
        None if keep_content else message.snapshot or None,
        Packed().process_bind_param(message.content, None) if keep_content else None,
        at,
        len(message.links) + len(message.own_links),
    )


def _message(row: Any) -> Message:
    return Message(
        touch_id=row.touch_id,
        message_id=row.message_id,
        mail_from=row.mail_from,
        rcpt_to=row.rcpt_to,
        content=row.content,
        subject=row.subject,
        language=row.language,
        template=row.template,
        template_version=row.template_version,
        sha256=row.sha256,
        snapshot=bytes(row.snapshot or b""),
        is_wire_ready=not row.content.startswith(b".") and b"\r\n." not in row.content,
        is_utf8=not row.content.isascii(),
    )


def _customer(row: Any) -> Customer:
    """The customer in a row of `CUSTOMER`, whose values are plain."""
    values = list(row)
    gender, occupation, created = values[_GENDER], values[_OCCUPATION], values[_CREATED]
    values[_GENDER] = Gender(gender) if gender else None
    values[_OCCUPATION] = Occupation(occupation) if occupation else None
    values[_GUESSED], values[_FLAGGED] = bool(values[_GUESSED]), bool(values[_FLAGGED])
    values[_CREATED] = None if created is None else datetime.fromtimestamp(created, UTC)
    return tuple.__new__(Customer, values)


def _item(row: Any) -> OrderItem:
    return OrderItem(
        sku=row.sku,
        title=row.title,
        quantity=row.quantity,
        price_minor=row.price_minor,
        category=row.category,
    )


def _order(row: Any, items: tuple[OrderItem, ...]) -> Order:
    return Order(
        id=row.id,
        platform=row.platform,
        number=row.number,
        customer_id=row.customer_id,
        state=OrderState(row.state),
        placed_at=row.placed_at,
        paid_at=row.paid_at,
        currency=row.currency,
        amount_minor=row.amount_minor,
        refunded_minor=row.refunded_minor,
        amount_usd_cents=row.net_usd_cents,
        payment_method=row.payment_method,
        promised_ship_at=row.promised_ship_at,
        carrier=row.carrier,
        tracking_number=row.tracking_number,
        tracking_url=row.tracking_url,
        expected_at=row.expected_at,
        note=row.note,
        items=items,
    )
