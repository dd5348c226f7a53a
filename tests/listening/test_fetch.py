from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from crm_mailer.listening import (
    FetchReport,
    FirstContact,
    ImapMailbox,
    Limits,
    fetch,
    mailbox,
    watch,
)
from crm_mailer.model.errors import (
    CrmMailerError,
    LoginRefused,
    MailboxError,
    ServiceDown,
    SettingsError,
)
from crm_mailer.store import inbound, tables
from crm_mailer.store.engine import Store
from tests.conftest import NOON, StandingClock
from tests.listening.conftest import letter
from tests.servers.imap_box import Box, FaultyServer, free_port, pymap_box


def look(
    store: Store,
    box: Box,
    folder: Path,
    *,
    first_contact: FirstContact = "new",
    limits: Limits | None = None,
) -> FetchReport:
    with ImapMailbox(box.account()) as opened:
        return fetch(
            store, opened, account="care", folder="INBOX", raw_folder=folder, now=NOON,
            first_contact=first_contact, limits=limits or Limits(),
        )  # fmt: skip


def letters() -> bytes:
    """Every byte but NUL; line ends are the test client's to change."""
    return bytes(b for b in range(1, 256) if b not in b"\r\n")


def kept(store: Store) -> list[bytes]:
    with store.read() as connection:
        ids = list(connection.execute(sa.select(tables.inbound.c.id)).scalars())
        return [inbound.get(connection, one).raw or b"" for one in ids]


@pytest.fixture(scope="module")
def fresh() -> Iterator[Box]:
    with pymap_box() as running:
        running.put(b"From: old@example.com\r\n\r\nold\r\n")
        yield running


def test_the_first_contact_leaves_old_mail_alone(
    sqlite_store: Store, fresh: Box, tmp_path: Path
) -> None:
    first = look(sqlite_store, fresh, tmp_path)
    fresh.put(letter("new"))
    second = look(sqlite_store, fresh, tmp_path)

    assert (first.new, second.new) == (0, 1)
    assert b"new" in kept(sqlite_store)[0]


def test_all_that_is_there_can_be_asked_for(
    sqlite_store: Store, fresh: Box, tmp_path: Path
) -> None:
    report = look(sqlite_store, fresh, tmp_path, first_contact="all")

    assert report.new >= 1
    assert any(b"old@example.com" in raw for raw in kept(sqlite_store))


def test_a_day_can_be_asked_for(sqlite_store: Store, fresh: Box, tmp_path: Path) -> None:
    fresh.put(letter("long ago"), when=NOON - timedelta(days=400))

    look(sqlite_store, fresh, tmp_path, first_contact=date(2026, 10, 1))

    assert not any(b"long ago" in raw for raw in kept(sqlite_store))


def test_reading_changes_no_flag(sqlite_store: Store, fresh: Box, tmp_path: Path) -> None:
    look(sqlite_store, fresh, tmp_path)
    fresh.put(letter("unread"))

    look(sqlite_store, fresh, tmp_path)

    assert b"\\Seen" not in fresh.flags()[-1]


def test_bytes_come_home_as_they_are_and_once(store: Store, fresh: Box, tmp_path: Path) -> None:
    raw = b"From: a@b.example\r\nSubject: \xff\xfe\r\n\r\n" + letters() * 4 + b"\r\n"
    look(store, fresh, tmp_path)
    fresh.put(raw, raw)

    report = look(store, fresh, tmp_path)

    assert kept(store) == [raw]
    assert (report.seen, report.new) == (2, 1)


def test_a_large_mail_lies_in_a_file_named_by_its_digest(
    sqlite_store: Store, fresh: Box, tmp_path: Path
) -> None:
    raw = letter("x" * 70 + "\n") + b"y" * 100_000 + b"\r\n"
    look(sqlite_store, fresh, tmp_path)
    fresh.put(raw)

    look(sqlite_store, fresh, tmp_path)

    [path] = tmp_path.glob("??/*.eml")
    with sqlite_store.read() as connection:
        mail = inbound.get(connection, 1)
    assert mail.raw is None
    assert mail.content(tmp_path) == path.read_bytes()


@pytest.mark.postgres
def test_on_postgresql_a_large_mail_lies_where_every_host_can_read_it(
    postgres_store: Store, fresh: Box, tmp_path: Path
) -> None:
    look(postgres_store, fresh, tmp_path)
    fresh.put(letter("photo") + b"y" * 100_000 + b"\r\n")

    look(postgres_store, fresh, tmp_path)

    with postgres_store.read() as connection:
        mail = inbound.get(connection, 1)
    assert list(tmp_path.glob("??/*.eml")) == []
    assert len(mail.content(tmp_path / "of another host")) > 100_000


def test_of_a_huge_mail_only_the_beginning_is_fetched(
    sqlite_store: Store, fresh: Box, tmp_path: Path
) -> None:
    look(sqlite_store, fresh, tmp_path)
    fresh.put(letter("begin") + b"y\r\n" * 200_000, letter("small"))

    report = look(sqlite_store, fresh, tmp_path, limits=Limits(large=10_000))

    assert (report.new, report.truncated) == (2, 1)
    with sqlite_store.read() as connection:
        mail = inbound.get(connection, 1)
    assert mail.is_truncated
    assert mail.size > 600_000
    assert len(mail.content(tmp_path)) == mailbox.BEGINNING


