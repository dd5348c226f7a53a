"""Verbs of the operator about whole databases: copy one into another, keep one aside, put one back.

A copy of a database does not know what left after it was made. So it says of itself that it is one,
and nothing leaves from it until it was reconciled.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import sqlalchemy as sa

from crm_mailer.app import clocks, operating, server_copies, witnessing
from crm_mailer.app.wiring import App
from crm_mailer.delivering import witness
from crm_mailer.model.errors import (
    AlreadyRunning,
    CannotWrite,
    NotFound,
    NotPossible,
    StoreError,
)
from crm_mailer.model.sentence import Sentence, Sentences, sentence
from crm_mailer.store import copying, health, leases, migrate, soundness, witnesses
from crm_mailer.store.copying import Copied
from crm_mailer.store.engine import Store, open_store
from crm_mailer.store.soundness import Check
from crm_mailer.store.tables import witnesses as witness_rows
from crm_mailer.store.witnesses import Restored, Why

#: Pages to a step of a backup, so that writers get their turns.
STEP = 2_000
#: Files that belong to an SQLite database while it is in use.
BESIDE = ("-wal", "-shm")
SQLITE_MAGIC = b"SQLite format 3\0"


@dataclass(frozen=True, slots=True, kw_only=True)
class Backup:
    """A file that holds the whole database as it was at one moment."""

    file: Path
    size: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PutBack:
    """A backup that took the place of the database. `aside`: where the replaced one lies now."""

    file: Path
    taken_at: datetime | None
    aside: Path | None
    #: Migrations that were run, since the backup was older than the program.
    migrations: tuple[str, ...]


def copy(
    source: str,
    target: str,
    now: datetime,
    on_rows: Callable[[str, int], None] = lambda _table, _rows: None,
) -> list[Copied]:
    """Copy the database at one address into the one at another, and compare them.

    Raises:
        NotPossible: they are one, or the target holds something else.
        AlreadyRunning: a daemon works on one of them.
        StoreError: one of them cannot be used; after copying they differ.
    """
    if source == target:
        raise NotPossible("source and target are one database", hint="name another target")
    with closing(open_store(source)) as one, closing(open_store(target)) as other:
        if one.is_sqlite and not Path(str(one.url.database)).is_file():
            raise StoreError(Sentence("there is no database at {source}", source=source))
        _refuse_daemon(one, now)
        return copying.copy(one, other, now, on_rows)


def _refuse_daemon(store: Store, now: datetime) -> None:
    with store.read() as connection:
        daemon = health.daemon(connection, now)
    if daemon:
        raise AlreadyRunning(
            Sentence("a daemon works on the source: {daemon}", daemon=daemon),
            hint="stop it first: what it writes meanwhile would be missing in the copy",
        )


def verify(app: App) -> Iterator[Check]:
    """Look at the whole database; each thing is told as soon as it is known. Nothing is changed."""
    with app.store.picture() as connection:
        yield from soundness.look(connection, app.clock.now())


# ------------------------------------------------------------------ keeping aside


def backup(store: Store, file: Path, now: datetime) -> Backup:
    """Keep the database aside as a file of its own, also while a daemon works on it.

    Raises:
        NotPossible: PostgreSQL's own program for that is not installed, or a pooler stands between.
        CannotWrite: the file is there already, or cannot be written.
        StoreError: what was written is damaged.
    """
    if file.exists():
        raise CannotWrite(Sentence("{file} is there already", file=file), hint="name another file")
    with _part(file) as part:
        if store.is_sqlite:
            _back_up(Path(str(store.url.database)), part)
            _check(part, file)
            with closing(_opened(part)) as made:
                _mark(made, now, now)
            _settle(part)
        else:
            _refuse_pooler(store)
            server_copies.dump(store.url, part)
            server_copies.check(part)
        _sync(part)
        part.rename(file)
    return Backup(file=file, size=file.stat().st_size)


def _refuse_pooler(store: Store) -> None:
    """What PostgreSQL's programs set would stay on lines that a pooler gives to others afterwards:
    nobody would find a table any more."""
    if store.is_pooled():
        raise NotPossible(
            Sentence(
                "a pooler stands between us and the database: {address}",
                address=store.url.render_as_string(),
            ),
            hint="name the server itself for this command: set CRM_MAILER_DATABASE to its address",
        )


@contextmanager
def _part(file: Path) -> Iterator[Path]:
    """A file beside `file`, its owner's alone, that is removed whatever happens."""
    part = file.with_name(f".{file.name}.part")
    try:
        part.unlink(missing_ok=True)
        part.touch(mode=0o600)
        yield part
    except (OSError, sqlite3.Error) as error:
        raise CannotWrite(
            Sentence("{file} cannot be written: {why}", file=file, why=error)
        ) from error
    finally:
        for name in (part, *_beside(part), *_locks(part)):
            with suppress(OSError):
                name.unlink(missing_ok=True)


