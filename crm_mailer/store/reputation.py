"""What came back of our marketing mail: spam reports and bounces, against what left."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import NamedTuple

import sqlalchemy as sa

from crm_mailer.model.campaign import Stream
from crm_mailer.model.delivery import OutcomeKind
from crm_mailer.model.reply import BounceKind
from crm_mailer.model.touch import TouchKind
from crm_mailer.store.doubts import PROVEN
from crm_mailer.store.engine import Instant
from crm_mailer.store.tables import (
    bounces,
    deliveries,
    refusals,
    replies,
    spam_reports,
    tallies,
    touches,
)

#: Types of RFC 5965 by which a customer says that our mail is spam; an opt-out is no complaint.
SPAM = ("abuse", "fraud", "virus", "other")
_HOUR = 3_600
#: A test says nothing of what customers think.
_IS_NO_TEST = touches.c.kind != TouchKind.TEST.value


class OurFault(NamedTuple):
    """A mail that was refused, at once or later, for a reason that is our own fault."""

    touch_id: int
    campaign: str
    is_campaign: bool
    stream: str
    provider: str
    reason: str
    left_at: datetime


class Returned(NamedTuple):
    """A campaign's accepted mails of some time, and how many of them came back for good."""

    campaign: str
    stream: Stream
    bounced: int
    left: int


def spam_reported(connection: sa.Connection, since: datetime) -> int:
    """Spam reports since then, save those about order mail and tests."""
    is_marketing = sa.and_(touches.c.stream == Stream.MARKETING.value, _IS_NO_TEST)
    query = (
        sa.select(sa.func.count())
        .select_from(spam_reports.outerjoin(touches, touches.c.id == spam_reports.c.touch_id))
        .where(
            spam_reports.c.at >= since,
            spam_reports.c.feedback_type.in_(SPAM),
            sa.or_(touches.c.id.is_(None), is_marketing),
        )
    )
    return connection.scalar(query) or 0


def marketing_accepted(connection: sa.Connection, since: datetime) -> int:
    """Marketing mails that servers took since then."""
    query = sa.select(sa.func.count()).select_from(_taken_marketing(since).subquery())
    return connection.scalar(query) or 0


def busiest_hour(connection: sa.Connection, since: datetime) -> int:
    """Marketing mails that left in the busiest hour since then."""
    hour = (sa.type_coerce(deliveries.c.at, sa.BigInteger) / _HOUR).label("hour")
    if connection.dialect.name == "postgresql":
        hour = sa.func.div(sa.type_coerce(deliveries.c.at, sa.BigInteger), _HOUR).label("hour")
    by_hour = (
        _taken_marketing(since)
        .with_only_columns(hour, sa.func.count().label("number"))
        .group_by(sa.text("hour"))
        .subquery()
    )
    return connection.scalar(sa.select(sa.func.max(by_hour.c.number))) or 0


def returned(connection: sa.Connection, since: datetime, least: int) -> list[Returned]:
    """Campaigns of whose mails since then at least so many came back for good.

    Counted from when a person last let the campaign go on.
    """
    begun = sa.case((tallies.c.since > since, tallies.c.since), else_=sa.literal(since, Instant))
    bounced = (
        sa.select(touches.c.campaign, touches.c.stream, sa.func.count().label("bounced"),
                  sa.func.min(sa.type_coerce(begun, sa.BigInteger)).label("begun"))
        .select_from(
            bounces.join(touches, touches.c.id == bounces.c.touch_id)
            .join(tallies, tallies.c.scope == sa.literal("campaign:") + touches.c.campaign)
        )
        .where(
            bounces.c.at >= since,
            bounces.c.kind == BounceKind.HARD.value,
            touches.c.settled_at >= begun,
        )
        .group_by(touches.c.campaign, touches.c.stream)
        .having(sa.func.count() >= least)
    )  # fmt: skip
    found = []
    for row in connection.execute(bounced).all():
        left = connection.scalar(
            sa.select(sa.func.count()).where(
                touches.c.campaign == row.campaign,
                touches.c.state == "accepted",
                touches.c.settled_at >= sa.literal(row.begun, sa.BigInteger),
            )
        )
        found.append(Returned(row.campaign, Stream(row.stream), row.bounced, left or 0))
    return found


def list_our_faults(connection: sa.Connection, since: datetime) -> list[OurFault]:
    """Mails that were refused since then for our own fault, the first first.

    A bounce counts only by a token of ours: nobody else can stop our mail.
    """
    came_back = (
        sa.select(bounces.c.touch_id, bounces.c.reason, bounces.c.at)
        .join(replies, replies.c.inbound_id == bounces.c.inbound_id)
        .where(
            bounces.c.at >= since,
            bounces.c.kind == BounceKind.OURS.value,
            bounces.c.touch_id.is_not(None),
            replies.c.rung.in_(sorted(PROVEN)),
        )
    )
    said = sa.select(refusals.c.touch_id, refusals.c.reason, refusals.c.at).where(
        refusals.c.at >= since, refusals.c.kind == BounceKind.OURS.value
    )
    one, touch = sa.union_all(came_back, said).subquery().c, touches.c
    query = (
        sa.select(touch.id, touch.campaign, touch.kind == TouchKind.CAMPAIGN.value, touch.stream,
                  touch.provider, one.reason, touch.settled_at)
        .join(touches, touch.id == one.touch_id)
        .where(touch.settled_at.is_not(None), _IS_NO_TEST)
        .order_by(one.at, touch.id)
    )  # fmt: skip
    return [OurFault._make(row) for row in connection.execute(query)]


def count_left(
    connection: sa.Connection, scope: str, faults: Collection[OurFault], most: int
) -> int:
    """How many mails of a lane or campaign left since the first of these did, up to `most`."""
    if not faults:
        return 0
    one, touch = deliveries.c, touches.c
    kind, _colon, name = scope.partition(":")
    query = (
        sa.select(one.touch_id)
        .join_from(deliveries, touches, touch.id == one.touch_id)
        .where(
            one.at >= min(fault.left_at for fault in faults),
            one.outcome.in_((OutcomeKind.ACCEPTED.value, OutcomeKind.REFUSED.value)),
            _IS_NO_TEST,
        )
        .limit(most)
    )
    if kind == "lane":
        provider, _slash, stream = name.partition("/")
        query = query.where(touch.provider == provider, touch.stream == stream)
    else:
        query = query.where(touch.campaign == name)
    return connection.scalar(sa.select(sa.func.count()).select_from(query.subquery())) or 0


def _taken_marketing(since: datetime) -> sa.Select[tuple[int]]:
    return (
        sa.select(deliveries.c.id)
        .join_from(deliveries, touches, touches.c.id == deliveries.c.touch_id)
        .where(
            deliveries.c.at >= since,
            deliveries.c.outcome == OutcomeKind.ACCEPTED.value,
            touches.c.stream == Stream.MARKETING.value,
            _IS_NO_TEST,
        )
    )
