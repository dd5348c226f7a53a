from __future__ import annotations

import logging
import ssl
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import trustme

from crm_mailer.delivering.account import Account, Tls
from crm_mailer.delivering.smtp_transport import SmtpTransport
from crm_mailer.model.delivery import Blame, OutcomeKind, Phase
from tests.delivering.letters import QUICK, account, message, send, send_one
from tests.servers.smtp_faults import DROP, HANG, RESET, Fault, fault_server, in_turn, reply
from tests.servers.smtp_sink import smtp_sink

TLS = ("STARTTLS", "AUTH PLAIN LOGIN")
LOGIN: dict[str, Any] = {"username": "shop", "password": "s3cret-пароль"}


class Trust:
    """A certificate authority of our own and a server certificate for 127.0.0.1."""

    def __init__(self, folder: Path, *names: str) -> None:
        authority = trustme.CA()
        self.server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert(*(names or ("127.0.0.1",))).configure_cert(self.server)
        self.file = str(folder / "ca.pem")
        authority.cert_pem.write_to_path(self.file)


@pytest.fixture(scope="module")
def trust(tmp_path_factory: pytest.TempPathFactory) -> Trust:
    return Trust(tmp_path_factory.mktemp("ca"))


def test_with_a_login_tls_is_required_unless_told_otherwise() -> None:
    assert Account(host="h", username="u").policy is Tls.REQUIRED
    assert Account(host="h").policy is Tls.OPPORTUNISTIC
    assert Account(host="h", username="u", tls=Tls.NONE).policy is Tls.NONE


def test_a_conforming_server_is_reached_by_starttls_and_login(trust: Trust) -> None:
    login = (LOGIN["username"], LOGIN["password"])
    with smtp_sink(context=trust.server, login=login) as sink:
        outcome = send_one(sink.port, tls=Tls.REQUIRED, ca_file=trust.file, **LOGIN)

    assert outcome.kind is OutcomeKind.ACCEPTED
    assert sink.letters[0].is_encrypted
    assert sink.logins == ["shop"]


