"""Which cases are to be told of as late, and of which somebody was told."""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa

from crm_mailer.model.case import UNDER_WAY
from crm_mailer.model.sla import ClockName, Level
from crm_mailer.store.engine import upsert
from crm_mailer.store.tables import case_escalations, cases

_IS_UNDER_WAY = cases.c.state.in_([state.value for state in UNDER_WAY])


def list_due(connection: sa.Connection, now: datetime, *, limit: int = 500) -> list[int]:
    """Cases with a clock that ran out, or nearly, and of which nobody was told."""
    query = sa.select(cases.c.id).where(cases.c.tell_at <= now).order_by(cases.c.tell_at)
    return list(connection.scalars(query.limit(limit)))


def list_under_way(connection: sa.Connection, *, after: int = 0, limit: int = 500) -> list[int]:
    """All cases that are not over, by number, a page at a time."""
    query = sa.select(cases.c.id).where(_IS_UNDER_WAY, cases.c.id > after).order_by(cases.c.id)
    return list(connection.scalars(query.limit(limit)))


def add(
    connection: sa.Connection,
    case_id: int,
    *,
    clock: ClockName,
    level: Level,
    since: datetime,
    now: datetime,
) -> bool:
    """Note that somebody is told; False where that was done before."""
    insert = upsert(connection, case_escalations).values(
        case_id=case_id, clock=clock.value, level=level.value, since=since, at=now
    )
    new = insert.on_conflict_do_nothing().returning(case_escalations.c.case_id)
    return connection.execute(new).first() is not None


def list_told(
    connection: sa.Connection, case_id: int
) -> frozenset[tuple[ClockName, Level, datetime]]:
    """What was told about a case: the clock, the level, since when that clock ran."""
    rows = connection.execute(
        sa.select(case_escalations).where(case_escalations.c.case_id == case_id)
    )
    return frozenset((ClockName(row.clock), Level(row.level), row.since) for row in rows)
