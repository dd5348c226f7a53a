"""Parts that fail at the Nth call: a database at a statement or a commit, a journal at a write."""

from __future__ import annotations

import errno
import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import sqlalchemy as sa

from crm_mailer.delivering import journal
from crm_mailer.model.errors import StoreError
from crm_mailer.store.engine import Queued, Store

#: What SQLite says, word for word.
FULL = "database or disk is full"
LOCKED = "database is locked"
BROKEN = "disk I/O error"


class FailingStore(Store):
    """A store that fails at one call, and from then on where the fault lasts.

    Args:
        url: as `Store`.
        words: what the engine says.
        at: `statement`; `commit`, which then has not happened; or `committed`, where it has
            happened and the answer was lost.
        is_lasting: whether every later call fails too.
    """

    def __init__(self, url: str, words: str = FULL, *, at: str, is_lasting: bool = False) -> None:
        super().__init__(url)
        self.words, self.at, self.is_lasting = words, at, is_lasting
        self.arm(1)
        sa.event.listen(self.engine, "before_cursor_execute", self._on_statement)
        sa.event.listen(self.engine, "commit", self._on_commit)

    def arm(self, nth: int) -> None:
        """Fail at the nth call from now, from 1."""
        self.nth, self.calls = nth, 0

    @property
    def has_failed(self) -> bool:
        return self.calls >= self.nth

    @contextmanager
    def write(
        self, *, durable: bool = False, place: Queued | None = None
    ) -> Iterator[sa.Connection]:
        with super().write(durable=durable, place=place) as connection:
            yield connection
        if self.at == "committed":
            try:
                self._count(None)
            except sa.exc.OperationalError as error:
                hint = "look at the database"
                raise StoreError(f"no answer to COMMIT: {self.words}", hint=hint) from error

    def _on_statement(self, connection: sa.Connection, *_details: Any) -> None:
        if self.at == "statement":
            self._count(connection)

    def _on_commit(self, connection: sa.Connection) -> None:
        if self.at == "commit":
            self._count(connection)

    def _count(self, connection: sa.Connection | None) -> None:
        self.calls += 1
        if self.calls == self.nth or (self.is_lasting and self.has_failed):
            self.fail(connection)

    def fail(self, _connection: sa.Connection | None) -> None:
        """What the call does instead."""
        raise sa.exc.OperationalError("scripted", {}, sqlite3.OperationalError(self.words))


class LosingStore(FailingStore):
    """A store whose server ends the connection at one call, as it does when it is stopped."""

    def __init__(self, url: str, *, at: str, is_lasting: bool = False) -> None:
        super().__init__(url, "the connection is lost", at=at, is_lasting=is_lasting)
        self._others = sa.create_engine(url, isolation_level="AUTOCOMMIT")

    def fail(self, connection: sa.Connection | None) -> None:
        """The call goes on, and finds that nobody is there; so does an answer to COMMIT."""
        if connection is None:
            super().fail(connection)
            return
        raw: Any = connection.connection.dbapi_connection
        with self._others.connect() as other:
            other.execute(sa.select(sa.func.pg_terminate_backend(raw.info.backend_pid)))

    def close(self) -> None:
        """Let go of all connections."""
        super().close()
        self._others.dispose()


class FailingDisk:
    """The disk of the flight journals: full at the Nth write, and from then on where it lasts."""

    def __init__(self, nth: int, *, is_lasting: bool) -> None:
        self.nth, self.is_lasting = nth, is_lasting
        self.calls = 0

    @property
    def has_failed(self) -> bool:
        return self.calls >= self.nth

    def guard(self, patch: pytest.MonkeyPatch) -> None:
        """Put the fault in place of the journal's own writing, and of making its room."""
        patch.setattr(journal.Journal, "_write", self._failing(journal.Journal._write))
        patch.setattr(journal, "_mapped", self._failing(journal._mapped))

    def _failing(self, call: Callable[..., Any]) -> Callable[..., Any]:
        def write(*arguments: Any) -> Any:
            self.calls += 1
            if self.calls == self.nth or (self.is_lasting and self.has_failed):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            return call(*arguments)

        return write