def test_a_wrong_password_is_our_fault_and_never_logged(
    trust: Trust, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    with smtp_sink(context=trust.server, login=("shop", "other")) as sink:
        outcome = send_one(sink.port, tls=Tls.REQUIRED, ca_file=trust.file, **LOGIN)

    assert (outcome.phase, outcome.code, outcome.blame) == (Phase.AUTH, 535, Blame.US)
    assert "s3cret" not in caplog.text + outcome.text
    assert "s3cret" not in repr(Account(host="h", password="s3cret"))


def test_implicit_tls_encrypts_from_the_first_byte(trust: Trust) -> None:
    with fault_server(context=trust.server, is_implicit=True) as server:
        outcome = send_one(server.port, tls=Tls.IMPLICIT, ca_file=trust.file)

    assert (outcome.kind, len(server.box)) == (OutcomeKind.ACCEPTED, 1)


def test_the_greeting_is_repeated_under_tls(trust: Trust) -> None:
    with fault_server(context=trust.server, extensions=TLS) as server:
        send_one(server.port, tls=Tls.REQUIRED, ca_file=trust.file)

    assert server.verbs[:3] == ["EHLO", "STARTTLS", "EHLO"]


def test_what_is_said_before_the_handshake_does_not_count_after_it(trust: Trust) -> None:
    injected = Fault(say=b"220 go\r\n250-injected\r\n250 AUTH PLAIN\r\n")
    with fault_server({"STARTTLS": injected}, context=trust.server, extensions=TLS) as server:
        outcome = send_one(server.port, tls=Tls.REQUIRED, ca_file=trust.file)

    assert outcome.kind is OutcomeKind.ACCEPTED


@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
@pytest.mark.parametrize("fault", [HANG, DROP, RESET])
def test_a_dot_that_waits_behind_a_large_body_has_not_left_under_tls_either(
    trust: Trust, monkeypatch: pytest.MonkeyPatch, loop: str, fault: Fault
) -> None:
    monkeypatch.setenv("CRM_MAILER_LOOP", loop)
    big = message(1, content=b"Subject: big\r\n\r\n" + (b"z" * 76 + b"\r\n") * 150_000)
    script = {"BODY": in_turn(fault)}
    with fault_server(script, context=trust.server, extensions=("PIPELINING", *TLS)) as server:
        way = account(server.port, tls=Tls.REQUIRED, ca_file=trust.file, connections=1,
                      deadlines=replace(QUICK, body=0.5))  # fmt: skip
        first, second = send(SmtpTransport(way), big, message(2))

    assert (first.kind, first.phase) == (OutcomeKind.DEFERRED, Phase.BODY)
    assert (second.kind, len(server.box)) == (OutcomeKind.ACCEPTED, 1)


@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
def test_large_mails_go_ahead_under_tls(
    trust: Trust, monkeypatch: pytest.MonkeyPatch, loop: str
) -> None:
    monkeypatch.setenv("CRM_MAILER_LOOP", loop)
    body = b"Subject: %d\r\n\r\n" + (b"z" * 76 + b"\r\n") * 50_000
    large = [message(number, content=body % number) for number in range(4)]
    with fault_server(context=trust.server, extensions=("PIPELINING", *TLS)) as server:
        way = account(server.port, tls=Tls.REQUIRED, ca_file=trust.file, connections=1)
        found = send(SmtpTransport(way), *large)

    assert [one.kind for one in found] == [OutcomeKind.ACCEPTED] * 4
    assert server.box == [one.content for one in large]


def test_required_tls_is_never_left_out() -> None:
    with fault_server(extensions=("AUTH PLAIN",)) as server:
        outcome = send_one(server.port, tls=Tls.REQUIRED, **LOGIN)

    assert (outcome.phase, "no STARTTLS" in outcome.text) == (Phase.STARTTLS, True)
    assert not {"AUTH", "MAIL"} & set(server.verbs)


@pytest.mark.parametrize("policy", [Tls.REQUIRED, Tls.IMPLICIT])
def test_a_certificate_of_an_unknown_authority_is_not_trusted(trust: Trust, policy: Tls) -> None:
    is_implicit = policy is Tls.IMPLICIT
    with fault_server(context=trust.server, extensions=TLS, is_implicit=is_implicit) as server:
        outcome = send_one(server.port, tls=policy)

    assert (outcome.kind, outcome.phase) == (OutcomeKind.DEFERRED, Phase.STARTTLS)
    assert "not to be trusted" in outcome.text


def test_a_certificate_for_another_name_is_not_trusted(tmp_path: Path) -> None:
    other = Trust(tmp_path, "mail.example.com")
    with fault_server(context=other.server, extensions=TLS) as server:
        outcome = send_one(server.port, tls=Tls.REQUIRED, ca_file=other.file)

    assert outcome.phase is Phase.STARTTLS
    assert "127.0.0.1" in outcome.text


def test_starttls_refused_is_a_fault_of_the_lane(trust: Trust) -> None:
    script = {"STARTTLS": reply("454 4.7.0 TLS not available")}
    with fault_server(script, extensions=TLS) as server:
        outcome = send_one(server.port, tls=Tls.REQUIRED, ca_file=trust.file)

    assert (outcome.phase, outcome.code) == (Phase.STARTTLS, 454)


def test_opportunistic_tls_takes_any_certificate(trust: Trust) -> None:
    with fault_server(context=trust.server, extensions=TLS) as server:
        outcome = send_one(server.port, tls=Tls.OPPORTUNISTIC)

    assert outcome.kind is OutcomeKind.ACCEPTED
    assert server.verbs[:3] == ["EHLO", "STARTTLS", "EHLO"]


def test_opportunistic_tls_that_fails_is_left_out_on_a_fresh_connection() -> None:
    script = {"STARTTLS": Fault(say=b"220 go\r\n", cut="close")}
    with fault_server(script, extensions=TLS) as server:
        found = send(
            SmtpTransport(
                Account(host="127.0.0.1", port=server.port, hello="shop.example", connections=1)
            ),
            message(1),
            message(2),
        )

    assert [one.kind for one in found] == [OutcomeKind.ACCEPTED] * 2
    assert server.verbs.count("STARTTLS") == 1


def test_a_password_never_goes_over_an_opportunistic_line_in_clear() -> None:
    with fault_server(extensions=("AUTH PLAIN",)) as server:
        outcome = send_one(server.port, tls=Tls.OPPORTUNISTIC, **LOGIN)

    assert (outcome.phase, "readable" in outcome.text) == (Phase.AUTH, True)
    assert "AUTH" not in server.verbs


def test_auth_login_is_used_where_plain_is_not_offered() -> None:
    script = {"AUTH": Fault(say=b"334 VXNlcm5hbWU6\r\n")}
    with fault_server(script, extensions=("AUTH=LOGIN",)) as server:
        outcome = send_one(server.port, tls=Tls.NONE, **LOGIN)

    assert server.log[1] == b"AUTH LOGIN\r\n"
    assert server.log[2] == b"c2hvcA==\r\n"
    assert (outcome.phase, outcome.code) == (Phase.AUTH, 502)  # the script ends there


def test_a_login_that_we_do_not_know_is_said_so() -> None:
    with fault_server(extensions=("AUTH GSSAPI",)) as server:
        outcome = send_one(server.port, tls=Tls.NONE, **LOGIN)

    assert "GSSAPI" in outcome.text
