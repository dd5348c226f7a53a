"""Verbs about the shop's own people: who may open the studio, who is in it, what they did."""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import cache
from threading import BoundedSemaphore

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from crm_mailer.app.wiring import App
from crm_mailer.model.errors import NotFound, NotPossible
from crm_mailer.model.recalled import recalled
from crm_mailer.model.sentence import Sentence
from crm_mailer.model.staff import LONGEST, Noted, Role, check_password, plain_name
from crm_mailer.store import staff as rows
from crm_mailer.store.engine import Connection
from crm_mailer.store.staff import LogLine, Session, User

#: A session ends so long after the login, and so long after the last request.
SESSION, IDLE = timedelta(hours=12), timedelta(hours=2)
#: A session's last request is written down at most so often.
TOUCH = timedelta(minutes=1)
#: Failed logins within `TRIES_OF`: of one name from one address, from one address, of one name.
TRIES_OF = timedelta(minutes=15)
TRIES, TRIES_OF_ADDRESS, TRIES_OF_NAME = 5, 20, 50
#: Passwords that are checked at one time: each takes 64 MiB of memory for a moment.
_CHECKING = BoundedSemaphore(2)
#: Argon2id with the parameters of RFC 9106 for little memory; older hashes are made anew.
_HASHER = PasswordHasher()
#: What is written down of users.
_ADDED = Sentence("user {name} added as {role}")
_REMOVED = Sentence("user {name} removed")
_CHANGED = Sentence("user {name} is {role} now")
_NEW_PASSWORD = Sentence("password of {name} changed")
_EVERYWHERE = Sentence("everywhere")
_WRITTEN = (_ADDED, _REMOVED, _CHANGED, _NEW_PASSWORD, _EVERYWHERE)


class LoginFailed(NotPossible):
    """The name or the password is wrong."""


