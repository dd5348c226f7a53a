from __future__ import annotations

import asyncio
import base64
import json
import logging
import ssl
import threading
import time
import urllib.parse
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
import trustme

from crm_mailer.delivering.account import Auth
from crm_mailer.delivering.oauth import RefreshedToken, TokenFailed, TokenFile, TokenSource
from crm_mailer.delivering.smtp_transport import SmtpTransport
from crm_mailer.model.delivery import Blame, Outcome, OutcomeKind, Phase
from crm_mailer.model.errors import SettingsError
from tests.delivering.letters import account, message, send
from tests.servers.smtp_faults import (
    PIPELINED,
    Fault,
    FaultServer,
    Script,
    fault_server,
    in_turn,
    reply,
)

OFFERS = (*PIPELINED, "AUTH PLAIN LOGIN XOAUTH2")
CHALLENGE = base64.b64encode(
    b'{"status":"401","schemes":"bearer","scope":"https://mail.example/"}'
).decode()
EXPIRED = reply(f"334 {CHALLENGE}")
REFUSED = reply("535 5.7.8 not accepted")


class Tokens:
    """Gives these tokens, one after the other, a new one only when it is asked for."""

    def __init__(self, *tokens: str) -> None:
        self.left = list(tokens)
        self.asked: list[str] = []

    async def token(self, *, refused: str = "") -> str:
        self.asked.append(refused)
        if refused and len(self.left) > 1:
            self.left.pop(0)
        return self.left[0]


def log_in(
    source: TokenSource | None, script: Script | None = None, **changes: object
) -> tuple[Outcome, FaultServer]:
    given: dict[str, object] = {"username": "shop@example.com", "oauth": source, **changes}
    with fault_server(script or {}, extensions=OFFERS) as server:
        way = SmtpTransport(account(server.port, connections=1, **given))
        [outcome] = send(way, message())
    return outcome, server


def sent(server: FaultServer) -> list[str]:
    """The initial responses of each AUTH XOAUTH2."""
    lines = [line for line in server.log if line.startswith(b"AUTH XOAUTH2 ")]
    return [base64.b64decode(line.split()[2]).decode() for line in lines]


def test_a_token_is_offered_in_one_line() -> None:
    outcome, server = log_in(Tokens("ya29.first"))

    assert outcome.kind is OutcomeKind.ACCEPTED
    assert sent(server) == ["user=shop@example.com\1auth=Bearer ya29.first\1\1"]


def test_a_refused_token_is_renewed_once() -> None:
    tokens = Tokens("old", "new")
    outcome, server = log_in(tokens, {"AUTH": in_turn(EXPIRED), "": in_turn(REFUSED)})

    assert (outcome.kind, tokens.asked) == (OutcomeKind.ACCEPTED, ["", "old"])
    assert [one.split("Bearer ")[1].strip("\1") for one in sent(server)] == ["old", "new"]
    assert b"\r\n" in server.log  # the empty answer to the challenge


def test_a_token_refused_twice_is_a_fault_of_ours_with_the_server_s_reason() -> None:
    tokens = Tokens("old", "new", "newer")
    outcome, server = log_in(tokens, {"AUTH": EXPIRED, "": REFUSED})

    assert (outcome.kind, outcome.phase, outcome.blame) == (
        OutcomeKind.DEFERRED, Phase.AUTH, Blame.US,
    )  # fmt: skip
    assert "status 401, scope https://mail.example/" in outcome.text
    assert len(sent(server)) == 2


def test_the_same_token_is_not_tried_twice() -> None:
    outcome, server = log_in(Tokens("only"), {"AUTH": REFUSED})

    assert (outcome.code, len(sent(server))) == (535, 1)


@pytest.mark.parametrize("words", ["!!!", "bm9uc2Vuc2U=", base64.b64encode(b"[" * 2900).decode(),
                                   base64.b64encode(b"[1]").decode(), ""])  # fmt: skip
def test_a_challenge_that_cannot_be_read_is_answered_all_the_same(words: str) -> None:
    outcome, _server = log_in(Tokens("t"), {"AUTH": reply(f"334 {words}"), "": REFUSED})

    assert (outcome.code, outcome.text) == (535, "not accepted")


