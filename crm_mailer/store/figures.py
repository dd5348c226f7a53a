"""Sums over what happened: mails by campaign, replies by kind, cases by reason."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from crm_mailer.model.case import UNDER_WAY
from crm_mailer.model.reply import BounceKind, ReplyKind
from crm_mailer.model.touch import TEST_CAMPAIGN, TouchKind
from crm_mailer.store import tables as t


@dataclass(frozen=True, slots=True, kw_only=True)
class CampaignMails:
    """One campaign's touches by state, and what came back."""

    campaign: str
    states: dict[str, int]
    replies: int
    bounces: int


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenCases:
    """Open cases of one reason; `due_first` is the nearest time."""

    reason: str
    severity: str
    count: int
    overdue: int
    due_first: datetime


def mails_by_campaign(connection: sa.Connection) -> list[CampaignMails]:
    """Every campaign that has touches, the busiest first; tests are none."""
    states: dict[str, dict[str, int]] = {}
    query = sa.select(
        t.touches.c.campaign, t.touches.c.state, sa.func.count().label("number")
    ).where(t.touches.c.campaign != TEST_CAMPAIGN)
    for row in connection.execute(query.group_by(t.touches.c.campaign, t.touches.c.state)):
        states.setdefault(row.campaign, {})[row.state] = row.number
    human = (t.replies.c.kind == "human") & ~t.replies.c.is_copy
    replies = _by_campaign(connection, t.replies, human)
    bounces = _by_campaign(connection, t.bounces, t.bounces.c.kind != BounceKind.NOTICE.value)
    found = [
        CampaignMails(
            campaign=campaign,
            states=counts,
            replies=replies.get(campaign, 0),
            bounces=bounces.get(campaign, 0),
        )
        for campaign, counts in states.items()
    ]
    return sorted(found, key=lambda one: (-one.states.get("accepted", 0), one.campaign))


def skips_by_reason(connection: sa.Connection) -> dict[str, int]:
    """Touches that were not made, by reason, most first."""
    number = sa.func.count().label("number")
    query = (
        sa.select(t.touches.c.reason, number)
        .where(t.touches.c.state == "skipped", t.touches.c.kind != TouchKind.TEST.value)
        .group_by(t.touches.c.reason)
        .order_by(number.desc(), t.touches.c.reason)
    )
    return {row.reason: row.number for row in connection.execute(query)}


def replies_by_kind(connection: sa.Connection) -> dict[str, int]:
    """What came into the mailbox: machines by kind, people by what they want.

    What answers a test is left out.
    """
    label = sa.case(
        (t.replies.c.kind == "human", sa.func.coalesce(t.replies.c.intent, "other")),
        else_=t.replies.c.kind,
    )
    query = sa.select(label.label("label"), sa.func.count().label("number"))
    query = query.select_from(t.replies.outerjoin(t.touches)).where(
        ~t.replies.c.is_copy,
        t.touches.c.kind.is_distinct_from(TouchKind.TEST.value),
        t.replies.c.kind != ReplyKind.TEST.value,
    )
    rows = connection.execute(query.group_by(label))
    return dict(sorted(((row.label, row.number) for row in rows), key=lambda one: -one[1]))


def open_cases(connection: sa.Connection, now: datetime) -> list[OpenCases]:
    """Open cases by reason, the nearest due time first."""
    due = sa.func.min(t.cases.c.due_at).label("due_first")
    late = sa.case(((t.cases.c.due_at < now) & t.cases.c.first_response_at.is_(None), 1), else_=0)
    query = (
        sa.select(
            t.cases.c.reason,
            t.cases.c.severity,
            sa.func.count().label("count"),
            sa.func.sum(late).label("overdue"),
            due,
        )
        .where(t.cases.c.state.in_(sorted(UNDER_WAY)))
        .group_by(t.cases.c.reason, t.cases.c.severity)
        .order_by(due, t.cases.c.reason)
    )
    return [OpenCases(**row._mapping) for row in connection.execute(query)]


def find_reader(connection: sa.Connection, campaign: str, language: str) -> str:
    """The address of the first customer of a language who got a mail of the campaign, or empty."""
    query = (
        sa.select(t.customers.c.email)
        .join_from(t.touches, t.customers)
        .where(
            t.touches.c.campaign == campaign,
            t.touches.c.state == "accepted",
            t.customers.c.language == language,
        )
        .order_by(t.touches.c.id)
        .limit(1)
    )
    return connection.scalar(query) or ""


def _by_campaign(
    connection: sa.Connection, table: sa.Table, condition: sa.ColumnElement[bool]
) -> dict[str, int]:
    query = (
        sa.select(t.touches.c.campaign, sa.func.count().label("number"))
        .join_from(table, t.touches, table.c.touch_id == t.touches.c.id)
        .where(condition)
        .group_by(t.touches.c.campaign)
    )
    return {row.campaign: row.number for row in connection.execute(query)}