class LoginLimited(NotPossible):
    """Too many logins have failed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """Where a request comes from."""

    address: str = ""
    browser: str = ""


# ------------------------------------------------------------------ users


def has_users(app: App) -> bool:
    """Whether anybody has a password: then everybody needs one."""
    with app.store.read() as connection:
        return rows.has_users(connection)


def users(app: App) -> list[User]:
    """All who may log in, by name."""
    with app.store.read() as connection:
        return rows.list_users(connection)


def add(app: App, name: str, role: Role, password: str, *, by: str, now: datetime) -> User:
    """Let somebody in.

    Raises:
        NotPossible: the name is none or taken, or the password is too weak.
    """
    plain = plain_name(name)
    check_password(plain, password)
    hashed = _hash(password)
    with app.store.write() as connection:
        if not rows.add_user(connection, plain, role, hashed, now):
            raise NotPossible(
                Sentence("there is a user `{name}` already", name=plain),
                hint="`crm-mailer studio user list`",
            )
        _note(connection, by, _ADDED.format(name=plain, role=role.value), now)
    return _known(app, plain)


def remove(app: App, name: str, *, by: str, now: datetime) -> None:
    """Let somebody in no more; their sessions end at once.

    Raises:
        NotFound: there is none by this name.
        NotPossible: nobody would be left who may manage the others.
    """
    with app.store.write() as connection:
        user, others = _one_of(connection, name)
        _keep_an_admin(user, others)
        rows.remove_user(connection, user.name)
        _note(connection, by, _REMOVED.format(name=user.name), now)


def change_role(app: App, name: str, role: Role, *, by: str, now: datetime) -> User:
    """Give somebody another role, from the next request on. Errors as for `remove`."""
    with app.store.write() as connection:
        user, others = _one_of(connection, name)
        if role is not Role.ADMIN:
            _keep_an_admin(user, others)
        rows.set_role(connection, user.name, role)
        _note(connection, by, _CHANGED.format(name=user.name, role=role.value), now)
    return _known(app, user.name)


def change_password(
    app: App, name: str, password: str, *, by: str, now: datetime, keep: str = ""
) -> int:
    """A new password; all sessions end but that of `keep`, a browser's own. How many ended.

    Raises:
        NotFound: there is none by this name.
        NotPossible: the password is too weak.
    """
    user = _known(app, name)
    check_password(user.name, password)
    hashed = _hash(password)
    with app.store.write() as connection:
        rows.set_password(connection, user.name, hashed, now)
        ended = rows.end_all(connection, user.name, but=digest(keep) if keep else "")
        _note(connection, by, _NEW_PASSWORD.format(name=user.name), now)
    return ended


def _known(app: App, name: str) -> User:
    with app.store.read() as connection:
        found = rows.find_user(connection, plain_name(name))
    if found is None:
        raise _unknown(name)
    return found[0]


def _unknown(name: str) -> NotFound:
    return NotFound(
        Sentence("there is no user `{name}`", name=name), hint="`crm-mailer studio user list`"
    )


def _one_of(connection: Connection, name: str) -> tuple[User, list[User]]:
    """Somebody and all the others, none of whom another program changes meanwhile."""
    plain, everybody = plain_name(name), rows.list_users(connection, for_change=True)
    user = next((one for one in everybody if one.name == plain), None)
    if user is None:
        raise _unknown(name)
    return user, [one for one in everybody if one is not user]


def _keep_an_admin(user: User, others: list[User]) -> None:
    """The last admin stays for as long as there are others."""
    if others and user.role is Role.ADMIN and all(one.role is not Role.ADMIN for one in others):
        raise NotPossible(
            Sentence("{name} is the only admin", name=user.name),
            hint="make somebody else an admin first",
        )


# ------------------------------------------------------------------ in and out


def login(app: App, name: str, password: str, caller: Caller, now: datetime) -> str:
    """Let a browser in; returns what it is to hold: 256 bits that nobody can guess.

    A name that nobody has takes the same work as one that somebody has.

    Raises:
        LoginFailed: the name or the password is wrong.
        LoginLimited: too many have failed; the hint says when to try again.
    """
    user = prove(app, name, password, caller, now)
    session = secrets.token_urlsafe(32)
    with app.store.write() as connection:
        rows.sweep(connection, now - SESSION, now - IDLE)
        rows.begin(
            connection, digest(session), user.name, now, caller.address, caller.browser[:200]
        )
        rows.note(connection, Noted.LOGIN, at=now, who=user.name, address=caller.address)
    return session


def prove(app: App, name: str, password: str, caller: Caller, now: datetime) -> User:
    """Whose name and password these are: asked at the login, and again before a change.

    Errors as for `login`.
    """
    try:
        plain = plain_name(name)
    except NotPossible:
        plain = "?"
    with _CHECKING:
        _see_to_limits(app, plain, caller, now)
        user = _checked(app, plain, password)
        if user is None:
            with app.store.write() as connection:
                rows.note(connection, Noted.LOGIN_FAILED, at=now, who=plain, address=caller.address)
            raise LoginFailed("the name or the password is wrong")
    return user


def _checked(app: App, name: str, password: str) -> User | None:
    with app.store.read() as connection:
        found = rows.find_user(connection, name)
    user, hashed = found if found is not None else (None, _nobodys())
    try:
        _HASHER.verify(hashed, password[: LONGEST + 1])
    except (VerificationError, InvalidHashError):
        return None
    if user is not None and _HASHER.check_needs_rehash(hashed):
        with app.store.write() as connection:
            rows.rehash(connection, name, hashed, _HASHER.hash(password))
    return user


def _see_to_limits(app: App, name: str, caller: Caller, now: datetime) -> None:
    since, address = now - TRIES_OF, caller.address
    with app.store.read() as connection:
        is_over = (
            rows.count_failures(connection, since, who=name, address=address) >= TRIES
            or rows.count_failures(connection, since, address=address) >= TRIES_OF_ADDRESS
            or rows.count_failures(connection, since, who=name) >= TRIES_OF_NAME
        )
    if is_over:
        raise LoginLimited(
            "too many logins have failed", hint="wait a quarter of an hour, then try again"
        )


def session(app: App, held: str, now: datetime) -> Session | None:
    """The session of what a browser holds; None where it has ended."""
    with app.store.read() as connection:
        found = rows.find_session(connection, digest(held))
    if found is None or now - found.began_at > SESSION or now - found.seen_at > IDLE:
        return None
    if now - found.seen_at > TOUCH:
        with app.store.write() as connection:
            rows.touch(connection, found.digest, now)
    return found


def sessions(app: App, user: str) -> list[Session]:
    """Where somebody is logged in."""
    with app.store.read() as connection:
        return rows.list_sessions(connection, user)


def logout(app: App, held: str, now: datetime, *, is_everywhere: bool = False) -> None:
    """Log a browser out, or all browsers of its user."""
    with app.store.write() as connection:
        found = rows.find_session(connection, digest(held))
        if found is None:
            return
        rows.end(connection, found.digest)
        if is_everywhere:
            rows.end_all(connection, found.user)
        rows.note(connection, Noted.LOGOUT, at=now, who=found.user, address=found.address,
                  said=str(_EVERYWHERE) if is_everywhere else "")  # fmt: skip


def digest(held: str) -> str:
    """How what a browser holds is kept: who reads the table is not let in by it."""
    return hashlib.sha256(held.encode("utf-8", "surrogateescape")).hexdigest()


# ------------------------------------------------------------------ the log


def note(
    app: App, what: Noted, *, who: str, path: str, said: str, address: str, now: datetime
) -> None:
    """Write down what was done."""
    with app.store.write() as connection:
        rows.note(connection, what, at=now, who=who, path=path, said=said, address=address)


def log(
    app: App, *, what: str = "", who: str = "", before: int | None = None, limit: int = 100
) -> list[LogLine]:
    """What was done, the last first; what we ourselves wrote down is a sentence."""
    with app.store.read() as connection:
        lines = rows.list_log(connection, what=what, who=who, before=before, limit=limit)
    return [replace(one, said=recalled(one.said, _WRITTEN)) for one in lines]


def _note(connection: Connection, by: str, said: str, now: datetime) -> None:
    rows.note(connection, Noted.USER, at=now, who=by, said=said)


def _hash(password: str) -> str:
    with _CHECKING:
        return _HASHER.hash(password)


@cache
def _nobodys() -> str:
    """The hash that is asked where there is no such user."""
    return _HASHER.hash(secrets.token_urlsafe(16))
