"""The token buckets of sending as rows: all senders of a shop share them."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from crm_mailer.store import bulk
from crm_mailer.store.tables import paces


@dataclass(slots=True, kw_only=True)
class Pace:
    """One bucket."""

    name: str
    #: When the next place is due, in seconds since 1970; 0: it was never used.
    due: float = 0.0
    #: Thousandths of the rate that it had when it was last slowed down.
    factor: int = 1000
    #: Mails a minute when it was slowed down, where nobody set a limit; 0: there is no limit.
    seen_rate: int = 0
    slowed_at: datetime | None = None
    told_at: datetime | None = None
    #: The day (UTC) of `used`, such as 2026-11-02.
    day: str = ""
    used: int = 0
    changed_at: datetime | None = None


_QUERY = sa.select(paces)
_COLUMNS = ("factor", "seen_rate", "slowed_at", "told_at", "day", "used")


def load(connection: sa.Connection, *, is_alone: bool = False) -> dict[str, Pace]:
    """All buckets by name.

    Args:
        connection: in a write transaction where `is_alone`.
        is_alone: nobody else may change one until the transaction ends.
    """
    if is_alone:
        bulk.lock(connection, "paces")
    found = {}
    for row in connection.execute(_QUERY):
        values = {name: getattr(row, name) for name in _COLUMNS}
        due = row.due_us / 1_000_000
        found[row.name] = Pace(name=row.name, due=due, changed_at=row.changed_at, **values)
    return found


def save(connection: sa.Connection, rows: Collection[Pace], now: datetime) -> None:
    """Write buckets as they are now; they were loaded `is_alone`."""
    if not rows:
        return
    connection.execute(
        _saving(connection.dialect.name),
        [
            {
                "name": row.name,
                "due_us": round(row.due * 1_000_000),
                **{name: getattr(row, name) for name in _COLUMNS},
                "changed_at": now,
            }
            for row in rows
        ],
    )


@cache
def _saving(dialect: str) -> Any:
    """Made once, for making it takes longer than running it."""
    insert = {"sqlite": sqlite, "postgresql": postgresql}[dialect].insert(paces)
    names = ("due_us", *_COLUMNS, "changed_at")
    return insert.on_conflict_do_update(
        index_elements=["name"], set_={name: insert.excluded[name] for name in names}
    )
