"""Writes many rows at once: one statement, plain values, whichever engine it is."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from itertools import islice
from typing import Any, TypeVar

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from crm_mailer.store import turns
from crm_mailer.store.engine import CACHE_KIB, Store

T = TypeVar("T")

#: SQLite's page cache in KiB (negative) for masses.
WIDE_CACHE = -65_536
#: Keys that one statement asks for.
ASKED_AT_ONCE = 20_000
#: Rows changed in one transaction where others wait: a lock of a fraction of a second.
TURN = 5_000


def insert(
    connection: sa.Connection,
    table: sa.Table,
    columns: Sequence[str],
    rows: Sequence[tuple[Any, ...]],
    *,
    conflict: str = "",
) -> int:
    """Insert `rows`, whose values stand in the sequence of `columns`. How many went in.

    Args:
        connection: in a write transaction.
        table: where to.
        columns: names of its columns.
        rows: plain values; instants as `seconds` gives them.
        conflict: an ON CONFLICT clause that both engines know.
    """
    if not rows:
        return 0
    mark = "?" if connection.dialect.name == "sqlite" else "%s"
    places = ", ".join([mark] * len(columns))
    # the names come from tables.py, never from data
    statement = f"INSERT INTO {table.name} ({', '.join(columns)}) VALUES ({places}) {conflict}"
    counting = {"preserve_rowcount": True}
    done = connection.exec_driver_sql(statement, list(rows), execution_options=counting)
    return done.rowcount


def update(
    connection: sa.Connection,
    table: sa.Table,
    columns: Sequence[str],
    rows: Sequence[tuple[Any, ...]],
) -> None:
    """Set `columns` of many rows; each row ends with the id."""
    if not rows:
        return
    mark = "?" if connection.dialect.name == "sqlite" else "%s"
    sets = ", ".join(f"{column} = {mark}" for column in columns)
    connection.exec_driver_sql(
        f"UPDATE {table.name} SET {sets} WHERE id = {mark}",
        list(rows),
    )


def as_rows(
    dialect: str, columns: Mapping[str, sa.types.TypeEngine[Any]], name: str = "rows"
) -> Any:
    """A table of values that travel as one parameter, `name`: JSON text of a list of lists, each
    in the sequence of `columns`.

    One statement for many rows is several times quicker than many statements for one.
    """
    text = sa.bindparam(name, type_=sa.Text)
    if dialect == "postgresql":
        # JSON would be read anew for each value of a row: that takes three times as long
        each_of = sa.func.jsonb_array_elements(sa.cast(text, postgresql.JSONB))
        given = each_of.column_valued(f"one_of_{name}")
        values = [
            sa.cast(given.op("->>")(number), type_).label(column)
            for number, (column, type_) in enumerate(columns.items())
        ]
    else:
        each = sa.func.json_each(text).table_valued("value").alias(f"each_of_{name}")
        values = [
            sa.type_coerce(
                sa.func.json_extract(each.c.value, sa.literal_column(f"'$[{number}]'")), type_
            ).label(column)
            for number, (column, type_) in enumerate(columns.items())
        ]
    return sa.select(*values).subquery(f"given_{name}")


def given_ids(dialect: str, name: str = "ids") -> Any:
    """A SELECT of ids that travel as one parameter: JSON text of a list of numbers.

    A statement with it can be made once and kept, however many ids there are.
    """
    text = sa.bindparam(name, type_=sa.Text)
    if dialect == "postgresql":
        each = sa.func.json_array_elements_text(sa.cast(text, postgresql.JSON)).column_valued(name)
        return sa.select(sa.cast(each, sa.BigInteger))
    return sa.select(sa.func.json_each(text).table_valued("value").c.value)


def every(connection: sa.Connection, query: Any) -> list[Any]:
    """All rows. What is compiled must not take them for the tuples that typing calls them."""
    return list(connection.execute(query))


def first(connection: sa.Connection, query: Any) -> Any:
    """The first row; None where there is none."""
    return connection.execute(query).first()


def take_ids(connection: sa.Connection, table: sa.Table, count: int) -> Sequence[int]:
    """`count` ids that nobody else has or will get; in a write transaction only."""
    if not count:
        return ()
    if connection.dialect.name == "sqlite":
        last = connection.execute(sa.select(sa.func.max(table.c.id))).scalar() or 0
        return range(last + 1, last + 1 + count)
    sequence = sa.func.nextval(f"{table.name}_id_seq")
    numbers = sa.func.generate_series(1, count).table_valued("n")
    return [row[0] for row in connection.execute(sa.select(sequence).select_from(numbers))]


def lock(connection: sa.Connection, name: str) -> None:
    """Be the only one of this name until the transaction ends; SQLite has one writer anyway."""
    if connection.dialect.name == "postgresql":
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(sa.func.hashtext(name))))


@contextmanager
def by_index(connection: sa.Connection) -> Iterator[None]:
    """Have PostgreSQL look rows up by index, whatever it believes of a table's size.

    For a statement that fills the very table it looks into: one that was empty when its statistics
    were made would be read from end to end for each row, and grow meanwhile.
    """
    is_server = connection.dialect.name == "postgresql"
    if is_server:
        connection.exec_driver_sql("SET LOCAL enable_seqscan = off")
    yield
    if is_server:
        connection.exec_driver_sql("SET LOCAL enable_seqscan = on")


def know(connection: sa.Connection, table: sa.Table) -> None:
    """Let PostgreSQL see how large a table is that was filled a moment ago."""
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql(f"ANALYZE {table.name}")


def widen(connection: sa.Connection) -> None:
    """Give SQLite room for a mass of rows: pages stay in memory and are checkpointed seldom."""
    _make_room(connection, WIDE_CACHE, turns.WIDE_CHECKPOINT_AT)


def narrow(connection: sa.Connection) -> None:
    """Undo `widen`."""
    _make_room(connection, CACHE_KIB, turns.CHECKPOINT_AT)


@contextmanager
def wide(connection: sa.Connection) -> Iterator[None]:
    """Room for a transaction that may look at many rows all over a large table."""
    widen(connection)
    try:
        yield
    finally:
        narrow(connection)


def _make_room(connection: sa.Connection, cache: int, checkpoint_at: int) -> None:
    if connection.dialect.name == "sqlite":
        connection.exec_driver_sql(f"PRAGMA cache_size = {cache}")
        if turn := connection.info["turn"]:
            turn.checkpoint_at = checkpoint_at


def among(
    connection: sa.Connection, column: sa.ColumnElement[Any], values: Iterable[Any]
) -> sa.ColumnElement[bool]:
    """`column` is one of `values`, however many: they travel as one parameter."""
    wanted = list(values)
    if connection.dialect.name == "postgresql":
        return column == sa.any_(sa.literal(wanted, postgresql.ARRAY(column.type)))
    each = sa.func.json_each(json.dumps(wanted)).table_valued("value")
    return column.in_(sa.select(each.c.value))


def in_turns(
    store: Store, ids: Sequence[int], change: Callable[[sa.Connection, Sequence[int]], int]
) -> int:
    """Change many rows in short write turns, so that others get theirs. How many were changed."""
    changed = 0
    for start in range(0, len(ids), TURN):
        with store.write() as connection:
            changed += change(connection, ids[start : start + TURN])
    return changed


def batches(values: Iterable[T], size: int = ASKED_AT_ONCE) -> Iterator[list[T]]:
    """The values in lists of at most `size`."""
    source = iter(values)
    while batch := list(islice(source, size)):
        yield batch


def seconds(moment: datetime) -> int:
    """An aware instant as columns keep it."""
    return int(moment.timestamp())


def maybe_seconds(moment: datetime | None) -> int | None:
    """The same for an instant that may be missing."""
    return None if moment is None else int(moment.timestamp())
