"""Leases: who may do a thing that only one may do at a time, with a number that fences the rest.

One row and one statement, the same on SQLite and PostgreSQL, and safe behind a connection pooler.
Hosts' clocks differ, so a moment may be left out: then the database's own clock counts.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from crm_mailer.store.engine import Instant, upsert
from crm_mailer.store.tables import leases

#: The names of the leases by which daemons and sending processes are known to be alive begin so.
DAEMON, WORKER = "daemon:", "worker:"
#: Work that one process alone does; the mailbox's name follows.
PLANNER, SEGMENTER, TELLER, MAILBOX = "planner", "segmenter", "teller", "mailbox:"


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
    #: When the holder was last heard of.
    beat_at: datetime | None = None
    #: What it is there for and does at present, in words of its own.
    roles: str = ""
    doing: str = ""
    #: By how many thousandths of a second its host's clock is ahead of the database's.
    clock_ms: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Holder:
    """Who asks for a lease. `owner` is unique for a process; the rest is for people."""

    owner: str
    host: str = ""
    pid: int = 0
    roles: str = ""
    doing: str = ""
    clock_ms: int = 0


def acquire(
    connection: sa.Connection,
    name: str,
    *,
    owner: str | Holder,
    seconds: float,
    now: datetime | None,
    is_owner_gone: bool = False,
) -> Lease | None:
    """Take or renew the lease; None when another owner holds it.

    Args:
        connection: a write turn.
        name: what the lease is for.
        owner: unique for this process.
        seconds: how long it holds without being renewed.
        now: the clock; None: the database's.
        is_owner_gone: it is known that no other owner is alive: do not wait for its time to end.
    """
    by = owner if isinstance(owner, Holder) else Holder(owner=owner)
    nobody = {"name": name, "owner": "", "until": 0, "epoch": 0}
    connection.execute(
        upsert(connection, leases).values(nobody).on_conflict_do_nothing(index_elements=["name"])
    )
    is_mine, at = leases.c.owner == by.owner, _at(connection, now)
    row = connection.execute(
        sa.update(leases)
        .where(leases.c.name == name)
        .where(sa.true() if is_owner_gone else sa.or_(is_mine, leases.c.until <= at))
        .values(
            owner=by.owner,
            until=_end(connection, now, seconds),
            epoch=leases.c.epoch + sa.case((is_mine, 0), else_=1),
            since=sa.case((is_mine, leases.c.since), else_=at),
            beat_at=at,
            host=by.host,
            pid=by.pid,
            roles=by.roles,
            doing=by.doing,
            clock_ms=by.clock_ms,
        )
        .returning(leases)
    ).first()
    return None if row is None else _lease(row)


def renew(
    connection: sa.Connection, lease: Lease, *, seconds: float, now: datetime | None
) -> Lease | None:
    """Hold on to a lease; None when it has passed to somebody else meanwhile."""
    row = connection.execute(
        sa.update(leases)
        .where(leases.c.name == lease.name)
        .where(leases.c.owner == lease.owner, leases.c.epoch == lease.epoch)
        .values(until=_end(connection, now, seconds), beat_at=_at(connection, now))
        .returning(leases)
    ).first()
    return None if row is None else _lease(row)


def is_held(
    connection: sa.Connection, name: str, *, owner: str, epoch: int, is_last: bool = False
) -> bool:
    """Whether the lease has not passed to somebody else since it had this epoch.

    Args:
        is_last: asked right before a commit: nobody can take the lease until that is done.
    """
    query = sa.select(leases.c.name).where(
        leases.c.name == name, leases.c.owner == owner, leases.c.epoch == epoch
    )
    if is_last:
        query = query.with_for_update(read=True)
    return connection.execute(query).first() is not None


def release(connection: sa.Connection, name: str, *, owner: str) -> bool:
    """Let the lease go; False when `owner` does not hold it."""
    statement = (
        sa.update(leases)
        .where(leases.c.name == name, leases.c.owner == owner)
        .values(owner="", until=0, doing="")
    )
    return bool(connection.execute(statement).rowcount)


def forget(connection: sa.Connection, prefix: str, *, but: str = "") -> None:
    """Drop the rows of processes that are no more, save those of the owner `but`.

    Rows of jobs must stay, or their epochs would begin anew.
    """
    statement = sa.delete(leases).where(leases.c.name.startswith(prefix, autoescape=True))
    connection.execute(statement.where(leases.c.owner != but) if but else statement)


def forget_silent(connection: sa.Connection, since: datetime) -> None:
    """Drop the rows of processes that ended without a word and were not heard of since then."""
    is_process = sa.or_(*(leases.c.name.startswith(one) for one in (DAEMON, WORKER)))
    connection.execute(sa.delete(leases).where(is_process, leases.c.until < since))


def find(connection: sa.Connection, name: str, now: datetime | None) -> Lease | None:
    """The lease in force; None when nobody holds it."""
    row = connection.execute(
        sa.select(leases).where(leases.c.name == name, leases.c.until > _at(connection, now))
    ).first()
    return None if row is None else _lease(row)


def list_in_force(connection: sa.Connection, prefix: str, now: datetime | None) -> list[Lease]:
    """The leases in force whose names begin with `prefix`, by name."""
    rows = connection.execute(
        sa.select(leases)
        .where(leases.c.name.startswith(prefix, autoescape=True))
        .where(leases.c.until > _at(connection, now))
        .order_by(leases.c.name)
    )
    return [_lease(row) for row in rows]


def list_all(connection: sa.Connection) -> list[Lease]:
    """Every lease that somebody holds or held to the end, by name."""
    rows = connection.execute(sa.select(leases).where(leases.c.owner != "").order_by(leases.c.name))
    return [_lease(row) for row in rows]


def clock(connection: sa.Connection) -> float:
    """The database's clock, in seconds since 1970; on SQLite this machine's is meant."""
    if connection.dialect.name == "sqlite":
        return time.time()
    return float(connection.scalar(sa.select(_EPOCH)) or 0.0)


_EPOCH: Any = sa.extract("epoch", sa.func.clock_timestamp())


def _at(connection: sa.Connection, now: datetime | None) -> Any:
    """The moment as a value or, where it is left out, as the database knows it."""
    if now is not None:
        return sa.literal(now, Instant)
    if connection.dialect.name == "sqlite":
        return sa.literal(int(time.time()), Instant)
    return sa.type_coerce(sa.cast(sa.func.floor(_EPOCH), sa.BigInteger), Instant)


def _end(connection: sa.Connection, now: datetime | None, seconds: float) -> Any:
    """When a lease ends. Instants are whole seconds: it lasts rather longer than shorter."""
    if now is not None:
        return now + timedelta(seconds=seconds)
    if connection.dialect.name == "sqlite":
        return math.ceil(time.time() + seconds)
    return sa.type_coerce(sa.cast(sa.func.ceil(_EPOCH + seconds), sa.BigInteger), Instant)


def _lease(row: sa.Row[tuple[object, ...]]) -> Lease:
    return Lease(**row._mapping)
