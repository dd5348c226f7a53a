"""Opens a database and hands out connections: `read` for looking, `write` for one transaction."""

from __future__ import annotations

import _sqlite3
import ctypes
import json
import sqlite3
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine.url import make_url

from crm_mailer.model.errors import (
    CrmMailerError,
    SettingsError,
    StoreBusy,
    StoreDown,
    StoreError,
    StoreRefused,
)
from crm_mailer.model.sentence import Sentence
from crm_mailer.store.turns import Turn

#: What `read` and `write` give; rooms name it without knowing the library.
Connection = sa.Connection

#: Seconds to wait for another program's turn; `?timeout=` in the address says otherwise.
BUSY_TIMEOUT = 10.0
#: SQLite's page cache of a connection: with the usual 2 MB every tick reads its tables anew.
CACHE_KIB = -32_000
#: Bytes from which on the connections of a process, of which the daemon has one for each kind of
#: work, use their pages anew instead of asking for more.
HEAP = 128 << 20
#: The same where each page is looked at once or twice, and several processes share the machine.
LEAN_CACHE_KIB = -4_000
#: Fewer seconds than a person waits for a database server that does not answer.
CONNECT_TIMEOUT = 10
#: A server that is silent although we wait for it is taken to be gone after a minute; the system's
#: own limits are a quarter of an hour, and two hours. The address may name others.
LINE = {
    "connect_timeout": CONNECT_TIMEOUT,
    "keepalives_idle": 30,
    "keepalives_interval": 10,
    "keepalives_count": 3,
    "tcp_user_timeout": 60_000,
}
#: Seconds for which the server bears with a transaction whose client says nothing: a process that
#: is frozen or cut off must not keep its rows locked until others may take its claims over.
ABANDONED = 600
#: The same for a write turn, whose locks keep all other hosts waiting.
SLEEP = 60
_UNLESS_POOLED = (
    "SELECT set_config('idle_in_transaction_session_timeout', '{seconds}s', false) "
    "WHERE pg_backend_pid() = {pid}"
)
_NO_SLEEP = "SET LOCAL idle_in_transaction_session_timeout = '{seconds}s'"
#: Classes of SQLSTATE in which PostgreSQL says that it cannot serve us, not that we are wrong.
SERVER_AWAY = ("08", "53", "57")
STOOD_STILL = "25P03"
#: It could not let us go on beside others (deadlock, serialization, lock); it lets us only read.
BUSY, READ_ONLY = ("40P01", "40001", "55P03"), "25006"
#: The login may not do this: the tables are another one's.
NO_RIGHTS = "42501"


class Instant(sa.TypeDecorator[datetime]):
    """An aware datetime, kept as whole seconds since 1970 in UTC: counted alike on each engine."""

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
        return from_seconds(value)


def from_seconds(value: int | None) -> datetime | None:
    """The instant in UTC of what is kept; None stays None."""
    return None if value is None else datetime.fromtimestamp(value, UTC)


