"""Whatever is asked of the public pages: it acts on nothing, tells nothing, breaks nothing."""

from __future__ import annotations

import base64
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress

import pytest
import sqlalchemy as sa

from crm_mailer.model.token import Purpose
from crm_mailer.public import server
from crm_mailer.store import tables as t
from crm_mailer.web import serving
from crm_mailer.web.limits import Limits
from crm_mailer.web.serving import LOOPBACK, Running
from tests.public.page_site import FORM, HOST, ONE_CLICK, PageSite

BOB = "bob@example.com"
LETTERS = {
    "u": Purpose.UNSUBSCRIBE,
    "p": Purpose.PREFERENCES,
    "w": Purpose.WEB,
    "y": Purpose.CONFIRM,
}
PADDING = "a" * 9_000


def effects(site: PageSite) -> tuple[int, ...]:
    """How many rows there are of whatever a request could make."""
    tables = (t.page_acts, t.suppressions, t.feedback, t.consents, t.customer_tags)
    with site.app.store.read() as connection:
        return tuple(
            connection.scalar(sa.select(sa.func.count()).select_from(one)) or 0 for one in tables
        )


def good(site: PageSite, purpose: Purpose) -> str:
    return site.app.keys.make(purpose, site.touch(BOB))


FORGED: dict[str, Callable[[PageSite, str], str]] = {
    "no token": lambda _site, _good: "x",
    "a number": lambda _site, _good: "1",
    "cut off": lambda _site, good: good[:-1],
    "cut in half": lambda _site, good: good.partition(".")[0],
    "longer": lambda _site, good: good + "a",
    "another mail's head": lambda site, good: (
        site.app.keys.make(Purpose.OPEN, 1).partition(".")[0] + "." + good.partition(".")[2]
    ),
    "another letter": lambda _site, good: good[:-1] + ("a" if good[-1] != "a" else "b"),
    "of another key": lambda _site, _good: "7eaaaaaaaaaaaae.aaaaaaaaaaaaaaaa",
    "of a mail that is not there": lambda site, _good: "",
    "zeros": lambda _site, _good: "aaaaaaaaaaaaaaa.aaaaaaaaaaaaaaaa",
    "a NUL": lambda _site, good: good + "%00",
    "a line break": lambda _site, good: good + "%0d%0aset-cookie:%20x=1",
    "a path out": lambda _site, _good: "..%2f..%2fcrm-mailer.key",
    "a template": lambda _site, _good: "%7B%7B7*7%7D%7D",
    "a script": lambda _site, _good: "%3Cscript%3Ealert(1)%3C/script%3E",
    "SQL": lambda _site, _good: "%27%20OR%201=1--",
    "letters that are no ASCII": lambda _site, _good: "%E2%80%AE%F0%9F%92%A9",
    "bytes that are no text": lambda _site, _good: "%ff%fe",
}


@pytest.mark.parametrize("letter", LETTERS)
@pytest.mark.parametrize("forged", FORGED, ids=list(FORGED))
def test_a_link_that_we_did_not_make_is_a_friendly_404(
    pages: PageSite, letter: str, forged: str
) -> None:
    purpose = LETTERS[letter]
    token = FORGED[forged](pages, good(pages, purpose))
    if forged == "of a mail that is not there":
        token = pages.app.keys.make(purpose, 2**62)
    before = effects(pages)
    for method, body in (("GET", ""), ("HEAD", ""), ("POST", ONE_CLICK)):
        said = pages.ask(f"/{letter}/{token}", method, body, content_type=FORM)
        assert said.status in ((404, 405, 410) if letter == "w" else (404,))
        assert "set-cookie" not in said.headers
        assert "Traceback" not in said.text
    assert "<script>alert" not in pages.ask(f"/{letter}/{token}").text
    assert effects(pages) == before


@pytest.mark.parametrize("letter", LETTERS)
@pytest.mark.parametrize("purpose", list(Purpose), ids=[one.value for one in Purpose])
def test_a_token_for_one_thing_does_nothing_else(
    pages: PageSite, letter: str, purpose: Purpose
) -> None:
    if LETTERS[letter] is purpose:
        return
    before = effects(pages)
    path = f"/{letter}/{good(pages, purpose)}"
    assert pages.ask(path).status == 404
    assert pages.ask(path, "POST", ONE_CLICK, content_type=FORM).status in (404, 405)
    assert effects(pages) == before


def test_scanners_that_get_everything_change_nothing(pages: PageSite) -> None:
    before = effects(pages)
    for letter, purpose in LETTERS.items():
        path = f"/{letter}/{good(pages, purpose)}"
        shouted = f"/{letter}/{good(pages, purpose).upper()}"
        queries = ("?act=stop", "?List-Unsubscribe=One-Click", "?act=yes&hl=xx")
        for one in (path, shouted, *(path + query for query in queries)):
            for method in ("GET", "HEAD"):
                said = pages.ask(one, method, user_agent="BarracudaCentral/1.0")
                assert said.status == 200
                assert method == "GET" or said.body == b""
    assert effects(pages) == before


