from __future__ import annotations

import asyncio
import base64
import json
import ssl
import time
from pathlib import Path

import pytest
import trustme

from crm_mailer.delivering.faults import LaneFault, rest_after
from crm_mailer.delivering.port import STOPPED
from crm_mailer.delivering.ses import CALLED_OFF, SesAccount, SesTransport, unsigned
from crm_mailer.delivering.web_line import IDLE, WebLine
from crm_mailer.model.delivery import Blame, Outcome, OutcomeKind, Phase
from crm_mailer.model.errors import SettingsError
from tests.delivering.letters import ListSource, fly, message, send
from tests.servers import http_faults
from tests.servers.http_faults import WebServer, answer, say, web_server

pytest.importorskip("boto3", reason="boto3 is not installed")

ACCEPTED, DEFERRED = OutcomeKind.ACCEPTED, OutcomeKind.DEFERRED
REFUSED, UNKNOWN = OutcomeKind.REFUSED, OutcomeKind.UNKNOWN


@pytest.fixture(autouse=True)
def nothing_of_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keys and profiles of whoever runs the tests must not be used."""
    for name in ("AWS_PROFILE", "AWS_ACCESS_KEY_ID", "AWS_REGION", "AWS_DEFAULT_REGION"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nowhere")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nowhere")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")


def ses(endpoint: str, **changes: object) -> SesTransport:
    given: dict[str, object] = {
        "region": "eu-west-1",
        "access_key": "AKIAEXAMPLE",
        "secret_key": "hush",
        "endpoint": endpoint,
        "connections": 1,
        "connect": 2,
        "answer": 0.5,
        "whole": 5,
        **changes,
    }
    return SesTransport(SesAccount(**given))  # type: ignore[arg-type]


def sent(server: WebServer) -> list[dict[str, object]]:
    return [json.loads(body) for _head, body in server.requests]


def error(kind: str, said: str = "") -> bytes:
    return json.dumps({"__type": f"com.amazonaws#{kind}", "message": said}).encode()


def test_a_mail_becomes_one_signed_request() -> None:
    mail = message(mail_from="bounce-7@shop.example", rcpt_to="anna@bücher.example")
    with web_server(answer(200, {"MessageId": "0102-abc"})) as server:
        (found,) = send(ses(server.address, configuration_set="shop"), mail)

    assert (found.kind, found.phase, found.code, found.text) == (
        ACCEPTED, Phase.DOT, 200, "0102-abc",
    )  # fmt: skip
    assert found.host == f"127.0.0.1:{server.port}"
    ((head, body),) = server.requests
    assert head.startswith(b"POST /v2/email/outbound-emails HTTP/1.1\r\n")
    assert b"AWS4-HMAC-SHA256 Credential=AKIAEXAMPLE/" in head
    assert b"/eu-west-1/ses/aws4_request" in head
    assert b"hush" not in head + body
    assert json.loads(body) == {
        "Destination": {"ToAddresses": ["anna@xn--bcher-kva.example"]},
        "Content": {"Raw": {"Data": base64.b64encode(mail.content).decode()}},
        "FeedbackForwardingEmailAddress": "bounce-7@shop.example",
        "ConfigurationSetName": "shop",
    }


def test_a_mail_without_a_return_path_asks_for_no_feedback() -> None:
    with web_server() as server:
        send(ses(server.address), message(mail_from=""))
    assert "FeedbackForwardingEmailAddress" not in sent(server)[0]
    assert "ConfigurationSetName" not in sent(server)[0]


def test_a_connection_serves_mail_after_mail() -> None:
    with web_server() as server:
        found = send(ses(server.address), *(message(number) for number in range(1, 6)))
    assert {one.kind for one in found} == {ACCEPTED}
    assert (len(server.requests), server.connections) == (5, 1)


def test_several_requests_are_under_way_at_once() -> None:
    slow = _after(0.2, answer(200, {"MessageId": "id"}))
    with web_server(usual=slow) as server:
        started = time.monotonic()
        found = send(ses(server.address, connections=8), *(message(n) for n in range(1, 17)))
        took = time.monotonic() - started
    assert {one.kind for one in found} == {ACCEPTED}
    assert server.connections == 8
    assert took < 16 * 0.2


def _after(seconds: float, act: http_faults.Act) -> http_faults.Act:
    def later(line: object) -> None:
        time.sleep(seconds)
        act(line)  # type: ignore[arg-type]

    return later


def test_a_connection_that_the_server_closed_is_replaced_unseen() -> None:
    last = answer(200, {"MessageId": "id"}, is_last=True)
    silent = say(b"HTTP/1.1 200 OK\r\nContent-Length: 18\r\n\r\n" + b'{"MessageId": "a"}',
                 then_close=True)  # fmt: skip
    with web_server(last, silent) as server:
        source = ListSource(message(1), message(2), message(3), gaps={2: 0.2})
        found = fly(ses(server.address), source)
    assert {one.kind for one in found} == {ACCEPTED}
    assert server.connections == 3


# ---------------------------------------------------------------------------- faults


@pytest.mark.parametrize(
    ("status", "kind", "said", "expected"),
    [
        (403, "UnrecognizedClientException", "The security token is invalid", "auth us deferred"),
        (403, "InvalidClientTokenId", "", "auth us deferred"),
        (403, "ExpiredTokenException", "", "auth us deferred"),
        (400, "ExpiredToken", "", "auth us deferred"),
        (403, "SignatureDoesNotMatch", "", "auth us deferred"),
        (403, "InvalidSignatureException", "Signature expired", "auth us deferred"),
        (403, "AccessDeniedException", "not authorized to perform", "auth us deferred"),
        (400, "RequestExpired", "", "auth us deferred"),
        (403, "", "", "auth us deferred"),
        (429, "TooManyRequestsException", "Too many requests", "mail site deferred"),
        (400, "ThrottlingException", "Rate exceeded", "mail site deferred"),
        (400, "Throttling", "Maximum sending rate exceeded.", "mail site deferred"),
        (429, "", "", "mail site deferred"),
        (429, "TooManyRequestsException", "Daily message quota exceeded", "mail us deferred"),
        (400, "LimitExceededException", "", "mail us deferred"),
        (400, "SendingPausedException", "", "mail us deferred"),
        (400, "AccountSuspendedException", "", "mail us deferred"),
        (400, "MailFromDomainNotVerifiedException", "", "mail us deferred"),
        (404, "NotFoundException", "Configuration set <x> does not exist", "mail us deferred"),
        (400, "MessageRejected", "Email address is not verified. The following identities "
         "failed the check in region EU-WEST-1: shop@shop.example", "mail us deferred"),
        (400, "MessageRejected", "Did not have authority to send from email", "mail us deferred"),
        (400, "MessageRejected", "Message contains a virus.", "body message refused"),
        (400, "BadRequestException", "Missing required header 'From'.", "body message refused"),
        (400, "BadRequestException", "Illegal address", "body recipient refused"),
        (400, "BadRequestException", "Domain contains dot-dot", "body recipient refused"),
        (400, "SomethingNew", "who knows", "mail us deferred"),
        (413, "", "", "body message refused"),
        (301, "", "", "mail us deferred"),
        (400, "RequestTimeout", "The request body was not read in time", "body site deferred"),
        (500, "InternalFailure", "", "dot site unknown"),
        (502, "", "", "dot site unknown"),
        (503, "ServiceUnavailable", "", "dot site unknown"),
        (200, "", "", "dot site unknown"),
        (204, "", "", "dot site unknown"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("place", ["header", "body"])
def test_what_an_answer_means(status: int, kind: str, said: str, expected: str, place: str) -> None:
    if place == "header":
        act = answer(status, {"message": said}, kind=kind and f"{kind}:http://internal.amazon.com")
    else:
        act = answer(status, {"__type": f"com.amazonaws.ses#{kind}", "Message": said})
    with web_server(act) as server:
        first, second = send(ses(server.address, answer=5), message(1), message(2))

    assert f"{first.phase} {first.blame} {first.kind}" == expected
    assert first.code == status
    assert not first.is_dead_address
    if status != 200 and status != 204:
        assert kind in first.text
        assert said in first.text
    assert second.kind is ACCEPTED


@pytest.mark.parametrize(
    "act",
    [
        http_faults.hang,
        http_faults.drip,
        http_faults.reset,
        http_faults.close,
        say(b"\x00\xff\xfe garbage\r\n\r\n", then_close=True),
        say(b"220 mail.example ESMTP\r\n", then_close=True),
        say(b"HTTP/1.1 200 OK\r\n", then_close=True),
        say(b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n{", then_close=True),
        say(b"HTTP/1.1 200 OK\r\nContent-Length: many\r\n\r\n{}", then_close=True),
        say(b"HTTP/1.1 999999 OK\r\n\r\n", then_close=True),
        say(b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 200 + b"\r\n", then_close=True),
        say(b"HTTP/1.1 200 OK\r\nX: " + b"y" * 70_000 + b"\r\n\r\n", then_close=True),
        say(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", then_close=True),
        say(b"HTTP/1.1 200 OK\r\n\r\n" + b"[" * 60_000, then_close=True),
        say(b"HTTP/1.1 200 OK\r\n\r\n" + b"A" * 500_000, then_close=True),
        say(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n[]"),
        say(b'HTTP/1.1 200 OK\r\nContent-Length: 17\r\n\r\n{"MessageId":  7}'),
        say(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n\xff\xfe\x00\x00"),
        say(b"HTTP/1.1 500 Oh\r\nContent-Length: 6\r\n\r\n<html>"),
    ],
)
def test_without_a_readable_answer_the_mail_is_in_doubt_and_the_next_one_is_fine(
    act: http_faults.Act,
) -> None:
    with web_server(act) as server:
        first, second = send(ses(server.address, whole=1), message(1), message(2))
    assert (first.kind, first.phase) == (UNKNOWN, Phase.DOT)
    assert first.text.isprintable()
    assert len(first.text) <= 1000
    assert second.kind is ACCEPTED
    assert len(server.requests) == 2


def test_a_server_that_drips_gains_no_time() -> None:
    with web_server(http_faults.drip) as server:
        started = time.monotonic()
        (found,) = send(ses(server.address, answer=0.5, whole=0.5), message())
        assert time.monotonic() - started < 3
    assert (found.kind, found.text) == (UNKNOWN, "no whole answer in time")


def test_hostile_words_of_a_server_end_as_harmless_text() -> None:
    words = "\x1b[31m\r\nMAIL FROM:<x>\u202e\x00" + "y" * 5000
    with web_server(answer(400, {"message": words}, kind="MessageRejected")) as server:
        (found,) = send(ses(server.address), message())
    assert found.kind is REFUSED
    assert found.text.isprintable()
    assert len(found.text) <= 1000


def test_where_nobody_listens_the_mail_did_not_leave() -> None:
    with web_server() as server:
        address = server.address
    source = ListSource(message())
    (found,) = fly(ses(address), source)
    assert (found.kind, found.phase, found.blame) == (DEFERRED, Phase.CONNECT, Blame.SITE)
    assert source.dots == []


def test_a_host_that_does_not_exist_is_told_before_anything_leaves() -> None:
    source = ListSource(message())
    (found,) = fly(ses("https://ses.invalid"), source)
    assert (found.kind, found.phase) == (DEFERRED, Phase.CONNECT)
    assert source.dots == []


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


def context(authority: trustme.CA, name: str) -> ssl.SSLContext:
    found = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(name).configure_cert(found)
    return found


def test_tls_is_used_and_checked(authority: trustme.CA, tmp_path: Path) -> None:
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    trusting = {"ca_file": str(tmp_path / "ca.pem")}
    with web_server(tls=context(authority, "127.0.0.1")) as server:
        (good,) = send(ses(server.address, **trusting), message())
        source = ListSource(message())
        (bad,) = fly(ses(server.address), source)
    with web_server(tls=context(authority, "other.example")) as server:
        (other,) = send(ses(server.address, **trusting), message())

    assert good.kind is ACCEPTED
    assert (bad.kind, bad.phase) == (DEFERRED, Phase.STARTTLS)
    assert (other.kind, other.phase) == (DEFERRED, Phase.STARTTLS)
    assert "certificate cannot be trusted" in bad.text
    assert source.dots == []
    assert rest_after(_fault(bad), 1).total_seconds() >= 300


def _fault(outcome: Outcome) -> LaneFault:
    return LaneFault(host=outcome.host, phase=outcome.phase, outcome=outcome)


def test_a_server_that_speaks_no_tls_is_told_before_anything_leaves() -> None:
    with web_server(usual=say(b"")) as server:
        source = ListSource(message())
        (found,) = fly(ses(f"https://127.0.0.1:{server.port}", connect=0.5), source)
    assert found.kind is DEFERRED
    assert found.phase in (Phase.CONNECT, Phase.STARTTLS)
    assert source.dots == []


def test_a_mail_that_must_not_leave_is_not_asked_for() -> None:
    with web_server() as server:
        source = ListSource(message(1), message(2), message(3), stop_at=1)
        found = fly(ses(server.address), source)
    assert [one.kind for one in found] == [ACCEPTED, DEFERRED, ACCEPTED]
    assert (found[1].text, found[1].blame) == (STOPPED, Blame.US)
    assert len(server.requests) == 2


@pytest.mark.parametrize(
    ("change", "blame"),
    [
        ({"rcpt_to": "jürgen@example.com"}, Blame.SITE),
        ({"is_utf8": True}, Blame.SITE),
        ({"rcpt_to": "a b@example.com"}, Blame.RECIPIENT),
        ({"rcpt_to": "x@example.com>\r\nBcc: y"}, Blame.RECIPIENT),
        ({"rcpt_to": "nobody"}, Blame.RECIPIENT),
    ],
)
def test_an_address_that_ses_cannot_take_is_refused_here(
    change: dict[str, object], blame: Blame
) -> None:
    with web_server() as server:
        (found,) = send(ses(server.address), message(**change))  # type: ignore[arg-type]
    assert (found.kind, found.blame) == (REFUSED, blame)
    assert not found.is_dead_address
    assert server.requests == []


def test_a_sender_that_cannot_be_written_is_our_own_fault() -> None:
    with web_server() as server:
        (found,) = send(ses(server.address), message(mail_from="shop>@x.example"))
    assert (found.kind, found.phase, found.blame) == (DEFERRED, Phase.MAIL, Blame.US)


def test_without_keys_nothing_leaves_and_the_login_is_to_blame() -> None:
    with web_server() as server:
        source = ListSource(message())
        (found,) = fly(ses(server.address, access_key="", secret_key=""), source)
    assert (found.kind, found.phase, found.blame) == (DEFERRED, Phase.AUTH, Blame.US)
    assert "access_key" in found.text
    assert source.dots == []


def test_without_a_region_nothing_leaves() -> None:
    with web_server() as server:
        (found,) = send(ses(server.address, region=""), message())
    assert (found.kind, found.phase, found.blame) == (DEFERRED, Phase.CONNECT, Blame.US)
    assert "region" in found.text


def test_the_keys_of_boto3s_own_chain_are_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAOTHER")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "hush")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    with web_server() as server:
        (found,) = send(ses(server.address, access_key="", secret_key="", region=""), message())
    assert found.kind is ACCEPTED
    assert b"Credential=AKIAOTHER/" in server.requests[0][0]
    assert b"/us-east-1/ses/" in server.requests[0][0]


def test_the_address_of_a_region_is_amazons() -> None:
    transport = ses("")
    transport._service.open()
    assert transport._service.address == "https://email.eu-west-1.amazonaws.com"


def test_a_cancelled_flight_lands_in_doubt_only_if_its_request_may_have_left() -> None:
    async def run(server: WebServer) -> ListSource:
        source = ListSource(message(1), message(2))
        task = asyncio.create_task(ses(server.address, answer=20, whole=20).fly(source))
        while not server.requests:
            await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        return source

    with web_server(http_faults.hang) as server:
        started = time.monotonic()
        source = asyncio.run(run(server))
        assert time.monotonic() - started < 10

    assert (source.found[1].kind, source.found[1].text) == (UNKNOWN, CALLED_OFF)
    assert list(source.found) == [1]


def test_a_connection_that_was_long_unused_is_not_trusted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert IDLE < 60
    monkeypatch.setattr("crm_mailer.delivering.web_line.IDLE", -1.0)
    with web_server() as server:
        send(ses(server.address), message(1), message(2))
    assert server.connections == 2


def test_a_line_that_was_given_up_is_not_opened_again() -> None:
    from urllib.parse import urlsplit

    with web_server() as server:
        line = WebLine(urlsplit(server.address), ssl.create_default_context(), connect=1, answer=1)
        line.cut(for_good=True)
        with pytest.raises(TimeoutError):
            line.open()


def test_our_own_signature_is_left_out_since_it_would_not_hold() -> None:
    signed = (
        b"DKIM-Signature: v=1; a=rsa-sha256;\r\n\th=from:message-id;\r\n b=abc=\r\n"
        b"From: a@shop.example\r\ndkim-signature: v=1;\r\n\tb=x\r\nSubject: Hi\r\n\r\n"
        b"DKIM-Signature: in the text\r\n"
    )
    plain = b"From: a@shop.example\r\nSubject: Hi\r\n\r\nDKIM-Signature: in the text\r\n"
    assert unsigned(signed) == plain
    assert unsigned(plain) == plain


def test_secrets_are_never_shown() -> None:
    account = SesAccount(access_key="AKIAEXAMPLE", secret_key="hush")
    assert "hush" not in repr(account)
    assert "AKIAEXAMPLE" not in repr(account)


def test_a_file_without_certificates_is_named(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("nothing")
    with pytest.raises(SettingsError, match=r"ca\.pem"):
        send(ses("https://127.0.0.1:1", ca_file=str(tmp_path / "ca.pem")), message())