class Packed(sa.TypeDecorator[bytes]):
    """Bytes that are kept compressed: a mail takes a fifth of its size."""

    impl = sa.LargeBinary
    cache_ok = True

    def process_bind_param(self, value: bytes | None, dialect: Any) -> bytes | None:
        """Compressed; speed counts more than the last percent."""
        return None if value is None else zlib.compress(value, level=3)

    def process_result_value(self, value: bytes | None, dialect: Any) -> bytes | None:
        """The bytes as they were."""
        return None if value is None else zlib.decompress(bytes(value))


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
    once (on SQLite the lock of `turns`, then BEGIN IMMEDIATE), so that it waits for its turn and
    never fails half-way.
    """

    def __init__(self, url: str) -> None:
        self.url = make_url(url)
        self.is_sqlite = self.url.get_backend_name() == "sqlite"
        self.engine = _sqlite_engine(self.url) if self.is_sqlite else _postgres_engine(self.url)

    @contextmanager
    def read(self) -> Iterator[sa.Connection]:
        """A connection for looking; nothing is saved, and who tries to is told so by an error."""
        with self._plain_errors(is_looking=True), self.engine.connect() as connection:
            if self.is_sqlite:
                yield connection
                return
            raw: Any = connection.connection.dbapi_connection
            raw.read_only = True
            yield connection
            # after a ROLLBACK the driver would forget all statements that it has prepared
            connection.commit()

    @contextmanager
    def picture(self) -> Iterator[sa.Connection]:
        """The same, and all that is asked is as it was at one moment, whoever writes meanwhile."""
        with self.read() as connection:
            if self.is_sqlite:  # there it always is
                yield connection
            else:
                yield connection.execution_options(isolation_level="REPEATABLE READ")

    @contextmanager
    def write(
        self, *, durable: bool = False, place: Queued | None = None
    ) -> Iterator[sa.Connection]:
        """One transaction: committed at the end, undone by an exception.

        Args:
            durable: survive a power cut, not only a crash of the program (claims need it).
            place: a place in the queue, where one was taken before.
        """
        with nullcontext(place) if place else self.queued() as mine, self._plain_errors():
            level = "FULL" if durable else "NORMAL"
            turn = _write_turn(mine.connection, level) if self.is_sqlite else nullcontext()
            with turn, mine.connection.begin():
                if not self.is_sqlite:
                    mine.connection.exec_driver_sql(_NO_SLEEP.format(seconds=SLEEP))
                yield mine.connection

    @contextmanager
    def queued(self) -> Iterator[Queued]:
        """A place in the queue of writers: for a loop that has other work while it waits."""
        with self._plain_errors(), self.engine.connect() as connection:
            turn: Turn | None = connection.info["turn"] if self.is_sqlite else None
            try:
                yield Queued(connection, turn)
            finally:
                if turn is not None:
                    turn.give_back()

    def keep_few_pages(self) -> None:
        """Use less memory from now on: for a process that sends, of which there are several."""
        if self.is_sqlite:

            @sa.event.listens_for(self.engine, "connect")
            def _lean(raw: sqlite3.Connection, _record: object) -> None:
                raw.execute(f"PRAGMA cache_size={LEAN_CACHE_KIB}")

            self.engine.dispose()  # the next connections are lean

    def is_pooled(self) -> bool:
        """Whether a pooler such as pgbouncer stands between us and the database."""
        if self.is_sqlite:
            return False
        with self.read() as connection:
            return not connection.connection.info["is_direct"]

    def close(self) -> None:
        """Let go of all connections."""
        self.engine.dispose()

    @contextmanager
    def _plain_errors(self, *, is_looking: bool = False) -> Iterator[None]:
        try:
            yield
        except sa.exc.DBAPIError as error:
            if is_looking and getattr(error.orig, "sqlstate", None) == READ_ONLY:
                raise  # a fault of ours: the server lets others write
            place = self.url.database if self.is_sqlite else self.url.render_as_string()
            plain = (_of_sqlite if self.is_sqlite else _of_postgres)(error, str(place))
            if plain is None:
                raise
            raise plain from error
        except sa.exc.TimeoutError as error:
            raise StoreBusy(
                "this process has all its connections to the database in use",
                hint="nothing is half done: it goes on by itself, or do it again",
            ) from error


class Queued:
    """One write turn to come, on a connection of its own."""

    def __init__(self, connection: sa.Connection, turn: Turn | None) -> None:
        self.connection = connection
        self._turn = turn

    def has_come(self) -> bool:
        """Whether the turn is ours now; a server has its own queue.

        Raises:
            StoreBusy: others had it for too long.
        """
        return self._turn is None or self._turn.is_ours()


@contextmanager
def _write_turn(connection: sa.Connection, synchronous: str) -> Iterator[None]:
    """The turn to write, and the duty to checkpoint that comes with it."""
    raw, known = connection.connection.dbapi_connection, connection.info
    if known.get(_ONLY_READ):
        place = connection.engine.url.database
        raise StoreError(
            Sentence("the database cannot be written: {place} (no room)", place=place),
            hint=_MAKE_ROOM,
        )
    assert isinstance(raw, sqlite3.Connection)
    if known["synchronous"] != synchronous:
        raw.execute(f"PRAGMA synchronous={synchronous}")
        known["synchronous"] = synchronous
    connection.execution_options(write_turn=True)
    turn: Turn | None = known["turn"]
    if turn is None:
        yield
        return
    turn.take()
    try:
        yield
        turn.checkpoint(raw)
    finally:
        turn.give_back()


def trust_threads() -> None:
    """Spare SQLite the locks of each call, for a process that lives on sending.

    It may then rely on what the pool sees to: no connection is used by two threads at once. Works
    before the first database of the process only; where the library cannot be told, nothing
    changes.
    """
    if _in_use:
        return
    with suppress(OSError, AttributeError):
        library = ctypes.CDLL(_sqlite3.__file__)
        library.sqlite3_shutdown()  # importing it has started it
        library.sqlite3_config(_MULTITHREAD)
        library.sqlite3_config(_MEMSTATUS, ctypes.c_int(0))
        library.sqlite3_initialize()


#: The databases that were opened.
_in_use: set[str] = set()
#: SQLITE_CONFIG_MULTITHREAD, and SQLITE_CONFIG_MEMSTATUS: counting its memory takes a lock, too.
_MULTITHREAD, _MEMSTATUS = 2, 9


def upsert(connection: sa.Connection, table: sa.Table) -> Any:
    """An INSERT for this engine that knows `on_conflict_do_nothing` and `..._update`."""
    return upsert_for(connection.dialect.name, table)


def upsert_for(dialect: str, table: sa.Table) -> Any:
    """The same by the engine's name, for statements that are kept."""
    return {"sqlite": sqlite, "postgresql": postgresql}[dialect].insert(table)


