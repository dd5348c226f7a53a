"""Who is in which segment, since when and until when; changed by whole segments at a time."""

from __future__ import annotations

from array import array
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from crm_mailer.store import bulk, facts
from crm_mailer.store import tables as t
from crm_mailer.store.engine import upsert

#: Begins the fact that tells by which rule the members of a segment were worked out.
_BY = "segment_rule:"


@dataclass(frozen=True, slots=True, kw_only=True)
class Stay:
    """Being in a segment for a time; `until` is None while it lasts."""

    segment: str
    since: datetime
    until: datetime | None


def newcomers(connection: sa.Connection, segment: str, chosen: sa.Select[Any]) -> array[int]:
    """Who is among `chosen` (a select of ids) and not in the segment yet.

    Looking at everybody may take seconds: it is done outside of a write turn.
    """
    _prepare(connection)
    found = chosen.subquery("chosen")
    customer = found.c[0]
    is_in = sa.exists().where(
        t.memberships.c.segment == segment,
        t.memberships.c.customer_id == customer,
        t.memberships.c.until.is_(None),
    )
    return array("q", connection.scalars(sa.select(customer).where(~is_in)))


def leavers(connection: sa.Connection, segment: str, chosen: sa.Select[Any]) -> array[int]:
    """Who is in the segment and not among `chosen` any more; outside of a write turn as well."""
    _prepare(connection)
    found = chosen.subquery("chosen")
    is_chosen = sa.exists().where(found.c[0] == t.memberships.c.customer_id)
    members = sa.select(t.memberships.c.customer_id).where(
        t.memberships.c.segment == segment, t.memberships.c.until.is_(None), ~is_chosen
    )
    return array("q", connection.scalars(members))


def _prepare(connection: sa.Connection) -> None:
    """Make this transaction ready for looking at whole segments.

    PostgreSQL plans by statistics that are stale after a mass change, and takes thousands of rows
    for one: row-by-row joins would then last minutes where a hash join lasts a moment.
    """
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql("SET LOCAL enable_nestloop = off")


def list_stale(connection: sa.Connection, digests: Mapping[str, str]) -> set[str]:
    """Those segments whose members were worked out by another rule than now, or never.

    Args:
        connection: an open transaction.
        digests: id -> what tells its rule from others.
    """
    known = facts.find_all(connection, _BY)
    return {name for name, digest in digests.items() if known.get(name) != digest}


def note_worked_out(connection: sa.Connection, digests: Mapping[str, str], now: datetime) -> None:
    """The members of these segments are those of these rules."""
    facts.put_all(connection, {_BY + name: digest for name, digest in digests.items()}, now)


def come_in(connection: sa.Connection, segment: str, ids: Sequence[int], now: datetime) -> int:
    """Open a membership for each of these who has none; returns how many.

    Whoever was erased since they were chosen is left out.
    """
    customer = t.customers.c.id
    rows = sa.select(
        sa.literal(segment), customer, sa.literal(now, t.memberships.c.since.type)
    ).where(bulk.among(connection, customer, ids), t.customers.c.erased_at.is_(None))
    query = upsert(connection, t.memberships).from_select(["segment", "customer_id", "since"], rows)
    done = connection.execute(
        query.on_conflict_do_nothing(), execution_options={"preserve_rowcount": True}
    )
    return done.rowcount


def leave(connection: sa.Connection, segment: str, ids: Sequence[int], now: datetime) -> int:
    """End the membership of these; returns how many."""
    return connection.execute(
        sa.update(t.memberships)
        .where(
            t.memberships.c.segment == segment,
            t.memberships.c.until.is_(None),
            bulk.among(connection, t.memberships.c.customer_id, ids),
        )
        .values(until=now)
    ).rowcount


def others(connection: sa.Connection, segments: Collection[str]) -> list[str]:
    """Segments besides these that have members; asked for one by one, along the index."""
    found: list[str] = []
    column, last = t.memberships.c.segment, ""
    while True:
        after = sa.select(column).where(column > last, t.memberships.c.until.is_(None))
        name = connection.scalar(after.order_by(column).limit(1))
        if name is None:
            return [one for one in found if one not in segments]
        found.append(name)
        last = name


def members(connection: sa.Connection, segment: str) -> array[int]:
    """Who is in the segment."""
    found = sa.select(t.memberships.c.customer_id).where(
        t.memberships.c.segment == segment, t.memberships.c.until.is_(None)
    )
    return array("q", connection.scalars(found))


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
