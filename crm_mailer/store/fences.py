"""The database for the holder of a lease: what it writes counts only while the lease is its own.

A process may be stopped between any two of its steps and go on an hour later. So the lease is
looked at when a write turn begins and, under a lock, right before it is committed: whoever takes
the lease over does so before (then nothing is committed) or after it (then all of it was).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import sqlalchemy as sa

from crm_mailer.model.errors import LeaseLost
from crm_mailer.model.sentence import Sentence
from crm_mailer.store import leases
from crm_mailer.store.engine import Queued, Store


@dataclass(frozen=True, slots=True, kw_only=True)
class Fence:
    """A lease as it was when work under it began."""

    name: str
    owner: str
    epoch: int
    #: Whether it is still ours by our own clock: asked before anything that others can see.
    is_in_time: Callable[[], bool]

    def check(self, connection: sa.Connection, *, is_last: bool = False) -> None:
        """Pass while the lease is ours.

        Raises:
            LeaseLost: its time is over, or it has passed to somebody else.
        """
        held = self.is_in_time() and leases.is_held(
            connection, self.name, owner=self.owner, epoch=self.epoch, is_last=is_last
        )
        if not held:
            raise LeaseLost(
                Sentence("another process has `{name}` now", name=self.name),
                hint="nothing is lost: it goes on from what was saved",
            )


class FencedStore(Store):
    """The same database, with the same connections, behind a fence."""

    def __init__(self, store: Store, fence: Fence) -> None:
        self.url, self.is_sqlite, self.engine = store.url, store.is_sqlite, store.engine
        self._fence = fence

    @contextmanager
    def write(
        self, *, durable: bool = False, place: Queued | None = None
    ) -> Iterator[sa.Connection]:
        """One transaction that is undone where the lease has passed to somebody else.

        Raises:
            LeaseLost: it has.
        """
        with super().write(durable=durable, place=place) as connection:
            self._fence.check(connection)
            yield connection
            self._fence.check(connection, is_last=True)
