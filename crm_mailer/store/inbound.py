"""Mails as they came, the cursor of each mailbox, and which mails wait to be understood."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path

import sqlalchemy as sa

from crm_mailer.model.errors import NotFound
from crm_mailer.model.sentence import Sentence
from crm_mailer.store import places, said
from crm_mailer.store.engine import upsert
from crm_mailer.store.places import UNFETCHED, RawMail
from crm_mailer.store.tables import inbound, mailboxes

__all__ = ["UNFETCHED", "InboundMail", "MailHead", "MailboxRow", "RawMail"]

#: A mail that broke the reader so often is set aside.
STRIKES = 3
#: So many bytes of a mail hold its headers.
HEAD = 16_384


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
    reconciled_at: datetime | None
    on_server: int | None
    missing: int | None
    #: Uids up to here are left alone; of those up to `met_to` only mails since `since_on` count.
    skipped_to: int
    met_to: int
    since_on: date | None
    #: Fetching broke: up to here mails come one at a time; how often it broke at uid `stuck_at`.
    careful_to: int
    stuck_at: int
    strikes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class InboundMail:
    """A mail that was kept."""

    id: int
    mailbox_id: int
    uidvalidity: int
    uid: int
    received_at: datetime
    size: int
    state: str
    strikes: int
    error: str
    digest: str
    raw: bytes | None
    raw_path: str
    is_truncated: bool

    @property
    def is_unfetched(self) -> bool:
        """Whether the server never gave it to us, so that there are no bytes to read."""
        return self.digest.startswith(UNFETCHED)

    def content(self, folder: Path) -> bytes:
        """The bytes, from the database or from the file beside it.

        Raises:
            OSError: the file is gone.
        """
        return self.raw if self.raw is not None else (folder / self.raw_path).read_bytes()


@dataclass(frozen=True, slots=True, kw_only=True)
class MailHead:
    """How a mail begins: enough to tell who wrote it."""

    id: int
    received_at: datetime
    raw: bytes | None
    raw_path: str

    def content(self, folder: Path) -> bytes:
        """Its first bytes, from the database or from the file beside it.

        Raises:
            OSError: the file is gone.
        """
        if self.raw is not None:
            return self.raw
        with (folder / self.raw_path).open("rb") as file:
            return file.read(HEAD)


def open_mailbox(connection: sa.Connection, account: str, folder: str) -> MailboxRow:
    """The row of a mailbox, made at the first contact."""
    connection.execute(
        upsert(connection, mailboxes)
        .values(account=account, folder=folder, last_uid=0, trouble="")
        .on_conflict_do_nothing(index_elements=["account", "folder"])
    )
    row = find_mailbox(connection, account, folder)
    assert row is not None
    return row


def find_mailbox(connection: sa.Connection, account: str, folder: str) -> MailboxRow | None:
    """The row of a mailbox; None where it was never read."""
    query = sa.select(mailboxes).where(mailboxes.c.account == account, mailboxes.c.folder == folder)
    row = connection.execute(query).one_or_none()
    return _mailbox(row) if row else None


def list_mailboxes(connection: sa.Connection) -> list[MailboxRow]:
    """Every mailbox that was ever read."""
    query = sa.select(mailboxes).order_by(mailboxes.c.id)
    return [_mailbox(row) for row in connection.execute(query)]


def get_mailbox(connection: sa.Connection, mailbox_id: int) -> MailboxRow:
    """The row of one mailbox."""
    query = sa.select(mailboxes).where(mailboxes.c.id == mailbox_id)
    return _mailbox(connection.execute(query).one())


def meet(
    connection: sa.Connection,
    mailbox_id: int,
    *,
    uidvalidity: int,
    met_to: int,
    skipped_to: int,
    since_on: date | None,
) -> None:
    """A mailbox is met for the first time, or anew after it was replaced.

    Args:
        met_to: the last uid that is there now.
        skipped_to: the last of those that are left alone; reading begins behind it.
        since_on: of the rest of those only mails since this day are wanted; None: all.
    """
    connection.execute(
        sa.update(mailboxes)
        .where(mailboxes.c.id == mailbox_id)
        .values(
            uidvalidity=uidvalidity,
            last_uid=skipped_to,
            met_to=met_to,
            skipped_to=skipped_to,
            since_on=since_on,
            careful_to=0,
            stuck_at=0,
            strikes=0,
        )
    )


def note_break(connection: sa.Connection, mailbox_id: int, first: int, last: int) -> int:
    """Fetching the uids from `first` to `last` broke; how often it did for a mail alone.

    Where it were several, the next time they come one at a time, so that the one is found.
    """
    row = get_mailbox(connection, mailbox_id)
    strikes = (row.strikes if row.stuck_at == first else 0) + (first == last)
    connection.execute(
        sa.update(mailboxes)
        .where(mailboxes.c.id == mailbox_id)
        .values(stuck_at=first, strikes=strikes, careful_to=max(row.careful_to, last))
    )
    return strikes


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
        sa.update(mailboxes)
        .where(mailboxes.c.id == row.id)
        .values(trouble=said.keep(trouble, 1_000))
    )


def add_many(
    connection: sa.Connection, mailbox_id: int, uidvalidity: int, mails: Sequence[RawMail]
) -> int:
    """Keep fetched mails; of bytes that are kept already only the further place is noted.

    Returns:
        How many are new.
    """
    new = 0
    for mail in mails:
        if places.insert(connection, mailbox_id, uidvalidity, mail):
            new += 1
        else:
            new += places.meet_again(connection, mailbox_id, uidvalidity, mail)
    return new


def list_new(
    connection: sa.Connection,
    *,
    after: int = 0,
    since: datetime | None = None,
    until: datetime | None = None,
    limit: int = 200,
) -> list[int]:
    """Ids of mails that wait to be understood, those that were fetched first come first.

    Args:
        connection: an open transaction.
        after: only ids above it.
        since: only mails that came then or later.
        until: only mails that came before.
        limit: at most so many.
    """
    query = sa.select(inbound.c.id).where(inbound.c.state == "new", inbound.c.id > after)
    if since is not None:
        query = query.where(inbound.c.received_at >= since)
    if until is not None:
        query = query.where(inbound.c.received_at < until)
    return list(connection.execute(query.order_by(inbound.c.id).limit(limit)).scalars())


def list_fresh(connection: sa.Connection, *, since: datetime, after: int = 0) -> list[int]:
    """Ids above `after` of mails that wait and came since then, in the order of their coming."""
    query = (
        sa.select(inbound.c.id)
        .where(inbound.c.state == "new", inbound.c.id > after, inbound.c.received_at >= since)
        .order_by(inbound.c.received_at, inbound.c.id)
    )
    return list(connection.execute(query).scalars())


def heads(connection: sa.Connection, ids: Sequence[int]) -> list[MailHead]:
    """How these mails begin."""
    raw = sa.func.substr(inbound.c.raw, 1, HEAD, type_=sa.LargeBinary).label("raw")
    query = sa.select(inbound.c.id, inbound.c.received_at, inbound.c.raw_path, raw)
    rows = connection.execute(query.where(inbound.c.id.in_(ids)).order_by(inbound.c.id))
    return [MailHead(**row._mapping) for row in rows]


def newest(connection: sa.Connection) -> int:
    """The highest id that was given to a mail; 0 before the first."""
    return connection.execute(sa.select(sa.func.max(inbound.c.id))).scalar() or 0


def get(connection: sa.Connection, inbound_id: int) -> InboundMail:
    """One kept mail with its bytes.

    Raises:
        NotFound: there is none.
    """
    row = connection.execute(sa.select(inbound).where(inbound.c.id == inbound_id)).one_or_none()
    if row is None:
        raise NotFound(
            Sentence("there is no received mail {inbound_id}", inbound_id=inbound_id),
            hint="`crm-mailer inbox quarantine` lists those that could not be read",
        )
    return _inbound(row)


def list_quarantined(connection: sa.Connection, *, limit: int = 200) -> list[InboundMail]:
    """Mails that broke the reader or the fetching three times, without their bytes."""
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

    One that was never fetched stays where it is until its bytes are here.

    Raises:
        NotFound: it is not in quarantine.
    """
    is_here = ~inbound.c.digest.startswith(UNFETCHED)
    statement = (
        sa.update(inbound)
        .where(inbound.c.id == inbound_id, inbound.c.state == "quarantined")
        .values(
            state=sa.case((is_here, "new"), else_="quarantined"),
            strikes=0,
            error=sa.case((is_here, ""), else_=inbound.c.error),
        )
    )
    if connection.execute(statement).rowcount == 0:
        raise NotFound(
            Sentence("mail {inbound_id} is not in quarantine", inbound_id=inbound_id),
            hint="see `crm-mailer inbox quarantine`",
        )


def counts(connection: sa.Connection) -> dict[str, int]:
    """How many mails are new, done and quarantined."""
    query = sa.select(inbound.c.state, sa.func.count()).group_by(inbound.c.state)
    return {str(state): int(number) for state, number in connection.execute(query)}


def _mailbox(row: sa.Row[tuple[object, ...]]) -> MailboxRow:
    found = {name: getattr(row, name) for name in MailboxRow.__dataclass_fields__}
    return MailboxRow(**{**found, "trouble": said.tell(found["trouble"])})


def _inbound(row: sa.Row[tuple[object, ...]]) -> InboundMail:
    return InboundMail(**{name: getattr(row, name) for name in InboundMail.__dataclass_fields__})
