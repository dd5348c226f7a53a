"""Brings mail home without losing or doubling any: bytes and cursor in one commit, nothing read.

The cursor never moves without the bytes, a rescan is absorbed by the digest, and what a mail means
is found out later, by a step that can be run again. A mail that the server cannot give is noted
after three strikes, and the others come.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path

from crm_mailer.listening.mailbox import LARGE, Fetched, Mailbox, Opened
from crm_mailer.listening.raw_files import raw_mail
from crm_mailer.model.errors import FetchBroken, MailboxError, ServiceDown
from crm_mailer.model.sentence import Sentence, Sentences
from crm_mailer.store import inbound, places
from crm_mailer.store.engine import Store
from crm_mailer.store.inbound import MailboxRow, RawMail

#: What to read at the first contact: "new" nothing that is there, "all", or from a day on.
FirstContact = str | date
#: Servers compare days by their own clock, which may be a zone away from ours.
ZONES = timedelta(days=1)


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

    def absorb(self, other: FetchReport) -> None:
        """Add what another look brought."""
        self.seen += other.seen
        self.new += other.new
        self.truncated += other.truncated
        self.bytes += other.bytes
        self.was_replaced |= other.was_replaced

    def add(self, mails: Sequence[RawMail], new: int) -> None:
        """Count what came."""
        self.seen += len(mails)
        self.new += new
        self.truncated += sum(mail.is_truncated for mail in mails)
        self.bytes += sum(mail.size for mail in mails)


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
    report: FetchReport | None = None,
) -> FetchReport:
    """Keep every mail that is new in a mailbox. May be killed at any moment and run again.

    `report` is added to, so that it is right even where the look breaks off.

    Raises:
        FetchBroken: the server stumbled over one mail, and the strike is noted; look again.
        ServiceDown, MailboxError: the server; what was fetched until then is kept.
        CannotWrite: there is no room for a large mail.
    """
    report = FetchReport() if report is None else report
    opened = mailbox.open()
    with store.write() as connection:
        row = inbound.open_mailbox(connection, account, folder)
    if row.uidvalidity == opened.uidvalidity and opened.uidnext <= row.last_uid:
        opened = mailbox.open()  # another program may have read on since
    if _is_new(row, opened):
        report.was_replaced |= row.uidvalidity is not None
        row = _meet(store, row, opened, first_contact, now)
    hands = Hands(store, mailbox, row, raw_folder, now, limits)
    last = row.last_uid
    while last < opened.uidnext - 1:
        last = _read_window(hands, last, opened, report)
        opened = _grown(mailbox, opened)
    with store.write() as connection:
        inbound.note_sync(connection, row.id, now)
    return report


def _is_new(row: MailboxRow, opened: Opened) -> bool:
    """Whether uids mean something else than before: a new UIDVALIDITY, or counting went back."""
    return row.uidvalidity != opened.uidvalidity or opened.uidnext <= row.last_uid


def _meet(
    store: Store, row: MailboxRow, opened: Opened, first_contact: FirstContact, now: datetime
) -> MailboxRow:
    """Decide where to begin. A replaced mailbox is read anew: what we have is known by its digest.

    What was left alone at the first contact on purpose is left alone then, too, by its day.
    """
    there = opened.uidnext - 1
    skipped_to, since = 0, row.since_on
    if row.uidvalidity is None:
        since = first_contact if isinstance(first_contact, date) else None
        if first_contact == "new":
            skipped_to, since = there, (now - ZONES).date()
    with store.write() as connection:
        inbound.meet(
            connection, row.id, uidvalidity=opened.uidvalidity, met_to=there,
            skipped_to=skipped_to, since_on=since,
        )  # fmt: skip
        places.forget_before(connection, row.id, opened.uidvalidity)
        return inbound.get_mailbox(connection, row.id)


def _read_window(hands: Hands, last: int, opened: Opened, report: FetchReport) -> int:
    """Bring home the mails of one window of uids; the last of them."""
    row = hands.row
    end = min(last + hands.limits.window, opened.uidnext - 1)
    if last < row.met_to:
        end = min(end, row.met_to)
    uids = hands.mailbox.uids(last + 1, end, wanted_since(row, end))
    for unit in _units(uids, row.careful_to, hands.limits.chunk):
        for mails in hands.take(unit):
            with hands.store.write() as connection:
                new = inbound.add_many(connection, row.id, opened.uidvalidity, mails)
                inbound.set_cursor(
                    connection, row.id, uidvalidity=opened.uidvalidity, last_uid=mails[-1].uid
                )
            report.add(mails, new)
    with hands.store.write() as connection:
        inbound.set_cursor(connection, row.id, uidvalidity=opened.uidvalidity, last_uid=end)
    return end


def wanted_since(row: MailboxRow, uid: int) -> date | None:
    """Since which day mails are wanted that have a uid up to this one; None: all."""
    return row.since_on if uid <= row.met_to else None


def _grown(mailbox: Mailbox, opened: Opened) -> Opened:
    """The mailbox as it is now; one that was replaced meanwhile is left for the next look."""
    again = mailbox.open()
    return again if again.uidvalidity == opened.uidvalidity else opened


def _units(uids: Sequence[int], careful_to: int, size: int) -> Iterator[list[int]]:
    """Groups of uids; where fetching broke before, each stands alone."""
    for uid in (one for one in uids if one <= careful_to):
        yield [uid]
    rest = [one for one in uids if one > careful_to]
    for start in range(0, len(rest), size):
        yield rest[start : start + size]


@dataclass(frozen=True, slots=True)
class Hands:
    """What takes mails from one mailbox, a group at a time."""

    store: Store
    mailbox: Mailbox
    row: MailboxRow
    raw_folder: Path
    now: datetime
    limits: Limits = DEFAULT_LIMITS

    def take(self, uids: Sequence[int]) -> Iterator[list[RawMail]]:
        """The mails of a group, in pieces that fit into the memory; gone ones are left out.

        Raises:
            FetchBroken: the server stumbled; the strike is noted.
        """
        is_last_try = len(uids) == 1 and self._strikes(uids[0]) >= inbound.STRIKES - 1
        try:
            yield from self.pieces(uids, large=-1 if is_last_try else None)
        except (ServiceDown, MailboxError) as error:
            self._strike(uids, error)
            raise FetchBroken(
                Sentences(_names(uids), str(error), between=": "), hint=error.hint
            ) from error

    def pieces(self, uids: Sequence[int], large: int | None = None) -> Iterator[list[RawMail]]:
        """The same without counting strikes.

        Args:
            uids: which mails.
            large: of mails with more bytes only the beginning; None: as the limits say.
        """
        limit = self.limits.large if large is None else large
        # a server's database is read by several hosts, of which one has our folder
        folder = self.raw_folder if self.store.is_sqlite else None
        for chunk in _chunks(uids, self.mailbox.sizes(uids), self.limits):
            mails = [
                raw_mail(mail, chunk[mail.uid], folder, self.now)
                for mail in self._fetch(chunk, limit)
            ]
            if mails:
                yield mails

    def _fetch(self, chunk: dict[int, int], large: int) -> list[Fetched]:
        """Whole mails, or the beginning of one; each that is still there must have come."""
        uids = list(chunk)
        if len(uids) == 1 and chunk[uids[0]] > large:
            beginning = self.mailbox.fetch_beginning(uids[0])
            fetched = [beginning] if beginning else []
        else:
            fetched = self.mailbox.fetch(uids)
        absent = [uid for uid in uids if uid not in {mail.uid for mail in fetched}]
        if absent and (kept_back := sorted(self.mailbox.sizes(absent))):
            raise MailboxError(
                Sentence("the server lists {names} but does not give it", names=_names(kept_back)),
                hint="look at it in the web mail",
            )
        return fetched

    def _strikes(self, uid: int) -> int:
        with self.store.read() as connection:
            row = inbound.get_mailbox(connection, self.row.id)
        return row.strikes if row.stuck_at == uid else 0

    def _strike(self, uids: Sequence[int], error: Exception) -> None:
        """Note it; the third time for one mail, the mail is set aside and the cursor goes on."""
        row, uidvalidity = self.row, self.row.uidvalidity or 0
        with self.store.write() as connection:
            strikes = inbound.note_break(connection, row.id, uids[0], uids[-1])
            if strikes >= inbound.STRIKES:
                places.add_unfetched(
                    connection, row.id, uidvalidity, uids[0], error=str(error),
                    strikes=strikes, now=self.now,
                )  # fmt: skip
                inbound.set_cursor(connection, row.id, uidvalidity=uidvalidity, last_uid=uids[0])


def _chunks(uids: Sequence[int], sizes: dict[int, int], limits: Limits) -> Iterator[dict[int, int]]:
    """Uids with their sizes, within the limits; a large mail stands alone."""
    chunk: dict[int, int] = {}
    for uid in uids:
        if uid not in sizes:
            continue  # went away meanwhile
        size = sizes[uid]
        is_full = len(chunk) >= limits.chunk or sum(chunk.values()) + size > limits.chunk_bytes
        if chunk and (is_full or size > limits.large):
            yield chunk
            chunk = {}
        chunk[uid] = size
        if size > limits.large:
            yield chunk
            chunk = {}
    if chunk:
        yield chunk


def _names(uids: Sequence[int]) -> str:
    if len(uids) == 1:
        return Sentence("mail {uid}", uid=uids[0])
    return Sentence("mails {first} to {last}", first=uids[0], last=uids[-1])
