"""The leases of one process: what it alone may do, until when, and what others hold.

Leases are renewed every few seconds. Whoever is stopped or cut off loses them when their time is
over, by its own clock never later than by the database's, and others go on from what was saved.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta

from crm_mailer.app.clocks import lease_moment
from crm_mailer.app.wiring import App
from crm_mailer.delivering.air import awake
from crm_mailer.model.duty import Duty
from crm_mailer.store import leases
from crm_mailer.store.engine import Connection
from crm_mailer.store.fences import Fence
from crm_mailer.store.leases import Holder, Lease

#: How long a lease holds that is not renewed, in seconds.
LEASE_SECONDS = 60
#: Rows of processes that ended without a word are kept so long for people to see.
KEEP = timedelta(days=1)
#: A mailbox that nobody else took stays so many seconds with whoever took it beyond its share.
STAYS = 900.0
#: So many times longer than others one waits for them to take a mailbox that it cannot reach.
PATIENCE = 3.0


@dataclass(frozen=True, slots=True)
class _Held:
    """A lease of ours. `until` is on the clock of `awake`."""

    epoch: int
    until: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Changed:
    """What a renewal brought and took."""

    came: tuple[str, ...] = ()
    went: tuple[str, ...] = ()
    #: Mailboxes that others should read, since we have more than our share.
    surplus: tuple[str, ...] = ()


@dataclass(slots=True)
class Holding:
    """What this process holds. Any number of threads may ask; one renews."""

    app: App
    owner: str
    seconds: float = LEASE_SECONDS
    steady: Callable[[], float] = awake
    _held: dict[str, _Held] = field(default_factory=dict)
    #: Since when a mailbox was seen without a reader that is not ours to read.
    _free_since: dict[str, float] = field(default_factory=dict)
    #: Until when a mailbox stays with us, since nobody else had taken it.
    _stays: dict[str, float] = field(default_factory=dict)

    def holds(self, name: str) -> bool:
        """Whether the work is ours. On SQLite the lock of the file says so."""
        if self.app.store.is_sqlite:
            return True
        held = self._held.get(name)
        return held is not None and self.steady() < held.until

    def fence(self, name: str) -> Fence | None:
        """What keeps us from writing once it is not ours any more; None: nobody else could be.

        Behind the fence of a lease that is not ours nothing is written.
        """
        if self.app.store.is_sqlite:
            return None
        held = self._held.get(name)
        epoch = -1 if held is None else held.epoch

        def is_in_time() -> bool:
            now = self._held.get(name)
            return now is not None and now.epoch == epoch and self.steady() < now.until

        return Fence(name=name, owner=self.owner, epoch=epoch, is_in_time=is_in_time)

    def renew(
        self,
        me: Holder,
        presence: str,
        jobs: Iterable[str],
        boxes: Sequence[str],
        *,
        avoided: Collection[str] = (),
    ) -> Changed:
        """Say that we are alive; hold on to what is ours, and take what is free and wanted.

        Args:
            me: this process, for people.
            presence: the row by which it is known to be alive.
            jobs: work that one process does.
            boxes: mailboxes, of which each listener takes its share.
            avoided: those of them that we cannot reach: others should have them, if there are any.
        """
        asked_at, before = self.steady(), set(self._held)
        with self.app.store.write() as connection:
            moment = lease_moment(self.app)
            self._take(connection, me, presence, is_alone=True)
            found = {name: self._take(connection, me, name) for name in jobs}
            readers = leases.list_in_force(connection, leases.MAILBOX, moment)
            listeners = self._listeners(connection, presence)
            share = fair_share(len(boxes), listeners)
            avoided = avoided if listeners > 1 else ()
            mine = [box for box in boxes if box in before]
            for box in (*mine, *self._free(boxes, readers, share - len(mine), avoided)):
                found[box] = self._take(connection, me, box)
        until = asked_at + self.seconds
        self._held = {
            name: _Held(lease.epoch, until) for name, lease in found.items() if lease is not None
        }
        after = set(self._held)
        return Changed(
            came=tuple(sorted(after - before)),
            went=tuple(sorted(before - after)),
            surplus=self._surplus([box for box in boxes if box in after], share, avoided),
        )

    def _surplus(
        self, mine: Sequence[str], share: int, avoided: Collection[str]
    ) -> tuple[str, ...]:
        """Mailboxes beyond our share and those that we cannot reach, unless nobody else came."""
        unreached = [box for box in mine if box in avoided]
        beyond = [box for box in mine if box not in avoided][share:]
        now = self.steady()
        return tuple(box for box in (*unreached, *beyond) if now >= self._stays.get(box, now))

    def let_go(self, *names: str) -> None:
        """Others may have these at once; the work on them has ended."""
        # a new mapping: another thread may be walking over the old one
        self._held = {name: held for name, held in self._held.items() if name not in names}
        with self.app.store.write() as connection:
            for name in names:
                leases.release(connection, name, owner=self.owner)

    def end(self, presence: str) -> None:
        """Let everything go; we are not there any more."""
        self.let_go(*self._held)
        with self.app.store.write() as connection:
            leases.forget(connection, presence)

    def sweep(self) -> None:
        """Forget processes that ended without a word: on SQLite there is no other daemon."""
        with self.app.store.write() as connection:
            if self.app.store.is_sqlite:
                leases.forget(connection, leases.DAEMON, but=self.owner)
            leases.forget_silent(connection, self.app.clock.now() - KEEP)

    def _take(
        self, connection: Connection, me: Holder, name: str, *, is_alone: bool = False
    ) -> Lease | None:
        return leases.acquire(
            connection, name, owner=me, seconds=self.seconds, now=lease_moment(self.app),
            is_owner_gone=is_alone or self.app.store.is_sqlite,
        )  # fmt: skip

    def _listeners(self, connection: Connection, presence: str) -> int:
        """Daemons that read mailboxes, ourselves among them."""
        alive = leases.list_in_force(connection, leases.DAEMON, lease_moment(self.app))
        others = [one for one in alive if one.name != presence]
        return 1 + sum(Duty.LISTEN.value in one.roles.split(",") for one in others)

    def _free(
        self,
        boxes: Sequence[str],
        readers: Collection[Lease],
        room: int,
        avoided: Collection[str],
    ) -> list[str]:
        """Mailboxes without a reader: as many as our share has room for, and those that nobody
        else has taken for long."""
        taken = {one.name for one in readers}
        now, free = self.steady(), [box for box in boxes if box not in taken]
        self._free_since = {box: self._free_since.get(box, now) for box in free}
        wanted = [box for box in free if box not in avoided][: max(0, room)]
        left_alone = [
            box
            for box in free
            if now - self._free_since[box] >= self.seconds * (PATIENCE if box in avoided else 1)
        ]
        self._stays |= {box: now + STAYS for box in left_alone if box not in wanted}
        return list(dict.fromkeys((*wanted, *left_alone)))


def fair_share(boxes: int, listeners: int) -> int:
    """How many mailboxes one of so many listeners reads."""
    return math.ceil(boxes / max(1, listeners))
