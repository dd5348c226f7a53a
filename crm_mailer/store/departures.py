"""What must be known of touches at the moment they leave: much may have happened since planning."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import sqlalchemy as sa

from crm_mailer.model.campaign import Campaign, Stream
from crm_mailer.model.standing import Standing
from crm_mailer.model.touch import TouchState
from crm_mailer.store import exits
from crm_mailer.store.tables import customers, touches
from crm_mailer.store.touches import of_campaign, sliced, standing_columns, standing_of

#: No mail leaves so long after it was due: bounds what is read of a customer's history.
_LATEST = timedelta(days=31)
#: What has left, or may have.
_LEFT = (TouchState.ACCEPTED, TouchState.IN_DOUBT)
#: The touches a second time; made once, for making it is slow.
_LATER = touches.alias("later")


@dataclass(frozen=True, slots=True, kw_only=True)
class Departure:
    """The customer of a touch as they stand now."""

    standing: Standing
    time_zone: str
    country: str
    #: A later step of the same occasion has left, or is due too.
    is_overtaken: bool


def find(
    connection: sa.Connection, touch_ids: Sequence[int], now: datetime
) -> dict[int, Departure]:
    """The facts for each of these touches."""
    found: dict[int, Departure] = {}
    for ids in sliced(touch_ids):
        query = (
            sa.select(
                touches.c.id,
                customers.c.time_zone,
                customers.c.country,
                _overtaken(now).label("is_overtaken"),
                *standing_columns(),
            )
            .join_from(touches, customers, customers.c.id == touches.c.customer_id)
            .where(touches.c.id.in_(ids))
        )
        for row in connection.execute(query):
            found[row.id] = Departure(
                standing=standing_of(row),
                time_zone=row.time_zone,
                country=row.country,
                is_overtaken=bool(row.is_overtaken),
            )
    return found


def _overtaken(now: datetime) -> sa.ColumnElement[bool]:
    later = _LATER
    is_due = sa.and_(
        later.c.state.in_((TouchState.PLANNED, TouchState.DEFERRED, TouchState.CLAIMED)),
        later.c.next_at <= now,
    )
    return sa.exists().where(
        later.c.customer_id == touches.c.customer_id,
        of_campaign(touches.c.campaign, later),
        later.c.anchor == touches.c.anchor,
        later.c.place > touches.c.place,
        sa.or_(later.c.state.in_(_LEFT), is_due),
    )


def exited(
    connection: sa.Connection, campaign: Campaign, touch_ids: Sequence[int]
) -> frozenset[int]:
    """Which of these touches of the campaign have met one of its exit conditions."""
    met = exits.conditions(
        campaign,
        customer_id=touches.c.customer_id,
        order_id=touches.c.order_id,
        anchored_at=touches.c.anchored_at,
    )
    if not met:
        return frozenset()
    query = sa.select(touches.c.id).where(touches.c.id.in_(touch_ids), sa.or_(*met))
    return frozenset(connection.execute(query).scalars())


def marketing_left(
    connection: sa.Connection,
    customer_ids: Sequence[int],
    since: datetime,
    *,
    now: datetime,
    owner: str,
) -> dict[int, list[datetime]]:
    """When marketing mail left to each of these customers since `since`.

    What another sender than `owner` has in its hands counts as leaving `now`.
    """
    left = sa.and_(
        touches.c.state.in_(_LEFT),
        sa.func.coalesce(touches.c.settled_at, touches.c.due_at) >= since,
    )
    leaving = sa.and_(touches.c.state == TouchState.CLAIMED, touches.c.owner != owner)
    found: dict[int, list[datetime]] = {}
    for ids in sliced(customer_ids):
        query = sa.select(
            touches.c.customer_id, touches.c.state, touches.c.settled_at, touches.c.due_at
        ).where(
            touches.c.customer_id.in_(ids),
            touches.c.due_at >= since - _LATEST,
            touches.c.stream == Stream.MARKETING,
            sa.or_(left, leaving),
        )
        for row in connection.execute(query):
            at = now if row.state == TouchState.CLAIMED else row.settled_at or row.due_at
            found.setdefault(row.customer_id, []).append(at)
    return found
