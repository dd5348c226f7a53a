"""Spares tests what is the same for each: PostgreSQL's tables, and what statements compile to."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any

import sqlalchemy as sa
from sqlalchemy.util import LRUCache

from crm_mailer.store import migrate, tables
from crm_mailer.store.engine import Store, open_store

#: Engine -> its dialect, and what was compiled for it.
_compiled: dict[str, tuple[sa.Dialect, LRUCache[Any, Any]]] = {}

#: Changes with every table, column, index, rule and version, but not with rows.
SCHEMA = """
    SELECT concat_ws(' ',
        (SELECT sum(hashtext(concat_ws(' ', attrelid, attname, atttypid, attnotnull, atthasdef)))
         FROM pg_attribute JOIN pg_class ON pg_class.oid = attrelid
         WHERE relnamespace = 'public'::regnamespace AND NOT attisdropped),
        (SELECT sum(hashtext(pg_get_constraintdef(oid))) FROM pg_constraint
         WHERE connamespace = 'public'::regnamespace),
        (SELECT count(*) FROM pg_trigger),
        (SELECT string_agg(version_num, ' ') FROM alembic_version))
"""
#: Nobody who is left over from the test before may hold a lock.
HANG_UP = """
    SELECT pg_terminate_backend(pid) FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid()
"""
COUNT_ANEW = """
    SELECT setval((schemaname || '.' || sequencename)::regclass, start_value, false)
    FROM pg_sequences WHERE last_value IS NOT NULL
"""
#: Children before their parents.
TABLES = tables.metadata.sorted_tables[::-1]
FULL = " UNION ALL ".join(
    f"SELECT {place} AS place WHERE EXISTS (SELECT FROM {table.name})"
    for place, table in enumerate(TABLES)
)  # fmt: skip


class PostgresDatabase:
    """One database of a server, which tests are given in turn."""

    def __init__(self, server: str) -> None:
        self._server = server
        self._name = ""
        self._schema = ""
        self._engine: sa.Engine | None = None
        #: What the migrations themselves wrote.
        self._first: dict[sa.Table, Sequence[sa.RowMapping]] = {}

    def emptied(self) -> str:
        """Its address: it is as the migrations leave it."""
        if self._engine is None or not self._empty(self._engine):
            self.drop()
            self._make()
        return _on(self._server, self._name)

    def drop(self) -> None:
        """Remove it from the server."""
        if self._engine is not None:
            self._engine.dispose()
            self._engine = None
            with admin(self._server) as connection:
                connection.exec_driver_sql(f"DROP DATABASE {self._name} WITH (FORCE)")

    def _make(self) -> None:
        self._name = f"test_{secrets.token_hex(6)}"
        with admin(self._server) as connection:
            connection.exec_driver_sql(f"CREATE DATABASE {self._name}")
        store = open_store(_on(self._server, self._name))
        migrate.upgrade(store)
        store.close()
        self._engine = sa.create_engine(store.url, pool_pre_ping=True)
        prime(self._engine)
        with self._engine.connect() as connection:
            self._schema = str(connection.exec_driver_sql(SCHEMA).scalar())
            full = [TABLES[place] for place in connection.exec_driver_sql(FULL).scalars()]
            rows = {table: connection.execute(sa.select(table)).mappings() for table in full}
            self._first = {table: found.all() for table, found in rows.items()}

    def _empty(self, engine: sa.Engine) -> bool:
        """Make the rows what they were at first; False where more than rows has changed."""
        with suppress(sa.exc.OperationalError), engine.begin() as connection:
            connection.exec_driver_sql("SET LOCAL lock_timeout = '10s'")
            connection.exec_driver_sql(HANG_UP)
            if str(connection.exec_driver_sql(SCHEMA).scalar()) != self._schema:
                return False
            for place in sorted(connection.exec_driver_sql(FULL).scalars()):
                connection.execute(sa.delete(TABLES[place]))
            connection.exec_driver_sql(COUNT_ANEW)
            for table, rows in self._first.items():
                connection.execute(sa.insert(table), [dict(row) for row in rows])
            return True
        return False


@contextmanager
def admin(server: str) -> Iterator[sa.Connection]:
    """A connection that makes and drops databases."""
    engine = sa.create_engine(server, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        yield connection
    engine.dispose()


def _on(server: str, database: str) -> str:
    return sa.make_url(server).set(database=database).render_as_string(hide_password=False)


def prime(engine: sa.Engine) -> None:
    """Let stores on this kind of engine share what they compile; asks the server what it can do."""
    if engine.dialect.name not in _compiled:
        with engine.connect():
            _compiled[engine.dialect.name] = (engine.dialect, LRUCache(2_000))
        engine.dispose()


def sharing(make: Callable[[Store, str], None]) -> Callable[[Store, str], None]:
    """`Store.__init__`, so that a statement is compiled once a session and not once a test."""

    def make_and_share(store: Store, url: str) -> None:
        make(store, url)
        if store.engine.dialect.name in _compiled:
            store.engine.dialect, compiled = _compiled[store.engine.dialect.name]
            store.engine.update_execution_options(compiled_cache=compiled)

    return make_and_share
