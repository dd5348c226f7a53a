"""How the database itself is."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

#: Pages that are looked at: a whole check of a large database takes minutes.
FINDINGS = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Vitals:
    """What the database says of itself."""

    version: str
    #: What is broken; empty for a sound one. PostgreSQL looks after itself.
    damage: str
    #: Its own clock; None where it has none.
    now: datetime | None


def look(connection: sa.Connection) -> Vitals:
    """Ask it. On SQLite a quick check: every page, not every index."""
    if connection.dialect.name == "postgresql":
        version = str(connection.exec_driver_sql("SHOW server_version").scalar_one())
        now = connection.exec_driver_sql("SELECT clock_timestamp()").scalar_one()
        return Vitals(version=version.split()[0], damage="", now=now)
    version = str(connection.exec_driver_sql("SELECT sqlite_version()").scalar_one())
    rows = connection.exec_driver_sql(f"PRAGMA quick_check({FINDINGS})").scalars().all()
    damage = "; ".join(str(row) for row in rows if row != "ok")
    return Vitals(version=version, damage=damage, now=None)
