"""What ends a campaign for a customer: its exit conditions as SQL, over any rows."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any

import sqlalchemy as sa

from crm_mailer.model.campaign import Anchor, Campaign, Exit, OrderAnchor, SegmentAnchor
from crm_mailer.model.case import UNDER_WAY
from crm_mailer.model.order import OrderState
from crm_mailer.store import bulk
from crm_mailer.store import tables as t
from crm_mailer.store.engine import Instant
from crm_mailer.store.touches import UNSENT, list_unsent

Condition = sa.ColumnElement[bool]
Column = sa.ColumnElement[Any]

_A_DAY = timedelta(days=1)
#: Names of their own for tables that a query may hold twice; made once, for making them is slow.
_EVENT = t.order_events.alias("exit_event")
_OTHER = t.orders.alias("exit_order")
_REPLY = t.replies.alias("exit_reply")
_CASE = t.cases.alias("exit_case")
_MEMBER = t.memberships.alias("exit_member")
_AFTER_ARRIVAL = (OrderState.ARRIVED, OrderState.RECEIVED, OrderState.REVIEWED)
_AFTER_SHIPPING = (OrderState.SHIPPED, OrderState.IN_TRANSIT_LONG, *_AFTER_ARRIVAL)
#: The states that tell that an exit was met. A later state counts too: exports skip states.
EXIT_STATES: dict[Exit, tuple[OrderState, ...]] = {
    Exit.ORDER_PAID: (
        OrderState.FUNDS_PENDING,
        OrderState.PAID,
        OrderState.DELAYED,
        OrderState.OUT_OF_STOCK,
        OrderState.RESTOCKED,
        *_AFTER_SHIPPING,
        OrderState.PARTLY_REFUNDED,
        OrderState.REFUNDED,
    ),
    Exit.ORDER_CANCELLED: (OrderState.CANCELLED, OrderState.EXPIRED, OrderState.REFUNDED),
    Exit.ORDER_SHIPPED: _AFTER_SHIPPING,
    Exit.ORDER_ARRIVED: _AFTER_ARRIVAL,
    Exit.ORDER_REVIEWED: (OrderState.REVIEWED,),
    Exit.ORDER_DISPUTED: (
        OrderState.DISPUTED,
        OrderState.ARBITRATION,
        OrderState.DISPUTE_DECIDED,
    ),
}

#: What these mean depends on what started the campaign.
_BY_ANCHOR = frozenset({*EXIT_STATES, Exit.SEGMENT_LEFT})


def kind(campaign: Campaign) -> tuple[frozenset[Exit], Anchor | None]:
    """What the campaign's exits ask: the anchor is a part of it for few of them."""
    exits = campaign.exits - {Exit.AUDIENCE_LEFT}
    return exits, campaign.anchor if exits & _BY_ANCHOR else None


def list_exited(
    connection: sa.Connection, campaigns: Sequence[Campaign], *, since: datetime | None = None
) -> Sequence[int]:
    """Unsent touches whose exit condition is met, of campaigns whose exits are of one `kind`.

    With `since` only of customers of whom something became known from then on: no other's exit
    can be met now that was not met before.
    """
    exits, anchor = campaigns[0].exits - {Exit.AUDIENCE_LEFT}, campaigns[0].anchor
    if not exits:
        return ()
    if since is None:
        is_met = sa.or_(*over_touches(exits, anchor))
        return [id_ for one in campaigns for id_ in list_unsent(connection, one.id, is_met)]
    query = _exited_since(exits, anchor, connection.dialect.name)
    names = json.dumps([[one.id] for one in campaigns])
    return connection.scalars(query, {"names": names, "since": since}).all()


@lru_cache(maxsize=256)
def _exited_since(exits: frozenset[Exit], anchor: Anchor, dialect: str) -> sa.Select[Any]:
    """Unsent touches with an exit met of `names`, among customers with news from `since` on."""
    touch = t.touches.c
    named = bulk.as_rows(dialect, {"name": sa.Text()}, "names").c.name
    return sa.select(touch.id).where(
        touch.customer_id.in_(_stirred(exits, anchor)),
        (touch.campaign + "").in_(sa.select(named)),  # no index serves it, see `of_campaign`
        touch.state.in_(UNSENT),
        sa.or_(*over_touches(exits, anchor)),
    )