def test_a_replaced_mailbox_is_read_anew_and_nothing_doubles(
    sqlite_store: Store, fresh: Box, tmp_path: Path
) -> None:
    look(sqlite_store, fresh, tmp_path, first_contact="all")
    before = kept(sqlite_store)
    with sqlite_store.write() as connection:
        connection.execute(sa.update(tables.mailboxes).values(uidvalidity=1, last_uid=10**6))

    report = look(sqlite_store, fresh, tmp_path)

    assert report.was_replaced
    assert report.seen >= 1
    assert kept(sqlite_store) == before


def test_many_mails_come_in_windows(sqlite_store: Store, fresh: Box, tmp_path: Path) -> None:
    look(sqlite_store, fresh, tmp_path)
    fresh.put(*(letter(f"number {n}") for n in range(20)))

    assert look(sqlite_store, fresh, tmp_path, limits=Limits(window=7, chunk=3)).new == 20
    assert look(sqlite_store, fresh, tmp_path).seen == 0


@pytest.mark.parametrize("last_words", [b"", b"* BYE timeout\r\n", b"* 4 EXI"])
def test_a_line_lost_while_idle_is_noticed_at_once(last_words: bytes) -> None:
    with (
        FaultyServer(on_idle=last_words) as server,
        ImapMailbox(Box(server.port).account()) as opened,
    ):
        opened.open()
        with pytest.raises(ServiceDown):
            opened.wait(threading.Event())


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"* 1 FETCH (UID 1 RFC822.SIZE 99",
        b"* 1 FETCH (UID 1 BODY[] {99999999999}\r\nx",
        b"* 1 FETCH ((((\r\nA OK\r\n",
        b"\xff\xfe\r\n",
        b"x" * 2_000_000,
    ],
)
def test_a_broken_answer_leaves_the_cursor_where_it_was(
    sqlite_store: Store, tmp_path: Path, answer: bytes
) -> None:
    with FaultyServer(on_fetch=answer) as server, pytest.raises((ServiceDown, MailboxError)):
        look(sqlite_store, Box(server.port), tmp_path, first_contact="all")

    with sqlite_store.read() as connection:
        [row] = inbound.list_mailboxes(connection)
    assert row.last_uid == 0


def test_a_server_that_wants_to_know_the_program_is_told() -> None:
    with (
        FaultyServer(wants_id=True) as server,
        ImapMailbox(Box(server.port).account()) as opened,
    ):
        assert opened.open().uidnext == 4


def test_a_wrong_password_is_told_with_its_remedy(box: Box) -> None:
    with pytest.raises(LoginRefused) as told, ImapMailbox(box.account(password="wrong")):
        pass

    assert "care" in str(told.value)
    assert "wrong" not in str(told.value)
    assert "app password" in told.value.hint


def test_a_server_that_is_down_is_told(box: Box) -> None:
    account = Box(free_port()).account()

    with pytest.raises(ServiceDown, match="does not answer"), ImapMailbox(account):
        pass


def test_a_folder_that_is_not_there_is_told(box: Box) -> None:
    with (
        pytest.raises(SettingsError, match="Nowhere"),
        ImapMailbox(box.account(folder="Nowhere")) as opened,
    ):
        opened.open()


def test_the_watch_reads_what_comes_and_stops_when_told(
    sqlite_store: Store, fresh: Box, tmp_path: Path
) -> None:
    stop, came = threading.Event(), threading.Event()
    reports: list[FetchReport] = []

    def after_fetch(report: FetchReport) -> None:
        reports.append(report)
        if sum(one.new for one in reports) == 2:
            came.set()

    thread = threading.Thread(
        target=lambda: watch(
            lambda: ImapMailbox(fresh.account()), sqlite_store, account="care", folder="INBOX",
            raw_folder=tmp_path, clock=StandingClock(), stop=stop, after_fetch=after_fetch,
        )
    )  # fmt: skip
    thread.start()
    while not reports:
        stop.wait(0.05)
    fresh.put(letter("one"))
    fresh.put(letter("two"))

    assert came.wait(20)
    stop.set()
    thread.join(10)
    assert not thread.is_alive()


def test_the_watch_ends_at_a_wrong_password_and_leaves_the_reason(
    sqlite_store: Store, box: Box, tmp_path: Path
) -> None:
    with pytest.raises(LoginRefused):
        watch(
            lambda: ImapMailbox(box.account(password="wrong")), sqlite_store, account="care",
            folder="INBOX", raw_folder=tmp_path, clock=StandingClock(), stop=threading.Event(),
        )  # fmt: skip

    with sqlite_store.read() as connection:
        [row] = inbound.list_mailboxes(connection)
    assert "refuses the login" in row.trouble


def test_the_watch_tries_again_after_a_loss(sqlite_store: Store, tmp_path: Path) -> None:
    stop, troubles = threading.Event(), list[CrmMailerError]()

    def on_trouble(error: CrmMailerError) -> None:
        troubles.append(error)
        if len(troubles) == 2:
            stop.set()

    watch(
        lambda: ImapMailbox(Box(free_port()).account()), sqlite_store, account="care",
        folder="INBOX", raw_folder=tmp_path, clock=StandingClock(), stop=stop,
        on_trouble=on_trouble,
    )  # fmt: skip

    assert len(troubles) == 2
