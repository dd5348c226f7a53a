"""What the server has against what we have."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from crm_mailer.listening import Comparison, ImapMailbox, bring, compare, fetch, reconcile
from crm_mailer.model.errors import FetchBroken, MailboxReplaced
from crm_mailer.store import inbound, tables
from crm_mailer.store.engine import Store
from tests.conftest import NOON
from tests.listening.conftest import letter
from tests.servers.imap_faults import BadServer, running


@pytest.fixture
def server() -> Iterator[BadServer]:
    with running(BadServer()) as one:
        yield one


def look(store: Store, server: BadServer, folder: Path, first_contact: str = "all") -> None:
    with ImapMailbox(server.account()) as mailbox:
        fetch(store, mailbox, account="care", folder="INBOX", raw_folder=folder, now=NOON,
              first_contact=first_contact)  # fmt: skip


def compared(store: Store, server: BadServer) -> Comparison:
    with ImapMailbox(server.account()) as mailbox:
        return compare(store, mailbox, account="care", folder="INBOX", now=NOON)


def forget(store: Store, uid: int) -> None:
    """As if a mail had been lost on the way."""
    with store.write() as connection:
        connection.execute(sa.delete(tables.inbound).where(tables.inbound.c.uid == uid))


def test_a_mailbox_that_was_read_lacks_nothing(
    store: Store, server: BadServer, tmp_path: Path
) -> None:
    server.inbox.put(letter("one"), letter("two"), letter("two"))
    look(store, server, tmp_path)

    found = compared(store, server)

    assert (found.on_server, found.kept, found.missing, found.gone) == (3, 3, [], 0)


def test_what_is_missing_is_named_and_brought_home(
    store: Store, server: BadServer, tmp_path: Path
) -> None:
    server.inbox.put(*(letter(f"number {n}") for n in range(1, 6)))
    look(store, server, tmp_path)
    forget(store, 2)
    forget(store, 5)

    missing = compared(store, server).missing
    with ImapMailbox(server.account()) as mailbox:
        brought = bring(store, mailbox, missing, account="care", folder="INBOX",
                        raw_folder=tmp_path, now=NOON)  # fmt: skip

    assert (missing, brought) == ([2, 5], 2)
    assert compared(store, server).missing == []
    with store.read() as connection:
        assert inbound.list_mailboxes(connection)[0].last_uid == 5


def test_each_mail_is_counted_where_it_belongs(
    store: Store, server: BadServer, tmp_path: Path
) -> None:
    server.inbox.put(letter("before we came"))
    look(store, server, tmp_path, "new")
    server.inbox.put(*(letter(f"number {n}") for n in range(2, 7)))
    server.faults[6] = "nil"
    for _ in range(4):
        with pytest.raises(FetchBroken):
            look(store, server, tmp_path)
    server.inbox.remove(3)
    server.inbox.put(letter("just now"))
    with store.write() as connection:
        mails = tables.inbound
        connection.execute(sa.update(mails).where(mails.c.uid == 4).values(state="quarantined"))

    found = compared(store, server)

    assert found == Comparison(
        on_server=6, kept=3, waiting=1, left_alone=1, gone=1, quarantined=1, unfetched=1
    )


def test_old_mails_that_were_not_asked_for_are_not_missing(
    sqlite_store: Store, server: BadServer, tmp_path: Path
) -> None:
    server.inbox.put(letter("old"), date="02-Nov-2025 11:00:00 +0000")
    server.inbox.put(letter("new"))
    with ImapMailbox(server.account()) as mailbox:
        fetch(sqlite_store, mailbox, account="care", folder="INBOX", raw_folder=tmp_path, now=NOON,
              first_contact=(NOON - timedelta(days=9)).date())  # fmt: skip

    found = compared(sqlite_store, server)

    assert (found.kept, found.missing, found.left_alone) == (1, [], 1)


def test_a_mailbox_that_was_never_read_only_waits(sqlite_store: Store, server: BadServer) -> None:
    server.inbox.put(letter("one"), letter("two"))

    assert compared(sqlite_store, server) == Comparison(on_server=2, waiting=2)


def test_after_a_reset_the_same_mails_are_known_in_their_new_places(
    store: Store, server: BadServer, tmp_path: Path
) -> None:
    server.inbox.put(letter("one"), letter("two"), letter("two"))
    look(store, server, tmp_path)
    server.inbox.uidvalidity += 1

    with pytest.raises(MailboxReplaced):
        compared(store, server)
    look(store, server, tmp_path)

    found = compared(store, server)
    assert (found.kept, found.missing, found.gone) == (3, [], 0)


def test_once_a_day_the_watch_compares_and_brings_home_what_is_missing(
    sqlite_store: Store, server: BadServer, tmp_path: Path
) -> None:
    server.inbox.put(letter("one"), letter("two"))
    look(sqlite_store, server, tmp_path)
    forget(sqlite_store, 1)

    def tend(hours: int) -> int:
        with ImapMailbox(server.account()) as mailbox:
            return reconcile.tend(
                sqlite_store, mailbox, account="care", folder="INBOX", raw_folder=tmp_path,
                now=NOON + timedelta(hours=hours),
            )  # fmt: skip

    first = tend(0)
    forget(sqlite_store, 2)
    assert (first, tend(23), tend(25)) == (1, 0, 1)
