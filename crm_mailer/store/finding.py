"""Finds what somebody has in hand: an address, a name, an order's number, a Message-ID."""

from __future__ import annotations

from dataclasses import dataclass

import sqlalchemy as sa

from crm_mailer.model.address import key
from crm_mailer.store import tables as t


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """One thing: `kind` is customer, order, mail, case or reply; `number` is its own."""

    kind: str
    number: int
    text: str
    more: str = ""


def customers(connection: sa.Connection, text: str, limit: int) -> list[Found]:
    """Customers whose address or name begins so; by index, however many there are."""
    customer = t.customers.c
    begins = [
        *_begins(connection, customer.email_key, [key(text) or text.casefold()]),
        *_begins(connection, customer.name, _spellings(text)),
        *_begins(connection, customer.family_name, _spellings(text)),
    ]
    found: dict[int, Found] = {}
    for condition in begins:
        query = sa.select(customer.id, customer.name, customer.email).where(condition).limit(limit)
        for row in connection.execute(query):
            text_ = row.name or row.email or str(row.id)
            more = row.email if row.name and row.email else ""
            found[row.id] = Found(kind="customer", number=row.id, text=text_, more=more)
    return list(found.values())[:limit]


def orders(connection: sa.Connection, number: str, limit: int) -> list[Found]:
    """The customers of an order by this number; platforms may share numbers."""
    order, customer = t.orders.c, t.customers.c
    query = (
        sa.select(order.customer_id, order.number, order.platform, customer.name, customer.email)
        .join_from(t.orders, t.customers, customer.id == order.customer_id)
        .where(order.number == number)
        .limit(limit)
    )
    return [
        Found(
            kind="order", number=row.customer_id, text=row.number,
            more=f"{row.platform} · {row.name or row.email or ''}".strip(" ·"),
        )
        for row in connection.execute(query)
    ]  # fmt: skip


def mails(connection: sa.Connection, text: str) -> list[Found]:
    """The mail with this number or Message-ID."""
    touch, message = t.touches.c, t.messages.c
    query = sa.select(touch.id, touch.campaign, message.subject).outerjoin_from(
        t.touches, t.messages, message.touch_id == touch.id
    )
    if text.isascii() and text.isdecimal():
        query = query.where(touch.id == _number(text))
    else:
        query = query.where(message.message_id == f"<{text.strip('<>')}>")
    return [
        Found(kind="mail", number=row.id, text=row.subject or row.campaign, more=row.campaign)
        for row in connection.execute(query.limit(1))
    ]


def cases(connection: sa.Connection, text: str) -> list[Found]:
    """The case with this number."""
    case = t.cases.c
    query = sa.select(case.id, case.reason).where(case.id == _number(text))
    return [
        Found(kind="case", number=row.id, text=row.reason, more="")
        for row in connection.execute(query)
    ]


def replies(connection: sa.Connection, text: str) -> list[Found]:
    """The reply with this Message-ID."""
    reply = t.replies.c
    query = sa.select(reply.id, reply.subject, reply.sender).where(
        reply.message_id == f"<{text.strip('<>')}>"
    )
    return [
        Found(kind="reply", number=row.id, text=row.subject or row.sender, more=row.sender)
        for row in connection.execute(query.limit(1))
    ]


def _number(text: str) -> int:
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 16 else -1


def _spellings(text: str) -> list[str]:
    """Names are told apart by case in the index."""
    return list(dict.fromkeys([text, text.title(), text.upper(), text.lower()]))


def _begins(
    connection: sa.Connection, column: sa.ColumnElement[str], texts: list[str]
) -> list[sa.ColumnElement[bool]]:
    """That a column begins so, in the form for which each engine uses its index."""
    if connection.dialect.name == "sqlite":
        return [(column >= text) & (column < text + chr(0x10FFFF)) for text in texts]
    return [column.startswith(text, autoescape=True) for text in texts]
