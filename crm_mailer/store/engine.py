"""Opens a database and hands out connections: `read` for looking, `write` for one transaction."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine.url import make_url

from crm_mailer.model.errors import StoreBusy, StoreError

#: What `read` and `write` give; rooms name it without knowing the library.
Connection = sa.Connection

BUSY_TIMEOUT_MS = 10_000


class Instant(sa.TypeDecorator[datetime]):
    """An aware datetime, kept as whole seconds since 1970 in UTC: same arithmetic on each engine."""

    impl = sa.BigInteger
    cache_ok = True

    def process_bind_param(self, value: datetime | int | None, dialect: Any) -> int | None:
        """Seconds; whole numbers pass, so that SQL may compare with them."""
        if value is None or isinstance(value, int):
            return value
        if value.tzinfo is None:
            raise ValueError(f"{value!r} has no time zone")
        return int(value.timestamp())

    def process_result_value(self, value: int | None, dialect: Any) -> datetime | None:
        """The instant in UTC."""
        return None if value is None else datetime.fromtimestamp(value, UTC)


class JsonText(sa.TypeDecorator[Any]):
    """A small JSON value in a text column."""

    impl = sa.Text
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Any) -> str | None:
        """Compact JSON."""
        return None if value is None else json.dumps(value, ensure_ascii=False, sort_keys=True)

    def process_result_value(self, value: str | None, dialect: Any) -> Any:
        """The value."""
        return None if value is None else json.loads(value)


class Store:
    """One shop's database.

    `read()` sees one consistent state; `write()` is one transaction that takes the write turn at
    once (BEGIN IMMEDIATE on SQLite), so that it waits for its turn and never fails half-way.
    """

    def __init__(self, url: str) -> None:
        self.url = make_url(url)
        self.is_sqlite = self.url.get_backend_name() == "sqlite"
        self.engine = _sqlite_engine(self.url) if self.is_sqlite else _postgres_engine(self.url)

    @contextmanager
    def read(self) -> Iterator[sa.Connection]:
        """A connection for looking; nothing is saved."""
        with _plain_errors(), self.engine.connect() as connection:
            yield connection

    @contextmanager
    def write(self, *, durable: bool = False) -> Iterator[sa.Connection]:
        """One transaction: committed at the end, undone by an exception.

        Args:
            durable: survive a power cut, not only a crash of the program (claims need it).
        """
        with _plain_errors(), self.engine.connect() as connection:
            if self.is_sqlite:
                raw = connection.connection.dbapi_connection
                assert isinstance(raw, sqlite3.Connection)
                raw.execute(f"PRAGMA synchronous={'FULL' if durable else 'NORMAL'}")
                connection = connection.execution_options(write_turn=True)
            with connection.begin():
                yield connection

    def insert(self, table: sa.Table) -> Any:
        """An INSERT that knows `on_conflict_do_nothing` and `on_conflict_do_update`."""
        return sqlite.insert(table) if self.is_sqlite else postgresql.insert(table)

    def close(self) -> None:
        """Let go of all connections."""
        self.engine.dispose()


def upsert(connection: sa.Connection, table: sa.Table) -> Any:
    """An INSERT for this engine that knows `on_conflict_do_nothing` and `..._update`."""
    return {"sqlite": sqlite, "postgresql": postgresql}[connection.dialect.name].insert(table)


def open_store(url: str) -> Store:
    """The database at `url`; on SQLite its folder is made."""
    parsed = make_url(url)
    if parsed.get_backend_name() == "sqlite" and parsed.database not in (None, "", ":memory:"):
        Path(str(parsed.database)).parent.mkdir(parents=True, exist_ok=True)
    return Store(url)


def _sqlite_engine(url: sa.URL) -> sa.Engine:
    memory = url.database in (None, "", ":memory:")
    pool: dict[str, Any] = {"poolclass": sa.pool.StaticPool} if memory else {}
    engine = sa.create_engine(
        url,
        connect_args={"timeout": BUSY_TIMEOUT_MS / 1000, "check_same_thread": False},
        **pool,
    )

    @sa.event.listens_for(engine, "connect")
    def _prepare(raw: sqlite3.Connection, _record: object) -> None:
        raw.isolation_level = None  # SQLAlchemy's BEGIN below is the only one
        raw.execute("PRAGMA journal_mode=WAL")
        raw.execute("PRAGMA synchronous=NORMAL")
        raw.execute("PRAGMA foreign_keys=ON")
        raw.execute(f"PRAGMA busy_timeout={BUSY_TIMEOUT_MS}")

    @sa.event.listens_for(engine, "begin")
    def _begin(connection: sa.Connection) -> None:
        turn = "IMMEDIATE" if connection.get_execution_options().get("write_turn") else "DEFERRED"
        connection.exec_driver_sql(f"BEGIN {turn}")

    return engine


def _postgres_engine(url: sa.URL) -> sa.Engine:
    return sa.create_engine(url, pool_pre_ping=True)


@contextmanager
def _plain_errors() -> Iterator[None]:
    try:
        yield
    except sa.exc.OperationalError as error:
        text = str(error.orig)
        if "locked" in text or "busy" in text:
            raise StoreBusy(
                "the database is locked by another program",
                hint="close it there, or try again; the daemon may be running",
            ) from error
        if "unable to open" in text or "onnection" in text:
            raise StoreError(
                f"the database cannot be opened: {text.splitlines()[0]}",
                hint="look at `database` in crm-mailer.toml",
            ) from error
        raise