def test_a_server_that_repeats_a_secret_does_not_bring_it_into_the_ledger(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    secret = base64.b64encode(b"\0shop@example.com\0s3cret").decode()
    outcome, _server = log_in(
        None, {"AUTH": reply(f"535 no: AUTH PLAIN {secret}")}, password="s3cret"
    )

    assert outcome.text == "no: AUTH PLAIN ***"
    assert secret not in caplog.text


@pytest.mark.parametrize(
    ("auth", "source", "words"),
    [
        (Auth.XOAUTH2, None, "needs a source of tokens"),
        (Auth.LOGIN, None, ""),
        (Auth.PLAIN, Tokens("t"), ""),
    ],
)
def test_the_account_may_say_how_to_log_in(
    auth: Auth, source: TokenSource | None, words: str
) -> None:
    script: dict[str, Fault | Callable[[], Fault | None]] = {}
    if auth is Auth.LOGIN:
        script["AUTH"] = in_turn(reply("334 VXNlcg=="))
        script["C2HVCEBLEGFTCGXLLMNVBQ=="] = reply("334 UGFzcw==")
        script["CZNJCMV0"] = reply("235 ok")
    outcome, server = log_in(source, script, auth=auth, password="s3cret")

    assert words in outcome.text
    assert (outcome.kind is OutcomeKind.ACCEPTED) is not bool(words)
    if not words:
        assert server.log[1].startswith(f"AUTH {auth.value.upper()}".encode())


@pytest.mark.parametrize("auth", [Auth.PLAIN, Auth.XOAUTH2])
def test_a_login_that_is_wanted_and_not_offered_is_said_so(auth: Auth) -> None:
    with fault_server(extensions=("AUTH LOGIN",)) as server:
        way = account(server.port, username="u", password="p", auth=auth, oauth=Tokens("t"))
        [outcome] = send(SmtpTransport(way), message())

    assert f"no {auth.value.upper()} login (it offers LOGIN)" in outcome.text


# ---------------------------------------------------------------- a token in a file


def test_a_token_file_is_read_anew_at_each_login(tmp_path: Path) -> None:
    path = tmp_path / "token"
    source = TokenFile(path)
    path.write_text("first\n")
    first = asyncio.run(source.token())
    path.write_text(" second ")

    assert (first, asyncio.run(source.token(refused="first"))) == ("first", "second")


@pytest.mark.parametrize("content", [None, b"", b"two words", b"\xff\xfe", b"a\1auth=Bearer b",
                                     "ключ".encode(), b"a\nb"])  # fmt: skip
def test_a_token_that_is_none_is_a_fault_of_ours(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "token"
    if content is not None:
        path.write_bytes(content)
    outcome, server = log_in(TokenFile(path))

    assert (outcome.phase, outcome.blame) == (Phase.AUTH, Blame.US)
    assert str(path) in outcome.text
    assert "AUTH" not in server.verbs


# ---------------------------------------------------------------- a token service


@dataclass
class Service:
    """A token endpoint: what it was asked, and what it answers."""

    answer: Callable[[int], tuple[int, bytes]]
    url: str = ""
    ca_file: str = ""
    asked: list[dict[str, str]] = field(default_factory=list)

    def source(self, **changes: object) -> RefreshedToken:
        given: dict[str, object] = {
            "endpoint": self.url, "client_id": "shop", "refresh_token": "r1",
            "client_secret": "hush", "ca_file": self.ca_file, "timeout": 5, **changes,
        }  # fmt: skip
        return RefreshedToken(**given)  # type: ignore[arg-type]


def token(name: str, **more: object) -> bytes:
    return json.dumps({"access_token": name, "token_type": "Bearer", **more}).encode()


@contextmanager
def service(folder: Path, answer: Callable[[int], tuple[int, bytes]]) -> Iterator[Service]:
    """It runs on loopback under TLS; `answer` is called with the number of the request, from 1."""
    authority, running = trustme.CA(), Service(answer)
    running.ca_file = str(folder / "ca.pem")
    authority.cert_pem.write_to_path(running.ca_file)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            form = self.rfile.read(int(self.headers["Content-Length"])).decode()
            running.asked.append(dict(urllib.parse.parse_qsl(form)))
            code, body = running.answer(len(running.asked))
            self.send_response(code)
            if code == 302:
                self.send_header("Location", running.url + "/elsewhere")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_args: object) -> None:
            """Quiet."""

    server = HTTPServer(("127.0.0.1", 0), Handler)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    running.url = f"https://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield running
    finally:
        server.shutdown()
        thread.join(10)
        server.server_close()


def test_a_refreshed_token_is_kept_until_it_runs_out(tmp_path: Path) -> None:
    lives = [3600, 61, 3600]
    with service(tmp_path, lambda n: (200, token(f"t{n}", expires_in=lives[n - 1]))) as running:
        source = running.source(scope="mail")
        first = [asyncio.run(source.token()) for _ in range(3)]
        renewed = asyncio.run(source.token(refused="t1"))
        time.sleep(1.1)
        third = asyncio.run(source.token())

    assert (first, renewed, third) == (["t1"] * 3, "t2", "t3")
    assert running.asked[0] == {
        "grant_type": "refresh_token", "client_id": "shop", "client_secret": "hush",
        "refresh_token": "r1", "scope": "mail",
    }  # fmt: skip


def test_many_connections_that_were_refused_ask_once(tmp_path: Path) -> None:
    async def all_at_once(source: RefreshedToken) -> list[str]:
        await source.token()
        return await asyncio.gather(*(source.token(refused="t1") for _ in range(5)))

    with service(tmp_path, lambda n: (200, token(f"t{n}"))) as running:
        found = asyncio.run(all_at_once(running.source()))

    assert (found, len(running.asked)) == (["t2"] * 5, 2)


def test_a_new_refresh_token_replaces_the_old_one(tmp_path: Path) -> None:
    with service(tmp_path, lambda n: (200, token(f"t{n}", refresh_token=f"r{n + 1}"))) as running:
        source = running.source()
        asyncio.run(source.token())
        asyncio.run(source.token(refused="t1"))

    assert [one["refresh_token"] for one in running.asked] == ["r1", "r2"]


@pytest.mark.parametrize(
    ("code", "body", "is_ours", "words"),
    [
        (400, b'{"error": "invalid_grant"}', True, "answers 400 invalid_grant"),
        (401, b'{"error": "r1 hush"}', True, "answers 401"),
        (400, b"[" * 9000, True, "answers 400"),
        (429, b"slowly", False, "answers 429"),
        (503, b"", False, "answers 503"),
        (302, b"", False, "answers 302"),
        (200, b"<html>", False, "JSONDecodeError"),
        (200, b"[" * 9000, False, "RecursionError"),
        (200, b"[]", False, "no object"),
        (200, b"{}", True, "no usable token"),
        (200, token("a b"), True, "no usable token"),
    ],
)
def test_a_token_service_that_gives_none_is_told_apart(
    tmp_path: Path, code: int, body: bytes, is_ours: bool, words: str
) -> None:
    with service(tmp_path, lambda _n: (code, body)) as running:
        with pytest.raises(TokenFailed) as caught:
            asyncio.run(running.source().token())
        outcome, _server = log_in(running.source())

    assert words in str(caught.value)
    assert caught.value.is_ours is is_ours
    assert not {"r1", "hush"} & set(str(caught.value).split())
    assert outcome.blame is (Blame.US if is_ours else Blame.SITE)


def test_a_token_service_that_nobody_vouches_for_gets_no_secret(tmp_path: Path) -> None:
    with service(tmp_path, lambda _n: (200, token("t"))) as running:
        with pytest.raises(TokenFailed, match="CERTIFICATE_VERIFY_FAILED"):
            asyncio.run(running.source(ca_file="").token())

        assert running.asked == []


@pytest.mark.parametrize("endpoint", ["http://127.0.0.1/token", "file:///etc/passwd", "token"])
def test_secrets_go_by_https_only(endpoint: str) -> None:
    with pytest.raises(SettingsError, match="is not https") as caught:
        RefreshedToken(endpoint=endpoint, client_id="c", refresh_token="r")

    assert caught.value.hint


def test_a_ca_file_without_certificates_is_told(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("nothing")

    with pytest.raises(SettingsError, match=r"ca\.pem"):
        RefreshedToken(endpoint="https://x.example", client_id="c", refresh_token="r",
                       ca_file=str(tmp_path / "ca.pem"))  # fmt: skip


def test_an_unreachable_token_service_blames_the_site() -> None:
    source = RefreshedToken(endpoint="https://tokens.invalid/", client_id="c", refresh_token="r")
    with pytest.raises(TokenFailed) as caught:
        asyncio.run(source.token())

    assert caught.value.is_ours is False
