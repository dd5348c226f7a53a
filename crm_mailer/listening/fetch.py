"""Brings mail home without losing or doubling any: bytes and cursor in one commit, nothing read.

The cursor never moves without the bytes, a rescan is absorbed by the digest, and what a mail means
is found out later, by a step that can be run again.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path

from crm_mailer.listening.mailbox import LARGE, Fetched, Mailbox, Opened
from crm_mailer.store import inbound
from crm_mailer.store.engine import Store
from crm_mailer.store.inbound import MailboxRow, RawMail

#: Larger mails lie in files beside the database.
IN_DATABASE = 64 * 1024

#: What to read at the first contact: "new" nothing that is there, "all", or from a day on.
FirstContact = str | date


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How much is asked for at a time, so that memory stays flat and answer lines short."""

    #: Uids in one search.
    window: int = 5_000
    #: Mails, and bytes, in one fetch and one commit.
    chunk: int = 200
    chunk_bytes: int = 16 * 1024 * 1024
    #: Of larger mails only the beginning is fetched.
    large: int = LARGE


DEFAULT_LIMITS = Limits()


@dataclass(slots=True)
class FetchReport:
    """What one look at a mailbox brought."""

    seen: int = 0
    new: int = 0
    truncated: int = 0
    bytes: int = 0
    was_replaced: bool = False


def fetch(
    store: Store,
    mailbox: Mailbox,
    *,
    account: str,
    folder: str,
    raw_folder: Path,
    now: datetime,
    first_contact: FirstContact = "new",
    limits: Limits = DEFAULT_LIMITS,
) -> FetchReport:
    """Keep every mail that is new in a mailbox. May be killed at any moment and run again.

    Raises:
        ServiceDown, MailboxError: the server; what was fetched until then is kept.
    """
    report = FetchReport()
    opened = mailbox.open()
    with store.write() as connection:
        row = inbound.open_mailbox(connection, account, folder)
        last, since = _start(row, opened, first_contact)
        if row.uidvalidity != opened.uidvalidity:
            report.was_replaced = row.uidvalidity is not None
            inbound.set_cursor(connection, row.id, uidvalidity=opened.uidvalidity, last_uid=last)
    while last < opened.uidnext - 1:
        end = min(last + limits.window, opened.uidnext - 1)
        uids = mailbox.uids(last + 1, end, since)
        for chunk in _chunks(uids, mailbox.sizes(uids), limits):
            mails = _raw_mails(mailbox, chunk, raw_folder, now, limits)
            with store.write() as connection:
                report.new += inbound.add_many(connection, row.id, opened.uidvalidity, mails)
                inbound.set_cursor(
                    connection, row.id, uidvalidity=opened.uidvalidity, last_uid=chunk[-1][0]
                )
            _count(report, mails)
        last = end
        with store.write() as connection:
            inbound.set_cursor(connection, row.id, uidvalidity=opened.uidvalidity, last_uid=last)
        opened = _grown(mailbox, opened)
    with store.write() as connection:
        inbound.note_sync(connection, row.id, now)
    return report


def _start(row: MailboxRow, opened: Opened, first_contact: FirstContact) -> tuple[int, date | None]:
    """From which uid to read on, and from which day where the first contact says one."""
    if row.uidvalidity == opened.uidvalidity:
        return row.last_uid, None
    if row.uidvalidity is not None:
        return 0, None  # a replaced mailbox is read anew; what we have is known by its digest
    if first_contact == "new":
        return opened.uidnext - 1, None
    return 0, first_contact if isinstance(first_contact, date) else None


def _grown(mailbox: Mailbox, opened: Opened) -> Opened:
    """The mailbox as it is now; one that was replaced meanwhile is left for the next look."""
    again = mailbox.open()
    return again if again.uidvalidity == opened.uidvalidity else opened


def _chunks(
    uids: Sequence[int], sizes: dict[int, int], limits: Limits
) -> Iterator[list[tuple[int, int]]]:
    """Uids with their sizes, within the limits; a large mail stands alone."""
    chunk: list[tuple[int, int]] = []
    total = 0
    for uid in uids:
        if uid not in sizes:
            continue  # went away meanwhile
        size = sizes[uid]
        is_full = len(chunk) >= limits.chunk or total + size > limits.chunk_bytes
        if chunk and (is_full or size > limits.large):
            yield chunk
            chunk, total = [], 0
        chunk.append((uid, size))
        total += size
        if size > limits.large:
            yield chunk
            chunk, total = [], 0
    if chunk:
        yield chunk


def _raw_mails(
    mailbox: Mailbox,
    chunk: Sequence[tuple[int, int]],
    raw_folder: Path,
    now: datetime,
    limits: Limits,
) -> list[RawMail]:
    sizes = dict(chunk)
    uids = list(sizes)
    if len(uids) == 1 and sizes[uids[0]] > limits.large:
        beginning = mailbox.fetch_beginning(uids[0])
        fetched = [beginning] if beginning else []
    else:
        fetched = mailbox.fetch(uids)
    return [_raw_mail(mail, sizes.get(mail.uid, 0), raw_folder, now) for mail in fetched]


def _count(report: FetchReport, mails: Sequence[RawMail]) -> None:
    report.seen += len(mails)
    report.truncated += sum(mail.is_truncated for mail in mails)
    report.bytes += sum(mail.size for mail in mails)


def _raw_mail(mail: Fetched, size: int, raw_folder: Path, now: datetime) -> RawMail:
    digest = hashlib.sha256(mail.raw).hexdigest()
    is_small = len(mail.raw) <= IN_DATABASE
    return RawMail(
        uid=mail.uid,
        digest=digest,
        size=max(size, len(mail.raw)),
        received_at=mail.received_at or now,
        raw=mail.raw if is_small else None,
        raw_path="" if is_small else _write(raw_folder, digest, mail.raw),
        is_truncated=mail.is_truncated,
    )


def _write(raw_folder: Path, digest: str, raw: bytes) -> str:
    """A file named by its content, safe on disk before the database speaks of it."""
    name = f"{digest[:2]}/{digest}.eml"
    path = raw_folder / name
    if path.exists():
        return name
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    part = path.with_suffix(f".{os.getpid()}.part")
    with part.open("wb") as file:
        file.write(raw)
        file.flush()
        os.fsync(file.fileno())
    part.rename(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
    return name
