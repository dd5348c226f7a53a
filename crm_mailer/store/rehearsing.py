"""A copy of a shop's database to rehearse with, and what the rehearsal did there."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import sqlalchemy as sa

from crm_mailer.model.touch import TouchState
from crm_mailer.store import migrate
from crm_mailer.store.engine import Store, open_store
from crm_mailer.store.tables import messages, touches
from crm_mailer.store.tables.columns import metadata

#: Rows that are carried over at once.
CHUNK = 5_000


@dataclass(frozen=True, slots=True)
class Sent:
    """A mail that left, or was left out, in the rehearsal."""

    at: datetime
    campaign: str
    step: str
    anchor: str
    customer_id: int
    state: str
    reason: str
    sha256: str

    def line(self) -> str:
        """All of it, for a fingerprint."""
        return (
            f"{int(self.at.timestamp())}|{self.campaign}|{self.step}|{self.anchor}"
            f"|{self.customer_id}|{self.state}|{self.reason}|{self.sha256}"
        )


def copy(store: Store, path: Path) -> Store:
    """The whole database in a new SQLite file; the copy is the caller's to close."""
    if store.is_sqlite:
        with store.read() as connection, closing(sqlite3.connect(path)) as copied:
            raw = connection.connection.dbapi_connection
            assert isinstance(raw, sqlite3.Connection)
            raw.backup(copied)
        return open_store(f"sqlite:///{path}")
    made = open_store(f"sqlite:///{path}")
    migrate.upgrade(made)
    with store.read() as source, made.write() as target:
        for table in metadata.sorted_tables:
            target.execute(table.delete())
            rows = source.execution_options(yield_per=CHUNK).execute(sa.select(table)).mappings()
            for part in rows.partitions(CHUNK):
                target.execute(table.insert(), [dict(row) for row in part])
    return made


def next_due(connection: sa.Connection, after: datetime) -> datetime | None:
    """When the next mail that waits is due; what is overdue is not asked for."""
    query = (
        sa.select(touches.c.next_at)
        .where(
            sa.or_(touches.c.state == TouchState.PLANNED, touches.c.state == TouchState.DEFERRED),
            touches.c.next_at > after,
        )
        .order_by(touches.c.next_at)
        .limit(1)
    )
    moment: datetime | None = connection.scalar(query)
    return moment


def settled(connection: sa.Connection, since: datetime, until: datetime) -> Iterator[Sent]:
    """What got its fate in this time, in a sequence that is always the same."""
    query = (
        sa.select(
            touches.c.settled_at,
            touches.c.campaign,
            touches.c.step,
            touches.c.anchor,
            touches.c.customer_id,
            touches.c.state,
            touches.c.reason,
            sa.func.coalesce(messages.c.sha256, ""),
        )
        .outerjoin_from(touches, messages, messages.c.touch_id == touches.c.id)
        .where(touches.c.settled_at.between(since, until))
        .order_by(
            touches.c.settled_at,
            touches.c.campaign,
            touches.c.step,
            touches.c.anchor,
            touches.c.customer_id,
        )
    )
    for row in connection.execution_options(yield_per=CHUNK).execute(query):
        yield Sent(*row)
