"""What the studio's first page counts: short questions to indexes, whatever the tables hold."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from crm_mailer.model.case import UNDER_WAY
from crm_mailer.model.touch import TouchKind, TouchState
from crm_mailer.store import tables as t

#: Seconds of the steps of a chart.
HOUR = 3600


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseCounts:
    """Cases under way: all, those whose next answer is late, and those due before `soon`."""

    open: int
    overdue: int
    due_soon: int


def cases(connection: sa.Connection, now: datetime, soon: datetime) -> CaseCounts:
    """What is owed to customers."""
    case = t.cases.c
    waits = case.first_response_at.is_(None)
    row = connection.execute(
        sa.select(
            sa.func.count(),
            _number(waits & (case.due_at < now)),
            _number(waits & (case.due_at >= now) & (case.due_at < soon)),
        ).where(case.state.in_(sorted(UNDER_WAY)))
    ).one()
    return CaseCounts(open=row[0], overdue=row[1] or 0, due_soon=row[2] or 0)


def count_alerts(connection: sa.Connection) -> int:
    """Alerts that are not over."""
    query = sa.select(sa.func.count()).where(t.alerts.c.ended_at.is_(None))
    return connection.scalar(query) or 0


def tasks(connection: sa.Connection, now: datetime) -> tuple[int, int]:
    """Tasks that are open, and how many of them are late."""
    task = t.tasks.c
    row = connection.execute(
        sa.select(sa.func.count(), _number(task.due_at < now)).where(task.state == "open")
    ).one()
    return row[0], row[1] or 0


def held(connection: sa.Connection, campaigns: Iterable[str]) -> dict[str, int]:
    """How many mails each campaign holds, where it holds any; asked one by one, by index."""
    touch = t.touches.c
    found = {}
    for campaign in campaigns:
        query = sa.select(sa.func.count()).where(
            touch.campaign == campaign, touch.state == TouchState.HELD.value
        )
        if number := connection.scalar(query):
            found[campaign] = number
    return found


def outgoing(
    connection: sa.Connection, lanes: Sequence[tuple[str, str]], now: datetime, until: datetime
) -> list[tuple[datetime, str, int]]:
    """Mails that leave before `until`: (hour, campaign, number); what is late counts as due now.

    Args:
        lanes: (stream, provider), by which the index of what is due is laid out.
        now, until: from when, until when.
    """
    touch = t.touches.c
    late = sa.case((touch.next_at < now, int(now.timestamp())), else_=touch.next_at)
    seconds = sa.type_coerce(late, sa.BigInteger)
    hour = (seconds - seconds % HOUR).label("hour")
    sums: dict[tuple[int, str], int] = {}
    for stream, provider in lanes:
        query = (
            sa.select(hour, touch.campaign, sa.func.count().label("number"))
            .where(
                sa.text("touches.state IN ('planned','deferred')"),
                touch.stream == stream,
                touch.provider == provider,
                touch.next_at < until,
                touch.kind != TouchKind.TEST.value,
            )
            .group_by(hour, touch.campaign)
        )
        for row in connection.execute(query):
            key = (int(row.hour), row.campaign)
            sums[key] = sums.get(key, 0) + row.number
    return [
        (datetime.fromtimestamp(at, now.tzinfo), campaign, number)
        for (at, campaign), number in sorted(sums.items())
    ]


def attempts(
    connection: sa.Connection, since: datetime, until: datetime
) -> list[tuple[datetime, str, int]]:
    """Mails handed over, by hour and outcome."""
    delivery = t.deliveries.c
    seconds = sa.type_coerce(delivery.at, sa.BigInteger)
    hour = (seconds - seconds % HOUR).label("hour")
    query = (
        sa.select(hour, delivery.outcome, sa.func.count().label("number"))
        .where(delivery.at >= since, delivery.at < until)
        .group_by(hour, delivery.outcome)
        .order_by(hour, delivery.outcome)
    )
    return [
        (datetime.fromtimestamp(int(row.hour), since.tzinfo), row.outcome, row.number)
        for row in connection.execute(query)
    ]


def outcomes(connection: sa.Connection, since: datetime, until: datetime) -> dict[str, int]:
    """Mails handed over, by outcome."""
    delivery = t.deliveries.c
    query = (
        sa.select(delivery.outcome, sa.func.count())
        .where(delivery.at >= since, delivery.at < until)
        .group_by(delivery.outcome)
    )
    return dict(connection.execute(query).all())


def count_attempts(connection: sa.Connection, since: datetime, until: datetime) -> int:
    """Mails handed over."""
    at = t.deliveries.c.at
    return connection.scalar(sa.select(sa.func.count()).where(at >= since, at <= until)) or 0


def replies(connection: sa.Connection, since: datetime) -> dict[tuple[str, str], int]:
    """What people and machines wrote since, by kind and intent."""
    reply = t.replies.c
    query = (
        sa.select(reply.kind, reply.intent, sa.func.count())
        .where(reply.received_at >= since, reply.is_copy.is_(False))
        .group_by(reply.kind, reply.intent)
    )
    return {(kind, intent or ""): number for kind, intent, number in connection.execute(query)}


def bounces(connection: sa.Connection, since: datetime) -> dict[str, int]:
    """What came back since, by kind."""
    bounce = t.bounces.c
    query = sa.select(bounce.kind, sa.func.count()).where(bounce.at >= since).group_by(bounce.kind)
    return dict(connection.execute(query).all())


def count_spam_reports(connection: sa.Connection, since: datetime) -> int:
    """How many customers pressed "spam"."""
    return connection.scalar(sa.select(sa.func.count()).where(t.spam_reports.c.at >= since)) or 0


def suppressions(connection: sa.Connection, since: datetime) -> dict[str, int]:
    """Addresses that may not be mailed since then, by reason."""
    row = t.suppressions.c
    query = sa.select(row.reason, sa.func.count()).where(row.at >= since).group_by(row.reason)
    return dict(connection.execute(query).all())


def count_orders(connection: sa.Connection, since: datetime) -> int:
    """Orders placed since."""
    return connection.scalar(sa.select(sa.func.count()).where(t.orders.c.placed_at >= since)) or 0


def count_quarantined(connection: sa.Connection) -> int:
    """Mails that could not be read."""
    query = sa.select(sa.func.count()).where(t.inbound.c.state == "quarantined")
    return connection.scalar(query) or 0


def _number(condition: sa.ColumnElement[bool]) -> sa.ColumnElement[int]:
    return sa.func.sum(sa.case((condition, 1), else_=0))
