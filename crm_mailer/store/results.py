"""What followed the mails of a campaign: orders, replies and money, also beside a hold-out."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from crm_mailer.model.campaign import Stream
from crm_mailer.model.touch import SkipReason, TouchState
from crm_mailer.store import tables as t

_LATER = t.touches.alias("later_touch")


@dataclass(frozen=True, slots=True, kw_only=True)
class ArmCounts:
    """Customers of one arm whose time to answer is over, and what they did in it."""

    step: str
    arm: str
    customers: int
    bought: int
    replied: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Money:
    """Orders that followed this arm's mails and no later marketing mail, and what they brought."""

    step: str
    arm: str
    orders: int
    usd_cents: int


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupCounts:
    """Occasions with mail, or held out: how many bought, what they spent, and its squares."""

    is_held: bool
    occasions: int
    bought: int
    usd_cents: float
    squares: float


def arms(
    connection: sa.Connection, campaign: str, *, within: timedelta, now: datetime
) -> list[ArmCounts]:
    """Counts by step and arm. Mails whose time `within` is not over yet do not count at all."""
    touch, seconds = t.touches.c, int(within.total_seconds())
    did_buy = _orders(touch.customer_id, touch.settled_at, seconds).exists()
    did_reply = _replies(touch.customer_id, touch.settled_at, seconds)

    def customers(holds: sa.ColumnElement[bool]) -> sa.ColumnElement[int]:
        return sa.func.count(sa.distinct(sa.case((holds, touch.customer_id))))

    query = (
        sa.select(
            touch.step,
            touch.arm,
            customers(sa.true()),
            customers(did_buy),
            customers(did_reply),
        )
        .where(
            touch.campaign == campaign,
            touch.state == TouchState.ACCEPTED,
            touch.settled_at <= now - within,
        )
        .group_by(touch.step, touch.arm)
        .order_by(sa.func.min(touch.place), touch.arm)
    )
    return [
        ArmCounts(step=step, arm=arm, customers=number, bought=bought, replied=replied)
        for step, arm, number, bought, replied in connection.execute(query)
    ]


def last_touch(connection: sa.Connection, campaign: str, *, within: timedelta) -> list[Money]:
    """Orders by the last marketing mail before them, at most `within` earlier."""
    touch, order, later = t.touches.c, t.orders.c, _LATER.c
    seconds = int(within.total_seconds())
    is_overtaken = sa.exists().where(
        later.customer_id == touch.customer_id,
        later.state == TouchState.ACCEPTED,
        later.stream == Stream.MARKETING,
        later.settled_at < order.placed_at,
        sa.or_(
            later.settled_at > touch.settled_at,
            sa.and_(later.settled_at == touch.settled_at, later.id > touch.id),
        ),
    )
    query = (
        sa.select(
            touch.step,
            touch.arm,
            sa.func.count(),
            sa.func.coalesce(sa.func.sum(order.net_usd_cents), 0),
        )
        .join_from(t.touches, t.orders, order.customer_id == touch.customer_id)
        .where(
            touch.campaign == campaign,
            touch.state == TouchState.ACCEPTED,
            order.is_counted,
            order.placed_at > touch.settled_at,
            order.placed_at <= touch.settled_at + seconds,
            ~is_overtaken,
        )
        .group_by(touch.step, touch.arm)
    )
    return [
        Money(step=step, arm=arm, orders=number, usd_cents=int(cents))
        for step, arm, number, cents in connection.execute(query)
    ]


def groups(
    connection: sa.Connection, campaign: str, *, within: timedelta, now: datetime
) -> list[GroupCounts]:
    """Occasions by whether chance held them out, as they were assigned, whatever came of the mail.

    Only occasions whose time `within` is over. Who could not be mailed when it was planned is in
    neither group.
    """
    touch, seconds = t.touches.c, int(within.total_seconds())
    is_held = touch.reason == SkipReason.HOLD_OUT
    was_refused = sa.and_(
        touch.state == TouchState.SKIPPED, touch.settled_at == touch.planned_at, ~is_held
    )
    spent = _orders(touch.customer_id, touch.due_at, seconds)
    each = (
        sa.select(
            is_held.label("is_held"),
            spent.exists().label("has_bought"),
            sa.func.coalesce(spent.scalar_subquery(), 0.0).label("usd"),
        )
        .where(
            touch.campaign == campaign,
            touch.place == 1,
            touch.due_at <= now - within,
            ~was_refused,
        )
        .subquery()
    )
    query = sa.select(
        each.c.is_held,
        sa.func.count(),
        sa.func.sum(sa.case((each.c.has_bought, 1), else_=0)),
        sa.func.sum(each.c.usd),
        sa.func.sum(each.c.usd * each.c.usd),
    ).group_by(each.c.is_held)
    return [
        GroupCounts(
            is_held=bool(held),
            occasions=number,
            bought=bought,
            usd_cents=float(cents),
            squares=float(squares),
        )
        for held, number, bought, cents, squares in connection.execute(query)
    ]


def _orders(customer_id: Any, since: Any, seconds: int) -> sa.Select[Any]:
    """What the customer spent within so many seconds, in US cents; has no row without an order."""
    order = t.orders.c
    cents = sa.func.sum(sa.cast(sa.func.coalesce(order.net_usd_cents, 0), sa.Float))
    return (
        sa.select(cents)
        .where(
            order.customer_id == customer_id,
            order.is_counted,
            order.placed_at > since,
            order.placed_at <= since + seconds,
        )
        .group_by(order.customer_id)
        .correlate(t.touches)
    )


def _replies(customer_id: Any, since: Any, seconds: int) -> sa.ColumnElement[bool]:
    """Whether the customer wrote within so many seconds, not to complain."""
    reply = t.replies.c
    return sa.exists().where(
        reply.customer_id == customer_id,
        reply.kind == "human",
        reply.is_copy.is_(sa.false()),
        reply.intent != "complaint",
        reply.received_at > since,
        reply.received_at <= since + seconds,
    )
