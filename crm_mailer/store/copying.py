"""Copies a whole database into another, of whichever engine, and proves that they are the same.

Rows travel in the order of their keys, a few thousand to a transaction; where each table has got
to is noted in the target in that same transaction, so that a copy that was broken off goes on
where it stopped. At the end both sides are read once more, and their rows must have one digest.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

import sqlalchemy as sa

from crm_mailer.model.errors import NotPossible, StoreError
from crm_mailer.model.sentence import Sentence
from crm_mailer.store import facts, migrate, witnesses
from crm_mailer.store import tables as t
from crm_mailer.store.engine import Instant, Store

#: Rows to a transaction.
BATCH = 5_000
#: Facts of the target while it is being filled: which source, and how far each table is.
SOURCE, PLACE = witnesses.COPYING, "copy of "
#: Belongs to one process on one machine: nobody holds a right in the copy.
LEFT_OUT = frozenset({"leases"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Copied:
    """One table of the copy, compared with its source."""

    table: str
    rows: int
    digest: str


class Different(StoreError):
    """After copying, a table of the target is not that of the source."""


def copy(
    source: Store,
    target: Store,
    now: datetime,
    on_rows: Callable[[str, int], None] = lambda _table, _rows: None,
) -> list[Copied]:
    """Fill `target` with all that is in `source`, and compare.

    Args:
        source: nobody may write to it meanwhile; it is only read.
        target: empty, or a copy of the same source that was broken off.
        now: for the marks in the target.
        on_rows: told the table and the number of rows that were copied.

    Raises:
        NotPossible: the target holds something else.
        Different: the two are not the same afterwards.
    """
    migrate.verify(source)
    migrate.upgrade(target)
    with _still(source) as rows:
        _begin(target, _name_of(rows), now)
        for table in _tables():
            _copy_table(rows, target, table, now, on_rows)
        _count_on(target)
        found = compare(source, target)
    with target.write() as connection:
        for name in facts.find_all(connection, PLACE):
            facts.forget(connection, PLACE + name)
        facts.forget(connection, SOURCE)
    return found


def compare(source: Store, target: Store) -> list[Copied]:
    """Every table of both, row by row.

    Raises:
        Different: a table differs; the message names the first.
    """
    found = []
    with _still(source) as one, _still(target) as other:
        for table in _tables():
            mine, theirs = _digest(one, table), _digest(other, table)
            if mine != theirs:
                raise Different(
                    Sentence(
                        "the table {name} differs: {here:,} rows here, {copied:,} in the copy",
                        name=table.name,
                        here=mine.rows,
                        copied=theirs.rows,
                    ),
                    hint="was something written meanwhile? Stop the daemon, empty the target "
                    "and copy again",
                )
            found.append(mine)
    return found


def _tables() -> list[sa.Table]:
    """What is copied, each table after those that it refers to; the marks' own table last."""
    every = [one for one in t.metadata.sorted_tables if one.name not in LEFT_OUT | {"facts"}]
    return [*every, t.facts]


@contextmanager
def _still(store: Store) -> Iterator[sa.Connection]:
    """One state of the database for as long as it takes, whatever others write."""
    with store.read() as connection:
        if not store.is_sqlite:
            connection = connection.execution_options(isolation_level="REPEATABLE READ")
        yield connection


def _name_of(connection: sa.Connection) -> str:
    """What tells this database from others, and its state from a later one.

    First customers, orders and mails: what never changes in them, and all that they say.
    """
    person, order, touch = t.customers.c, t.orders.c, t.touches.c
    lasting = (
        (person.id, person.created_at),
        (order.id, order.platform, order.number),
        (touch.id, touch.campaign, touch.step, touch.anchor, touch.planned_at),
    )
    every = (tuple(t.customers.c), tuple(t.orders.c), tuple(t.touches.c))
    return f"{_first_rows(connection, lasting)}.{_first_rows(connection, every)}"


def _first_rows(connection: sa.Connection, columns: Sequence[tuple[sa.Column[Any], ...]]) -> str:
    told = [
        connection.execute(sa.select(*some).order_by(some[0]).limit(3)).all() for some in columns
    ]
    return hashlib.sha256(repr(told).encode()).hexdigest()[:24]


def _begin(target: Store, name: str, now: datetime) -> None:
    with target.write() as connection:
        before = facts.find(connection, SOURCE)
        if before is None and (full := _first_full(connection)):
            raise NotPossible(
                Sentence("the target is not empty: its table {table} has rows", table=full),
                hint="name an empty database; `crm-mailer db copy` makes the tables itself",
            )
        if before is None:
            facts.forget(connection, witnesses.NAME)  # it takes the name of the source
        if before and before != name:
            if before.partition(".")[0] == name.partition(".")[0]:
                raise NotPossible(
                    "the source has changed since this copy of it was broken off",
                    hint="stop whatever writes to it, empty the target and copy again",
                )
            raise NotPossible(
                "the target is the broken-off copy of another database",
                hint="empty it first, or name another",
            )
        facts.put(connection, SOURCE, name, now)