def _stirred(exits: frozenset[Exit], anchor: Anchor) -> Any:
    """Customers with whom something happened, or became known, that an exit may ask for."""
    order, reply, case = t.orders.c, t.replies.c, t.cases.c
    member, event, since = t.memberships.c, t.order_events.c, sa.bindparam("since", type_=Instant)
    found = [
        sa.select(order.customer_id).where(order.changed_at >= since),
        sa.select(t.customers.c.id).where(t.customers.c.changed_at >= since),
    ]
    states = {state for one in exits for state in EXIT_STATES.get(one, ())}
    if states:
        found.append(
            sa.select(order.customer_id)
            .join(t.order_events, event.order_id == order.id)
            .where(event.state.in_(sorted(states)), event.learnt_at >= since)
        )
    if Exit.REPLIED in exits:
        found += [
            sa.select(reply.customer_id).where(reply.learnt_at >= since),
            sa.select(reply.customer_id).where(reply.received_at >= since),
        ]
    if Exit.CASE_OPEN in exits:  # all of them: there are few, and a case may open again
        found.append(sa.select(case.customer_id).where(case.state.in_(sorted(UNDER_WAY))))
    if Exit.SEGMENT_LEFT in exits and isinstance(anchor, SegmentAnchor):
        is_of = member.segment == anchor.segment
        found.append(sa.select(member.customer_id).where(is_of, member.until >= since))
    return sa.union(*found)


def over_touches(exits: frozenset[Exit], anchor: Anchor | None) -> list[Condition]:
    """The exits over touches; `anchor` as `kind` has it."""
    touch = t.touches.c
    return _conditions(exits, anchor, touch.customer_id, touch.order_id, touch.anchored_at)


def conditions(
    campaign: Campaign,
    *,
    customer_id: Column,
    order_id: Column,
    anchored_at: Column,
) -> list[Condition]:
    """The campaign's exit conditions over these columns.

    Leaving the audience is not among them: it needs a moment to look from, see `unwanted`.
    """
    return _conditions(campaign.exits, campaign.anchor, customer_id, order_id, anchored_at)


def _conditions(
    exits: frozenset[Exit],
    anchor: Anchor | None,
    customer_id: Column,
    order_id: Column,
    anchored_at: Column,
) -> list[Condition]:
    made = []
    for exit_ in sorted(exits - {Exit.AUDIENCE_LEFT}):
        if exit_ in EXIT_STATES:
            made.append(_order_reached(anchor, exit_, order_id, anchored_at))
        else:
            made.append(_OTHER_EXITS[exit_](anchor, customer_id, order_id, anchored_at))
    return made


def _order_reached(
    anchor: Anchor | None, exit_: Exit, order_id: Column, anchored_at: Column
) -> Condition:
    own = anchor.state if isinstance(anchor, OrderAnchor) else None
    states = [state for state in EXIT_STATES[exit_] if state is not own]
    event = _EVENT.c
    # an export may know the anchor to the minute and the other state by its day only
    since = anchored_at - int(_A_DAY.total_seconds())
    return sa.exists().where(event.order_id == order_id, event.state.in_(states), event.at > since)


def _bought(_anchor: Anchor | None, customer_id: Any, order_id: Any, anchored_at: Any) -> Condition:
    other = _OTHER.c
    return sa.exists().where(
        other.customer_id == customer_id,
        other.is_counted,
        other.placed_at > anchored_at,
        sa.or_(order_id.is_(None), other.id != order_id),
    )


def _replied(
    _anchor: Anchor | None, customer_id: Any, _order_id: Any, anchored_at: Any
) -> Condition:
    reply = _REPLY.c
    return sa.exists().where(
        reply.customer_id == customer_id,
        reply.kind == "human",
        reply.is_copy.is_(sa.false()),
        reply.received_at > anchored_at,
    )


def _case_open(_anchor: Anchor | None, customer_id: Any, _order: Any, _anchored: Any) -> Condition:
    case = _CASE.c
    return sa.exists().where(case.customer_id == customer_id, case.state.in_(sorted(UNDER_WAY)))


def _left(anchor: Anchor | None, customer_id: Any, _order_id: Any, anchored_at: Any) -> Condition:
    assert isinstance(anchor, SegmentAnchor)
    member = _MEMBER.c
    return sa.exists().where(
        member.customer_id == customer_id,
        member.segment == anchor.segment,
        member.since == anchored_at,
        member.until.is_not(None),
    )


_OTHER_EXITS: dict[Exit, Callable[[Anchor | None, Any, Any, Any], Condition]] = {
    Exit.BOUGHT: _bought,
    Exit.REPLIED: _replied,
    Exit.CASE_OPEN: _case_open,
    Exit.SEGMENT_LEFT: _left,
}
