"""The facts that other programs are told of: cases, wishes, campaigns, alerts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from crm_mailer.model.suppression import SuppressionReason
from crm_mailer.model.touch import TouchState
from crm_mailer.store import tables as t
from crm_mailer.store.engine import Instant

#: A writer may commit a fact after another one took a later number: so far back is looked again.
OVERLAP = 1_000
#: Facts read at a time.
PAGE = 500
#: States in which a mail of a campaign may still leave.
_OPEN = (TouchState.PLANNED, TouchState.HELD, TouchState.CLAIMED, TouchState.DEFERRED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """Something to tell of. `key`: what names it for ever; `number`: its place among its kind."""

    key: str
    number: int
    at: datetime
    data: Mapping[str, Any]


def opened_cases(connection: sa.Connection, after: int) -> list[Fact]:
    """Cases with numbers above `after`, the oldest first."""
    case = t.cases.c
    query = (
        sa.select(
            case.id, case.opened_at, case.due_at, case.state, case.reason, case.severity,
            case.channel, case.customer_id, t.customers.c.email, t.customers.c.name,
            t.orders.c.number, t.orders.c.platform,
        )
        .select_from(
            t.cases.join(t.customers, t.customers.c.id == case.customer_id).outerjoin(
                t.orders, t.orders.c.id == case.order_id
            )
        )
        .where(case.id > after)
        .order_by(case.id)
        .limit(PAGE + OVERLAP)
    )  # fmt: skip
    return [
        Fact(
            key=str(row.id),
            number=row.id,
            at=row.opened_at,
            data={
                "case": row.id,
                "state": row.state,
                "reason": row.reason,
                "severity": row.severity,
                "channel": row.channel,
                "opened_at": row.opened_at.isoformat(),
                "due_at": row.due_at.isoformat(),
                "customer": {"number": row.customer_id, "email": row.email, "name": row.name},
                "order": {"platform": row.platform, "number": row.number} if row.number else None,
            },
        )
        for row in connection.execute(query)
    ]


def unsubscribed(connection: sa.Connection, after: int) -> list[Fact]:
    """Customers' wishes for no more marketing with numbers above `after`, the oldest first."""
    one = t.suppressions.c
    query = (
        sa.select(one.id, one.address_key, one.source, one.at, t.customers.c.id.label("customer"))
        .select_from(
            t.suppressions.outerjoin(
                t.customers, t.customers.c.email_key == t.suppressions.c.address_key
            )
        )
        .where(one.id > after, one.reason == SuppressionReason.UNSUBSCRIBED.value)
        .order_by(one.id)
        .limit(PAGE + OVERLAP)
    )
    return [
        Fact(
            # a number may be given anew after a suppression was lifted
            key=f"{row.id}:{row.address_key}:{int(row.at.timestamp())}",
            number=row.id,
            at=row.at,
            data={
                "email": row.address_key,
                "customer": row.customer,
                "source": row.source,
                "unsubscribed_at": row.at.isoformat(),
            },
        )
        for row in connection.execute(query)
    ]


def finished_campaigns(
    connection: sa.Connection, after: int, campaigns: Sequence[str]
) -> list[Fact]:
    """Of these campaigns those of which no mail can leave any more; `completed` counts the mails.

    A campaign that is planned anew later ends once more.
    """
    run, touch = t.plan_runs.c, t.touches.c
    last = (
        sa.select(run.campaign, sa.func.max(run.id).label("run"), sa.func.max(run.at).label("at"))
        .where(run.campaign.in_(campaigns), run.id > after)
        .group_by(run.campaign)
        .subquery()
    )
    of_it = touch.campaign == last.c.campaign
    is_open = touch.state.in_([state.value for state in _OPEN])
    query = (
        sa.select(last.c.campaign, last.c.run, sa.type_coerce(last.c.at, Instant).label("at"))
        .where(sa.exists().where(of_it), ~sa.exists().where(of_it, is_open))
        .order_by(last.c.run)
    )
    return [
        Fact(
            key=f"{row.campaign}:{row.run}",
            number=row.run,
            at=row.at,
            data={"campaign": row.campaign},
        )
        for row in connection.execute(query)
    ]


def completed(connection: sa.Connection, fact: Fact) -> Fact:
    """A campaign that is finished, with what became of its mails."""
    touch = t.touches.c
    query = (
        sa.select(
            touch.state,
            sa.func.count().label("number"),
            sa.func.max(touch.settled_at).label("last"),
        )
        .where(touch.campaign == fact.data["campaign"])
        .group_by(touch.state)
    )
    rows = connection.execute(query).all()
    at = max((row.last for row in rows if row.last is not None), default=fact.at)
    data = {
        **fact.data,
        "mails": sum(row.number for row in rows),
        "states": {row.state: row.number for row in rows},
        "finished_at": at.isoformat(),
    }
    return replace(fact, at=at, data=data)


def raised_alerts(connection: sa.Connection, since: datetime) -> list[Fact]:
    """Alerts that began at `since` or later and are not over."""
    alert = t.alerts.c
    query = (
        sa.select(t.alerts)
        .where(alert.ended_at.is_(None), alert.first_at >= since)
        .order_by(alert.first_at, alert.cause)
        .limit(PAGE)
    )
    return [
        Fact(
            key=f"{row.cause}:{int(row.first_at.timestamp())}",
            number=0,
            at=row.first_at,
            data={
                "cause": row.cause,
                "message": row.message,
                "hint": row.hint,
                "raised_at": row.first_at.isoformat(),
            },
        )
        for row in connection.execute(query)
    ]


def last_numbers(connection: sa.Connection) -> dict[str, int]:
    """The latest number of each kind of fact: who is told from now on begins behind it.

    It is there twice: as it moves on, and, under `...:first`, as the beginning.
    """
    last = {
        name: connection.scalar(sa.select(sa.func.max(table.c.id))) or 0
        for name, table in (
            ("cases", t.cases),
            ("suppressions", t.suppressions),
            ("plan_runs", t.plan_runs),
        )
    }
    return {**last, **{f"{name}:first": number for name, number in last.items()}}