def _first_full(connection: sa.Connection) -> str:
    for table in _tables():
        query = sa.select(sa.literal(1)).select_from(table).limit(1)
        if table is t.facts:
            query = query.where(~_is_mark(), table.c.name != witnesses.NAME)
        if connection.execute(query).first():
            return table.name
    return ""


def _copy_table(
    source: sa.Connection,
    target: Store,
    table: sa.Table,
    now: datetime,
    on_rows: Callable[[str, int], None],
) -> None:
    keys = list(table.primary_key.columns)
    with target.read() as connection:
        told = facts.find(connection, PLACE + table.name)
    after = [_key(*one) for one in zip(json.loads(told), keys, strict=True)] if told else None
    while rows := source.execute(_page(table, keys, after)).mappings().all():
        after = [rows[-1][key.name] for key in keys]
        with target.write() as connection:
            connection.execute(table.insert(), [dict(row) for row in rows])
            facts.put(connection, PLACE + table.name, json.dumps([*map(_plain, after)]), now)
        on_rows(table.name, len(rows))


def _key(told: Any, key: sa.Column[Any]) -> Any:
    """A part of a key, back from the form of `_plain`."""
    if isinstance(key.type, sa.Date):
        return date.fromisoformat(told)
    if isinstance(key.type, Instant):
        return datetime.fromtimestamp(told, UTC)
    return told


def _page(
    table: sa.Table, keys: Sequence[sa.Column[Any]], after: Sequence[Any] | None
) -> sa.Select[Any]:
    query = sa.select(table).order_by(*keys).limit(BATCH)
    if table is t.facts:
        query = query.where(~_is_mark())
    if after is None:
        return query
    place = sa.tuple_(*keys) if len(keys) > 1 else keys[0]
    bound = sa.tuple_(*[sa.literal(one, key.type) for one, key in zip(after, keys, strict=True)])
    return query.where(place > (bound if len(keys) > 1 else sa.literal(after[0], keys[0].type)))


def _is_mark() -> sa.ColumnElement[bool]:
    """What each database says for itself."""
    name = t.facts.c.name
    return sa.or_(
        name == SOURCE, name == migrate.WORKS_FROM, name.startswith(PLACE, autoescape=True)
    )


def _digest(connection: sa.Connection, table: sa.Table) -> Copied:
    """Of all rows in the order of their keys; texts order alike by their bytes on both sides."""
    keys = [
        sa.cast(key, sa.LargeBinary) if _is_text(key) and _is_sqlite(connection)
        else sa.func.convert_to(key, "UTF8") if _is_text(key) else key
        for key in table.primary_key.columns
    ]  # fmt: skip
    query = sa.select(table).order_by(*keys)
    if table is t.facts:
        query = query.where(~_is_mark())
    told, number = hashlib.sha256(), 0
    options = {"yield_per": BATCH}
    for row in connection.execution_options(**options).execute(query):
        told.update(json.dumps([_plain(value) for value in row], ensure_ascii=False).encode(
            "utf-8", "surrogatepass"))  # fmt: skip
        told.update(b"\n")
        number += 1
    return Copied(table=table.name, rows=number, digest=told.hexdigest())


def _is_text(key: sa.Column[Any]) -> bool:
    return isinstance(key.type, sa.Text)


def _is_sqlite(connection: sa.Connection) -> bool:
    return connection.dialect.name == "sqlite"


def _plain(value: Any) -> Any:
    """A value in one form for both engines."""
    if isinstance(value, datetime):
        return int(value.timestamp())
    if isinstance(value, bytes | memoryview):
        return hashlib.sha256(bytes(value)).hexdigest()
    if isinstance(value, str | int | float | bool | type(None)):
        return value
    return json.loads(json.dumps(value, default=str, sort_keys=True))  # a date as 2026-11-02


def _count_on(target: Store) -> None:
    """PostgreSQL numbers new rows from its own counters, which copied rows do not move."""
    if target.is_sqlite:
        return
    with target.write() as connection:
        for table in _tables():
            if "id" not in table.c or len(table.primary_key.columns) > 1:
                continue
            name = connection.scalar(sa.select(sa.func.pg_get_serial_sequence(table.name, "id")))
            if name:
                highest = sa.select(sa.func.max(table.c.id)).scalar_subquery()
                connection.execute(
                    sa.select(sa.func.setval(name, sa.func.coalesce(highest, 1), highest > 0))
                )
