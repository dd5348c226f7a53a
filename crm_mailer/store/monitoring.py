"""Figures for a monitoring program: few statements, each by an index."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import sqlalchemy as sa

from crm_mailer.model.delivery import OutcomeKind
from crm_mailer.model.touch import TouchState
from crm_mailer.store import tables as t
from crm_mailer.store.engine import Instant

DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Number:
    """How often something was."""

    kind: str
    number: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Pulse:
    """What the status screen does not tell."""

    #: Since when the mail that has waited longest could leave; None where none waits.
    oldest_due_at: datetime | None
    inbound_waiting: int
    #: In the last 24 hours.
    last_day: Sequence[Number]
    database_bytes: int


def pulse(connection: sa.Connection, now: datetime) -> Pulse:
    """All of it at `now`."""
    touch = t.touches.c
    waiting = touch.state.in_((TouchState.PLANNED.value, TouchState.DEFERRED.value))
    oldest = sa.select(sa.func.min(touch.next_at, type_=Instant)).where(
        waiting, touch.next_at <= now
    )
    new = sa.select(sa.func.count()).where(t.inbound.c.state == "new")
    return Pulse(
        oldest_due_at=connection.scalar(oldest),
        inbound_waiting=connection.scalar(new) or 0,
        last_day=_last_day(connection, now - DAY),
        database_bytes=_bytes(connection),
    )


def _last_day(connection: sa.Connection, since: datetime) -> list[Number]:
    taken = t.deliveries.c.outcome == OutcomeKind.ACCEPTED.value
    counts = {
        "accepted": (t.deliveries.c.at, taken),
        "bounced": (t.bounces.c.at, sa.true()),
        "spam_reported": (t.spam_reports.c.at, sa.true()),
        "suppressed": (t.suppressions.c.at, sa.true()),
    }
    return [
        Number(
            kind, connection.scalar(sa.select(sa.func.count()).where(at >= since, condition)) or 0
        )
        for kind, (at, condition) in counts.items()
    ]


def _bytes(connection: sa.Connection) -> int:
    if connection.dialect.name == "postgresql":
        asked = "SELECT pg_database_size(current_database())"
        return int(connection.exec_driver_sql(asked).scalar_one())
    pages = connection.exec_driver_sql("PRAGMA page_count").scalar_one()
    return int(pages) * int(connection.exec_driver_sql("PRAGMA page_size").scalar_one())
