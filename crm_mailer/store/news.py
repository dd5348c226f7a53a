"""What is new of the events that start campaigns: so that a look at nothing new costs nothing."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
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
from crm_mailer.store.events import SINCE, UNTIL, are_events
from crm_mailer.store.prepared import Prepared


@dataclass(frozen=True, slots=True, kw_only=True)
class News:
    """How many events became known since a moment, the greatest of their numbers, and when the
    last of them became known. Equal to what it was: nothing has been added.
    """

    count: int = 0
    last_id: int = 0
    last_at: int = 0


def told(connection: sa.Connection, anchor: Anchor, *, since: datetime, until: datetime) -> News:
    """The events of this kind that became known, or came true, between `since` and `until`.

    Nothing for anchors that are days of the calendar: those are known long before.
    """
    if not are_events(anchor):
        return News()
    values = {"since": int(since.timestamp()), "until": int(until.timestamp())}
    count, last_id, last_at = _counted(connection.dialect.name, anchor).rows(connection, values)[0]
    return News(count=count, last_id=last_id or 0, last_at=last_at or 0)


def list_ids(
    connection: sa.Connection, anchor: Anchor, *, since: datetime, until: datetime
) -> list[int]:
    """The numbers of the same events, in their order."""
    if not are_events(anchor):
        return []
    return sorted(connection.scalars(_ids(anchor), {"since": since, "until": until}))


@lru_cache(maxsize=256)
def _ids(anchor: Anchor) -> sa.Select[Any]:
    return sa.select(_found(anchor).subquery("found").c.id)


@lru_cache(maxsize=512)
def _counted(_dialect: str, anchor: Anchor) -> Prepared:
    """Made once for each anchor: each tick asks."""
    new = _found(anchor).subquery("found").c
    return Prepared(sa.select(sa.func.count(), sa.func.max(new.id), sa.func.max(new.at)))


def _found(anchor: Anchor) -> sa.Select[Any]:
    match anchor:
        case OrderAnchor(state=state):
            return _events(_order_events(state), t.order_events.c.learnt_at)
        case SegmentAnchor(segment=segment):
            member = t.memberships.c
            return sa.select(member.id, member.since.label("at")).where(
                member.segment == segment, member.since >= SINCE
            )
        case ReplyAnchor():
            return _events(_new_replies(), t.replies.c.learnt_at)
        case ReviewAnchor():
            review = t.reviews.c
            return sa.select(review.id, review.learnt_at.label("at")).where(
                review.learnt_at >= SINCE
            )
        case _:
            order = t.orders.c
            return sa.select(order.id, order.changed_at.label("at")).where(
                order.changed_at >= SINCE
            )


def size(connection: sa.Connection, anchor: Anchor, *, since: datetime, until: datetime) -> int:
    """How many events of this kind lie between `since` and `until`: what a full look goes through.

    0 for days of the calendar.
    """
    match anchor:
        case OrderAnchor(state=state):
            event = t.order_events.c
            is_open = sa.and_(_is_of(event, state), event.at.between(since, until))
        case SegmentAnchor(segment=segment):
            member = t.memberships.c
            is_open = sa.and_(member.segment == segment, member.since.between(since, until))
        case ReplyAnchor():
            is_open = t.replies.c.received_at.between(since, until)
        case ReviewAnchor():
            is_open = t.reviews.c.learnt_at >= since
        case FirstOrderAnchor(is_yearly=False):
            is_open = t.orders.c.changed_at >= since
        case _:
            return 0
    return connection.scalar(sa.select(sa.func.count()).where(is_open)) or 0


def _order_events(state: OrderState) -> Any:
    """SELECT of ids: events that may stand for `state`, learnt of from `since` on, or dated since.

    What lay in the future when it was learnt is news when its time has come. Two ranges of two
    indexes, for an OR of them reads the whole window.
    """
    event = t.order_events.c
    learnt = sa.select(event.id).where(
        _is_of(event, state), event.learnt_at >= SINCE, event.at <= UNTIL
    )
    came_true = sa.select(event.id).where(_is_of(event, state), event.at.between(SINCE, UNTIL))
    return sa.union(learnt, came_true)


def _new_replies() -> Any:
    """SELECT of ids: replies that were read or received from `since` on."""
    reply = t.replies.c
    read = sa.select(reply.id).where(reply.learnt_at >= SINCE, reply.received_at <= UNTIL)
    received = sa.select(reply.id).where(reply.received_at.between(SINCE, UNTIL))
    return sa.union(read, received)


def _is_of(event: Any, state: OrderState) -> sa.ColumnElement[bool]:
    states = [state, *([TOLD_BY[state]] if state in TOLD_BY else [])]
    found: sa.ColumnElement[bool] = event.state.in_(states)
    return found


def _events(ids: Any, known_at: sa.Column[Any]) -> sa.Select[Any]:
    """These rows' numbers, and when they became known."""
    new, table = ids.subquery("new"), known_at.table
    return sa.select(table.c.id, known_at.label("at")).join_from(new, table, table.c.id == new.c.id)