def open_store(url: str) -> Store:
    """The database at `url`; on SQLite its folder is made.

    Raises:
        SettingsError: this is no address of a database that we know.
        StoreError: the folder cannot be made.
    """
    try:
        parsed = _parsed(url)
        engine = parsed.get_backend_name()
        if engine not in ("sqlite", "postgresql"):
            raise ValueError(Sentence("{engine} is not among them", engine=engine))
        if engine == "sqlite" and parsed.database not in (None, "", ":memory:"):
            Path(str(parsed.database)).parent.mkdir(parents=True, exist_ok=True)
        return Store(url)
    except (ValueError, sa.exc.ArgumentError) as error:
        raise SettingsError(
            Sentence("`database` is no address of a database that we know: {error}", error=error),
            hint="such as sqlite:////srv/shop/crm-mailer.db or postgresql+psycopg://user@host/shop",
        ) from error
    except ModuleNotFoundError as error:
        raise SettingsError(
            Sentence("PostgreSQL needs one more package: {error}", error=error),
            hint="install it with `pip install 'crm-mailer[postgres]'`",
        ) from error
    except OSError as error:
        raise StoreError(
            Sentence(
                "the database's folder cannot be made: {folder}: {why}",
                folder=error.filename,
                why=error.strerror,
            ),
            hint="look at `database` in crm-mailer.toml",
        ) from error


def _parsed(url: str) -> sa.URL:
    """An address in its parts; what is wrong with it is told as a ValueError or by the library."""
    try:
        return make_url(url)
    except ValueError as error:
        raise ValueError(Sentence("its port is no number")) from error


