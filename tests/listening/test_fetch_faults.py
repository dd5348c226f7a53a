"""A server that misbehaves at one mail: the others come, and the one is named."""

from __future__ import annotations

import socket
import threading
import time
import tracemalloc
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from crm_mailer.listening import FetchReport, FirstContact, ImapMailbox, Limits, fetch, watch
from crm_mailer.model.errors import CannotWrite, FetchBroken, MailboxError, ServiceDown
from crm_mailer.store import inbound, tables
from crm_mailer.store.engine import Store
from crm_mailer.store.inbound import InboundMail, MailboxRow
from tests.conftest import NOON, StandingClock
from tests.listening.conftest import letter
from tests.servers.imap_faults import MEGABYTE, BadServer, running


@pytest.fixture
def server() -> Iterator[BadServer]:
    with running(BadServer()) as one:
        yield one


def look(
    store: Store,
    server: BadServer,
    folder: Path,
    *,
    first_contact: FirstContact = "all",
    limits: Limits | None = None,
) -> FetchReport:
    with ImapMailbox(server.account()) as opened:
        return fetch(
            store, opened, account="care", folder="INBOX", raw_folder=folder, now=NOON,
            first_contact=first_contact, limits=limits or Limits(),
        )  # fmt: skip


def looks(store: Store, server: BadServer, folder: Path, times: int = 8) -> int:
    """Look until it goes well; how often it did not."""
    for number in range(times):
        try:
            look(store, server, folder)
            return number
        except FetchBroken:
            continue
    raise AssertionError(f"still broken after {times} looks")


def rows(store: Store) -> list[InboundMail]:
    with store.read() as connection:
        ids = connection.execute(sa.select(tables.inbound.c.id).order_by(tables.inbound.c.uid))
        return [inbound.get(connection, one) for one in ids.scalars()]


def states(store: Store) -> dict[int, str]:
    return {mail.uid: mail.state for mail in rows(store)}


def mailbox_row(store: Store) -> MailboxRow:
    with store.read() as connection:
        return inbound.list_mailboxes(connection)[0]


@pytest.mark.parametrize("fault", ["drop", "no", "nil", "garbage", "endless", "lines", "flood"])
def test_a_mail_that_breaks_the_fetching_is_set_aside_and_the_others_come(
    store: Store, server: BadServer, tmp_path: Path, fault: str
) -> None:
    server.inbox.put(*(letter(f"number {n}") for n in range(1, 8)))
    server.faults[4] = fault

    broke = looks(store, server, tmp_path)

    assert broke == 4  # once among the others, three times alone
    assert states(store) == {n: "quarantined" if n == 4 else "new" for n in range(1, 8)}
    [bad] = [mail for mail in rows(store) if mail.uid == 4]
    assert bad.is_unfetched
    assert bad.strikes == 3
    assert bad.error
    assert mailbox_row(store).last_uid == 7


def test_two_bad_mails_among_good_ones_are_both_set_aside(
    sqlite_store: Store, server: BadServer, tmp_path: Path
) -> None:
    server.inbox.put(*(letter(f"number {n}") for n in range(1, 6)))
    server.faults.update({1: "drop", 5: "nil"})

    assert looks(sqlite_store, server, tmp_path, times=9) == 7
    assert states(sqlite_store) == {
        1: "quarantined",
        2: "new",
        3: "new",
        4: "new",
        5: "quarantined",
    }


def test_a_line_that_was_lost_once_loses_no_mail(
    sqlite_store: Store, server: BadServer, tmp_path: Path
) -> None:
    server.inbox.put(*(letter(f"number {n}") for n in range(1, 4)))
    server.faults[2] = "drop"
    with pytest.raises(FetchBroken):
        look(sqlite_store, server, tmp_path)
    server.faults.clear()

    look(sqlite_store, server, tmp_path)

    assert states(sqlite_store) == {1: "new", 2: "new", 3: "new"}


def test_of_a_mail_that_floods_the_line_the_beginning_is_kept(
    sqlite_store: Store, server: BadServer, tmp_path: Path
) -> None:
    server.inbox.put(letter("before"), letter("the beginning"), letter("after"))
    server.faults[2] = "flood-whole"
    server.sizes[2] = 100

    looks(sqlite_store, server, tmp_path)

    assert states(sqlite_store) == {1: "new", 2: "new", 3: "new"}
    assert b"the beginning" in rows(sqlite_store)[1].content(tmp_path)


def test_a_server_that_drips_is_given_up_in_time(
    sqlite_store: Store, server: BadServer, tmp_path: Path
) -> None:
    server.patience = 0.5
    server.inbox.put(letter("x\n" * 5_000))
    server.faults[1] = "drip"
    begun = time.monotonic()

    with pytest.raises(FetchBroken, match="takes longer"):
        look(sqlite_store, server, tmp_path)

    assert time.monotonic() - begun < 5


def test_a_literal_without_end_takes_no_memory(
    sqlite_store: Store, server: BadServer, tmp_path: Path
) -> None:
    server.inbox.put(letter("x"))
    server.faults[1] = "endless"
    tracemalloc.start()
    try:
        with pytest.raises(FetchBroken, match="announces 99,999,999,999 bytes"):
            look(sqlite_store, server, tmp_path)
        assert tracemalloc.get_traced_memory()[1] < 20 * MEGABYTE
    finally:
        tracemalloc.stop()


def test_odd_mails_come_home_byte_by_byte(store: Store, server: BadServer, tmp_path: Path) -> None:
    odd = [
        b"",
        b"\0\0\0",
        b"Subject: one long line\r\n\r\n" + b"x" * MEGABYTE + b"\r\n",
        b"\r\n\r\n",
        b"Subject: \xff\r\n\r\n\0\xfe)\r\n* 9 FETCH (UID 9)\r\nA1 OK\r\n",
    ]
    server.inbox.put(*odd)

    look(store, server, tmp_path)

    assert [mail.content(tmp_path) for mail in rows(store)] == odd


