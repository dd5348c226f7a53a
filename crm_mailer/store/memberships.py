"""Who is in which segment, since when and until when; changed by whole segments at a time."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from crm_mailer.store import tables as t
from crm_mailer.store.engine import upsert


@dataclass(frozen=True, slots=True, kw_only=True)
class Stay:
    """Being in a segment for a time; `until` is None while it lasts."""

    segment: str
    since: datetime
    until: datetime | None


def prepare(connection: sa.Connection) -> None:
    """Make this transaction ready for work on whole segments.

    PostgreSQL plans by statistics that are stale after a mass change, and takes thousands of rows
    for one: row-by-row joins would then last minutes where a hash join lasts a moment.
    """
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql("SET LOCAL enable_nestloop = off")


def come_in(connection: sa.Connection, segment: str, chosen: sa.Select[Any], now: datetime) -> int:
    """Open a membership for each of `chosen` (a select of ids) who has none; returns how many."""
    found = chosen.subquery("chosen")
    customer = found.c[0]
    is_in = sa.exists().where(
        t.memberships.c.segment == segment,
        t.memberships.c.customer_id == customer,
        t.memberships.c.until.is_(None),
    )
    newcomers = sa.select(
        sa.literal(segment), customer, sa.literal(now, t.memberships.c.since.type)
    ).where(~is_in)
    query = upsert(connection, t.memberships).from_select(
        ["segment", "customer_id", "since"], newcomers
    )
    done = connection.execute(
        query.on_conflict_do_nothing(), execution_options={"preserve_rowcount": True}
    )
    return done.rowcount


def leave(connection: sa.Connection, segment: str, chosen: sa.Select[Any], now: datetime) -> int:
    """End the membership of all who are not among `chosen`; returns how many."""
    found = chosen.subquery("chosen")
    is_chosen = sa.exists().where(found.c[0] == t.memberships.c.customer_id)
    return connection.execute(
        sa.update(t.memberships)
        .where(
            t.memberships.c.segment == segment,
            t.memberships.c.until.is_(None),
            ~is_chosen,
        )
        .values(until=now)
    ).rowcount


def close_others(connection: sa.Connection, segments: Collection[str], now: datetime) -> int:
    """End every membership of a segment that is none of `segments`; returns how many."""
    return connection.execute(
        sa.update(t.memberships)
        .where(t.memberships.c.until.is_(None), t.memberships.c.segment.not_in(sorted(segments)))
        .values(until=now)
    ).rowcount


def sizes(connection: sa.Connection) -> dict[str, int]:
    """How many customers are in each segment now."""
    rows = connection.execute(
        sa.select(t.memberships.c.segment, sa.func.count().label("number"))
        .where(t.memberships.c.until.is_(None))
        .group_by(t.memberships.c.segment)
    )
    return {row.segment: row.number for row in rows}


def list_stays(connection: sa.Connection, customer_id: int) -> list[Stay]:
    """All memberships of a customer, past ones too, oldest first."""
    rows = connection.execute(
        sa.select(t.memberships)
        .where(t.memberships.c.customer_id == customer_id)
        .order_by(t.memberships.c.since, t.memberships.c.segment)
    )
    return [Stay(segment=row.segment, since=row.since, until=row.until) for row in rows]