def _sqlite_engine(url: sa.URL) -> sa.Engine:
    _in_use.add(url.database or "")
    memory = url.database in (None, "", ":memory:")
    wait = float(str(url.query.get("timeout", BUSY_TIMEOUT)))
    pool: dict[str, Any] = {"poolclass": sa.pool.StaticPool} if memory else {}
    engine = sa.create_engine(
        url,
        connect_args={"timeout": wait, "check_same_thread": False},
        hide_parameters=True,  # they hold addresses and hashes of passwords, and errors are logged
        **pool,
    )

    @sa.event.listens_for(engine, "do_connect")
    def _connect(
        dialect: sa.Dialect, record: sa.pool.ConnectionPoolEntry, words: Any, named: Any
    ) -> Any:
        raw: Any = dialect.connect(*words, **named)
        try:
            raw.execute("PRAGMA journal_mode=WAL")
        except sqlite3.OperationalError as error:
            raw.close()
            if memory or not _is_shut(error, Path(str(url.database))):
                raise
            record.info[_ONLY_READ] = True
            place = f"file:{quote(str(Path(str(url.database)).resolve()))}?immutable=1"
            raw = dialect.connect(place, **{**named, "uri": True})
        return raw

    @sa.event.listens_for(engine, "checkin")
    def _checkin(_raw: object, record: sa.pool.ConnectionPoolEntry) -> None:
        if record.info.get(_ONLY_READ):  # there may be room the next time
            record.invalidate(soft=True)

    @sa.event.listens_for(engine, "connect")
    def _prepare(raw: sqlite3.Connection, record: sa.pool.ConnectionPoolEntry) -> None:
        raw.isolation_level = None  # SQLAlchemy's BEGIN below is the only one
        raw.execute("PRAGMA wal_autocheckpoint=0")  # whoever has the write turn does it
        raw.execute("PRAGMA synchronous=NORMAL")
        raw.execute("PRAGMA foreign_keys=ON")
        raw.execute(f"PRAGMA busy_timeout={int(wait * 1000)}")
        raw.execute(f"PRAGMA cache_size={CACHE_KIB}")
        raw.execute("PRAGMA temp_store=MEMORY")
        raw.execute(f"PRAGMA soft_heap_limit={HEAP}")
        file = raw.execute("PRAGMA database_list").fetchone()[2]
        record.info["synchronous"] = "NORMAL"
        record.info["turn"] = Turn(file, wait) if file else None

    @sa.event.listens_for(engine, "close")
    def _let_go(_raw: sqlite3.Connection, record: sa.pool.ConnectionPoolEntry) -> None:
        if turn := record.info.get("turn"):
            turn.close()

    @sa.event.listens_for(engine, "begin")
    def _begin(connection: sa.Connection) -> None:
        turn = "IMMEDIATE" if connection.get_execution_options().get("write_turn") else "DEFERRED"
        connection.exec_driver_sql(f"BEGIN {turn}")

    return engine


def _is_shut(error: sqlite3.OperationalError, file: Path) -> bool:
    """Whether a disk without room keeps us from opening a database that nobody is writing to.

    Then all of it is in its one file, and can be read as that stands.
    """
    if not any(sign in str(error) for sign in _NO_ROOM):
        return False
    log = file.with_name(f"{file.name}-wal")
    has_log = log.exists() and log.stat().st_size > 0
    return not has_log and file.exists() and file.stat().st_size > 0


def _postgres_engine(url: sa.URL) -> sa.Engine:
    line = {name: value for name, value in LINE.items() if name not in url.query}
    engine = sa.create_engine(url, pool_pre_ping=True, connect_args=line, hide_parameters=True)

    @sa.event.listens_for(engine, "checkin")
    def _checkin(raw: Any, _record: sa.pool.ConnectionPoolEntry) -> None:
        # None, for a server may have been told to let nobody write: that is not ours to overrule
        if raw is not None and not raw.closed and raw.read_only:
            raw.read_only = None

    @sa.event.listens_for(engine, "do_connect")
    def _connect(
        dialect: sa.Dialect, record: sa.pool.ConnectionPoolEntry, words: Any, named: Any
    ) -> Any:
        raw: Any = dialect.connect(*words, **named)
        encoding = raw.info.parameter_status("server_encoding")
        if encoding != "UTF8":
            raw.close()
            raise SettingsError(
                Sentence(
                    "the database keeps text as {encoding}, not as UTF8: names would be lost",
                    encoding=encoding,
                ),
                hint="make another one: CREATE DATABASE shop ENCODING 'UTF8' TEMPLATE template0",
            )
        try:
            record.info["is_direct"] = _talk_directly(raw)
        except BaseException:
            raw.close()
            raise
        return raw

    return engine


