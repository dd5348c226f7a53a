"""What ends a campaign for a customer: its exit conditions as SQL, over any rows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any

import sqlalchemy as sa

from crm_mailer.model.campaign import Campaign, Exit, OrderAnchor, SegmentAnchor
from crm_mailer.model.case import UNDER_WAY
from crm_mailer.model.order import OrderState
from crm_mailer.store import tables as t
from crm_mailer.store.touches import list_unsent

Condition = sa.ColumnElement[bool]

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


def list_exited(connection: sa.Connection, campaign: Campaign) -> Sequence[int]:
    """The campaign's unsent touches whose exit condition is met."""
    met = conditions(
        campaign,
        customer_id=t.touches.c.customer_id,
        order_id=t.touches.c.order_id,
        anchored_at=t.touches.c.anchored_at,
    )
    return list_unsent(connection, campaign.id, sa.or_(*met)) if met else ()


def conditions(
    campaign: Campaign,
    *,
    customer_id: sa.ColumnElement[Any],
    order_id: sa.ColumnElement[Any],
    anchored_at: sa.ColumnElement[Any],
) -> list[Condition]:
    """The campaign's exit conditions over these columns.

    Leaving the audience is not among them: it needs a moment to look from, see `unwanted`.
    """
    made = []
    for exit_ in sorted(campaign.exits):
        if exit_ is Exit.AUDIENCE_LEFT:
            continue
        if exit_ in EXIT_STATES:
            made.append(_order_reached(campaign, exit_, order_id, anchored_at))
        else:
            made.append(_OTHER_EXITS[exit_](campaign, customer_id, order_id, anchored_at))
    return made


def _order_reached(
    campaign: Campaign,
    exit_: Exit,
    order_id: sa.ColumnElement[Any],
    anchored_at: sa.ColumnElement[Any],
) -> Condition:
    own = campaign.anchor.state if isinstance(campaign.anchor, OrderAnchor) else None
    states = [state for state in EXIT_STATES[exit_] if state is not own]
    event = _EVENT.c
    # an export may know the anchor to the minute and the other state by its day only
    since = anchored_at - int(_A_DAY.total_seconds())
    return sa.exists().where(event.order_id == order_id, event.state.in_(states), event.at > since)


def _bought(_campaign: Campaign, customer_id: Any, order_id: Any, anchored_at: Any) -> Condition:
    other = _OTHER.c
    return sa.exists().where(
        other.customer_id == customer_id,
        other.is_counted,
        other.placed_at > anchored_at,
        sa.or_(order_id.is_(None), other.id != order_id),
    )


def _replied(_campaign: Campaign, customer_id: Any, _order_id: Any, anchored_at: Any) -> Condition:
    reply = _REPLY.c
    return sa.exists().where(
        reply.customer_id == customer_id,
        reply.kind == "human",
        reply.is_copy.is_(sa.false()),
        reply.received_at > anchored_at,
    )


def _case_open(_campaign: Campaign, customer_id: Any, _order: Any, _anchored: Any) -> Condition:
    case = _CASE.c
    return sa.exists().where(case.customer_id == customer_id, case.state.in_(sorted(UNDER_WAY)))


def _left(campaign: Campaign, customer_id: Any, _order_id: Any, anchored_at: Any) -> Condition:
    assert isinstance(campaign.anchor, SegmentAnchor)
    member = _MEMBER.c
    return sa.exists().where(
        member.customer_id == customer_id,
        member.segment == campaign.anchor.segment,
        member.since == anchored_at,
        member.until.is_not(None),
    )


_OTHER_EXITS: dict[Exit, Callable[[Campaign, Any, Any, Any], Condition]] = {
    Exit.BOUGHT: _bought,
    Exit.REPLIED: _replied,
    Exit.CASE_OPEN: _case_open,
    Exit.SEGMENT_LEFT: _left,
}
