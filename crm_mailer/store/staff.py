"""Users of the studio, their sessions, and the log of what they did."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from crm_mailer.model.staff import Noted, Role
from crm_mailer.store import said as sayings
from crm_mailer.store.engine import upsert
from crm_mailer.store.tables import studio_log, studio_sessions, studio_users


@dataclass(frozen=True, slots=True, kw_only=True)
class User:
    """Somebody who may log in. The hash of the password is not shown."""

    name: str
    role: Role
    created_at: datetime
    password_at: datetime
    seen_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """One browser that is logged in."""

    digest: str
    user: str
    role: Role
    began_at: datetime
    seen_at: datetime
    address: str
    browser: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LogLine:
    """Who did what, when and from where."""

    id: int
    at: datetime
    who: str
    what: str
    path: str
    said: str
    address: str


# ------------------------------------------------------------------ users


def has_users(connection: sa.Connection) -> bool:
    """Whether anybody has a password: then everybody needs one."""
    return connection.scalar(sa.select(studio_users.c.name).limit(1)) is not None


def add_user(
    connection: sa.Connection, name: str, role: Role, password: str, now: datetime
) -> bool:
    """Let somebody in; False where there is one by this name. `password` is its hash."""
    statement = (
        upsert(connection, studio_users)
        .values(name=name, role=role.value, password=password, created_at=now, password_at=now)
        .on_conflict_do_nothing(index_elements=["name"])
        .returning(studio_users.c.name)
    )
    return connection.execute(statement).first() is not None


def remove_user(connection: sa.Connection, name: str) -> bool:
    """Let somebody in no more, nor their open browsers; False where there is none."""
    end_all(connection, name)
    return connection.execute(studio_users.delete().where(_is(name))).rowcount > 0


def list_users(connection: sa.Connection, *, for_change: bool = False) -> list[User]:
    """All, by name; `for_change`: others wait with theirs until the transaction ends."""
    query = sa.select(studio_users).order_by(studio_users.c.name)
    rows = connection.execute(query.with_for_update() if for_change else query)
    return [_user(row) for row in rows]


def find_user(connection: sa.Connection, name: str) -> tuple[User, str] | None:
    """Somebody and the hash of the password; None where there is none by this name."""
    row = connection.execute(sa.select(studio_users).where(_is(name))).first()
    return None if row is None else (_user(row), row.password)


def set_role(connection: sa.Connection, name: str, role: Role) -> None:
    """From now on somebody is this."""
    connection.execute(studio_users.update().where(_is(name)).values(role=role.value))


def set_password(connection: sa.Connection, name: str, password: str, now: datetime) -> None:
    """A new password, as its hash."""
    values = {"password": password, "password_at": now}
    connection.execute(studio_users.update().where(_is(name)).values(values))


def rehash(connection: sa.Connection, name: str, before: str, password: str) -> None:
    """The same password, hashed with other parameters; not where it was changed meanwhile."""
    same = _is(name) & (studio_users.c.password == before)
    connection.execute(studio_users.update().where(same).values(password=password))


# ------------------------------------------------------------------ sessions


def begin(
    connection: sa.Connection, digest: str, user: str, now: datetime, address: str, browser: str
) -> None:
    """A browser has logged in."""
    connection.execute(
        studio_sessions.insert().values(
            digest=digest, user=user, began_at=now, seen_at=now, address=address, browser=browser
        )
    )
    connection.execute(studio_users.update().where(_is(user)).values(seen_at=now))


def find_session(connection: sa.Connection, digest: str) -> Session | None:
    """The session of what a browser holds; None where it has ended."""
    rows = connection.execute(_sessions().where(studio_sessions.c.digest == digest))
    return next(map(_session, rows), None)


def list_sessions(connection: sa.Connection, user: str) -> list[Session]:
    """Where somebody is logged in, the last seen first."""
    query = _sessions().where(studio_sessions.c.user == user)
    return [
        _session(row)
        for row in connection.execute(query.order_by(studio_sessions.c.seen_at.desc()))
    ]


def touch(connection: sa.Connection, digest: str, now: datetime) -> None:
    """A browser asked for something."""
    same = studio_sessions.c.digest == digest
    connection.execute(studio_sessions.update().where(same).values(seen_at=now))


def end(connection: sa.Connection, digest: str) -> None:
    """A browser is logged out."""
    connection.execute(studio_sessions.delete().where(studio_sessions.c.digest == digest))


def end_all(connection: sa.Connection, user: str, but: str = "") -> int:
    """Log somebody out everywhere, `but` in one browser; how many there were."""
    own = (studio_sessions.c.user == user) & (studio_sessions.c.digest != but)
    return connection.execute(studio_sessions.delete().where(own)).rowcount


def sweep(connection: sa.Connection, began_before: datetime, seen_before: datetime) -> None:
    """Forget sessions that are too old, or unused for too long."""
    row = studio_sessions.c
    old = (row.began_at < began_before) | (row.seen_at < seen_before)
    connection.execute(studio_sessions.delete().where(old))


# ------------------------------------------------------------------ the log


def note(
    connection: sa.Connection,
    what: Noted,
    *,
    at: datetime,
    who: str,
    path: str = "",
    said: str = "",
    address: str = "",
) -> None:
    """Write down what was done."""
    connection.execute(
        studio_log.insert().values(
            at=at,
            who=who,
            what=what.value,
            path=path,
            said=sayings.keep(said, 1_000),
            address=address,
        )
    )


def list_log(
    connection: sa.Connection,
    *,
    what: str = "",
    who: str = "",
    before: int | None = None,
    limit: int = 100,
) -> list[LogLine]:
    """What was done, the last first.

    Args:
        what: only this kind.
        who: only by this one.
        before: only lines older than this one, by its number.
        limit: at most so many.
    """
    row = studio_log.c
    asked = [(what, row.what == what), (who, row.who == who), (before, row.id < (before or 0))]
    query = (
        sa.select(studio_log)
        .where(*(condition for value, condition in asked if value))
        .order_by(row.id.desc())
        .limit(limit)
    )
    return [
        LogLine(**{**found._mapping, "said": sayings.tell(found.said)})
        for found in connection.execute(query)
    ]


def count_failures(
    connection: sa.Connection, since: datetime, *, who: str = "", address: str = ""
) -> int:
    """Logins that failed since, of a name, from an address, or of one from the other."""
    row = studio_log.c
    asked = [(who, row.who == who), (address, row.address == address)]
    query = sa.select(sa.func.count()).where(
        row.what == Noted.LOGIN_FAILED.value,
        row.at >= since,
        *(condition for value, condition in asked if value),
    )
    return connection.scalar(query) or 0


def _is(name: str) -> sa.ColumnElement[bool]:
    return studio_users.c.name == name


def _sessions() -> sa.Select[Any]:
    return sa.select(studio_sessions, studio_users.c.role).join(
        studio_users, studio_users.c.name == studio_sessions.c.user
    )


def _session(row: Any) -> Session:
    return Session(**{**row._mapping, "role": Role(row.role)})


def _user(row: Any) -> User:
    return User(
        name=row.name,
        role=Role(row.role),
        created_at=row.created_at,
        password_at=row.password_at,
        seen_at=row.seen_at,
    )
