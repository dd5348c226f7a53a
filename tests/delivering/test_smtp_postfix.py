"""The same client against a mail server that is not ours."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest

from crm_mailer.delivering.account import Account, Auth, Tls
from crm_mailer.delivering.smtp_transport import SmtpTransport
from crm_mailer.model.delivery import Blame, OutcomeKind, Phase
from crm_mailer.model.message import Message
from tests.delivering.letters import QUICK, ListSource, fly, message, send
from tests.servers.imap_box import DOVECOT, HOST
from tests.servers.postfix import POSTFIX, PostOffice, certificate_files, post_office

pytestmark = [
    pytest.mark.servers,
    pytest.mark.skipif(
        POSTFIX is None or DOVECOT is None or os.getuid() != 0,
        reason="Postfix and Dovecot are not installed, or we are not root",
    ),
]
LOGIN: dict[str, Any] = {"username": "shop", "password": "s3cret"}


class Town:
    """An office with a certificate, and accounts at it."""

    def __init__(self, folder: Path) -> None:
        self.mail = folder / "mail"
        self.mail.mkdir()
        os.chown(self.mail, 8, 8)
        self.certificate, self.ca_file = certificate_files(folder)

    def office(
        self, *, settings: Mapping[str, str] | None = None
    ) -> AbstractContextManager[PostOffice]:
        boxes = {f"customer{number}@example.com": "all" for number in range(100)}
        return post_office(
            self.mail, {**boxes, "анна@example.com": "all"}, ["example.com"], self.certificate,
            logins={"shop": "s3cret"}, settings=settings,
        )  # fmt: skip

    def account(self, office: PostOffice, **changes: object) -> Account:
        given: dict[str, Any] = {
            "host": HOST, "port": office.port, "tls": Tls.REQUIRED, "ca_file": str(self.ca_file),
            "deadlines": QUICK, "connections": 2, "hello": "shop.example", **LOGIN, **changes,
        }  # fmt: skip
        return Account(**given)


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Town:
    return Town(tmp_path_factory.mktemp("town"))


@pytest.fixture(scope="module")
def office(town: Town) -> Iterator[PostOffice]:
    """As Debian sets it up."""
    with town.office() as running:
        yield running


def letter(number: int, **changes: object) -> Message:
    return message(number, f"customer{number}@example.com", **changes)


def anna() -> Message:
    content = "Subject: Привет\r\nTo: анна@example.com\r\n\r\n1\r\n".encode()
    return message(1, "анна@example.com", content=content, is_utf8=True)


def check_ladder(town: Town, office: PostOffice, *, is_bdat: bool) -> None:
    before = office.log().count("sasl_username=shop")
    way = SmtpTransport(town.account(office, bdat=is_bdat))
    found = send(way, *(letter(number) for number in range(1, 31)))

    assert [one.kind for one in found] == [OutcomeKind.ACCEPTED] * 30
    assert len(set(re.findall(r"queued as (\w+)", " ".join(one.text for one in found)))) == 30
    assert office.log().count("sasl_username=shop") == before + 30


@pytest.mark.parametrize("is_bdat", [False, True])
def test_mails_go_by_tls_and_a_login(town: Town, office: PostOffice, is_bdat: bool) -> None:
    check_ladder(town, office, is_bdat=is_bdat)


@pytest.mark.parametrize("discard", ["pipelining", "chunking, smtputf8"])
def test_mails_go_where_less_is_offered(town: Town, discard: str) -> None:
    with town.office(settings={"smtpd_discard_ehlo_keywords": discard}) as office:
        check_ladder(town, office, is_bdat=True)
        if "smtputf8" in discard:
            [refused] = send(SmtpTransport(town.account(office)), anna())
            assert (refused.kind, refused.blame) == (OutcomeKind.REFUSED, Blame.SITE)


def test_what_postfix_refuses_is_told_apart_and_the_rest_goes_through(town: Town) -> None:
    settings = {
        "message_size_limit": "20000",
        "smtpd_reject_unlisted_recipient": "yes",
        "smtpd_discard_ehlo_keywords": "size",
    }
    big = letter(3, content=b"Subject: big\r\n\r\n" + b"x" * 70 + b"\r\n" * 30_000)
    with town.office(settings=settings) as office:
        way = SmtpTransport(town.account(office, connections=1))
        found = send(way, letter(1), message(2, "nobody@example.com"), big, letter(4))

    assert [one.kind.value for one in found] == ["accepted", "refused", "refused", "accepted"]
    assert (found[1].phase, found[1].blame, found[1].is_dead_address) == (
        Phase.RCPT, Blame.RECIPIENT, True,
    )  # fmt: skip
    assert (found[2].status, found[2].blame) == ("5.3.4", Blame.MESSAGE)


@pytest.mark.parametrize("code", ["550", "450"])
def test_a_sender_that_postfix_does_not_know_is_our_fault(town: Town, code: str) -> None:
    settings = {"smtpd_reject_unlisted_sender": "yes", "unknown_local_recipient_reject_code": code,
                "unknown_virtual_mailbox_reject_code": code}  # fmt: skip
    with town.office(settings=settings) as office:
        way = SmtpTransport(town.account(office, connections=1))
        bad = [letter(number, mail_from="nobody@example.com") for number in (1, 2)]
        found = send(way, *bad, letter(3, mail_from="customer3@example.com"))

    assert [one.kind.value for one in found] == ["deferred", "deferred", "accepted"]
    assert "Sender address rejected" in found[0].text
    assert (found[0].phase, found[0].code, found[0].blame) == (Phase.RCPT, int(code), Blame.US)


@pytest.mark.parametrize("kind", [Auth.PLAIN, Auth.LOGIN])
def test_either_login_is_refused_with_a_wrong_password(
    town: Town, office: PostOffice, kind: Auth
) -> None:
    [good] = send(SmtpTransport(town.account(office, auth=kind)), letter(1))
    [bad] = send(SmtpTransport(town.account(office, auth=kind, password="wrong")), letter(1))

    assert good.kind is OutcomeKind.ACCEPTED
    assert (bad.phase, bad.code, bad.blame) == (Phase.AUTH, 535, Blame.US)


def test_without_a_login_nothing_is_taken(town: Town, office: PostOffice) -> None:
    [found] = send(SmtpTransport(town.account(office, username="", password="")), letter(1))

    assert (found.kind, found.phase) == (OutcomeKind.REFUSED, Phase.RCPT)


def test_letters_outside_ascii_reach_a_server_that_takes_them(
    town: Town, office: PostOffice
) -> None:
    [taken] = send(SmtpTransport(town.account(office)), anna())

    assert taken.kind is OutcomeKind.ACCEPTED


def test_a_connection_that_postfix_closes_at_rest_harms_no_mail(town: Town) -> None:
    with town.office(settings={"smtpd_timeout": "1s"}) as office:
        source = ListSource(letter(1), letter(2), gaps={1: 2.5})
        found = fly(SmtpTransport(town.account(office, connections=1)), source)

    assert [one.kind for one in found] == [OutcomeKind.ACCEPTED] * 2


def test_a_certificate_is_checked(town: Town, office: PostOffice, tmp_path: Path) -> None:
    _certificate, other = certificate_files(tmp_path)
    [found] = send(SmtpTransport(town.account(office, ca_file=str(other))), letter(1))

    assert found.phase is Phase.STARTTLS
