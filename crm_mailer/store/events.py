"""Events that start campaigns, as rows of their tables: orders, segments, replies, reviews."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any

import sqlalchemy as sa

from crm_mailer.model.campaign import (
    Anchor,
    FirstOrderAnchor,
    OrderAnchor,
    ReplyAnchor,
    ReviewAnchor,
    SegmentAnchor,
)
from crm_mailer.model.order import TOLD_BY, OrderState
from crm_mailer.store import tables as t
from crm_mailer.store.engine import Instant

Condition = sa.ColumnElement[bool]
_A_DAY = timedelta(days=1)
_FIRST = datetime(1971, 1, 1, tzinfo=UTC)
#: The window of the events, as values of a statement.
SINCE, UNTIL = (sa.bindparam(name, type_=Instant) for name in ("since", "until"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Events:
    """Where events of one kind are found, and what of each row tells what.

    `name` is the occasion's; `where` holds for those between `since` and `until`, two values of
    the statement.
    """

    source: sa.FromClause
    key: sa.ColumnElement[Any]
    name: sa.ColumnElement[Any]
    at: sa.ColumnElement[Any]
    customer_id: sa.ColumnElement[Any]
    order_id: sa.ColumnElement[Any] | None = None
    where: Condition


def are_events(anchor: Anchor) -> bool:
    """Whether what starts the campaign are events, and no days of a calendar."""
    if isinstance(anchor, FirstOrderAnchor):
        return not anchor.is_yearly
    return isinstance(anchor, (OrderAnchor, SegmentAnchor, ReplyAnchor, ReviewAnchor))


@lru_cache(maxsize=256)
def events_of(anchor: Anchor) -> Events:
    """The events that start a campaign; for anchors of which `are_events` holds. Made once."""
    match anchor:
        case OrderAnchor(state=state):
            return _order_states(state)
        case SegmentAnchor(segment=segment):
            return _memberships(segment)
        case ReplyAnchor(kind=kind):
            return _replies(None if kind == "any" else kind)
        case ReviewAnchor(stars=stars):
            return _reviews(stars)
        case _:
            return _first_orders()


def last_of(
    connection: sa.Connection, anchor: Anchor, customer_id: int, until: datetime
) -> datetime | None:
    """When the customer's latest event of this kind was; None: there was none."""
    events = events_of(anchor)
    query = (
        sa.select(events.at)
        .select_from(events.source)
        .where(events.where, events.customer_id == customer_id)
        .order_by(events.at.desc())
        .limit(1)
    )
    return connection.scalar(query, {"since": _FIRST, "until": until})


def _order_states(state: OrderState) -> Events:
    """Orders that reached a state, by the number of the event."""
    event, order = t.order_events.c, t.orders.c
    return Events(
        source=t.order_events.join(t.orders, order.id == event.order_id),
        key=event.id,
        name=sa.literal("order:") + sa.cast(event.order_id, sa.Text) + f":{state}",
        at=event.at,
        customer_id=order.customer_id,
        order_id=event.order_id,
        where=sa.and_(reached(state), event.at.between(SINCE, UNTIL)),
    )


def reached(state: OrderState) -> Condition:
    """Whether the event in `order_events` is the one at which its order reached `state`."""
    event, own = t.order_events.c, t.order_events.alias("own_event").c
    if state not in TOLD_BY:
        return event.state == state
    is_told = sa.exists().where(own.order_id == event.order_id, own.state == state)
    is_one = event.state.in_((state, TOLD_BY[state]))
    return sa.and_(is_one, sa.or_(event.state == state, ~is_told))


def _memberships(segment: str) -> Events:
    """Customers who came into a segment and are still there."""
    member = t.memberships.c
    return Events(
        source=t.memberships,
        key=member.id,
        name=sa.literal(f"segment:{segment}:") + sa.cast(member.id, sa.Text),
        at=member.since,
        customer_id=member.customer_id,
        where=sa.and_(
            member.segment == segment, member.since.between(SINCE, UNTIL), member.until.is_(None)
        ),
    )


def _replies(intent: str | None) -> Events:
    """Mails that customers wrote themselves; `intent` None means any."""
    reply = t.replies.c
    is_meant = sa.true() if intent is None else reply.intent == intent
    return Events(
        source=t.replies,
        key=reply.id,
        name=sa.literal("reply:") + sa.cast(reply.id, sa.Text),
        at=reply.received_at,
        customer_id=reply.customer_id,
        order_id=reply.order_id,
        where=sa.and_(
            reply.kind == "human",
            reply.is_copy.is_(sa.false()),
            reply.received_at.between(SINCE, UNTIL),
            is_meant,
        ),
    )


def _reviews(stars: tuple[int, int]) -> Events:
    """Reviews with so many stars, from the fewest to the most, that were learnt from.

    A review in a platform's file may name the order alone: then it is the order's customer.
    """
    review = t.reviews.c
    return Events(
        source=t.reviews.outerjoin(t.orders, t.orders.c.id == review.order_id),
        key=review.id,
        name=sa.literal("review:") + sa.cast(review.id, sa.Text),
        at=review.at,
        customer_id=sa.func.coalesce(review.customer_id, t.orders.c.customer_id),
        order_id=review.order_id,
        where=sa.and_(
            review.stars.between(*stars),
            review.at.between(SINCE, UNTIL),
            # nothing is learnt before it was written, a day of wrong clocks allowed for
            review.learnt_at >= SINCE - int(_A_DAY.total_seconds()),
        ),
    )


def _first_orders() -> Events:
    """First paid orders."""
    order = t.orders.c
    earlier = t.orders.alias("earlier").c
    paid = sa.func.coalesce(order.paid_at, order.placed_at, type_=order.placed_at.type)
    is_second = sa.exists().where(
        earlier.customer_id == order.customer_id,
        earlier.is_counted,
        sa.or_(
            earlier.placed_at < order.placed_at,
            sa.and_(earlier.placed_at == order.placed_at, earlier.id < order.id),
        ),
    )
    return Events(
        source=t.orders,
        key=order.id,
        name=sa.literal("first_order"),
        at=paid,
        customer_id=order.customer_id,
        order_id=order.id,
        where=sa.and_(
            order.is_counted,
            paid.between(SINCE, UNTIL),
            # a payment changes the order's row when it is learnt, a day of wrong clocks allowed for
            order.changed_at >= SINCE - int(_A_DAY.total_seconds()),
            ~is_second,
        ),
    )