def _back_up(database: Path, part: Path) -> None:
    """Copy a database as it is at this moment: without a transaction of its own the copy would
    begin anew whenever somebody writes."""
    address = f"{database.resolve().as_uri()}?mode=ro"
    with (
        closing(sqlite3.connect(address, uri=True, isolation_level=None)) as source,
        closing(sqlite3.connect(part)) as target,
    ):
        source.execute("BEGIN")
        source.execute("SELECT count(*) FROM sqlite_schema").fetchone()
        source.backup(target, pages=STEP)
        target.execute("PRAGMA journal_mode=DELETE")


def _check(part: Path, file: Path) -> None:
    """Every page and every index of a copy.

    Raises:
        StoreError: it is damaged.
    """
    try:
        with closing(sqlite3.connect(part)) as opened:
            found = [str(row[0]) for row in opened.execute("PRAGMA integrity_check(3)")]
    except sqlite3.DatabaseError as error:
        found = [str(error)]
    if found != ["ok"]:
        raise StoreError(
            Sentence("the copy is damaged: {file}: {why}", file=file, why="; ".join(found)),
            hint="`crm-mailer db verify` looks at the database itself",
        )


def _mark(store: Store, taken_at: datetime | None, now: datetime) -> datetime | None:
    """Let a copy say of itself that it is one; when it was made, by what it said before."""
    with store.write(durable=True) as connection:
        found = Restored(why=Why.COPY, taken_at=taken_at, found_at=now)
        witnesses.mark_copy(connection, found)
        known = witnesses.restored(connection)
    return known.taken_at if known else taken_at


def _settle(part: Path) -> None:
    """All of it in the one file."""
    with closing(sqlite3.connect(part)) as opened:
        opened.execute("PRAGMA journal_mode=DELETE")


# ------------------------------------------------------------------ putting back


def restore(app: App, file: Path) -> PutBack:
    """Put a backup in the place of the database. Nothing leaves from it until it is reconciled.

    The copy is looked at first. On SQLite the replaced database stays beside it; on PostgreSQL the
    database of the settings must be empty, so that the old one stays as it is.

    Raises:
        NotFound: there is no such file.
        NotPossible: it is of the other engine; the server's database is not empty, or behind a
            pooler.
        AlreadyRunning: a daemon, the studio or another program uses the database.
        SchemaAhead: a newer program made the backup.
        StoreError: the backup is damaged.
        CannotWrite: the folder cannot be written.
    """
    if not file.is_file():
        raise NotFound(
            Sentence("there is no file {file}", file=file),
            hint="`crm-mailer db backup FILE` makes one",
        )
    now = app.clock.now()
    with closing(open_store(app.database_url)) as store:
        if server_copies.is_copy(file) == store.is_sqlite:
            raise NotPossible(
                Sentence("{file} is a copy of the other engine's database", file=file),
                hint="restore it into a database of its own engine, then `crm-mailer db copy`",
            )
        if not store.is_sqlite:
            return _fill_server(store, file, now)
        database = Path(str(store.url.database)).resolve()
    return _replace_file(app, database, file, now)


def _fill_server(store: Store, file: Path, now: datetime) -> PutBack:
    with store.read() as connection:
        tables = sa.inspect(connection).get_table_names()
    if tables:
        raise NotPossible(
            Sentence(
                "the database is not empty: {address}",
                address=store.url.render_as_string(),
            ),
            hint="make a new one (`createdb`), name it as `database` in crm-mailer.toml and "
            "restore again; the old one stays as it is",
        )
    _refuse_pooler(store)
    server_copies.check(file)
    server_copies.fill(store.url, file)
    # first: whatever becomes of the migrations, it says of itself what it is
    taken_at = _mark(store, _last_heard(store), now)
    migrations = migrate.upgrade(store)
    return PutBack(file=file, taken_at=taken_at, aside=None, migrations=migrations)


def _replace_file(app: App, database: Path, file: Path, now: datetime) -> PutBack:
    with file.open("rb") as opened:
        if opened.read(len(SQLITE_MAGIC)) != SQLITE_MAGIC:
            raise StoreError(
                Sentence("{file} is no SQLite database", file=file),
                hint="name a file of `db backup`",
            )
    if file.resolve() == database:
        raise NotPossible("this is the database itself", hint="name a backup of it")
    with operating.hold_file(app, database), _part(database) as part:
        _read_whole(file, part)
        with closing(_opened(part)) as made:
            _refuse_foreign(made, file)
            migrations = migrate.upgrade(made)
            taken_at = _mark(made, _known_until(made, file), now)
        _settle(part)
        _sync(part)
        aside = _set_aside(database, now)
        part.replace(database)
        _sync(database.parent)
    return PutBack(file=file, taken_at=taken_at, aside=aside, migrations=migrations)


