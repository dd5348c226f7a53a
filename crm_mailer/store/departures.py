"""What must be known of touches at the moment they leave: much may have happened since planning."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any, NamedTuple

import sqlalchemy as sa

from crm_mailer.model.address import AddressKind
from crm_mailer.model.campaign import Anchor, Campaign, Exit, Stream
from crm_mailer.model.consent import RECORDED, ConsentRules
from crm_mailer.model.standing import PASSING, Standing
from crm_mailer.model.touch import TouchState
from crm_mailer.store import exits
from crm_mailer.store.bulk import as_rows, given_ids, seconds
from crm_mailer.store.engine import Instant
from crm_mailer.store.prepared import Prepared
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
    connection: sa.Connection,
    touch_ids: Sequence[int],
    now: datetime,
    *,
    consent: ConsentRules = RECORDED,
) -> dict[int, Departure]:
    """The facts for each of these touches; `consent` says what makes marketing lawful."""
    given = {"ids": json.dumps(touch_ids), "b_now": seconds(now)}
    rows = _finding(connection.dialect.name, consent).rows(connection, given)
    return {row[0]: _departure(row, now) for row in rows}


def _departure(row: Any, now: datetime) -> Departure:
    """Of most customers nothing is to be said: they share one standing."""
    _id, time_zone, country, region, is_overtaken, *facts = row
    key, kind, flag, snooze, suppression, lawful_until, case, topics, fewer = facts
    is_plain = (
        key and suppression is None and snooze is None and not (flag or case or topics or fewer)
        and kind != AddressKind.RELAY and lawful_until > now.timestamp()
    )  # fmt: skip
    standing = _PLAIN if is_plain else standing_of(_Facts.read(facts), now)
    return _new(Departure, (standing, time_zone, country, region, bool(is_overtaken)))


class _Facts(NamedTuple):
    """What `standing_columns` select."""

    email_key: str | None
    address_kind: str
    is_flagged: bool
    snoozed_until: datetime | None
    suppression: str | None
    lawful_until: int
    has_open_case: bool
    topics_off: str
    wants_fewer: bool

    @classmethod
    def read(cls, values: Sequence[Any]) -> _Facts:
        """From plain values, in which instants are seconds."""
        facts = cls._make(values)
        until: Any = facts.snoozed_until
        return (
            facts
            if until is None
            else facts._replace(snoozed_until=datetime.fromtimestamp(until, UTC))
        )


_new = tuple.__new__
_PLAIN = Standing()
#: Of a mail that is no customer's: a test.
NOBODY = Departure(_PLAIN, "", "", "", False)


@lru_cache(maxsize=8)
def _finding(dialect: str, consent: ConsentRules) -> Prepared:
    return Prepared(
        sa.select(
            touches.c.id,
            customers.c.time_zone,
            customers.c.country,
            customers.c.region,
            _overtaken().label("is_overtaken"),
            *standing_columns(consent),
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
    key = connection.dialect.name, campaign.exits, campaign.anchor
    if key not in _EXITING:
        _EXITING[key] = _exiting(connection.dialect.name, campaign)
    statement = _EXITING[key]
    if statement is None:
        return frozenset()
    return frozenset([row[0] for row in statement.rows(connection, {"ids": json.dumps(touch_ids)})])


#: Made once for campaigns that start and end alike; making one is slow.
_EXITING: dict[tuple[str, frozenset[Exit], Anchor], Prepared | None] = {}


def _exiting(dialect: str, campaign: Campaign) -> Prepared | None:
    """Touches that have met an exit condition of the campaign; None where it has none."""
    met = exits.conditions(
        campaign,
        customer_id=touches.c.customer_id,
        order_id=touches.c.order_id,
        anchored_at=touches.c.anchored_at,
    )
    if not met:
        return None
    return Prepared(
        sa.select(touches.c.id).where(touches.c.id.in_(given_ids(dialect)), sa.or_(*met))
    )


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
        "b_since": seconds(since),
        "b_earliest": seconds(since - _LATEST),
        "b_owner": owner,
    }
    found: dict[int, list[datetime]] = {}
    rows = _leaving(connection.dialect.name).rows(connection, given)
    for customer, state, settled_at, due_at in rows:
        is_leaving = state == TouchState.CLAIMED
        at = now if is_leaving else datetime.fromtimestamp(settled_at or due_at, UTC)
        found.setdefault(customer, []).append(at)
    return found


def marketing_ahead(
    connection: sa.Connection,
    customer_ids: Sequence[int],
    campaigns: Sequence[str],
    *,
    now: datetime,
    until: datetime,
) -> dict[int, list[tuple[datetime, str]]]:
    """What these campaigns are to mail to each of the customers after `now`, up to `until`."""
    given = {
        "ids": json.dumps(customer_ids),
        "names": json.dumps([[name] for name in campaigns]),
        "b_now": seconds(now),
        "b_until": seconds(until),
        "b_earliest": seconds(now - _LATEST),
    }
    found: dict[int, list[tuple[datetime, str]]] = {}
    rows = _ahead(connection.dialect.name).rows(connection, given)
    for customer, at, campaign in rows:
        found.setdefault(customer, []).append((datetime.fromtimestamp(at, UTC), campaign))
    return found


@lru_cache(maxsize=2)
def _ahead(dialect: str) -> Prepared:
    named = as_rows(dialect, {"name": sa.Text()}, "names").c.name
    leaves_at = sa.func.coalesce(touches.c.next_at, touches.c.due_at)
    return Prepared(
        sa.select(touches.c.customer_id, leaves_at, touches.c.campaign).where(
            touches.c.customer_id.in_(given_ids(dialect)),
            touches.c.due_at >= sa.bindparam("b_earliest", type_=Instant),
            touches.c.due_at <= sa.bindparam("b_until", type_=Instant),
            touches.c.stream == Stream.MARKETING.value,
            touches.c.state.in_((TouchState.PLANNED, TouchState.DEFERRED)),
            leaves_at > sa.bindparam("b_now", type_=Instant),
            (touches.c.campaign + "").in_(sa.select(named)),
            # what waits for somebody else may wait for long
            touches.c.reason.not_in([one.value for one in sorted(PASSING)]),
        )
    )


@lru_cache(maxsize=2)
def _leaving(dialect: str) -> Prepared:
    left = sa.and_(
        touches.c.state.in_(_LEFT),
        sa.func.coalesce(touches.c.settled_at, touches.c.due_at)
        >= sa.bindparam("b_since", type_=Instant),
    )
    leaving = sa.and_(
        touches.c.state == TouchState.CLAIMED, touches.c.owner != sa.bindparam("b_owner")
    )
    return Prepared(
        sa.select(
            touches.c.customer_id, touches.c.state, touches.c.settled_at, touches.c.due_at
        ).where(
            touches.c.customer_id.in_(given_ids(dialect)),
            touches.c.due_at >= sa.bindparam("b_earliest", type_=Instant),
            touches.c.stream == Stream.MARKETING.value,
            sa.or_(left, leaving),
        )
    )
