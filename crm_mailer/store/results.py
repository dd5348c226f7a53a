"""What followed the mails of a campaign: orders, replies and money, also beside a hold-out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Any

import sqlalchemy as sa

from crm_mailer.model.campaign import (
    Campaign,
    DateAnchor,
    FestivalAnchor,
    MonthlyAnchor,
    Stream,
)
from crm_mailer.model.touch import SkipReason, TouchState
from crm_mailer.store import tables as t

#: No mail for want of a time for it; chance has been asked before.
_NO_SLOT = (SkipReason.CAP, SkipReason.QUIET_HOURS, SkipReason.SNOOZED)
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


#: Tested step -> the only versions of the campaign whose mails count for it.
Versions = Mapping[str, frozenset[str]]


def arms(
    connection: sa.Connection,
    campaign: str,
    *,
    within: timedelta,
    now: datetime,
    only: Versions = MappingProxyType({}),
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
            *_of_versions(only),
        )
        .group_by(touch.step, touch.arm)
        .order_by(sa.func.min(touch.place), touch.arm)
    )
    return [
        ArmCounts(step=step, arm=arm, customers=number, bought=bought, replied=replied)
        for step, arm, number, bought, replied in connection.execute(query)
    ]


def _of_versions(only: Versions) -> list[sa.ColumnElement[bool]]:
    """That a mail of a tested step was planned by one of the versions that count for it."""
    touch = t.touches.c
    return [
        sa.or_(touch.step != step, touch.campaign_version.in_(sorted(versions)))
        for step, versions in only.items()
    ]


def last_touch(
    connection: sa.Connection,
    campaign: str,
    *,
    within: timedelta,
    only: Versions = MappingProxyType({}),
) -> list[Money]:
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
            *_of_versions(only),
        )
        .group_by(touch.step, touch.arm)
    )
    return [
        Money(step=step, arm=arm, orders=number, usd_cents=int(cents))
        for step, arm, number, cents in connection.execute(query)
    ]


def groups(
    connection: sa.Connection, campaign: Campaign, *, within: timedelta, now: datetime
) -> list[GroupCounts]:
    """Occasions by whether chance held them out, as they were assigned, whatever came of the mail.

    Only occasions whose time `within` is over; for both groups it begins when the mail would have
    left with the whole calendar free. Who was refused before chance was asked, such as somebody
    who had unsubscribed, is in neither group. Who got no mail for want of a slot (the cap, quiet
    hours, a wish for a pause) is in the group with mails: nobody asks for a slot for the others.
    A date is left out on which no mail left at all: it was given up.
    """
    touch, seconds = t.touches.c, int(within.total_seconds())
    is_held = touch.reason == SkipReason.HOLD_OUT
    was_refused = sa.and_(
        touch.state == TouchState.SKIPPED,
        touch.settled_at == touch.planned_at,
        touch.reason.not_in((SkipReason.HOLD_OUT, *_NO_SLOT)),
    )
    begins_at = _wanted(_valid_for(connection, campaign.id))
    spent = _orders(touch.customer_id, begins_at, seconds)
    is_over = begins_at <= sa.literal(now - within, touch.due_at.type)
    given_up = [] if not _is_shared(campaign) else [touch.anchor.in_(_kept_dates(campaign.id))]
    each = (
        sa.select(
            is_held.label("is_held"),
            spent.exists().label("has_bought"),
            sa.func.coalesce(spent.scalar_subquery(), 0.0).label("usd"),
        )
        .where(
            touch.campaign == campaign.id,
            touch.place == 1,
            is_over,
            ~was_refused,
            *given_up,
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


def _valid_for(connection: sa.Connection, campaign: str) -> dict[str, int]:
    """Version of the campaign -> for how many seconds its mails were valid.

    The rows themselves tell: the file may have been edited since. The longest time is the whole
    one, as nothing moved these mails.
    """
    touch = t.touches.c
    longest = sa.func.max(touch.expires_at - touch.due_at)
    query = (
        sa.select(touch.campaign_version, sa.type_coerce(longest, sa.BigInteger))
        .where(touch.campaign == campaign, touch.place == 1, touch.expires_at.is_not(None))
        .group_by(touch.campaign_version)
    )
    return {row[0]: row[1] for row in connection.execute(query)}


def _wanted(valid_for: Mapping[str, int]) -> sa.ColumnElement[datetime]:
    """When a mail would have left with the whole calendar free: its slot may have been moved by
    the cap, but that does not move the end of its time.
    """
    touch = t.touches.c
    if not valid_for:
        return touch.due_at
    seconds = sa.case(dict(valid_for), value=touch.campaign_version)
    return sa.func.coalesce(touch.expires_at - seconds, touch.due_at)


def _is_shared(campaign: Campaign) -> bool:
    """Whether one date is the occasion of all customers."""
    return isinstance(campaign.anchor, (DateAnchor, FestivalAnchor, MonthlyAnchor))


def _kept_dates(campaign: str) -> sa.Select[Any]:
    """The dates on which mails of the campaign left."""
    mail = t.touches.alias("mail_of_date").c
    return sa.select(mail.anchor).where(
        mail.campaign == campaign, mail.state == TouchState.ACCEPTED
    )


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