def test_of_25_megabytes_a_quarter_of_one_is_kept(
    sqlite_store: Store, server: BadServer, tmp_path: Path
) -> None:
    server.inbox.put(letter("begin") + b"y\r\n" * 8 * MEGABYTE, letter("small"))
    tracemalloc.start()
    try:
        report = look(sqlite_store, server, tmp_path)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()

    big, small = rows(sqlite_store)
    assert (report.truncated, big.is_truncated, small.is_truncated) == (1, True, False)
    assert big.size > 24 * MEGABYTE
    assert len(big.content(tmp_path)) == 256 * 1024
    assert peak < 60 * MEGABYTE  # the server of the test holds its own copy


def test_a_server_that_tells_no_sizes_is_read_all_the_same(
    sqlite_store: Store, server: BadServer, tmp_path: Path
) -> None:
    server.inbox.put(letter("one"), letter("two"))
    server.sizes.update({1: 0, 2: 0})

    assert look(sqlite_store, server, tmp_path).new == 2


def test_identical_bytes_are_kept_once_and_both_places_are_known(
    store: Store, server: BadServer, tmp_path: Path
) -> None:
    mail = letter("the same")
    server.inbox.put(mail, letter("other"), mail)

    report = look(store, server, tmp_path)

    assert (report.seen, report.new) == (3, 2)
    with store.read() as connection:
        further = connection.execute(sa.select(tables.inbound_places.c.uid)).scalars().all()
    assert further == [3]


def test_a_uid_that_is_given_to_other_bytes_loses_neither(
    store: Store, server: BadServer, tmp_path: Path
) -> None:
    server.inbox.put(letter("one"), letter("two"))
    look(store, server, tmp_path)
    server.inbox.mails.clear()
    server.inbox.uidnext = 1
    server.inbox.put(letter("another one"))

    report = look(store, server, tmp_path)

    assert report.was_replaced
    texts = b"".join(mail.content(tmp_path) for mail in rows(store))
    assert all(word in texts for word in (b"another one", b"two"))
    assert len(rows(store)) == 3


def test_a_first_contact_from_a_day_on_that_was_cut_off_goes_on_from_that_day(
    sqlite_store: Store, server: BadServer, tmp_path: Path
) -> None:
    server.inbox.put(letter("old 1"), date="02-Nov-2025 11:00:00 +0000")
    server.inbox.put(letter("new 1"))
    server.inbox.put(letter("old 2"), date="02-Nov-2025 11:00:00 +0000")
    server.faults[2] = "drop"
    since = (NOON - timedelta(days=9)).date()
    with pytest.raises(FetchBroken):
        look(sqlite_store, server, tmp_path, first_contact=since, limits=Limits(window=1))
    server.faults.clear()

    look(sqlite_store, server, tmp_path, first_contact=since)
    server.inbox.put(letter("put here later"), date="02-Nov-2025 11:00:00 +0000")
    look(sqlite_store, server, tmp_path, first_contact=since)

    assert sorted(states(sqlite_store)) == [2, 4]


def test_what_was_left_alone_stays_alone_when_the_mailbox_is_replaced(
    sqlite_store: Store, server: BadServer, tmp_path: Path
) -> None:
    server.inbox.put(letter("years ago"), date="02-Nov-2025 11:00:00 +0000")
    look(sqlite_store, server, tmp_path, first_contact="new")
    server.inbox.put(letter("new"))
    look(sqlite_store, server, tmp_path, first_contact="new")
    server.inbox.put(letter("newer"))
    server.inbox.uidvalidity += 1

    report = look(sqlite_store, server, tmp_path, first_contact="new")

    assert report.was_replaced
    assert [mail.uid for mail in rows(sqlite_store)] == [2, 3]


def test_the_watch_gets_past_a_bad_mail_by_itself(
    sqlite_store: Store, server: BadServer, tmp_path: Path
) -> None:
    server.inbox.put(letter("one"), letter("two"), letter("three"))
    server.faults[2] = "drop"
    stop = threading.Event()

    def after_fetch(_report: FetchReport) -> None:
        stop.set()

    watch(
        lambda: ImapMailbox(server.account()), sqlite_store, account="care", folder="INBOX",
        raw_folder=tmp_path, clock=StandingClock(), stop=stop, first_contact="all",
        first_pause=0.05, after_fetch=after_fetch,
    )  # fmt: skip

    assert states(sqlite_store) == {1: "new", 2: "quarantined", 3: "new"}


def test_idle_understands_a_line_in_two_pieces(server: BadServer) -> None:
    with ImapMailbox(server.account()) as mailbox:
        mailbox.open()
        assert mailbox.wait(threading.Event())
        assert mailbox.open().uidnext == 1


def test_a_full_disk_is_told_and_the_mail_waits_on_the_server(
    sqlite_store: Store, server: BadServer, tmp_path: Path
) -> None:
    server.inbox.put(letter("y" * 70 + "\n") + b"x" * 100_000)
    (tmp_path / "raw").write_text("this is no folder")

    with pytest.raises(CannotWrite, match="cannot be kept"):
        look(sqlite_store, server, tmp_path / "raw")

    assert rows(sqlite_store) == []
    assert mailbox_row(sqlite_store).last_uid == 0


def test_a_server_that_hangs_at_its_greeting_is_given_up(
    sqlite_store: Store, tmp_path: Path
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        server = BadServer(port=silent.getsockname()[1], patience=0.3)
        with pytest.raises((ServiceDown, MailboxError)):
            look(sqlite_store, server, tmp_path)
