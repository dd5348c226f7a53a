"""Months on PostgreSQL: attempts, messages and requests lie in partitions that can leave whole.

A table is cut by a number that grows with time, that of the touch (of a request its own): so what
is unique stays so, and no row has to be moved when a month begins. The last partition has no upper
end and a further one takes what fits into none, so a row always has a place. A month begins like
this, while mails leave:

1. an end is chosen far behind the last number, so that nobody reaches it meanwhile,
2. the last partition is proved to lie before it (a long look, under a lock that stops nobody),
3. it is given that end and the next partition is opened behind it (some milliseconds),
4. numbering goes on at that end.

From the second step to the third the server refuses rows with numbers behind that end: for some
moments, after a kill until the next round, and at least half of `ROOM` numbers away. A kill between
two of these leaves nothing else wrong: the next round goes on. On SQLite there are no partitions,
and nothing here does anything.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from crm_mailer.model.errors import StoreBusy
from crm_mailer.store import facts
from crm_mailer.store.engine import Store

#: Whose numbers cut -> the tables that they cut.
GROUPS = {"touches": ("deliveries", "messages"), "web_events": ("web_events",)}
#: The column by which a table is cut.
CUT_BY = {"deliveries": "touch_id", "messages": "touch_id", "web_events": "id"}
#: What is unique within each partition beside what is unique over all of them.
_WITHIN = {"deliveries": "PRIMARY KEY (id)", "messages": "UNIQUE (message_id)"}
#: A month with fewer numbers goes on in the partition before: a small shop has no use for many.
LEAST = 200_000
#: The end of a partition lies at least half of this behind the last number, or of ten mails for
#: each customer where that is more.
ROOM = 1_000_000
#: How long a change waits for those who use the table, before it is left to the next round.
PATIENCE = "2s"
_NAME = re.compile(r"(deliveries|messages|web_events)_(begin|rest|from_\d{6})")
_BOUNDS = re.compile(r"FROM \((?:'(-?\d+)'|MINVALUE)\) TO \((?:'(-?\d+)'|MAXVALUE)\)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Partition:
    """Rows with numbers from `first` on and before `until`; None: without an end there."""

    table: str
    name: str
    first: int | None
    until: int | None

    @property
    def month(self) -> str:
        """In which month it was begun, such as 2026-11; empty for the first of all."""
        digits = self.name.rpartition("_")[2]
        return f"{digits[:4]}-{digits[4:]}" if digits.isdigit() else ""


def is_partition(name: str) -> bool:
    """Whether a table is a part of another one."""
    return bool(_NAME.fullmatch(name))


def list_(connection: sa.Connection, table: str) -> list[Partition]:
    """The partitions of a table in the order of their numbers; none on SQLite."""
    if connection.dialect.name != "postgresql":
        return []
    query = sa.text(
        "SELECT c.relname, pg_get_expr(c.relpartbound, c.oid) AS bounds FROM pg_inherits i"
        " JOIN pg_class c ON c.oid = i.inhrelid WHERE i.inhparent = CAST(:name AS regclass)"
    )
    found = []
    for row in connection.execute(query, {"name": table}):
        if met := _BOUNDS.search(row.bounds):
            first, until = (None if one is None else int(one) for one in met.groups())
            found.append(Partition(table=table, name=row.relname, first=first, until=until))
    return sorted(found, key=lambda one: (one.first is not None, one.first or 0))


def begin_month(store: Store, now: datetime, *, least: int = LEAST) -> list[str]:
    """Open the partitions of this month where there are none yet; their names.

    Args:
        store: nothing is done on SQLite.
        now: says which month it is, in UTC.
        least: numbers that the partition before has to hold.
    """
    if store.is_sqlite:
        return []
    return [name for group in GROUPS for name in _begin(store, group, now, least)]


def _begin(store: Store, group: str, now: datetime, least: int) -> list[str]:
    ending = f"from_{now:%Y%m}"
    with store.read() as connection:
        last = _last_number(connection, group)
        parts = [list_(connection, table)[-1] for table in GROUPS[group]]
        end = facts.find(connection, _fact(group))
        room = _room(connection)
    late = [part for part in parts if not part.name.endswith(ending)]
    if end is None or last >= end:  # nothing was begun, or it was left for too long
        late = [part for part in late if last - (part.first or 0) >= least]
        if not late:
            return []
        end = _end(last, room)
        with store.write() as connection:
            facts.put(connection, _fact(group), end, now)
    opened = [f"{part.table}_{ending}" for part in late if _close(store, part, end, ending)]
    with store.write() as connection:
        if all(list_(connection, table)[-1].first == end for table in GROUPS[group]):
            _number_from(connection, group, end)
            facts.forget(connection, _fact(group))
    return opened


def _close(store: Store, part: Partition, end: int, ending: str) -> bool:
    """Give the last partition an end and open the next; False where others use it just now."""
    if part.first == end:  # done before a kill
        return False
    check, column = f"ck_{part.name}_ends", CUT_BY[part.table]
    begins = "" if part.first is None else f"{column} >= {part.first} AND "
    with unless_used(store) as connection:
        _ddl(connection, f"ALTER TABLE {part.name} DROP CONSTRAINT IF EXISTS {check}")
        words = f"CHECK ({column} IS NOT NULL AND {begins}{column} < {end}) NOT VALID"
        _ddl(connection, f"ALTER TABLE {part.name} ADD CONSTRAINT {check} {words}")
    with store.read() as connection:
        if not _has(connection, check):
            return False
    with store.write() as connection:
        _ddl(connection, f"ALTER TABLE {part.name} VALIDATE CONSTRAINT {check}")
    with unless_used(store) as connection:
        first = "MINVALUE" if part.first is None else str(part.first)
        _ddl(connection, f"ALTER TABLE {part.table} DETACH PARTITION {part.name}")
        bounds = f"FOR VALUES FROM ({first}) TO ({end})"
        _ddl(connection, f"ALTER TABLE {part.table} ATTACH PARTITION {part.name} {bounds}")
        _ddl(connection, f"ALTER TABLE {part.name} DROP CONSTRAINT {check}")
        _open(connection, part.table, f"{part.table}_{ending}", end)
    with store.read() as connection:
        return list_(connection, part.table)[-1].first == end


def _has(connection: sa.Connection, check: str) -> bool:
    query = sa.text(
        "SELECT 1 FROM pg_constraint WHERE conname = :name"
        " AND connamespace = CAST(current_schema() AS regnamespace)"
    )
    return connection.scalar(query, {"name": check}) is not None


def _open(connection: sa.Connection, table: str, name: str, first: int) -> None:
    bounds = f"FOR VALUES FROM ({first}) TO (MAXVALUE)"
    _ddl(connection, f"CREATE TABLE {name} PARTITION OF {table} {bounds}")
    if table in _WITHIN:
        _ddl(connection, f"ALTER TABLE {name} ADD {_WITHIN[table]}")


def drop(connection: sa.Connection, part: Partition) -> None:
    """Let a partition go with all its rows; later ones with its numbers go to the rest."""
    _ddl(connection, f"ALTER TABLE {part.table} DETACH PARTITION {part.name}")
    _ddl(connection, f"DROP TABLE {part.name}")


@contextmanager
def unless_used(store: Store) -> Iterator[sa.Connection]:
    """A transaction that gives up where it would wait long for a lock, and others behind it.

    Then nothing was done, and nothing is raised.
    """
    with suppress(StoreBusy), store.write() as connection:
        _ddl(connection, f"SET LOCAL lock_timeout = '{PATIENCE}'")
        yield connection


def _ddl(connection: sa.Connection, statement: str) -> None:
    """Names and numbers in it are our own; never data."""
    connection.exec_driver_sql(statement)


def _fact(group: str) -> str:
    return f"partition end: {group}"


def _last_number(connection: sa.Connection, group: str) -> int:
    query = sa.text(f"SELECT CASE WHEN is_called THEN last_value ELSE 0 END FROM {group}_id_seq")
    return int(connection.scalar(query) or 0)


def _number_from(connection: sa.Connection, group: str, end: int) -> None:
    query = sa.text(
        f"SELECT setval('{group}_id_seq', :last) FROM {group}_id_seq WHERE last_value < :last"
    )
    connection.execute(query, {"last": end - 1})


def _room(connection: sa.Connection) -> int:
    """A power of ten, so that people can read the numbers behind it."""
    customers = connection.scalar(
        sa.text("SELECT reltuples FROM pg_class WHERE oid = CAST('customers' AS regclass)")
    )
    wanted, room = max(ROOM, 10 * int(customers or 0)), ROOM
    while room < wanted:
        room *= 10
    return room


def _end(last: int, room: int) -> int:
    end = (last // room + 1) * room
    return end if end - last >= room // 2 else end + room
