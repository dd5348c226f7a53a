"""Understood mails go out of the way, once each, whatever is cut off in between."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from crm_mailer.listening import ImapMailbox, ImapMover, fetch, move_done
from crm_mailer.model.errors import ServiceDown, SettingsError
from crm_mailer.store import tables
from crm_mailer.store.engine import Store
from tests.conftest import NOON
from tests.listening.conftest import letter
from tests.servers.imap_faults import BadServer, Folder, running

WITHOUT_MOVE = "IMAP4rev1 UIDPLUS"


@pytest.fixture
def server() -> Iterator[BadServer]:
    with running(BadServer()) as one:
        yield one


@pytest.fixture
def two_done(store: Store, server: BadServer, tmp_path: Path) -> Store:
    """Four mails: two understood, one waiting, one in quarantine."""
    server.inbox.put(*(letter(f"number {n}", Message_ID=f"<{n}@x>") for n in range(1, 5)))
    with ImapMailbox(server.account()) as mailbox:
        fetch(store, mailbox, account="care", folder="INBOX", raw_folder=tmp_path, now=NOON,
              first_contact="all")  # fmt: skip
    mark(store, 1, "done")
    mark(store, 2, "done")
    mark(store, 4, "quarantined")
    return store


def mark(store: Store, uid: int, state: str) -> None:
    with store.write() as connection:
        mails = tables.inbound
        connection.execute(sa.update(mails).where(mails.c.uid == uid).values(state=state))


def move(store: Store, server: BadServer) -> int:
    with ImapMover(server.account(move_done_to="Done")) as mover:
        return move_done(store, mover, account="care", folder="INBOX", now=NOON)


def left(server: BadServer) -> list[int]:
    return sorted(server.inbox.mails)


def there(server: BadServer) -> list[bytes]:
    return sorted(server.folders["Done"].mails.values())


@pytest.mark.parametrize("capabilities", ["IMAP4rev1 UIDPLUS MOVE", WITHOUT_MOVE, "IMAP4rev1 MOVE"])
def test_what_was_understood_is_moved_and_nothing_else(
    two_done: Store, server: BadServer, capabilities: str
) -> None:
    server.capabilities = capabilities
    mails = [server.inbox.mails[uid] for uid in (1, 2)]

    assert move(two_done, server) == 2
    assert move(two_done, server) == 0
    assert (left(server), there(server)) == ([3, 4], mails)


def test_a_mail_that_somebody_marked_as_deleted_stays(two_done: Store, server: BadServer) -> None:
    server.capabilities = WITHOUT_MOVE
    server.inbox.deleted.add(3)

    move(two_done, server)

    assert left(server) == [3, 4]


@pytest.mark.parametrize("verb", ["MOVE", "COPY", "STORE", "EXPUNGE"])
def test_a_move_that_was_cut_off_is_finished_and_copies_nothing_twice(
    two_done: Store, server: BadServer, verb: str
) -> None:
    if verb != "MOVE":
        server.capabilities = WITHOUT_MOVE
    server.drops_after.append(verb)
    mails = [server.inbox.mails[uid] for uid in (1, 2)]
    with pytest.raises(ServiceDown):
        move(two_done, server)

    move(two_done, server)

    assert (left(server), there(server)) == ([3, 4], mails)
    assert move(two_done, server) == 0


def test_a_mail_like_one_that_was_moved_before_is_copied_too(
    two_done: Store, server: BadServer
) -> None:
    server.capabilities = WITHOUT_MOVE
    twin = server.inbox.mails[1].replace(b"<1@x>", b"<9@x>")
    server.folders["Done"] = Folder()
    server.folders["Done"].put(twin)

    move(two_done, server)

    assert len(there(server)) == 3


def test_a_mail_that_lies_there_twice_is_moved_twice(
    store: Store, server: BadServer, tmp_path: Path
) -> None:
    server.inbox.put(letter("the same"), letter("the same"))
    with ImapMailbox(server.account()) as mailbox:
        fetch(store, mailbox, account="care", folder="INBOX", raw_folder=tmp_path, now=NOON,
              first_contact="all")  # fmt: skip
    mark(store, 1, "done")

    move(store, server)

    assert left(server) == []


def test_a_mail_that_people_removed_hinders_nothing(two_done: Store, server: BadServer) -> None:
    server.inbox.remove(1)

    move(two_done, server)

    assert left(server) == [3, 4]


def test_a_replaced_mailbox_is_left_alone_until_it_was_read_anew(
    two_done: Store, server: BadServer
) -> None:
    server.inbox.uidvalidity += 1

    assert move(two_done, server) == 0
    assert left(server) == [1, 2, 3, 4]


def test_a_server_that_cannot_remove_single_mails_is_told(
    two_done: Store, server: BadServer
) -> None:
    server.capabilities = "IMAP4rev1"

    with pytest.raises(SettingsError, match="neither MOVE nor UIDPLUS") as told:
        move(two_done, server)

    assert "imap.move_done_to" in told.value.hint


def test_a_folder_that_cannot_be_made_is_told(two_done: Store, server: BadServer) -> None:
    server.refuses_folders = True

    with pytest.raises(SettingsError, match="does not make the folder Done") as told:
        move(two_done, server)

    assert "INBOX.Done" in told.value.hint
