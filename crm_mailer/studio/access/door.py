"""What the studio knows of its visitors between two requests."""

from __future__ import annotations

import getpass
import hashlib
import hmac
import ipaddress
from collections import OrderedDict
from dataclasses import dataclass, replace
from threading import Lock
from time import monotonic

from starlette.routing import Route

from crm_mailer import i18n
from crm_mailer.app import App, staff
from crm_mailer.app.clocks import SystemClock
from crm_mailer.app.staff import Caller
from crm_mailer.model.moment import Clock
from crm_mailer.model.staff import Noted
from crm_mailer.studio.access import pages
from crm_mailer.studio.desk import SPOKEN, Desk, Visitor
from crm_mailer.studio.roles import Role

#: How this machine is called: by another name somebody may have made a browser ask for it.
OWN_NAMES = frozenset({"127.0.0.1", "localhost", "[::1]"})
#: Seconds between two looks whether anybody has a password by now.
LOOK_EVERY = 2.0
#: Sentences that wait for their page; of more, the oldest are forgotten.
MOST_SAID = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Guest:
    """A browser at the door, before it is known who sits at it."""

    #: What it holds, and what it holds a form's word against; never both for two browsers.
    session: str
    #: The language that it asked for; empty for the shop's.
    language: str
    caller: Caller


class Door:
    """Decides who comes in.

    Where nobody has a password everybody at this machine is its admin. From the moment that
    somebody has one, everybody needs one, and it stays so until the program ends.

    Args:
        app: the shop.
        clock: by which sessions end; the machine's unless a test has another.
        is_open: whether it may stand open while nobody has a password.
    """

    def __init__(self, app: App, clock: Clock | None = None, *, is_open: bool = True) -> None:
        self.app = app
        self.clock = clock or SystemClock()
        key = app.keys.keys[app.keys.current]
        self._secret = hmac.new(key, b"forms of the studio", hashlib.sha256).digest()
        self._said: OrderedDict[str, tuple[str, bool]] = OrderedDict()
        self._is_locked = not is_open
        self._looked_at = -LOOK_EVERY
        self._lock = Lock()

    def routes(self, desk: Desk) -> list[Route]:
        """Login, users, the log."""
        return pages.routes(desk, self)

    @property
    def is_locked(self) -> bool:
        """Whether a password is needed."""
        with self._lock:
            if not self._is_locked and monotonic() - self._looked_at > LOOK_EVERY:
                self._is_locked = staff.has_users(self.app)
                self._looked_at = monotonic()
            return self._is_locked

    def stands_open(self) -> bool:
        """Whether nobody has a password yet: whoever comes is the admin."""
        return not self.is_locked

    def lock(self) -> None:
        """A password is needed from now on: somebody was given one."""
        with self._lock:
            self._is_locked = True

    def admits(self, host: str) -> bool:
        """Whether a request may call us by this name: an address is no name that can be bent."""
        name = host.rpartition(":")[0] if host.rpartition(":")[2].isdigit() else host
        name = name.lower()
        if name in OWN_NAMES:
            return True
        if not self.is_locked:
            return False
        return name in self.app.settings.studio.hosts or _is_address(name.strip("[]"))

    def visitor(self, guest: Guest) -> Visitor | None:
        """Who it is; None for a stranger."""
        if not self.is_locked:
            return self._made(guest, name=_login(), role=Role.ADMIN, has_password=False)
        found = staff.session(self.app, guest.session, self.clock.now()) if guest.session else None
        if found is None:
            return None
        return self._made(guest, name=found.user, role=found.role, has_password=True)

    def stranger(self, guest: Guest) -> Visitor:
        """Somebody who is only shown the login."""
        made = self._made(guest, name="", role=Role.VIEWER, has_password=False)
        return replace(made, is_stranger=True)

    def _made(self, guest: Guest, *, name: str, role: Role, has_password: bool) -> Visitor:
        said, is_trouble = self._said.get(guest.session, ("", False))
        return Visitor(
            name=name,
            role=role,
            language=guest.language if guest.language in SPOKEN else i18n.language(),
            csrf=self.csrf(guest.session),
            said=said,
            is_said_trouble=is_trouble,
            has_password=has_password,
        )

    def csrf(self, session: str) -> str:
        """What the forms of a session carry."""
        return hmac.new(self._secret, session.encode(), hashlib.sha256).hexdigest()

    def tell(self, session: str, said: str, *, is_trouble: bool = False) -> None:
        """Say something on the session's next page."""
        self._said[session] = (said, is_trouble)
        while len(self._said) > MOST_SAID:
            self._said.popitem(last=False)

    def heard(self, session: str) -> None:
        """What was to be said has been said."""
        self._said.pop(session, None)

    def note(self, what: Noted, who: str, path: str, said: str, address: str) -> None:
        """Write down what was done."""
        staff.note(
            self.app, what, who=who, path=path[:500], said=said[:1000], address=address,
            now=self.clock.now(),
        )  # fmt: skip


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def _login() -> str:
    """Who sits at this machine."""
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        return ""
