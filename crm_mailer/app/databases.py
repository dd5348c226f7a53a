"""Verbs of the operator about whole databases: copy one into another, keep one aside."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing, suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from crm_mailer.model.errors import AlreadyRunning, CannotWrite, NotPossible, StoreError
from crm_mailer.store import copying, health
from crm_mailer.store.copying import Copied
from crm_mailer.store.engine import Store, open_store

#: Pages to a step of a backup, so that writers get their turns.
STEP = 2_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Backup:
    """A file that holds the whole database as it was at one moment."""

    file: Path
    size: int


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
            raise StoreError(f"there is no database at {source}")
        _refuse_daemon(one, now)
        return copying.copy(one, other, now, on_rows)


def _refuse_daemon(store: Store, now: datetime) -> None:
    with store.read() as connection:
        daemon = health.daemon(connection, now)
    if daemon:
        raise AlreadyRunning(
            f"a daemon works on the source: {daemon}",
            hint="stop it first: what it writes meanwhile would be missing in the copy",
        )


def backup(store: Store, file: Path) -> Backup:
    """Keep the database aside as a file of its own, also while a daemon works on it.

    Raises:
        NotPossible: PostgreSQL has a program of its own for that.
        CannotWrite: the file is there already, or cannot be written.
        StoreError: what was written is damaged.
    """
    if not store.is_sqlite:
        raise NotPossible(
            "PostgreSQL keeps its backups itself",
            hint="`pg_dump --format=custom`, or the continuous archive of your server",
        )
    if file.exists():
        raise CannotWrite(f"{file} is there already", hint="name another file")
    part = file.with_name(f".{file.name}.part")
    try:
        part.touch(mode=0o600)
        _back_up(Path(str(store.url.database)), part)
        part.rename(file)
    except (OSError, sqlite3.Error) as error:
        raise CannotWrite(f"{file} cannot be written: {error}") from error
    finally:
        with suppress(OSError):
            part.unlink(missing_ok=True)
    return Backup(file=file, size=file.stat().st_size)


def _back_up(database: Path, part: Path) -> None:
    with (
        closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as source,
        closing(sqlite3.connect(part)) as target,
    ):
        source.backup(target, pages=STEP)
        target.execute("PRAGMA journal_mode=DELETE")
        found = [row[0] for row in target.execute("PRAGMA quick_check(3)")]
    if found != ["ok"]:
        raise StoreError(
            f"the copy is damaged: {'; '.join(map(str, found))}",
            hint="`crm-mailer doctor` looks at the database itself",
        )
