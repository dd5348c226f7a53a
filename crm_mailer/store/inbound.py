"""Mails as they came, the cursor of each mailbox, and which mails wait to be understood."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import sqlalchemy as sa

from crm_mailer.model.errors import NotFound
from crm_mailer.store.engine import upsert
from crm_mailer.store.tables import inbound, mailboxes

#: A mail that broke the reader so often is set aside.
STRIKES = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class MailboxRow:
    """One mailbox and how far it was read."""

    id: int
    account: str
    folder: str
    uidvalidity: int | None
    last_uid: int
    synced_at: datetime | None
    trouble: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RawMail:
    """One fetched mail, to be kept. Exactly one of `raw` and `raw_path` has the bytes."""

    uid: int
    digest: str
    size: int
    received_at: datetime
    raw: bytes | None = None
    raw_path: str = ""
    is_truncated: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class InboundMail:
    """A mail that was kept."""

    id: int
    mailbox_id: int
    uid: int
    received_at: datetime
    size: int
    state: str
    strikes: int
    error: str
    raw: bytes | None
    raw_path: str
    is_truncated: bool

    def content(self, folder: Path) -> bytes:
        """The bytes, from the database or from the file beside it.

        Raises:
            OSError: the file is gone.
        """
        return self.raw if self.raw is not None else (folder / self.raw_path).read_bytes()


def open_mailbox(connection: sa.Connection, account: str, folder: str) -> MailboxRow:
    """The row of a mailbox, made at the first contact."""
    connection.execute(
        upsert(connection, mailboxes)
        .values(account=account, folder=folder, last_uid=0, trouble="")
        .on_conflict_do_nothing(index_elements=["account", "folder"])
    )
    query = sa.select(mailboxes).where(mailboxes.c.account == account, mailboxes.c.folder == folder)
    return _mailbox(connection.execute(query).one())


def list_mailboxes(connection: sa.Connection) -> list[MailboxRow]:
    """Every mailbox that was ever read."""
    return [_mailbox(row) for row in connection.execute(sa.select(mailboxes))]


def set_cursor(
    connection: sa.Connection, mailbox_id: int, *, uidvalidity: int, last_uid: int
) -> None:
    """From where to read on. Never called without the bytes up to there in the same commit."""
    connection.execute(
        sa.update(mailboxes)
        .where(mailboxes.c.id == mailbox_id)
        .values(uidvalidity=uidvalidity, last_uid=last_uid)
    )


def note_sync(connection: sa.Connection, mailbox_id: int, at: datetime) -> None:
    """The mailbox was read to its end."""
    connection.execute(
        sa.update(mailboxes).where(mailboxes.c.id == mailbox_id).values(synced_at=at, trouble="")
    )


def note_trouble(connection: sa.Connection, account: str, folder: str, trouble: str) -> None:
    """The mailbox cannot be read, and why; shown until it can."""
    row = open_mailbox(connection, account, folder)
    connection.execute(
        sa.update(mailboxes).where(mailboxes.c.id == row.id).values(trouble=trouble[:500])
    )


def add_many(
    connection: sa.Connection, mailbox_id: int, uidvalidity: int, mails: Sequence[RawMail]
) -> int:
    """Keep fetched mails; those already kept (same place or same bytes) are passed over.

    Returns:
        How many are new.
    """
    new = 0
    for mail in mails:
        statement = (
            upsert(connection, inbound)
            .values(
                mailbox_id=mailbox_id,
                uidvalidity=uidvalidity,
                uid=mail.uid,
                digest=mail.digest,
                size=mail.size,
                received_at=mail.received_at,
                raw=mail.raw,
                raw_path=mail.raw_path,
                is_truncated=mail.is_truncated,
                state="new",
            )
            .on_conflict_do_nothing()
            .returning(inbound.c.id)
        )
        new += connection.execute(statement).first() is not None
    return new


def list_new(connection: sa.Connection, *, after: int = 0, limit: int = 200) -> list[int]:
    """Ids of mails that wait to be understood, oldest first."""
    query = (
        sa.select(inbound.c.id)
        .where(inbound.c.state == "new", inbound.c.id > after)
        .order_by(inbound.c.id)
        .limit(limit)
    )
    return list(connection.execute(query).scalars())


def get(connection: sa.Connection, inbound_id: int) -> InboundMail:
    """One kept mail with its bytes.

    Raises:
        NotFound: there is none.
    """
    row = connection.execute(sa.select(inbound).where(inbound.c.id == inbound_id)).one_or_none()
    if row is None:
        raise NotFound(
            f"there is no received mail {inbound_id}", hint="see `crm-mailer inbox list`"
        )
    return _inbound(row)


def list_quarantined(connection: sa.Connection, *, limit: int = 200) -> list[InboundMail]:
    """Mails that broke the reader three times, without their bytes."""
    columns = [c if c.name != "raw" else sa.null().label("raw") for c in inbound.c]
    query = (
        sa.select(*columns)
        .where(inbound.c.state == "quarantined")
        .order_by(inbound.c.id.desc())
        .limit(limit)
    )
    return [_inbound(row) for row in connection.execute(query)]


def take(connection: sa.Connection, inbound_id: int) -> bool:
    """Mark a mail as done; false where another process was first. Effects go in this commit."""
    statement = (
        sa.update(inbound)
        .where(inbound.c.id == inbound_id, inbound.c.state == "new")
        .values(state="done", error="")
    )
    return bool(connection.execute(statement).rowcount == 1)


def strike(connection: sa.Connection, inbound_id: int, error: str) -> bool:
    """The reader stumbled over a mail. True when that was once too often: it is set aside."""
    connection.execute(
        sa.update(inbound)
        .where(inbound.c.id == inbound_id, inbound.c.state == "new")
        .values(
            strikes=inbound.c.strikes + 1,
            error=error[:1_000],
            state=sa.case((inbound.c.strikes + 1 >= STRIKES, "quarantined"), else_="new"),
        )
    )
    query = sa.select(inbound.c.state).where(inbound.c.id == inbound_id)
    return bool(connection.execute(query).scalar_one() == "quarantined")


def retry(connection: sa.Connection, inbound_id: int) -> None:
    """Give a mail that was set aside another three chances.

    Raises:
        NotFound: it is not in quarantine.
    """
    statement = (
        sa.update(inbound)
        .where(inbound.c.id == inbound_id, inbound.c.state == "quarantined")
        .values(state="new", strikes=0, error="")
    )
    if connection.execute(statement).rowcount == 0:
        raise NotFound(
            f"mail {inbound_id} is not in quarantine", hint="see `crm-mailer inbox quarantine`"
        )


def counts(connection: sa.Connection) -> dict[str, int]:
    """How many mails are new, done and quarantined."""
    query = sa.select(inbound.c.state, sa.func.count()).group_by(inbound.c.state)
    return {str(state): int(number) for state, number in connection.execute(query)}


def _mailbox(row: sa.Row[tuple[object, ...]]) -> MailboxRow:
    return MailboxRow(**{name: getattr(row, name) for name in MailboxRow.__dataclass_fields__})


def _inbound(row: sa.Row[tuple[object, ...]]) -> InboundMail:
    return InboundMail(**{name: getattr(row, name) for name in InboundMail.__dataclass_fields__})
