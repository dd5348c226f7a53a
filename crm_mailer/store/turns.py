"""Write turns on SQLite: one writer or checkpointer of ours at a time, whatever the process.

SQLite lets one connection write, but its waiting is a poll that sleeps longer and longer: beside a
program that writes all the time another one gets no turn for seconds. And up to version 3.51.2 a
database may be damaged when one connection checkpoints at the moment in which another resets the
write-ahead log (https://sqlite.org/wal.html#walresetbug). So whoever writes takes a lock of the
operating system's first, and whoever holds that lock is the one who may checkpoint. Two hidden lock
files lie beside the database: `-turn` is held for the turn, `-next` by whoever is to have it next.
A writer that comes back at once finds `-next` taken, so turns alternate.

Readers take neither. Programs that do not know these locks meet SQLite's own.
"""

from __future__ import annotations

import errno
import fcntl
import os
import sqlite3
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from crm_mailer.model.errors import StoreBusy, StoreError
from crm_mailer.model.sentence import Sentence

#: Bytes of write-ahead log from which on it is brought into the database.
CHECKPOINT_AT = 8 << 20
#: The same while masses are written: fewer pages are copied twice.
WIDE_CHECKPOINT_AT = 64 << 20
#: So large that readers of old pages are waited for, for so many milliseconds.
FAR_TOO_LARGE, PATIENCE_MS = 256 << 20, 2_000
#: Seconds between two tries while readers hold the log, and between two that wait for them.
AGAIN, WAIT_AGAIN = 0.05, 30.0
#: Seconds between two looks at a lock that is taken.
POLL = 0.000_25


@dataclass(slots=True)
class Turn:
    """The write turns of one connection to the database in `file`. Not for two threads at once.

    `wait` is the longest wait for a turn in seconds.
    """

    file: str
    wait: float
    checkpoint_at: int = CHECKPOINT_AT
    _locks: tuple[int, int] | None = None
    #: Until when to wait; 0: nobody waits.
    _until: float = 0.0
    _is_next: bool = False
    _is_taken: bool = False
    _not_before: float = field(default=0.0)
    _no_wait_before: float = field(default=0.0)

    def take(self) -> None:
        """Wait for the turn.

        Raises:
            StoreBusy: others had it for too long.
            StoreError: the lock files cannot be written.
        """
        while not self.is_ours():
            time.sleep(POLL)

    def is_ours(self) -> bool:
        """Queue for the turn; whether it has come. To be asked again and again until it has.

        Raises:
            StoreBusy: others had it for too long.
            StoreError: the lock files cannot be written.
        """
        if self._is_taken:
            return True
        following, turn = self._locks or self._open()
        self._until = self._until or time.monotonic() + self.wait
        self._is_next = self._is_next or self._has_locked(following)
        if self._is_next and self._has_locked(turn):
            self._is_taken, self._until = True, 0.0
            self._leave_queue()
            return True
        if time.monotonic() >= self._until:
            self._until = 0.0
            self._leave_queue()
            raise StoreBusy(
                Sentence("the database is locked by another program: {place}", place=self.file),
                hint="close it there, or try again; the daemon may be running",
            )
        return False

    def give_back(self) -> None:
        """Let the next one have it; or leave the queue."""
        self._until = 0.0
        self._leave_queue()
        if self._is_taken and self._locks is not None:
            self._is_taken = False
            fcntl.flock(self._locks[1], fcntl.LOCK_UN)

    def checkpoint(self, raw: sqlite3.Connection) -> None:
        """Bring the log into the database when it has grown; only while the turn is ours.

        Nobody is waited for: what readers of old pages still need stays in the log until later.
        A fault (a full disk) is no fault of the turn before; the next turn will meet it.
        """
        try:
            size = os.stat(self.file + "-wal").st_size  # noqa: PTH116 - a third of pathlib's time
        except OSError:
            return
        if size < self.checkpoint_at or (now := time.monotonic()) < self._not_before:
            return
        patience = 0
        if size >= FAR_TOO_LARGE and now >= self._no_wait_before:
            self._no_wait_before, patience = now + WAIT_AGAIN, PATIENCE_MS
        is_partial = True
        with suppress(sqlite3.Error):
            raw.execute(f"PRAGMA busy_timeout={patience}")
            is_partial = bool(raw.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0])
        self._not_before = now + AGAIN if is_partial else 0.0
        raw.execute(f"PRAGMA busy_timeout={int(self.wait * 1000)}")

    def close(self) -> None:
        """Let go of the lock files; they stay where they are."""
        for lock in self._locks or ():
            os.close(lock)
        self._locks = None
        self._is_next = self._is_taken = False

    def _leave_queue(self) -> None:
        if self._is_next and self._locks is not None:
            self._is_next = False
            fcntl.flock(self._locks[0], fcntl.LOCK_UN)

    def _open(self) -> tuple[int, int]:
        place = Path(self.file)
        opened: list[int] = []
        try:
            for end in ("-next", "-turn"):
                path, flags = place.with_name(f".{place.name}{end}"), os.O_RDWR | os.O_CREAT
                opened.append(os.open(path, flags | os.O_CLOEXEC, 0o600))
        except OSError as error:
            for file in opened:
                os.close(file)
            raise StoreError(
                Sentence(
                    "the database cannot be written: {place}: {why}",
                    place=error.filename,
                    why=error.strerror,
                ),
                hint="look at the rights of the file and its folder: whoever runs the program "
                "must own them",
            ) from error
        self._locks = (opened[0], opened[1])
        return self._locks

    def _has_locked(self, lock: int) -> bool:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno in (errno.EWOULDBLOCK, errno.EACCES):
                return False
            raise StoreError(
                Sentence(
                    "the database's folder knows no locks: {file} ({why})",
                    file=self.file,
                    why=error.strerror,
                ),
                hint="put the database on a disk of this machine, not on a network share",
            ) from error
        return True
