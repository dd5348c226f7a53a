"""A real server with the certificate of an authority of its own."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import trustme

from crm_mailer.listening import Account, ImapMailbox, ImapMover, fetch, move_done
from crm_mailer.model.errors import ServiceDown
from crm_mailer.store import places, tables
from crm_mailer.store.engine import Store
from tests.conftest import NOON
from tests.listening.conftest import letter
from tests.servers.imap_box import DOVECOT, DovecotBox, dovecot_box

pytestmark = [
    pytest.mark.servers,
    pytest.mark.skipif(DOVECOT is None, reason="Dovecot is not installed"),
]


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="module")
def dovecot(authority: trustme.CA) -> Iterator[DovecotBox]:
    certificate = authority.issue_cert("localhost", "127.0.0.1").private_key_and_cert_chain_pem
    with dovecot_box(certificate.bytes(), "disable_plaintext_auth = yes") as running:
        yield running


@pytest.fixture
def account(dovecot: DovecotBox, authority: trustme.CA, tmp_path: Path) -> Account:
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    return replace(
        dovecot.account(), host="localhost", port=dovecot.tls_port, tls="implicit",
        ca_file=str(tmp_path / "ca.pem"),
    )  # fmt: skip


def test_mail_comes_home_over_implicit_tls_and_over_starttls(
    sqlite_store: Store, dovecot: DovecotBox, account: Account, tmp_path: Path
) -> None:
    dovecot.deliver(letter("one", Message_ID="<1@x>"))
    with ImapMailbox(account) as mailbox:
        first = fetch(sqlite_store, mailbox, account="care", folder="INBOX", raw_folder=tmp_path,
                      now=NOON, first_contact="all")  # fmt: skip
    dovecot.deliver(letter("two", Message_ID="<2@x>"))
    with ImapMailbox(replace(account, port=dovecot.port, tls="starttls")) as mailbox:
        second = fetch(sqlite_store, mailbox, account="care", folder="INBOX",
                       raw_folder=tmp_path, now=NOON)  # fmt: skip

    assert (first.new, second.new) == (1, 1)


@pytest.mark.parametrize("tls", ["implicit", "starttls"])
def test_a_certificate_that_is_not_trusted_ends_it_before_the_password(
    dovecot: DovecotBox, account: Account, tls: str
) -> None:
    port = dovecot.tls_port if tls == "implicit" else dovecot.port
    stranger = replace(account, ca_file="", tls=tls, port=port)

    with pytest.raises(ServiceDown, match="no safe connection") as told, ImapMailbox(stranger):
        pass

    assert "imap.ca_file" in told.value.hint


def test_a_certificate_for_another_name_ends_it(authority: trustme.CA, account: Account) -> None:
    certificate = authority.issue_cert("mail.example").private_key_and_cert_chain_pem.bytes()
    with (
        dovecot_box(certificate) as other,
        pytest.raises(ServiceDown, match="no safe connection"),
        ImapMailbox(replace(account, port=other.tls_port)),
    ):
        pass


def test_a_real_server_moves_what_was_understood(
    sqlite_store: Store, dovecot: DovecotBox, account: Account, tmp_path: Path
) -> None:
    dovecot.deliver(letter("to be moved", Message_ID="<3@x>"))
    with ImapMailbox(account) as mailbox:
        fetch(sqlite_store, mailbox, account="care", folder="INBOX", raw_folder=tmp_path,
              now=NOON, first_contact="all")  # fmt: skip
    with sqlite_store.write() as connection:
        connection.execute(tables.inbound.update().values(state="done"))

    with ImapMover(replace(account, move_done_to="Erledigte Fälle")) as mover:
        moved = move_done(sqlite_store, mover, account="care", folder="INBOX", now=NOON)

    with ImapMailbox(replace(account, folder="Erledigte Fälle")) as mailbox:
        there = mailbox.open().uidnext - 1
    assert moved == there >= 1
    with sqlite_store.read() as connection:
        assert places.list_movable(connection, 1, 1) == []