def _talk_directly(raw: Any) -> bool:
    """Set a new connection up; False where a pooler stands between, such as pgbouncer.

    It tells each client another process number than the server's own. Between two transactions it
    may change the process that serves us: nothing may be prepared there, and nothing set to stay.
    """
    told = raw.execute(
        _UNLESS_POOLED.format(seconds=ABANDONED, pid=raw.info.backend_pid)
    ).fetchone()
    raw.commit()
    if told is None:
        raw.prepare_threshold = None
    return told is not None


def _of_sqlite(error: sa.exc.DBAPIError, place: str) -> CrmMailerError | None:
    """What people are told; None for a fault of ours."""
    text = str(error.orig)
    if "locked" in text or "busy" in text:
        return StoreBusy(
            Sentence("the database is locked by another program: {place}", place=place),
            hint="close it there, or try again; the daemon may be running",
        )
    for signs, what, hint in _SQLITE_FAULTS:
        if any(sign in text for sign in signs):
            said = Sentence("{what}: {place} ({text})", what=what, place=place, text=text)
            return StoreError(said, hint=hint)
    return None


_NO_ROOM = ("disk is full", "disk I/O")
_MAKE_ROOM = Sentence("is the disk full? nothing is half done: free some space and do it again")
#: In what is known of a connection: that it was opened on a full disk, for looking only.
_ONLY_READ = "is_only_read"
_SQLITE_FAULTS = (
    (("not a database", "malformed"), Sentence("this is no database, or it is damaged"),
     Sentence("restore a backup, or name another file: `database` in crm-mailer.toml")),
    (("readonly",), Sentence("the database cannot be written"),
     Sentence("look at the rights of the file and its folder: whoever runs the program must own "
              "them")),
    (_NO_ROOM, Sentence("the database cannot be written"), _MAKE_ROOM),
    (("unable to open",), Sentence("the database cannot be opened"),
     Sentence("look at `database` in crm-mailer.toml and at the folder's rights")),
)  # fmt: skip


#: What a server says to a login before it names a SQLSTATE to us.
_MISSING = "does not exist"
_REFUSALS = ("authentication failed", "no pg_hba.conf entry", "no password supplied",
             "not permitted to log in", _MISSING)  # fmt: skip


def _of_postgres(error: sa.exc.DBAPIError, place: str) -> CrmMailerError | None:
    """What people are told; None for a fault of ours."""
    state = getattr(error.orig, "sqlstate", None) or ""
    if state == STOOD_STILL:
        return StoreDown(
            Sentence(
                "the database server has ended a transaction that stood still: {place}", place=place
            ),
            hint="this process was stopped or very slow; nothing is half done: do it again",
        )
    if state in BUSY:
        return StoreBusy(
            Sentence("the database server let others go first: {place}", place=place),
            hint="nothing is half done: do it again",
        )
    if state == READ_ONLY:
        return StoreDown(
            Sentence("the database server only lets us read: {place}", place=place),
            hint="is it a standby, or is its disk full? name the server that is written to as "
            "`database` in crm-mailer.toml; nothing is half done",
        )
    text = " ".join(str(error.orig).split())
    if state == NO_RIGHTS:
        return StoreRefused(
            Sentence(
                "the database server does not let this user do that: {place} ({text})",
                place=place,
                text=text,
            ),
            hint="name the user who made the tables in `database` of crm-mailer.toml, or give this "
            "one the rights: GRANT, or REASSIGN OWNED",
        )
    if not isinstance(error, sa.exc.OperationalError):
        return None
    if state.startswith("3D") or ("database" in text and _MISSING in text):
        return SettingsError(
            Sentence("the database server has no such database: {place}", place=place),
            hint="make it: createdb --encoding=UTF8 NAME, then `crm-mailer db upgrade`",
        )
    if state.startswith("28") or any(sign in text for sign in _REFUSALS):
        return StoreRefused(
            Sentence(
                "the database server refuses the login: {place} ({text})", place=place, text=text
            ),
            hint="look at user and password in `database` of crm-mailer.toml, and at pg_hba.conf",
        )
    if not state or state.startswith(SERVER_AWAY):
        return StoreDown(
            Sentence(
                "the database server does not answer: {place} ({text})", place=place, text=text
            ),
            hint="look at `database` in crm-mailer.toml and at the server; nothing is half done",
        )
    return None