def _read_whole(file: Path, part: Path) -> None:
    """Copy a backup, and read every page of the copy.

    Raises:
        StoreError: it is damaged.
    """
    try:
        _back_up(file.resolve(), part)
    except sqlite3.OperationalError:
        raise  # the disk, not the file
    except sqlite3.DatabaseError as error:
        raise StoreError(
            Sentence("{file} is damaged: {why}", file=file, why=error),
            hint="take another backup",
        ) from error
    _check(part, file)


def _refuse_foreign(store: Store, file: Path) -> None:
    with store.read() as connection:
        version = migrate.current(connection)
    if not version:
        raise StoreError(
            Sentence("{file} holds no tables of ours", file=file),
            hint="name a file that `crm-mailer db backup` made",
        )


def refuse_senders(app: App, *, is_told: bool) -> None:
    """See that nobody works on a database of which only a person says that it is a copy.

    What daemons and workers have in their hands would be settled under them. On SQLite the lock of
    the file sees to it; from a database that knows it is a copy nothing leaves.

    Args:
        app: the shop.
        is_told: whether a person says so.

    Raises:
        AlreadyRunning: some are alive; who.
        Unreconciled: only the folder of this host is of another database.
    """
    found, now = witnessing.look(app), clocks.lease_moment(app)
    with app.store.read() as connection:
        if found is not None:
            witness.refuse_foreign(connection, found, app.clock.now())
        if app.store.is_sqlite or not is_told or witnesses.restored(connection) is not None:
            return
        alive = [
            Sentence(
                "{what} pid {pid} on {host}",
                what=sentence(one.name.partition(":")[0]),
                pid=one.pid,
                host=one.host,
            )
            for kind in (leases.DAEMON, leases.WORKER)
            for one in leases.list_in_force(connection, kind, now)
        ]
    if alive:
        raise AlreadyRunning(
            Sentence(
                "mails leave from this database: {names}", names=Sentences(*alive, between=", ")
            ),
            hint="stop all daemons and workers, on every host, and do it again; one that was "
            "killed counts as gone after a minute",
        )


def _set_aside(database: Path, now: datetime) -> Path | None:
    """Give the present database a second name, so that there is one at every moment.

    Raises:
        AlreadyRunning: another program has it open; what it writes would be lost.
    """
    if not database.exists():
        return None
    aside = database.with_name(f"{database.stem}-replaced-{now:%Y%m%d-%H%M%S}{database.suffix}")
    ends = zip(_beside(database), BESIDE, strict=True)
    logs = {log: aside.with_name(aside.name + end) for log, end in ends if log.exists()}
    for log, kept in logs.items():
        shutil.copy2(log, kept)
    try:
        is_sound = _close_log(database)
    except AlreadyRunning:
        for kept in logs.values():
            kept.unlink()
        raise
    for log, kept in logs.items():
        if is_sound:
            kept.unlink()  # all of it is in the database now
        log.unlink(missing_ok=True)  # it must not meet the other database
    try:
        os.link(database, aside)
    except OSError:  # a file system without second names
        shutil.copy2(database, aside)
    return aside


def _close_log(database: Path) -> bool:
    """Bring the log into the database, which works only while nobody else has it open.

    False where it is damaged: that is why it is replaced.

    Raises:
        AlreadyRunning: another program has it open.
    """
    try:
        with closing(sqlite3.connect(database, timeout=1.0)) as opened:
            opened.execute("PRAGMA journal_mode=DELETE")
    except sqlite3.OperationalError as error:
        if "locked" in str(error) or "busy" in str(error):
            raise AlreadyRunning(
                Sentence("another program has the database open: {database}", database=database),
                hint="stop the daemon, the studio and the public pages: what they write meanwhile "
                "would be lost",
            ) from error
        return False
    except sqlite3.DatabaseError:
        return False
    return True


def _known_until(store: Store, file: Path) -> datetime:
    """Up to when a copy knows what left. A file that was carried here has the time of that."""
    changed_at = datetime.fromtimestamp(file.stat().st_mtime, UTC)
    return min(changed_at, _last_heard(store) or changed_at)


def _last_heard(store: Store) -> datetime | None:
    """When a folder was heard of last, by what the database says; None: never."""
    with store.read() as connection:
        if not sa.inspect(connection).has_table(witness_rows.name):
            return None  # an older program made it
        return max((one.at for one in witnesses.list_(connection)), default=None)


def _opened(file: Path) -> Store:
    """An SQLite file as a store; its name may hold what has a meaning in an address."""
    return open_store(sa.URL.create("sqlite", database=str(file)).render_as_string())


def _beside(database: Path) -> list[Path]:
    return [database.with_name(database.name + name) for name in BESIDE]


def _locks(database: Path) -> list[Path]:
    return [database.with_name(f".{database.name}{end}") for end in ("-next", "-turn")]


def _sync(path: Path) -> None:
    file = os.open(path, os.O_RDONLY)
    try:
        os.fsync(file)
    finally:
        os.close(file)
