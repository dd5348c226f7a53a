"""What customers were seen to do with a mail: clicks and opens, the first of each kind."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from crm_mailer.model.curve import Signal
from crm_mailer.model.touch import TouchState
from crm_mailer.store import bulk
from crm_mailer.store import tables as t
from crm_mailer.store.engine import Instant, upsert

#: What the table holds; replies and orders have tables of their own.
SEEN = (Signal.MACHINE_OPEN, Signal.HUMAN_OPEN, Signal.CLICK)


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """One signal of a customer."""

    kind: Signal
    at: datetime
    #: The mail that was clicked or opened, or came back; empty for replies and orders.
    campaign: str = ""
    anchor: str = ""
    order_id: int | None = None
    detail: str = ""


def add(
    connection: sa.Connection,
    touch_id: int,
    kind: Signal,
    at: datetime,
    *,
    now: datetime,
    detail: str = "",
) -> bool:
    """Note what was seen of a mail. The same once more changes nothing. Whether it was new.

    What is seen of a test is nobody's, and not noted.

    Args:
        connection: in a write transaction.
        touch_id: the mail.
        kind: click, human_open or machine_open.
        at: when it was done.
        now: when we learn of it.
        detail: where the click went, or which program opened the mail.

    Raises:
        ValueError: signals of this kind are kept elsewhere.
    """
    if kind not in SEEN:
        raise ValueError(f"a {kind} is not kept as a signal")
    touch = t.touches.c
    customer_id = connection.scalar(sa.select(touch.customer_id).where(touch.id == touch_id))
    if customer_id is None:
        return False
    statement = upsert(connection, t.signals).values(
        touch_id=touch_id,
        kind=kind.value,
        customer_id=customer_id,
        at=at,
        learnt_at=now,
        detail=detail[:500],
    )
    once = statement.on_conflict_do_nothing(index_elements=["touch_id", "kind"])
    return connection.execute(once.returning(t.signals.c.touch_id)).first() is not None


def add_all(
    connection: sa.Connection,
    kind: Signal,
    seen: Sequence[tuple[int, int, datetime, str]],
    now: datetime,
) -> int:
    """Note what was seen of many mails; how much of it was new.

    Args:
        connection: in a write transaction.
        kind: click, human_open or machine_open.
        seen: mail, its customer, when, and the detail.
        now: when we learn of it.
    """
    learnt_at = bulk.seconds(now)
    rows = [
        (touch_id, kind.value, customer_id, bulk.seconds(at), learnt_at, detail[:500])
        for touch_id, customer_id, at, detail in sorted(seen, key=lambda one: one[0])
    ]
    return bulk.insert(connection, t.signals, _ADDED, rows, conflict=_ONCE)


_ADDED = ("touch_id", "kind", "customer_id", "at", "learnt_at", "detail")
_ONCE = "ON CONFLICT (touch_id, kind) DO NOTHING"


@dataclass(frozen=True, slots=True, kw_only=True)
class Mail:
    """When a mail left, and the customer's latest order since."""

    left_at: datetime
    ordered_at: datetime | None


def find_mail(connection: sa.Connection, touch_id: int) -> Mail | None:
    """The mail of a touch; None where none has left."""
    touch, order = t.touches.c, t.orders.c
    left_at = sa.func.coalesce(touch.settled_at, touch.due_at)
    ordered = (
        sa.select(sa.func.max(order.placed_at))
        .where(order.customer_id == touch.customer_id, order.is_counted, order.placed_at > left_at)
        .correlate(t.touches)
        .scalar_subquery()
    )
    query = sa.select(
        sa.type_coerce(left_at, Instant).label("left_at"),
        sa.type_coerce(ordered, Instant).label("ordered_at"),
    ).where(touch.id == touch_id, touch.state.in_((TouchState.ACCEPTED, TouchState.IN_DOUBT)))
    row = connection.execute(query).first()
    return None if row is None else Mail(left_at=row.left_at, ordered_at=row.ordered_at)


def of_customer(connection: sa.Connection, customer_id: int) -> list[Heard]:
    """All that was heard of a customer, oldest first: clicks, opens, replies, counted orders, and
    mails that a full mailbox gave back.
    """
    found = [
        *_seen(connection, customer_id),
        *_given_back(connection, customer_id),
        *_written(connection, customer_id),
        *_bought(connection, customer_id),
    ]
    return sorted(found, key=lambda one: one.at)


def _seen(connection: sa.Connection, customer_id: int) -> Sequence[Heard]:
    seen = t.signals.c
    query = (
        sa.select(seen.kind, seen.at, t.touches.c.campaign, t.touches.c.anchor, seen.detail)
        .join(t.touches, t.touches.c.id == seen.touch_id)
        .where(seen.customer_id == customer_id)
    )
    return [
        Heard(kind=Signal(kind), at=at, campaign=campaign, anchor=anchor, detail=detail)
        for kind, at, campaign, anchor, detail in connection.execute(query)
    ]


def _written(connection: sa.Connection, customer_id: int) -> Sequence[Heard]:
    """Replies; a complaint ends what is under way."""
    reply = t.replies.c
    query = sa.select(reply.received_at, reply.intent, reply.subject).where(
        reply.customer_id == customer_id, reply.kind == "human", reply.is_copy.is_(sa.false())
    )
    return [
        Heard(kind=Signal.STOP if intent == "complaint" else Signal.REPLY, at=at, detail=subject)
        for at, intent, subject in connection.execute(query)
    ]


def _bought(connection: sa.Connection, customer_id: int) -> Sequence[Heard]:
    order = t.orders.c
    query = sa.select(order.id, order.placed_at, order.number).where(
        order.customer_id == customer_id, order.is_counted
    )
    return [
        Heard(kind=Signal.PURCHASE, at=at, order_id=order_id, detail=number)
        for order_id, at, number in connection.execute(query)
    ]


def _given_back(connection: sa.Connection, customer_id: int) -> Sequence[Heard]:
    bounce, touch = t.bounces.c, t.touches.c
    query = (
        sa.select(bounce.at, touch.campaign, touch.anchor, bounce.diagnostic)
        .join(t.touches, touch.id == bounce.touch_id)
        .where(touch.customer_id == customer_id, bounce.kind == "soft")
    )
    return [
        Heard(kind=Signal.BOUNCED, at=at, campaign=campaign, anchor=anchor, detail=detail)
        for at, campaign, anchor, detail in connection.execute(query)
    ]
