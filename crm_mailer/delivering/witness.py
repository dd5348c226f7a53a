"""The witness: a small file beside the journals that knows how far the database has come.

Before the first mail of a claim leaves, the database's number (see `store.witnesses`) is on the
disk here. So a database that was restored from a backup, replaced or made anew is known as such,
and nothing leaves from it until a person has reconciled it.
"""

from __future__ import annotations

import fcntl
import json
import os
import secrets
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zlib import crc32

from crm_mailer.model.errors import CannotWrite, Unreconciled
from crm_mailer.model.sentence import Sentence
from crm_mailer.store import alerts, witnesses
from crm_mailer.store.engine import Connection, Store
from crm_mailer.store.witnesses import Restored, Why

FILE = "witness"
#: The alert that nothing leaves.
ALERT = "database/restored"
#: Bytes of the file: one write that is whole or not at all, far below a page.
SIZE = 256
#: Other folders that were heard of within this time send from the database; hosts count on once a
#: minute.
LATELY = timedelta(minutes=5)
HINT = Sentence(
    "nothing leaves until then: `crm-mailer db reconcile` shows what is missing and mends it"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """What the file says: which database, which folder, how far, and when that was."""

    database: str
    folder: str
    number: int
    at: datetime


HALF_HINT = Sentence(
    "nothing leaves from it: `crm-mailer db copy SOURCE TARGET` goes on where it stopped"
)
FOREIGN = Sentence(
    "the folder `journal` of this host belongs to another database; other hosts send from this one"
)
FOREIGN_HINT = Sentence(
    "nothing leaves from this host: look at `database` in crm-mailer.toml; where that is right, "
    "move the folder `journal` away and start again"
)


class Unreadable(Exception):
    """The file is there, and damaged."""


def read(folder: Path) -> Mark | None:
    """The mark of a folder of journals; None where nothing ever left from it.

    Raises:
        Unreadable: it is damaged.
        CannotWrite: it cannot be opened.
    """
    try:
        return _parsed((folder / FILE).read_bytes())
    except FileNotFoundError:
        return None
    except OSError as error:
        raise _unwritable(error) from error


def look(connection: Connection, folder: Path, now: datetime) -> Restored | None:
    """Why nothing may leave from this database; None where all is well."""
    # the file first: other senders count on meanwhile, and what a connection sees stands still
    # from its first question on
    try:
        mark, is_readable = read(folder), True
    except Unreadable:
        mark, is_readable = None, False
    if witnesses.is_half(connection):
        return Restored(why=Why.HALF, taken_at=None, found_at=now)
    found = witnesses.restored(connection)
    if found is not None:
        return found
    if not is_readable:
        return Restored(why=Why.UNREADABLE, taken_at=None, found_at=now)
    if mark is None or not mark.number:
        return None
    if is_other(connection, mark):
        return Restored(why=Why.OTHER, taken_at=None, found_at=now)
    row = witnesses.find(connection, mark.folder)
    if row is None or row.number < mark.number:
        return Restored(why=Why.OLDER, taken_at=row.at if row else None, found_at=now)
    return None


def is_other(connection: Connection, mark: Mark) -> bool:
    """Whether a mark speaks of another database; one that was never sent from has no name."""
    return witnesses.name(connection) not in ("", mark.database)


def refuse_foreign(connection: Connection, found: Restored, now: datetime) -> None:
    """Pass unless other hosts send from this database, so that the fault is this folder's alone.

    Raises:
        Unreconciled: it is.
    """
    if is_foreign(connection, found, now):
        raise Unreconciled(FOREIGN, hint=FOREIGN_HINT)


def is_foreign(connection: Connection, found: Restored, now: datetime) -> bool:
    """Whether other hosts send from this database, so that the fault is this folder's alone."""
    if connection.dialect.name == "sqlite" or found.why is not Why.OTHER:
        return False
    last = next(iter(witnesses.list_(connection)), None)
    return last is not None and last.at >= now - LATELY and witnesses.restored(connection) is None


def refuse(found: Restored) -> Unreconciled:
    """The error that says so."""
    return Unreconciled(SENTENCES[found.why], hint=hint_of(found))


def hint_of(found: Restored) -> Sentence:
    """What to do about it."""
    return HALF_HINT if found.why is Why.HALF else HINT


SENTENCES = {
    Why.HALF: Sentence("this database is a copy that is not complete: rows are missing in it"),
    Why.COPY: Sentence(
        "this database is a copy: it does not know which mails left since it was made"
    ),
    Why.OLDER: Sentence("this database is older than the mails that left from this folder"),
    Why.OTHER: Sentence("this is not the database from which mails left from this folder"),
    Why.UNREADABLE: Sentence("the file `journal/witness` is damaged: nobody knows what left last"),
}


class Witness:
    """The witness of one folder, as one process uses it. Not for two threads at once."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._mark: Mark | None = None
        #: What was counted in a transaction that is not yet committed.
        self._next: Mark | None = None

    def check(self, store: Store, now: datetime) -> None:
        """See that mails may leave from this database, and tell the other hosts if not.

        Raises:
            Unreconciled: they may not.
        """
        with store.read() as connection:
            found = look(connection, self._folder, now)
            known = witnesses.restored(connection)
            if found is not None:
                refuse_foreign(connection, found, now)
        if found is None:
            return
        if known is None and found.why not in (Why.UNREADABLE, Why.HALF):
            with store.write(durable=True) as connection:
                witnesses.mark_copy(connection, found)
                alerts.raise_(connection, ALERT, SENTENCES[found.why], hint=HINT, now=now)
        raise refuse(found)

    def bear(self, connection: Connection, now: datetime) -> None:
        """Count on, in a durable write turn; `keep` follows when it is committed.

        Raises:
            Unreconciled: this is not the database that it was.
        """
        mark = self._mark or self._met(connection, now)
        number = witnesses.count_on(connection, mark.folder, mark.number, now)
        if number is None:
            self._mark = None
            found = look(connection, self._folder, now)
            raise refuse(found or Restored(why=Why.OLDER, taken_at=None, found_at=now))
        self._next = replace(mark, number=number, at=now)

    def keep(self) -> None:
        """What was counted is committed: put it on the disk. No mail leaves before.

        Raises:
            CannotWrite: the disk is full, or the folder's rights are wrong.
        """
        if self._next is not None:
            write(self._folder, self._next)
            self._mark, self._next = self._next, None

    def _met(self, connection: Connection, now: datetime) -> Mark:
        """The mark of this folder; a new folder is introduced to the database."""
        try:
            mark = read(self._folder)
        except Unreadable:
            raise refuse(Restored(why=Why.UNREADABLE, taken_at=None, found_at=now)) from None
        if mark is None or not mark.number:
            return introduce(connection, self._folder, now)
        if is_other(connection, mark):
            raise refuse(Restored(why=Why.OTHER, taken_at=None, found_at=now))
        return mark


def introduce(
    connection: Connection, folder: Path, now: datetime, *, is_anew: bool = False
) -> Mark:
    """Let the database know a folder from which nothing left so far. In a write turn.

    Of several processes that do so at once, one names the folder. `is_anew`: a file that is there
    is damaged and not asked, and the host's former folders are not awaited.

    Raises:
        CannotWrite: the file cannot be written.
    """
    mine = Mark(
        database=witnesses.make_name(connection, now),
        folder=secrets.token_hex(8),
        number=0,
        at=now,
    )
    mark = mine if is_anew else replace(_agreed(folder, mine), database=mine.database)
    witnesses.meet(connection, mark.folder, host(), now)
    if is_anew:
        witnesses.forget_former(connection, mark.folder, host())
    return mark


def write(folder: Path, mark: Mark, *, is_anew: bool = False) -> None:
    """Put a mark on the disk; one that is further on stays, unless all is begun `is_anew`.

    Raises:
        CannotWrite: it cannot be written.
    """
    with _locked(folder) as file:
        before = os.pread(file, SIZE, 0)
        if is_anew or not before or _is_behind(before, mark):
            _put(file, mark)


def host() -> str:
    """What people call this machine."""
    return socket.gethostname()


def _agreed(folder: Path, mine: Mark) -> Mark:
    """The mark that is there, or else `mine`."""
    with _locked(folder) as file:
        before = os.pread(file, SIZE, 0)
        if before:
            return _parsed(before)
        _put(file, mine)
        return mine


def _is_behind(raw: bytes, mark: Mark) -> bool:
    """Whether the file is behind `mark` in the same count; what is damaged is left alone."""
    try:
        there = _parsed(raw)
    except Unreadable:
        return False
    is_same = there.folder == mark.folder and there.database == mark.database
    return there.number < mark.number if is_same else there.number == 0


@contextmanager
def _locked(folder: Path) -> Iterator[int]:
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        file = os.open(folder / FILE, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise _unwritable(error) from error
    try:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield file
    except OSError as error:
        raise _unwritable(error) from error
    finally:
        os.close(file)


def _put(file: int, mark: Mark) -> None:
    os.pwrite(file, _bytes(mark), 0)
    os.fdatasync(file)


def _bytes(mark: Mark) -> bytes:
    told = {"database": mark.database, "folder": mark.folder, "number": mark.number,
            "at": int(mark.at.timestamp())}  # fmt: skip
    body = json.dumps(told, separators=(",", ":")).encode("ascii")
    return (b"%08x %b" % (crc32(body), body)).ljust(SIZE - 1) + b"\n"


def _parsed(raw: bytes) -> Mark:
    check, _blank, body = raw.rstrip().partition(b" ")
    if check != b"%08x" % crc32(body):
        raise Unreadable
    told = json.loads(body)
    return Mark(
        database=told["database"],
        folder=told["folder"],
        number=told["number"],
        at=datetime.fromtimestamp(told["at"], UTC),
    )


def _unwritable(error: OSError) -> CannotWrite:
    return CannotWrite(
        Sentence(
            "the file `journal/{file}` cannot be written: {why}",
            file=FILE,
            why=error.strerror or error,
        ),
        hint="nothing is sent without it: free some space on the disk of the shop's folder, and "
        "look at the rights of its folder `journal`",
    )
