"""What must be known of touches at the moment they leave: much may have happened since planning."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any, NamedTuple

import sqlalchemy as sa

from crm_mailer.model.address import AddressKind
from crm_mailer.model.campaign import Campaign, Stream
from crm_mailer.model.customer import ConsentBasis
from crm_mailer.model.standing import Standing
from crm_mailer.model.touch import TouchState
from crm_mailer.store import exits
from crm_mailer.store.bulk import given_ids
from crm_mailer.store.engine import Instant
from crm_mailer.store.tables import customers, touches
from crm_mailer.store.touches import of_campaign, standing_columns, standing_of

#: No mail leaves so long after it was due: bounds what is read of a customer's history.
_LATEST = timedelta(days=31)
#: What has left, or may have.
_LEFT = (TouchState.ACCEPTED, TouchState.IN_DOUBT)
#: The touches a second time; made once, for making it is slow.
_LATER = touches.alias("later")


class Departure(NamedTuple):
    """The customer of a touch as they stand now."""

    standing: Standing
    time_zone: str
    country: str
    #: The province of the address.
    region: str
    #: A later step of the same occasion has left, or is due too.
    is_overtaken: bool


def find(
    connection: sa.Connection, touch_ids: Sequence[int], now: datetime
) -> dict[int, Departure]:
    """The facts for each of these touches."""
    given = {"ids": json.dumps(touch_ids), "b_now": now}
    rows = connection.execute(_finding(connection.dialect.name), given).all()
    return {row[0]: _departure(row) for row in rows}


def _departure(row: Any) -> Departure:
    """Of most customers nothing is to be said: they share one standing."""
    _id, time_zone, country, region, is_overtaken, *facts = row
    key, kind, flag, snooze, suppression, basis, case = facts
    is_plain = (
        key and suppression is None and snooze is None and not (flag or case)
        and kind != AddressKind.RELAY and basis != ConsentBasis.NONE
    )  # fmt: skip
    return Departure(
        standing=_PLAIN if is_plain else standing_of(row),
        time_zone=time_zone,
        country=country,
        region=region,
        is_overtaken=bool(is_overtaken),
    )


_PLAIN = Standing()


@lru_cache(maxsize=2)
def _finding(dialect: str) -> Any:
    """Making this statement is slow, so it is kept."""
    return (
        sa.select(
            touches.c.id,
            customers.c.time_zone,
            customers.c.country,
            customers.c.region,
            _overtaken().label("is_overtaken"),
            *standing_columns(),
        )
        .join_from(touches, customers, customers.c.id == touches.c.customer_id)
        .where(touches.c.id.in_(given_ids(dialect)))
    )


def _overtaken() -> sa.ColumnElement[bool]:
    later = _LATER
    is_due = sa.and_(
        later.c.state.in_((TouchState.PLANNED, TouchState.DEFERRED, TouchState.CLAIMED)),
        later.c.next_at <= sa.bindparam("b_now", type_=Instant),
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
    given = {
        "ids": json.dumps(customer_ids),
        "b_since": since,
        "b_earliest": since - _LATEST,
        "b_owner": owner,
    }
    found: dict[int, list[datetime]] = {}
    for row in connection.execute(_leaving(connection.dialect.name), given).all():
        at = now if row.state == TouchState.CLAIMED else row.settled_at or row.due_at
        found.setdefault(row.customer_id, []).append(at)
    return found


@lru_cache(maxsize=2)
def _leaving(dialect: str) -> Any:
    left = sa.and_(
        touches.c.state.in_(_LEFT),
        sa.func.coalesce(touches.c.settled_at, touches.c.due_at)
        >= sa.bindparam("b_since", type_=Instant),
    )
    leaving = sa.and_(
        touches.c.state == TouchState.CLAIMED, touches.c.owner != sa.bindparam("b_owner")
    )
    return sa.select(
        touches.c.customer_id, touches.c.state, touches.c.settled_at, touches.c.due_at
    ).where(
        touches.c.customer_id.in_(given_ids(dialect)),
        touches.c.due_at >= sa.bindparam("b_earliest", type_=Instant),
        touches.c.stream == Stream.MARKETING.value,
        sa.or_(left, leaving),
    )
