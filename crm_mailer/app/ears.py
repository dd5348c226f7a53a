"""A thread for each mailbox of a daemon: one that is down or slow hinders no other.

A mailbox is read while its lease is ours; what is fetched counts only as long.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from crm_mailer import logs
from crm_mailer.app import listening
from crm_mailer.app.holding import Holding
from crm_mailer.app.wiring import App
from crm_mailer.model.errors import (
    CrmMailerError,
    FetchBroken,
    LeaseLost,
    LoginRefused,
    SettingsError,
)
from crm_mailer.settings import ImapSettings
from crm_mailer.store import leases

#: First and longest rest of a mailbox after a fault of ours, after a refused login.
REST = (5.0, 300.0)
LOGIN_REST = (300.0, 3600.0)
#: After so many looks in vain a mailbox is left to others, if there are any, for so many seconds:
#: perhaps it is this host that cannot reach it.
IN_VAIN, AVOIDS = 3, 900.0


def lease_of(box: ImapSettings) -> str:
    """The lease of a mailbox."""
    return leases.MAILBOX + box.name


@dataclass(slots=True)
class Ear:
    """One mailbox."""

    app: App
    box: ImapSettings
    holding: Holding
    stop: threading.Event
    log: Any
    #: Set while it is not ours to read.
    hush: threading.Event = field(default_factory=threading.Event)
    #: Whether a connection to it may be open.
    is_at_it: bool = False
    #: Looks in vain in a row, and until when others should read it, on the steady clock.
    in_vain: int = 0
    avoids_until: float = 0.0

    def listen(self) -> None:
        """Stay at it while it is ours, and come back after whatever happens."""
        faults = 0
        while not self.stop.is_set():
            if self.hush.is_set() or not self.holding.holds(lease_of(self.box)):
                self.stop.wait(0.5)
                continue
            try:
                self._watch()
                faults, rest = 0, 0.0
            except LeaseLost as error:
                faults, rest = 0, 0.0
                self.hush.set()
                self.log.info("listen", stopped=str(error))
            except (LoginRefused, SettingsError) as error:
                self.looked(error)
                faults, rest = faults + 1, _rest(LOGIN_REST, faults)
                self.log.error("listen", error=str(error), hint=error.hint, rests=f"{rest:.0f} s")
            except CrmMailerError as error:
                faults, rest = faults + 1, _rest(REST, faults)
                self.log.error("listen", error=str(error), hint=error.hint, rests=f"{rest:.0f} s")
            except Exception:
                faults, rest = faults + 1, _rest(REST, faults)
                self.log.exception("listen", rests=f"{rest:.0f} s")
            self._sleep(rest)

    def looked(self, error: CrmMailerError | None) -> None:
        """Count a look that went well or in vain; a mail that cannot be read is another thing."""
        if error is None:
            self.in_vain, self.avoids_until = 0, 0.0
        elif not isinstance(error, FetchBroken):
            self.in_vain += 1
        if self.in_vain >= IN_VAIN:
            self.in_vain, self.avoids_until = 0, time.monotonic() + AVOIDS

    def _sleep(self, seconds: float) -> None:
        """Rest, but not for what happened before others had it meanwhile."""
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            if self.stop.wait(min(left, 1.0)) or not self.holding.holds(lease_of(self.box)):
                return

    def _watch(self) -> None:
        self.is_at_it = True
        try:
            fence = self.holding.fence(lease_of(self.box))
            listening.watch(
                self.app, self.hush, self.box, store=self.app.under(fence).store,
                on_look=self.looked,
            )  # fmt: skip
        finally:
            self.is_at_it = False


@dataclass(slots=True)
class Ears:
    """All mailboxes that this daemon may read."""

    app: App
    holding: Holding
    stop: threading.Event
    log: Any = field(default_factory=logs.get)
    _ears: list[Ear] = field(default_factory=list)
    _threads: list[threading.Thread] = field(default_factory=list)

    @property
    def leases(self) -> list[str]:
        """The leases of the mailboxes."""
        return [lease_of(box) for box in self.app.settings.mailboxes]

    @property
    def avoided(self) -> list[str]:
        """The leases of those that others should read, since we looked in vain."""
        now = time.monotonic()
        return [lease_of(ear.box) for ear in self._ears if now < ear.avoids_until]

    def start(self) -> None:
        """Begin to read those that are ours."""
        for box in self.app.settings.mailboxes:
            log = self.log.bind(mailbox=box.name)
            ear = Ear(self.app, box, self.holding, self.stop, log)
            self._ears.append(ear)
            self._threads.append(threading.Thread(target=ear.listen, name=box.name, daemon=True))
            self._threads[-1].start()

    def tend(self, surplus: Iterable[str] = ()) -> None:
        """Read what is ours and nothing else; let go of what others should read."""
        given_up = set(surplus)
        for ear in self._ears:
            name = lease_of(ear.box)
            if self.stop.is_set() or name in given_up or not self.holding.holds(name):
                ear.hush.set()
                if name in given_up and not ear.is_at_it:
                    self.holding.let_go(name)
            else:
                ear.hush.clear()

    @property
    def read(self) -> list[str]:
        """The mailboxes that are read at present."""
        return [ear.box.name for ear in self._ears if ear.is_at_it]

    def wait(self, seconds: float) -> bool:
        """Wait for all to notice that it is over; whether they have."""
        for ear in self._ears:
            ear.hush.set()
        until = time.monotonic() + seconds
        for thread in self._threads:
            thread.join(max(0.0, until - time.monotonic()))
        return not any(thread.is_alive() for thread in self._threads)


def _rest(first_and_longest: tuple[float, float], faults: int) -> float:
    """Seconds to rest after `faults` faults in a row before this one."""
    first, longest = first_and_longest
    return min(first * 2.0 ** min(faults, 16), longest)