@pytest.mark.parametrize(
    "method", ["PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "CONNECT", "BREW"]
)
def test_other_methods_are_refused(pages: PageSite, method: str) -> None:
    said = pages.ask(f"/u/{good(pages, Purpose.UNSUBSCRIBE)}", method)
    assert said.status == 405
    assert "POST" in said.headers["allow"]


@pytest.mark.parametrize(
    ("host", "status"),
    [
        (HOST, 200),
        (HOST.upper(), 200),
        (f"{HOST}:443", 200),
        ("localhost", 200),
        ("evil.example", 421),
        (f"evil.example#{HOST}", 421),
        (f"{HOST}.evil.example", 421),
        (f"{HOST}@evil.example", 421),
        ("", 421),
    ],
)
def test_only_our_own_host_is_answered(pages: PageSite, host: str, status: int) -> None:
    path = f"/u/{good(pages, Purpose.UNSUBSCRIBE)}"
    sent = f"GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"
    assert f" {status} ".encode() in pages.raw(sent.encode()).split(b"\r\n")[0]


def test_the_forwarded_host_counts_for_nothing(pages: PageSite) -> None:
    path = f"/u/{good(pages, Purpose.UNSUBSCRIBE)}"
    said = pages.ask(path, host="evil.example", x_forwarded_host=HOST)
    assert said.status == 421
    page = pages.ask(path, x_forwarded_host="evil.example", x_forwarded_proto="gopher").text
    assert "evil.example" not in page


@pytest.mark.parametrize(
    ("sent", "statuses"),
    [
        (f"GET /{PADDING} HTTP/1.1\r\nHost: {HOST}\r\n\r\n", (414,)),
        (f"GET /?{PADDING} HTTP/1.1\r\nHost: {HOST}\r\n\r\n", (414,)),
        (f"GET / HTTP/1.1\r\nHost: {HOST}\r\nX: {PADDING}\r\n\r\n", (431,)),
        (f"GET /{PADDING * 9} HTTP/1.1\r\nHost: {HOST}\r\n\r\n", (400, 414)),
        (f"POST /u/x HTTP/1.1\r\nHost: {HOST}\r\nContent-Length: 9000\r\n\r\n{PADDING}", (413,)),
        (
            f"POST /u/x HTTP/1.1\r\nHost: {HOST}\r\nTransfer-Encoding: chunked\r\n\r\n"
            f"2400\r\n{'a' * 0x2400}\r\n0\r\n\r\n",
            (413,),
        ),
        ("GET / HTTP/1.1\r\n\r\n", (400, 421)),
        ("\x16\x03\x01\x02\x00\x01\r\n\r\n", (400,)),
        (f"GET / HTTP/1.1\r\nHost: {HOST}\r\nHost: {HOST}\r\n\r\n", (400,)),
        (f"GET / HTTP/1.1\r\nHost: {HOST}\r\nX : y\r\n\r\n", (400,)),
        (
            f"POST /u/x HTTP/1.1\r\nHost: {HOST}\r\nContent-Length: 4\r\n"
            "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            (400, 404),
        ),
    ],
    ids=["a path of 9 kB", "a query of 9 kB", "headers of 9 kB", "a path of 81 kB",
         "a body of 9 kB", "a body of 9 kB in chunks", "no host", "TLS where there is none",
         "two hosts", "a blank before the colon", "two lengths"],
)  # fmt: skip
def test_what_is_too_long_or_no_http_is_refused(
    pages: PageSite, sent: str, statuses: tuple[int, ...]
) -> None:
    said = pages.raw(sent.replace("\r\n\r\n", "\r\nConnection: close\r\n\r\n", 1).encode("latin-1"))
    assert int(said.split(b" ")[1]) in statuses


@pytest.mark.parametrize(
    "body",
    [
        "act=undo", "act=why&reason=never_signed_up", "act=", "act=undo&act=stop", "&&&&====",
        "%", "act=%ff%fe%00", "act[]=stop", "&".join(f"a{n}=1" for n in range(500)),
    ],
    ids=["an undo without an opt-out", "a reason without one", "empty", "twice", "no pairs",
         "half an escape", "no text", "another name", "500 fields"],
)  # fmt: skip
def test_odd_forms_are_answered(pages: PageSite, body: str) -> None:
    path = f"/u/{pages.app.keys.make(Purpose.UNSUBSCRIBE, pages.touch('carmen@example.es'))}"
    assert pages.ask(path, "POST", body, content_type=FORM).status == 200
    pages.take_in()


def test_a_slow_body_is_hung_up_on(pages: PageSite, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("crm_mailer.web.limits.PATIENCE", 0.3)
    path = f"/u/{good(pages, Purpose.UNSUBSCRIBE)}"
    before = effects(pages)
    begun = time.monotonic()
    sent = f"POST {path} HTTP/1.1\r\nHost: {HOST}\r\nContent-Length: 20\r\n\r\nact="
    assert b" 408 " in pages.raw(sent.encode()).split(b"\r\n")[0]
    assert time.monotonic() - begun < 9
    assert effects(pages) == before


@pytest.fixture
def short(pages: PageSite) -> Iterator[Running]:
    """The same pages, with little patience and few lines."""
    door = serving.open_port(0, usual=0)
    small = Limits(patience=0.4, lines=4)
    running = serving.start(server.application(pages.app), door, limits=small)
    yield running
    assert running.stop()


@pytest.mark.parametrize(
    "sent",
    [b"", b"GET / HTT", b"GET / HTTP/1.1\r\nHost: localhost\r\nX: "],
    ids=["silence", "half a line", "half a head"],
)
def test_a_head_that_does_not_come_is_hung_up_on(
    pages: PageSite, short: Running, sent: bytes
) -> None:
    slow = PageSite(app=pages.app, running=short)
    begun = time.monotonic()
    assert slow.raw(sent) == b""
    assert time.monotonic() - begun < 9


def test_trickling_does_not_buy_time(pages: PageSite, short: Running) -> None:
    port = PageSite(app=pages.app, running=short).port
    with socket.create_connection((LOOPBACK, port), timeout=9) as line:
        begun = time.monotonic()
        with suppress(OSError):
            while time.monotonic() - begun < 9:
                line.sendall(b"a")
                time.sleep(0.05)
        assert time.monotonic() - begun < 9


def test_more_lines_than_allowed_are_told_to_come_again(pages: PageSite, short: Running) -> None:
    few = PageSite(app=pages.app, running=short)
    with ExitStack() as held:
        for _ in range(6):
            held.enter_context(socket.create_connection((LOOPBACK, few.port), timeout=9))
        time.sleep(0.1)
        assert few.ask("/robots.txt").status == 503
    time.sleep(0.6)
    assert few.ask("/robots.txt").status == 200


def test_idle_lines_do_not_keep_an_opt_out_away(pages: PageSite) -> None:
    path = f"/u/{pages.app.keys.make(Purpose.UNSUBSCRIBE, pages.touch('carmen@example.es'))}"
    with ExitStack() as held:
        for _ in range(130):
            held.enter_context(socket.create_connection((LOOPBACK, pages.port), timeout=9))
        time.sleep(0.1)
        assert pages.ask(path, "POST", ONE_CLICK, content_type=FORM).status == 200


@pytest.mark.parametrize("path", ["/p/", "/u/", "/images/", "/assets/", "/w/"])
@pytest.mark.parametrize(
    "rest",
    ["..", "../crm-mailer.key", "%2e%2e/crm-mailer.key", "..%5ccrm-mailer.key", "/etc/passwd",
     "%00", "page.css/../../server.py", "server.py", "en.toml"],
)  # fmt: skip
def test_no_path_leads_out(pages: PageSite, path: str, rest: str) -> None:
    said = pages.ask(path + rest)
    assert said.status == 404
    secret = (pages.app.home / "crm-mailer.key").read_text("ascii").strip()
    assert secret not in said.text


@pytest.mark.parametrize("path", ["/", "/robots.txt", "/assets/page.css", "/assets/shop.css"])
def test_every_answer_says_how_it_may_be_used(pages: PageSite, path: str) -> None:
    headers = pages.ask(path).headers
    assert "default-src 'none'" in headers["content-security-policy"]
    assert "script-src" not in headers["content-security-policy"]
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"
    assert "server" not in headers


def test_a_replayed_post_has_no_further_effect(pages: PageSite) -> None:
    path = f"/u/{good(pages, Purpose.UNSUBSCRIBE)}"
    for _ in range(2):
        assert pages.ask(path, "POST", ONE_CLICK, content_type=FORM).status == 200
        pages.take_in()
    before = effects(pages)
    assert pages.ask(path, "POST", ONE_CLICK, content_type=FORM).status == 200
    pages.take_in()
    assert effects(pages) == before


def test_a_broken_database_is_a_page_and_is_asked_again(
    pages: PageSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_asked: object, **_more: object) -> None:
        raise RuntimeError(base64.b64encode(b"secret"))

    monkeypatch.setattr("crm_mailer.store.preferences.find_reader", broken)
    said = pages.ask(f"/u/{good(pages, Purpose.UNSUBSCRIBE)}", "POST", ONE_CLICK, content_type=FORM)
    assert said.status == 503
    assert said.headers["retry-after"] == "60"
    assert "RuntimeError" not in said.text
    assert "Something went wrong here" in said.text
