"""Fills an empty table by one statement, its keys and indexes made afterwards in one sort each."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from typing import Any

import sqlalchemy as sa

#: From so many rows on it is worth it to take keys off and make them anew.
MANY = 50_000
#: Milliseconds to wait for the tables to be ours: whoever comes behind waits as long.
PATIENCE = 300
#: SQLSTATE of a lock that was not to be had, and of tables that are another login's.
_NOT_OURS = ("55P03", "42501")

#: Name and definition of a primary key or a reference.
Key = tuple[str, str]
Values = Mapping[str, sa.ColumnElement[Any]]


def fill(connection: sa.Connection, table: sa.Table, values: Values) -> int:
    """Insert the rows that `values` (by column) come to. How many they are.

    A million rows in the order of their key would touch each page of the other indexes again and
    again. All of it is one transaction, so nobody ever sees the table without its indexes.
    """
    counting = {"preserve_rowcount": True}
    with _staged(connection, table, values) as rows, _bare(connection, table, rows):
        query = table.insert().from_select(list(values), rows)
        return connection.execute(query, execution_options=counting).rowcount


@contextmanager
def _staged(connection: sa.Connection, table: sa.Table, values: Values) -> Iterator[sa.Select[Any]]:
    """On PostgreSQL the rows are worked out first, while nobody waits for anything.

    It does so with all its processes, which it never does for rows that go into a table at once.
    """
    if connection.dialect.name != "postgresql":
        yield sa.select(*(one.label(name) for name, one in values.items()))
        return
    typed = (sa.cast(one, table.c[name].type).label(name) for name, one in values.items())
    stage = sa.select(*typed).into("stage", temporary=True)
    connection.execute(stage)
    yield sa.select(stage.table)
    connection.exec_driver_sql("DROP TABLE stage")


@contextmanager
def _bare(connection: sa.Connection, table: sa.Table, rows: sa.Select[Any]) -> Iterator[None]:
    """The table without indexes and, on PostgreSQL, without keys: they are made anew afterwards.

    Looking each row up in the table that it refers to takes longer than all the rest. Where others
    work with these tables, or they are not ours to change, or there are few rows, all of them stay.
    Whoever comes later waits until the rows are in: a second for a hundred thousand, once.
    """
    is_server = connection.dialect.name == "postgresql"
    if is_server and not _are_many(connection, rows):
        yield
        return
    indexes = sorted(table.indexes, key=lambda index: str(index.name))
    keys = _keys(connection, table) if is_server else []
    is_bare = _strip(connection, table, keys, indexes)
    yield
    if not is_bare:
        return
    for name, definition in keys:
        connection.exec_driver_sql(f'ALTER TABLE {table.name} ADD CONSTRAINT "{name}" {definition}')
    for index in indexes:
        index.create(connection)


def _are_many(connection: sa.Connection, rows: sa.Select[Any]) -> bool:
    return (connection.scalar(sa.select(sa.func.count()).select_from(rows.subquery())) or 0) > MANY


def _strip(
    connection: sa.Connection, table: sa.Table, keys: Sequence[Key], indexes: Sequence[sa.Index]
) -> bool:
    """Take keys and indexes off; false where that cannot be done now, and then all are there."""
    try:
        with connection.begin_nested() if keys else nullcontext():
            if keys:
                _take_hold(connection, table)
            for name, _ in reversed(keys):
                connection.exec_driver_sql(f'ALTER TABLE {table.name} DROP CONSTRAINT "{name}"')
            for index in indexes:
                index.drop(connection)
    except sa.exc.DBAPIError as error:
        if getattr(error.orig, "sqlstate", None) not in _NOT_OURS:
            raise
        return False
    return True


def _take_hold(connection: sa.Connection, table: sa.Table) -> None:
    """Lock the table and those that it refers to, or fail soon."""
    names = sorted({table.name, *(one.column.table.name for one in table.foreign_keys)})
    connection.exec_driver_sql(f"SET LOCAL lock_timeout = {PATIENCE}")
    connection.exec_driver_sql(f"LOCK TABLE {', '.join(names)} IN ACCESS EXCLUSIVE MODE")
    connection.exec_driver_sql("SET LOCAL lock_timeout TO DEFAULT")


def _keys(connection: sa.Connection, table: sa.Table) -> list[Key]:
    """The primary key and the references, in this order."""
    rows = connection.execute(
        sa.text(
            "SELECT conname, pg_get_constraintdef(oid) FROM pg_constraint"
            " WHERE conrelid = to_regclass(:name) AND contype IN ('p', 'f') ORDER BY contype DESC"
        ),
        {"name": table.name},
    )
    return [(name, definition) for name, definition in rows]
