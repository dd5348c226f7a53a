"""Tells this database from an older copy of itself: its name, and the numbers of its folders.

Whoever sends counts on in the transaction that claims mails, and keeps the number in a file before
the first of them leaves. A copy that was taken earlier has a smaller number than the file.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from functools import lru_cache
from typing import Any

import sqlalchemy as sa

from crm_mailer.store import facts
from crm_mailer.store.bulk import seconds
from crm_mailer.store.engine import Instant, upsert
from crm_mailer.store.prepared import Prepared
from crm_mailer.store.tables import facts as fact_rows
from crm_mailer.store.tables import witnesses

#: The name of a database, which its copies share.
NAME = "database"
#: Why nothing may leave until a person has reconciled it; where it is missing, all is well.
RESTORED = "restored"
#: The mark of a target while `copying` fills it; a copy that was broken off has it still.
COPYING = "copy source"
#: What was settled when it was reconciled last: see `Gap`.
GAP = "restored gap"


class Why(StrEnum):
    """What is wrong with a database."""

    #: Copying into it was broken off: rows are missing.
    HALF = "half"

    #: It says of itself that it is a copy.
    COPY = "copy"
    #: It knows less than its folder.
    OLDER = "older"
    #: It is none of those from which mails left.
    OTHER = "other"
    #: The folder's own file cannot be read.
    UNREADABLE = "unreadable"


@dataclass(frozen=True, slots=True, kw_only=True)
class Restored:
    """That a database is a copy, and what is known of it. `taken_at`: None where nobody knows."""

    why: Why
    taken_at: datetime | None
    found_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap:
    """The time of which the database knows nothing, as it was reconciled.

    `until`: mails that were due up to then may have left. `is_order_mail_held`: order mail of that
    time waits for a person. `is_marketing_skipped`: marketing of that time does not leave.
    """

    since: datetime | None
    until: datetime
    mended_at: datetime
    is_order_mail_held: bool
    is_marketing_skipped: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Folder:
    """One folder that sends from this database."""

    folder: str
    host: str
    number: int
    at: datetime
    is_awaited: bool


def is_half(connection: sa.Connection) -> bool:
    """Whether copying into this database was broken off."""
    return facts.find(connection, COPYING) is not None


def name(connection: sa.Connection) -> str:
    """The name of this database; empty where it has none yet."""
    return facts.find(connection, NAME) or ""


def make_name(connection: sa.Connection, now: datetime) -> str:
    """The name of this database, which is given one where it has none. In a write turn."""
    if not (found := name(connection)):
        found = secrets.token_hex(8)
        facts.put(connection, NAME, found, now)
    return found


def find(connection: sa.Connection, folder: str) -> Folder | None:
    """What this database knows of a folder; None: nothing."""
    row = connection.execute(sa.select(witnesses).where(witnesses.c.folder == folder)).one_or_none()
    return None if row is None else _folder(row)


def list_(connection: sa.Connection) -> list[Folder]:
    """All folders, the one that was heard of last first."""
    query = sa.select(witnesses).order_by(witnesses.c.at.desc(), witnesses.c.folder)
    return [_folder(row) for row in connection.execute(query)]


def meet(connection: sa.Connection, folder: str, host: str, now: datetime) -> None:
    """A folder sends from this database from now on; one that is known counts on as before."""
    statement = upsert(connection, witnesses).values(folder=folder, host=host, number=0, at=now)
    connection.execute(statement.on_conflict_do_nothing(index_elements=["folder"]))


def set_number(connection: sa.Connection, folder: str, number: int, now: datetime) -> None:
    """A folder has told its part, and counts on from `number`."""
    connection.execute(
        sa.update(witnesses)
        .where(witnesses.c.folder == folder)
        .values(number=number, at=now, is_awaited=False)
    )


def count_on(connection: sa.Connection, folder: str, least: int, now: datetime) -> int | None:
    """The next number of a folder; None where the database may not be sent from."""
    given = {"b_folder": folder, "b_least": least, "b_now": seconds(now), "b_restored": RESTORED}
    rows = _counting(connection.dialect.name).rows(connection, given)
    return rows[0][0] if rows else None


def await_others(connection: sa.Connection, folder: str, since: datetime) -> int:
    """Every other folder that sent lately has its part to tell first; how many there are."""
    others = sa.and_(witnesses.c.folder != folder, witnesses.c.at >= since)
    done = connection.execute(sa.update(witnesses).where(others).values(is_awaited=True))
    return done.rowcount


def forget_former(connection: sa.Connection, folder: str, host: str) -> None:
    """A host begins a new folder: nobody can tell the part of those that it had before.

    They count as not heard of for long. One that lives nevertheless is heard of again.
    """
    former = sa.and_(witnesses.c.folder != folder, witnesses.c.host == host)
    connection.execute(sa.update(witnesses).where(former).values(is_awaited=False, at=instant(0)))


def forget_others(connection: sa.Connection, folder: str) -> None:
    """The other folders are gone for good."""
    connection.execute(
        sa.update(witnesses).where(witnesses.c.folder != folder).values(is_awaited=False)
    )


# ------------------------------------------------------------------ copies


def mark_copy(connection: sa.Connection, found: Restored) -> None:
    """Nothing may leave from this database until it is reconciled. A mark that is there stays."""
    if restored(connection) is None:
        value = {
            "why": found.why.value,
            "taken_at": None if found.taken_at is None else seconds(found.taken_at),
            "found_at": seconds(found.found_at),
        }
        facts.put(connection, RESTORED, value, found.found_at)


def restored(connection: sa.Connection) -> Restored | None:
    """That this is a copy; None where it may be sent from."""
    value = facts.find(connection, RESTORED)
    if value is None:
        return None
    return Restored(
        why=Why(value["why"]),
        taken_at=_maybe_instant(value["taken_at"]),
        found_at=instant(value["found_at"]),
    )


def close_gap(connection: sa.Connection, gap: Gap) -> None:
    """It was reconciled: mails may leave, save those that may have left in the gap."""
    value = {
        "since": None if gap.since is None else seconds(gap.since),
        "until": seconds(gap.until),
        "mended_at": seconds(gap.mended_at),
        "is_order_mail_held": gap.is_order_mail_held,
        "is_marketing_skipped": gap.is_marketing_skipped,
    }
    facts.put(connection, GAP, value, gap.mended_at)


def gap(connection: sa.Connection) -> Gap | None:
    """What was settled when it was reconciled last; None where it never was."""
    value = facts.find(connection, GAP)
    if value is None:
        return None
    return Gap(
        since=_maybe_instant(value["since"]),
        until=instant(value["until"]),
        mended_at=instant(value["mended_at"]),
        is_order_mail_held=value["is_order_mail_held"],
        is_marketing_skipped=value.get("is_marketing_skipped", True),
    )


# ------------------------------------------------------------------ pieces


@lru_cache(maxsize=2)
def _counting(_dialect: str) -> Prepared:
    is_restored = sa.exists().where(fact_rows.c.name == sa.bindparam("b_restored"))
    return Prepared(
        sa.update(witnesses)
        .where(
            witnesses.c.folder == sa.bindparam("b_folder"),
            witnesses.c.number >= sa.bindparam("b_least", type_=sa.BigInteger),
            ~is_restored,
        )
        .values(number=witnesses.c.number + 1, at=sa.bindparam("b_now", type_=Instant))
        .returning(witnesses.c.number)
    )


def _folder(row: Any) -> Folder:
    return Folder(
        folder=row.folder,
        host=row.host,
        number=row.number,
        at=row.at,
        is_awaited=row.is_awaited,
    )


def instant(value: int) -> datetime:
    """A moment that a fact keeps in seconds."""
    return datetime.fromtimestamp(value, UTC)


def _maybe_instant(value: int | None) -> datetime | None:
    return None if value is None else instant(value)
