"""Reads all that the tables hold about one customer."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from crm_mailer.model.case import UNDER_WAY
from crm_mailer.model.reply import ReplyKind
from crm_mailer.model.touch import TouchState
from crm_mailer.store import tables as t
from crm_mailer.store.selection_fields import left_alone

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """One customer as rules see them: rows as they are, nothing concluded."""

    customer: Row
    score: Row | None
    tags: tuple[str, ...]
    order_states: tuple[str, ...]
    stars: tuple[int, ...]
    has_open_case: bool
    #: Lines of paid orders: sku, category, title, price_minor, quantity, and their order's columns.
    purchases: tuple[Row, ...]
    segments: frozenset[str]
    #: Memberships, past ones too: segment, since, until.
    stays: tuple[Row, ...] = ()
    #: Paid orders: id, placed_at, amount_minor, net_usd_cents.
    paid: tuple[Row, ...] = ()
    #: Mails that a server took, and mails of the customer's own: campaign, intent, at.
    mailed: tuple[Row, ...] = ()
    replied: tuple[Row, ...] = ()
    #: Mails that the customer clicked in or opened: kind, campaign, at.
    seen: tuple[Row, ...] = ()
    is_suppressed: bool = False
    is_left_alone: bool = False
    #: What the models of buying and forgetting say.
    value: Row | None = None
    #: Changes of marks, oldest first.
    moves: tuple[Row, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Past:
    """What happened with one customer, by table."""

    orders: tuple[Row, ...]
    order_events: tuple[Row, ...]
    items: tuple[Row, ...]
    touches: tuple[Row, ...]
    replies: tuple[Row, ...]
    bounces: tuple[Row, ...]
    cases: tuple[Row, ...]
    case_events: tuple[Row, ...]
    suppressions: tuple[Row, ...]
    reviews: tuple[Row, ...]
    identities: tuple[Row, ...]
    notes: tuple[Row, ...]


def known(connection: sa.Connection, customer_id: int) -> Known:
    """What rules may ask of the customer."""
    orders = t.orders.c
    paid = (
        sa.select(orders.id, orders.placed_at, orders.amount_minor, orders.net_usd_cents)
        .where(orders.customer_id == customer_id, orders.is_counted)
        .order_by(orders.placed_at, orders.id)
    )
    paid_lines = (
        paid.add_columns(*(column for column in t.order_items.c if column.name != "order_id"))
        .join(t.order_items, t.order_items.c.order_id == orders.id)
        .order_by(t.order_items.c.line)
    )
    open_cases = sa.select(t.cases.c.id).where(
        t.cases.c.customer_id == customer_id, t.cases.c.state.in_(sorted(UNDER_WAY))
    )
    memberships = sa.select(t.memberships).where(t.memberships.c.customer_id == customer_id)
    stays = _rows(connection, memberships.order_by(t.memberships.c.since, t.memberships.c.id))
    score = _rows(connection, sa.select(t.scores).where(t.scores.c.customer_id == customer_id))
    values = t.customer_values
    value = _rows(connection, sa.select(values).where(values.c.customer_id == customer_id))
    return Known(
        customer=_rows(connection, sa.select(t.customers).where(t.customers.c.id == customer_id))[
            0
        ],
        score=score[0] if score else None,
        tags=_values(connection, t.customer_tags.c.tag, customer_id),
        order_states=_values(connection, orders.state, customer_id),
        stars=_values(connection, t.reviews.c.stars, customer_id),
        has_open_case=connection.scalar(open_cases.limit(1)) is not None,
        purchases=_rows(connection, paid_lines),
        segments=frozenset(stay["segment"] for stay in stays if stay["until"] is None),
        stays=stays,
        paid=_rows(connection, paid),
        mailed=_rows(connection, _mailed(customer_id)),
        replied=_rows(connection, _replied(customer_id)),
        seen=_rows(connection, _seen(customer_id)),
        is_suppressed=_is_suppressed(connection, customer_id),
        is_left_alone=bool(connection.scalar(sa.select(left_alone(sa.literal(customer_id))))),
        value=value[0] if value else None,
        moves=_rows(
            connection,
            sa.select(t.score_changes)
            .where(t.score_changes.c.customer_id == customer_id)
            .order_by(t.score_changes.c.at, t.score_changes.c.id),
        ),
    )


def _mailed(customer_id: int) -> sa.Select[Any]:
    touch = t.touches.c
    return sa.select(
        touch.campaign, sa.literal("").label("intent"), touch.settled_at.label("at")
    ).where(touch.customer_id == customer_id, touch.state == TouchState.ACCEPTED.value)


def _replied(customer_id: int) -> sa.Select[Any]:
    reply = t.replies.c
    return (
        sa.select(t.touches.c.campaign, reply.intent, reply.received_at.label("at"))
        .outerjoin_from(t.replies, t.touches, t.touches.c.id == reply.touch_id)
        .where(
            reply.customer_id == customer_id,
            reply.kind == ReplyKind.HUMAN.value,
            ~reply.is_copy,
        )
    )


def _seen(customer_id: int) -> sa.Select[Any]:
    signal = t.signals.c
    return (
        sa.select(t.touches.c.campaign, sa.literal("").label("intent"), signal.kind, signal.at)
        .join_from(t.signals, t.touches, t.touches.c.id == signal.touch_id)
        .where(signal.customer_id == customer_id)
    )


def _is_suppressed(connection: sa.Connection, customer_id: int) -> bool:
    query = (
        sa.select(t.suppressions.c.id)
        .join(t.customers, t.customers.c.email_key == t.suppressions.c.address_key)
        .where(t.customers.c.id == customer_id)
    )
    return connection.scalar(query.limit(1)) is not None


def past(connection: sa.Connection, customer_id: int) -> Past:
    """Everything that happened, each table in the order of time."""
    address = sa.select(t.customers.c.email_key).where(t.customers.c.id == customer_id)
    own_orders = sa.select(t.orders.c.id).where(t.orders.c.customer_id == customer_id)
    own_touches = sa.select(t.touches.c.id).where(t.touches.c.customer_id == customer_id)
    own_cases = sa.select(t.cases.c.id).where(t.cases.c.customer_id == customer_id)

    def of(table: sa.Table, *order: sa.ColumnElement[Any]) -> tuple[Row, ...]:
        query = sa.select(table).where(table.c.customer_id == customer_id)
        return _rows(connection, query.order_by(*order))

    def of_these(column: sa.Column[Any], ids: sa.Select[Any], *order: Any) -> tuple[Row, ...]:
        query = sa.select(column.table).where(column.in_(ids))
        return _rows(connection, query.order_by(*order))

    return Past(
        orders=of(t.orders, t.orders.c.placed_at, t.orders.c.id),
        order_events=of_these(
            t.order_events.c.order_id, own_orders, t.order_events.c.at, t.order_events.c.id
        ),
        items=of_these(
            t.order_items.c.order_id, own_orders, t.order_items.c.order_id, t.order_items.c.line
        ),
        touches=_touches(connection, customer_id),
        replies=of(t.replies, t.replies.c.received_at, t.replies.c.id),
        bounces=of_these(t.bounces.c.touch_id, own_touches, t.bounces.c.at, t.bounces.c.id),
        cases=of(t.cases, t.cases.c.opened_at, t.cases.c.id),
        case_events=of_these(
            t.case_events.c.case_id, own_cases, t.case_events.c.at, t.case_events.c.id
        ),
        suppressions=of_these(
            t.suppressions.c.address_key, address, t.suppressions.c.at, t.suppressions.c.id
        ),
        reviews=of(t.reviews, t.reviews.c.at, t.reviews.c.id),
        identities=of(t.customer_identities, t.customer_identities.c.id),
        notes=of(t.customer_notes, t.customer_notes.c.at, t.customer_notes.c.id),
    )


def order_numbers(connection: sa.Connection, ids: Collection[int]) -> dict[int, str]:
    """The number of each of these orders, as the shop or the platform gave it."""
    order = t.orders.c
    query = sa.select(order.id, order.number).where(order.id.in_(sorted(ids)))
    return {row.id: row.number for row in connection.execute(query)} if ids else {}


def _touches(connection: sa.Connection, customer_id: int) -> tuple[Row, ...]:
    """Touches with the subject of the mail that each became."""
    query = (
        sa.select(t.touches, t.messages.c.subject, t.messages.c.message_id)
        .outerjoin_from(t.touches, t.messages, t.messages.c.touch_id == t.touches.c.id)
        .where(t.touches.c.customer_id == customer_id)
        .order_by(t.touches.c.due_at, t.touches.c.id)
    )
    return _rows(connection, query)


def _values(connection: sa.Connection, column: sa.Column[Any], customer_id: int) -> tuple[Any, ...]:
    owner = column.table.c.customer_id
    query = sa.select(column).distinct().where(owner == customer_id).order_by(column)
    return tuple(connection.scalars(query))


def _rows(connection: sa.Connection, query: sa.Select[Any]) -> tuple[Row, ...]:
    return tuple(dict(row) for row in connection.execute(query).mappings())
