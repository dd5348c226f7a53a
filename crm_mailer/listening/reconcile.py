"""Compares what the server has with what we have, and brings home what is missing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

from crm_mailer.listening.fetch import DEFAULT_LIMITS, Hands, Limits, wanted_since
from crm_mailer.listening.mailbox import Mailbox, Opened
from crm_mailer.model.errors import MailboxError, MailboxReplaced, ServiceDown
from crm_mailer.model.sentence import Sentence
from crm_mailer.store import inbound, places
from crm_mailer.store.engine import Store
from crm_mailer.store.inbound import MailboxRow

#: How often a watch compares by itself.
EVERY = timedelta(days=1)


@dataclass(slots=True, kw_only=True)
class Comparison:
    """A mailbox as the server has it, against what we have of it; counts of mails."""

    on_server: int = 0
    #: Of those: kept with their bytes.
    kept: int = 0
    #: Below the cursor and wanted, yet not here; by uid.
    missing: list[int] = field(default_factory=list)
    #: Behind the cursor: the next look brings them.
    waiting: int = 0
    #: There before we came, and not asked for.
    left_alone: int = 0
    #: Kept, and on the server no more: deleted or moved by people.
    gone: int = 0
    #: Kept, and moved by ourselves.
    moved: int = 0
    #: Kept, but not understood; and such as the server would not give.
    quarantined: int = 0
    unfetched: int = 0
    #: What was brought home since.
    brought: int = 0

    def add(self, theirs: set[int], ours: dict[int, str], wanted: set[int], cursor: int) -> None:
        """Count a window: their uids, ours with their states, and which of theirs are wanted."""
        states = Counter(ours.values())
        unknown = theirs - set(ours)
        missing = sorted(uid for uid in unknown & wanted if uid <= cursor)
        waiting = sum(uid > cursor for uid in unknown)
        here = [uid for uid in theirs & set(ours) if ours[uid] != "unfetched"]
        self.on_server += len(theirs)
        self.kept += len(here)
        self.missing += missing
        self.waiting += waiting
        self.left_alone += len(unknown) - len(missing) - waiting
        self.gone += sum(state != "moved" for uid, state in ours.items() if uid not in theirs)
        self.moved += states["moved"]
        self.quarantined += states["quarantined"]
        self.unfetched += states["unfetched"]


def compare(
    store: Store,
    mailbox: Mailbox,
    *,
    account: str,
    folder: str,
    now: datetime,
    limits: Limits = DEFAULT_LIMITS,
) -> Comparison:
    """Compare uid by uid, a window at a time; the counts are kept for the status screen.

    Raises:
        MailboxReplaced: the uids mean something else now; fetch first.
        ServiceDown, MailboxError: the server.
    """
    opened = mailbox.open()
    with store.write() as connection:
        row = inbound.open_mailbox(connection, account, folder)
    if row.uidvalidity is None:  # never read
        return Comparison(on_server=(count := _count(mailbox, opened, limits)), waiting=count)
    _check_same(row, opened, account)
    found = Comparison()
    last = 0
    top = max(opened.uidnext - 1, row.last_uid)
    while last < top:
        end = min(last + limits.window, top)
        if last < row.met_to:
            end = min(end, row.met_to)
        _window(store, mailbox, row, found, last + 1, end)
        last = end
    with store.write() as connection:
        found.gone += places.count_gone(connection, row.id, opened.uidvalidity)
        places.note_comparison(
            connection, row.id, on_server=found.on_server, missing=len(found.missing), at=now
        )
    return found


def tend(
    store: Store, mailbox: Mailbox, *, account: str, folder: str, raw_folder: Path, now: datetime
) -> int:
    """Once a day compare, and bring home what is missing; how many that were.

    A mailbox that was replaced, or never read, is left to the next look.

    Raises:
        ServiceDown, MailboxError: the server.
    """
    with store.read() as connection:
        row = inbound.find_mailbox(connection, account, folder)
    if row is None or row.uidvalidity is None:
        return 0
    if row.reconciled_at and now - row.reconciled_at < EVERY:
        return 0
    try:
        missing = compare(store, mailbox, account=account, folder=folder, now=now).missing
    except MailboxReplaced:
        return 0
    except (ServiceDown, MailboxError):
        with store.write() as connection:  # the next look must not stumble over it, too
            places.note_comparison(
                connection, row.id, on_server=row.on_server or 0, missing=row.missing or 0, at=now
            )
        raise
    if not missing:
        return 0
    return bring(
        store, mailbox, missing, account=account, folder=folder, raw_folder=raw_folder, now=now
    )


def bring(
    store: Store,
    mailbox: Mailbox,
    uids: Sequence[int],
    *,
    account: str,
    folder: str,
    raw_folder: Path,
    now: datetime,
) -> int:
    """Fetch these mails, wherever the cursor stands; how many are new.

    Raises:
        MailboxReplaced: the uids mean something else now.
        ServiceDown, MailboxError: the server; what came before is kept.
    """
    opened = mailbox.open()
    with store.write() as connection:
        row = inbound.open_mailbox(connection, account, folder)
    _check_same(row, opened, account)
    hands = Hands(store, mailbox, row, raw_folder, now)
    new = 0
    for start in range(0, len(uids), hands.limits.chunk):
        for mails in hands.pieces(uids[start : start + hands.limits.chunk]):
            with store.write() as connection:
                new += inbound.add_many(connection, row.id, opened.uidvalidity, mails)
    return new


def _check_same(row: MailboxRow, opened: Opened, account: str) -> None:
    if row.uidvalidity != opened.uidvalidity:
        raise MailboxReplaced(
            Sentence(
                "the mailbox {account} was replaced on the server (new UIDVALIDITY)",
                account=account,
            ),
            hint="`crm-mailer listen` reads it anew; nothing is handled twice",
        )


def _window(
    store: Store, mailbox: Mailbox, row: MailboxRow, found: Comparison, first: int, last: int
) -> None:
    theirs = mailbox.uids(first, last)
    since = wanted_since(row, last)
    wanted = mailbox.uids(first, last, since) if since is not None else theirs
    with store.read() as connection:
        ours = places.states(connection, row.id, row.uidvalidity or 0, first, last)
    found.add(set(theirs), ours, {uid for uid in wanted if uid > row.skipped_to}, row.last_uid)


def _count(mailbox: Mailbox, opened: Opened, limits: Limits) -> int:
    starts = range(1, opened.uidnext, limits.window)
    return sum(
        len(mailbox.uids(first, min(first + limits.window, opened.uidnext) - 1)) for first in starts
    )
