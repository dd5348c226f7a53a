"""Writes down requests in batches, beside the answers: nobody who clicks waits for a database.

A kill loses at most a second of them. While the database cannot be written they go into a file of
the shop's folder, and from there into the database once it can. Several processes may serve a shop:
one at a time brings the file in, and nobody moves it while somebody writes.
"""

from __future__ import annotations

import fcntl
import json
import os
import threading
import time
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO

from crm_mailer import logs
from crm_mailer.app import App, web_events
from crm_mailer.model.hit import WebHit

#: Seconds between two batches.
EVERY = 0.25
#: Requests in a batch, and those that wait at most.
BATCH, MOST = 2_000, 50_000
#: So many that wait are more than the database takes in a second.
CROWD = 10_000
#: How large the file may grow: some 600,000 requests.
LARGEST_FILE = 64 * 1024 * 1024
FILE = "web-events.waiting"
#: Held by the process that brings the file in.
LOCK = "web-events.lock"
#: Seconds between two looks at a database that could not be written.
REST = 1.0
#: Of the fields of a request.
_TYPES = (str, int, int, int | None, str, str, str)


class Hits:
    """What was requested and is not yet written down. One thread writes, any may add."""

    def __init__(self, app: App, *, every: float = EVERY, most: int = MOST) -> None:
        self._store = web_events.noting_store(app)
        self._file = app.home / FILE
        #: The file while it is on its way into the database; new ones go into another.
        self._taken = app.home / f"{FILE}.taken"
        self._lock = app.home / LOCK
        self._every = every
        self._most = most
        self._waiting: deque[WebHit] = deque()
        self._stop = threading.Event()
        self._troubles = logs.Troubles()
        self._rests_until = 0.0
        #: Requests that could be kept nowhere.
        self.dropped = 0
        self._told_dropped = 0
        self._thread = threading.Thread(target=self._run, name="web hits", daemon=True)

    def add(self, hit: WebHit) -> None:
        """Note a request; what is too much is dropped and counted."""
        if len(self._waiting) >= self._most:
            self.dropped += 1
        else:
            self._waiting.append(hit)

    def start(self) -> None:
        """Begin to write."""
        self._thread.start()

    def stop(self) -> None:
        """Write what waits, and end."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(10)

    def _run(self) -> None:
        while not self._stop.wait(self._every):
            self._flush_safely()
        self._rests_until = 0.0
        self._flush_safely()

    def _flush_safely(self) -> None:
        """Whatever goes wrong, the next turn comes."""
        try:
            self.flush()
        except Exception as error:
            text = f"{type(error).__name__}: {error}"
            self._troubles.unwell("web", text, exc_info=True)

    def flush(self) -> None:
        """Write down what waits, into the database or else into the file."""
        while self._waiting:
            self._put_crowd_aside()
            batch = self._take(BATCH)
            if batch and not self._save(batch):
                self._put_aside(batch)
        if (self._file.exists() or self._taken.exists()) and not self._is_resting():
            self._fetch()
        if self.dropped > self._told_dropped:
            logs.get().warning("web", dropped=self.dropped - self._told_dropped)
            self._told_dropped = self.dropped

    def _take(self, most: int) -> list[WebHit]:
        return [self._waiting.popleft() for _ in range(min(most, len(self._waiting)))]

    def _put_crowd_aside(self) -> None:
        """What comes faster than the database takes it goes into the file, too."""
        if len(self._waiting) > CROWD:
            self._put_aside(self._take(len(self._waiting)))

    def _is_resting(self) -> bool:
        return time.monotonic() < self._rests_until

    def _save(self, hits: list[WebHit]) -> bool:
        if self._is_resting():
            return False
        try:
            web_events.note(self._store, hits)
        except Exception as error:  # whatever it is, they are kept
            self._rests_until = time.monotonic() + REST
            text = str(error) or type(error).__name__
            self._troubles.unwell("web", text, hint="requests wait in a file meanwhile")
            return False
        self._troubles.well("web", "")
        return True

    def _put_aside(self, hits: list[WebHit]) -> None:
        """Into the file, which outlives this process."""
        try:
            size = self._file.stat().st_size if self._file.exists() else 0
            if size > LARGEST_FILE:
                self.dropped += len(hits)
                return
            with _appending(self._file) as file:
                file.write(_lines(hits))
        except OSError as error:
            self.dropped += len(hits)
            self._troubles.unwell("web", f"{FILE}: {error.strerror}")

    def _fetch(self) -> None:
        """From the file into the database, unless another process is at it."""
        try:
            with open(self._lock, "a", opener=_private) as lock:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                self._bring_in()
        except BlockingIOError:
            return
        except OSError as error:
            self._troubles.unwell("web", f"{FILE}: {error.strerror}")

    def _bring_in(self) -> None:
        """What was taken. A kill between the database and the file brings some in twice."""
        if not self._taken.exists():
            if not self._file.exists():
                return  # another process was quicker
            with _appending(self._file):
                self._file.replace(self._taken)
        lines = self._taken.read_text(encoding="utf-8").splitlines()
        hits = [hit for line in lines if (hit := _read(line)) is not None]
        for begin in range(0, len(hits), BATCH):
            self._put_crowd_aside()
            if not self._save(hits[begin : begin + BATCH]):
                self._keep_taken(hits[begin:])
                return
        self._taken.unlink(missing_ok=True)

    def _keep_taken(self, hits: list[WebHit]) -> None:
        beside = self._file.with_name(f"{FILE}.new")
        with open(beside, "w", encoding="utf-8", opener=_private) as file:
            file.write(_lines(hits))
        beside.replace(self._taken)


@contextmanager
def _appending(path: Path) -> Iterator[TextIO]:
    """The file at its end, with nobody else writing or moving it."""
    while True:
        with open(path, "a", encoding="utf-8", opener=_private) as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            if _is_at(file, path):
                yield file
                return


def _is_at(file: TextIO, path: Path) -> bool:
    """Whether an open file was not moved away before it was locked."""
    try:
        return os.path.samestat(os.fstat(file.fileno()), path.stat())
    except FileNotFoundError:
        return False


def _private(path: str, flags: int) -> int:
    """Networks and programs are data about persons: only we read them."""
    return os.open(path, flags, 0o600)


def _lines(hits: Sequence[WebHit]) -> str:
    return "".join(json.dumps(hit) + "\n" for hit in hits)


def _read(line: str) -> WebHit | None:
    """A line of the file; None for one that a crash cut off or somebody spoilt."""
    try:
        value: Any = json.loads(line)
        hit = WebHit(*value)
    except (ValueError, TypeError):
        return None
    return hit if all(map(isinstance, hit, _TYPES)) else None


def file_of(home: Path) -> Path:
    """Where requests wait while the database cannot be written."""
    return home / FILE
