"""Leases: who may do a thing that only one may do at a time, with a number that fences the rest.

One row and one statement, the same on SQLite and PostgreSQL, and safe behind a connection pooler.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

import sqlalchemy as sa

from crm_mailer.store.engine import Instant, upsert
from crm_mailer.store.tables import leases

#: The names of the leases by which sending processes are known to be alive begin so.
WORKER = "worker:"


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease:
    """A right that ends at `until`. `epoch` grows whenever it passes to somebody else."""

    name: str
    owner: str
    until: datetime
    epoch: int
    host: str = ""
    pid: int = 0
    since: datetime | None = None


def acquire(
    connection: sa.Connection,
    name: str,
    *,
    owner: str,
    seconds: float,
    now: datetime,
    host: str = "",
    pid: int = 0,
    is_owner_gone: bool = False,
) -> Lease | None:
    """Take or renew the lease; None when another owner holds it.

    Args:
        connection: a write turn.
        name: what the lease is for.
        owner: unique for this process.
        seconds: how long it holds without being renewed.
        now: the clock.
        host, pid: for people, to find the owner.
        is_owner_gone: it is known that no other owner is alive: do not wait for its time to end.
    """
    nobody = {"name": name, "owner": "", "until": 0, "epoch": 0}
    connection.execute(
        upsert(connection, leases).values(nobody).on_conflict_do_nothing(index_elements=["name"])
    )
    is_mine = leases.c.owner == owner
    row = connection.execute(
        sa.update(leases)
        .where(leases.c.name == name)
        .where(sa.true() if is_owner_gone else sa.or_(is_mine, leases.c.until <= now))
        .values(
            owner=owner,
            until=now + timedelta(seconds=seconds),
            epoch=leases.c.epoch + sa.case((is_mine, 0), else_=1),
            since=sa.case((is_mine, leases.c.since), else_=sa.literal(now, Instant)),
            host=host,
            pid=pid,
        )
        .returning(leases)
    ).first()
    return None if row is None else _lease(row)


def renew(
    connection: sa.Connection, lease: Lease, *, seconds: float, now: datetime
) -> Lease | None:
    """Hold on to a lease; None when it has passed to somebody else meanwhile."""
    row = connection.execute(
        sa.update(leases)
        .where(leases.c.name == lease.name)
        .where(leases.c.owner == lease.owner, leases.c.epoch == lease.epoch)
        .values(until=now + timedelta(seconds=seconds))
        .returning(leases)
    ).first()
    return None if row is None else _lease(row)


def release(connection: sa.Connection, name: str, *, owner: str) -> bool:
    """Let the lease go; False when `owner` does not hold it."""
    statement = (
        sa.update(leases)
        .where(leases.c.name == name, leases.c.owner == owner)
        .values(owner="", until=0)
    )
    return bool(connection.execute(statement).rowcount)


def find(connection: sa.Connection, name: str, now: datetime) -> Lease | None:
    """The lease in force; None when nobody holds it."""
    row = connection.execute(
        sa.select(leases).where(leases.c.name == name, leases.c.until > now)
    ).first()
    return None if row is None else _lease(row)


def list_in_force(connection: sa.Connection, prefix: str, now: datetime) -> list[Lease]:
    """The leases in force whose names begin with `prefix`, by name."""
    rows = connection.execute(
        sa.select(leases)
        .where(leases.c.name.startswith(prefix, autoescape=True), leases.c.until > now)
        .order_by(leases.c.name)
    )
    return [_lease(row) for row in rows]


def _lease(row: sa.Row[tuple[object, ...]]) -> Lease:
    return Lease(
        name=row.name,
        owner=row.owner,
        until=row.until,
        epoch=row.epoch,
        host=row.host,
        pid=row.pid,
        since=row.since,
    )
