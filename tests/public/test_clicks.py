"""Links and pictures of mails over real HTTP: what they do, and what nobody can make them do."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from http.client import HTTPConnection, HTTPResponse
from itertools import cycle
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from crm_mailer.app import App, web_events
from crm_mailer.model import hit as hits_
from crm_mailer.model import tracking
from crm_mailer.model.hit import WebHit
from crm_mailer.model.token import Purpose
from crm_mailer.public import hits, server
from crm_mailer.public.clicks import PICTURE, Asked, Clicks
from crm_mailer.settings import read_settings
from crm_mailer.store import links as stored
from crm_mailer.store import tables as t
from crm_mailer.store import web_events as rows
from crm_mailer.web import serving
from crm_mailer.web.limits import Limits
from tests.conftest import StandingClock
from tests.small_shop import small_shop

TARGET = "https://shop.example/new?a=1&b=2#top"
OTHER = "https://other.example/"
EVIL = "https://evil.example/"
SET, OTHER_SET = tracking.link_set((TARGET,)), tracking.link_set((OTHER,))
LINK, OTHER_LINK = tracking.number(SET, 0), tracking.number(OTHER_SET, 0)
AGENT = "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"


class Site:
    """The public pages, as anybody asks for them."""

    def __init__(self, app: App, running: serving.Running, written: hits.Hits) -> None:
        self.app = app
        self.written = written
        self.port = int(running.address.rstrip("/").rpartition(":")[2])

    def ask(
        self, path: str, method: str = "GET", host: str = "", **headers: str
    ) -> tuple[HTTPResponse, bytes]:
        line = HTTPConnection(serving.LOOPBACK, self.port, timeout=20)
        told = {name.replace("_", "-"): value for name, value in headers.items()}
        line.request(method, path, headers=told | ({"Host": host} if host else {}))
        answer = line.getresponse()
        body = answer.read()
        line.close()
        return answer, body

    def talk(self, raw: bytes, *, slowly: bool = False, has_more: bool = False) -> bytes:
        """Say something on a line of its own, and hear all that is answered until it ends."""
        with socket.create_connection((serving.LOOPBACK, self.port), timeout=20) as line:
            for part in [raw[at : at + 1] for at in range(len(raw))] if slowly else [raw]:
                line.sendall(part)
            if not has_more:
                line.shutdown(socket.SHUT_WR)
            heard = b""
            while part := line.recv(65536):
                heard += part
            return heard

    def link(self, touch_id: int = 7, link: int = LINK) -> str:
        token = self.app.keys.make_for(Purpose.CLICK, touch_id, tracking.set_bytes(link))
        return f"/c/{token}/{tracking.code(link)}"

    def picture(self, touch_id: int = 7) -> str:
        return f"/o/{self.app.keys.make(Purpose.OPEN, touch_id)}.gif"

    def noted(self) -> list[Any]:
        """What was asked for since the last look."""
        self.written.flush()
        with self.app.store.write() as connection:
            seen = connection.execute(sa.select(t.web_events).order_by(t.web_events.c.id)).all()
            connection.execute(sa.delete(t.web_events))
        return list(seen)


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    app = shop_with_links(tmp_path_factory.mktemp("public") / "shop")
    written = hits.Hits(app, every=3600)  # the tests say when
    running = start(app, written)
    yield Site(app, running, written)
    assert running.stop()
    app.close()


@pytest.fixture
def site(served: Site) -> Site:
    """The pages, with nothing noted and a link that was followed before."""
    served.ask(served.link())
    served.noted()
    return served


def start(app: App, written: hits.Hits) -> serving.Running:
    followed = Clicks(app, written)
    door = serving.open_port(0, usual=server.USUAL_PORT)
    change = server.short_way(app, followed)
    made = server.application(app, followed)
    running = serving.start(made, door, limits=Limits(), change=change)
    end = time.monotonic() + 20
    while not running.server.started and time.monotonic() < end:
        time.sleep(0.02)
    return running


def shop_with_links(home: Path) -> App:
    small_shop(home, (), ())
    shop = home / "campaigns" / "shop.yaml"
    shop.write_text(shop.read_text(encoding="utf-8") + "\npublic_url: https://mail.shop.example\n")
    app = App(home, read_settings(home, {}), StandingClock())
    with app.store.write() as connection:
        for link, target in ((LINK, TARGET), (OTHER_LINK, OTHER)):
            row = {"id": link, "target": target, "added_at": app.clock.now()}
            connection.execute(sa.insert(t.links).values(row))
    return app


# ------------------------------------------------------------------ what they do


def test_a_link_leads_to_its_target_and_is_noted(site: Site) -> None:
    answer, body = site.ask(site.link(), user_agent=AGENT, x_forwarded_for="1.2.3.4, 203.0.113.77")

    assert (answer.status, answer.headers["location"], body) == (302, TARGET, b"")
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["x-robots-tag"] == "noindex, nofollow"
    assert "set-cookie" not in answer.headers
    [row] = site.noted()
    assert row[1:5] == ("click", 7, LINK, site.app.clock.now())
    assert (row.agent, row.address, row.method) == (AGENT, "203.0.113.0", "GET")


def test_a_picture_is_one_pixel_and_is_noted(site: Site) -> None:
    answer, body = site.ask(site.picture(), user_agent=AGENT)

    assert (answer.status, answer.headers["content-type"], body) == (200, "image/gif", PICTURE)
    assert len(PICTURE) == 43
    [row] = site.noted()
    assert row[1:4] == ("open", 7, None)


@pytest.mark.parametrize("kind", ["link", "picture"])
def test_head_is_answered_without_a_body_and_noted_as_head(site: Site, kind: str) -> None:
    answer, body = site.ask(getattr(site, kind)(), "HEAD")

    assert (answer.status, body) == ({"link": 302, "picture": 200}[kind], b"")
    assert [row.method for row in site.noted()] == ["HEAD"]


@pytest.mark.parametrize("kind", ["link", "picture"])
def test_the_short_way_and_the_usual_one_answer_alike(site: Site, kind: str) -> None:
    path = getattr(site, kind)()
    quick, body = site.ask(path)
    usual, same = site.ask(path, expect="100-continue")

    assert (quick.status, body) == (usual.status, same)
    told = {name.lower(): value for name, value in usual.getheaders()}
    assert {name.lower(): value for name, value in quick.getheaders()}.items() <= told.items()
    assert "content-security-policy" in told, "it was the short way"
    assert len({tuple(row)[1:] for row in site.noted()}) == 1


@pytest.mark.parametrize(
    "change",
    [
        str.upper,
        lambda path: path + "?utm_source=mail&to=https://evil.example/",
        lambda path: path.replace("/c/", "/C/").lower(),
    ],
    ids=["in capitals", "with a query", "in small letters"],
)
def test_what_programs_do_to_addresses_does_no_harm(site: Site, change: Any) -> None:
    head, _, rest = site.link()[1:].partition("/")
    answer, _ = site.ask(f"/{head}/" + change(rest))

    assert (answer.status, answer.headers["location"]) == (302, TARGET)


def test_requests_that_come_together_are_answered_in_their_order(site: Site) -> None:
    def asked(path: str, more: str = "") -> bytes:
        return f"GET {path} HTTP/1.1\r\nHost: localhost\r\n{more}\r\n".encode()

    site.ask(site.link(link=OTHER_LINK))
    site.noted()
    heard = site.talk(
        asked(site.link())
        + asked(site.picture())
        + asked("/nothing")
        + asked(site.link(link=OTHER_LINK))
        + asked(site.picture(), "Connection: close\r\n")
        + asked(site.link()),
        has_more=True,
    )

    statuses = re.findall(rb"HTTP/1\.1 (\d+)", heard)
    assert statuses == [b"302", b"200", b"404", b"302", b"200"]
    assert heard.index(TARGET.encode()) < heard.index(OTHER.encode())
    assert len([row for row in site.noted() if row.kind == "open"]) == 2


def test_a_request_that_comes_letter_by_letter_is_answered(site: Site) -> None:
    raw = f"GET {site.link()} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode()

    assert TARGET.encode() in site.talk(raw, slowly=True, has_more=True)


def test_a_line_goes_on_after_a_page_that_went_the_usual_way(site: Site) -> None:
    line = HTTPConnection(serving.LOOPBACK, site.port, timeout=20)
    found = []
    for path in (site.link(), "/nothing", site.picture(), site.link(), "/c/x/y", site.link()):
        line.request("GET", path)
        answer = line.getresponse()
        answer.read()
        found.append(answer.status)
    line.close()

    assert found == [302, 404, 200, 302, 404, 302]


# ------------------------------------------------------------------ what they do not


def forged(site: Site) -> str:
    return re.sub(r"\.(.)", lambda m: "." + ("b" if m[1] == "a" else "a"), site.link(), count=1)


BAD: dict[str, Any] = {
    "forged": (forged, 404),
    "cut": (lambda site: site.link()[:-1], 404),
    "cut inside the token": (lambda site: site.link()[:20] + site.link()[21:], 404),
    "longer": (lambda site: site.link() + "a", 404),
    "the link of another mail": (
        lambda site: site.link()[: -len(tracking.code(0))] + tracking.code(OTHER_LINK),
        404,
    ),
    "a link that was never saved": (
        lambda site: site.link(link=tracking.number(tracking.link_set((EVIL,)), 0)),
        404,
    ),
    "another place in the set": (lambda site: site.link(link=LINK + 1), 404),
    "the token of another mail": (
        lambda site: site.link(8)[:19] + site.link(7)[19:],
        404,
    ),
    "a token to unsubscribe": (
        lambda site: f"/c/{site.app.keys.make(Purpose.UNSUBSCRIBE, 7)}/{tracking.code(LINK)}",
        404,
    ),
    "a token of a picture": (
        lambda site: f"/c/{site.app.keys.make(Purpose.OPEN, 7)}/{tracking.code(LINK)}",
        404,
    ),
    "no token": (lambda site: f"/c//{tracking.code(LINK)}", 404),
    "the target in the path": (lambda site: f"/c/{EVIL}", 404),
    "the target in the query": (lambda site: f"/c/x/y?url={EVIL}&to={EVIL}", 404),
    "letters that are none": (lambda site: site.link()[:-1] + "%0d%0aLocation:%20x", 404),
    "a path that climbs": (lambda site: "/c/../../etc/passwd", 404),
    "a path that climbs in disguise": (lambda site: "/c/%2e%2e/%2e%2e%2fshop.yaml", 404),
    "eight kilobytes": (lambda site: site.link() + "?" + "a" * 8_192, 414),
    "sixty-four kilobytes": (lambda site: "/c/" + "a" * 65_536, None),
}


@pytest.mark.parametrize("name", BAD)
def test_an_address_that_is_not_ours_leads_nowhere(site: Site, name: str) -> None:
    make, expected = BAD[name]
    answer, body = site.ask(make(site))

    assert answer.status == expected if expected else 400 <= answer.status < 500
    assert "location" not in answer.headers
    assert b"evil" not in body
    assert b"Traceback" not in body
    assert site.noted() == []


@pytest.mark.parametrize(
    "make",
    [
        lambda site: "/o/" + "a" * 15 + "." + "a" * 16 + ".gif",
        lambda site: site.picture()[:-5] + ".gif",
        lambda site: f"/o/{site.app.keys.make(Purpose.UNSUBSCRIBE, 7)}.gif",
        lambda site: "/o/x.gif",
        lambda site: "/o/" + "%C3%A9" * 40,
    ],
    ids=["forged", "cut", "another purpose", "nothing", "foreign letters"],
)
def test_a_picture_tells_nobody_that_its_address_is_not_ours(site: Site, make: Any) -> None:
    answer, body = site.ask(make(site))

    assert (answer.status, body) == (200, PICTURE)
    assert site.noted() == []


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "TRACE", "PATCH", "FOO"])
def test_nothing_is_done_by_another_method(site: Site, method: str) -> None:
    for path in (site.link(), site.picture()):
        answer, _ = site.ask(path, method)
        assert answer.status == 405
        assert "location" not in answer.headers
    assert site.noted() == []


@pytest.mark.parametrize(
    "host", ["evil.example", "mail.shop.example.evil.example", "", "mail.shop.example@evil"]
)
def test_under_another_name_nothing_is_answered(site: Site, host: str) -> None:
    raw = f"GET {site.link()} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"
    heard = site.talk(raw.encode())

    assert re.match(rb"HTTP/1\.1 4\d\d ", heard)
    assert b"location" not in heard.lower()
    assert site.noted() == []


HEADS = {
    "two hosts": "Host: localhost\r\nHost: evil.example\r\n",
    "no host": "X: y\r\n",
    "a length and chunks": "Host: localhost\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n",
    "two lengths": "Host: localhost\r\nContent-Length: 4\r\nContent-Length: 5\r\n",
    "a blank before the colon": "Host: localhost\r\nContent-Length : 5\r\n",
    "a bare line feed": "Host: localhost\nContent-Length: 50\r\n",
    "a bare carriage return": "Host: localhost\r\nX: a\rContent-Length: 50\r\n",
    "a zero": "Host: localhost\r\nX: a\0b\r\n",
    "no name": "Host: localhost\r\n: x\r\n",
    "long headers": f"Host: localhost\r\nX: {'a' * 9000}\r\n",
}


@pytest.mark.parametrize("name", HEADS)
def test_a_head_that_programs_read_differently_is_refused(site: Site, name: str) -> None:
    heard = site.talk(f"GET {site.link()} HTTP/1.1\r\n{HEADS[name]}\r\n".encode("latin-1"))

    # refused, or hung up on where a body was to come
    assert heard == b"" or re.match(rb"HTTP/1\.1 4\d\d ", heard), heard
    assert b"location:" not in heard.lower()
    assert site.noted() == []


@pytest.mark.parametrize(
    "raw",
    [b"\x16\x03\x01\x02\x00\x01\x00", b"GET\r\n\r\n", b"\r\n" * 50, b"GET / HTTP/9.9\r\n\r\n"],
    ids=["TLS", "half a line", "nothing", "another HTTP"],
)
def test_what_is_no_http_harms_nobody(site: Site, raw: bytes) -> None:
    site.talk(raw)

    assert site.ask(site.picture())[0].status == 200


def test_a_link_followed_again_is_only_noted_again(site: Site) -> None:
    for _ in range(3):
        assert site.ask(site.link())[0].headers["location"] == TARGET

    assert len(site.noted()) == 3


@pytest.mark.parametrize(
    "target",
    ["javascript:alert(1)", "https://u@evil.example/", "https://a.example/\r\nX: y", "//e"],
)
def test_a_target_that_was_spoilt_in_the_database_is_not_followed(site: Site, target: str) -> None:
    number = tracking.number(tracking.link_set((f"spoilt {target}",)), 0)
    row = {"id": number, "target": target, "added_at": site.app.clock.now()}
    with site.app.store.write() as connection:
        connection.execute(sa.insert(t.links).values(row))

    assert site.ask(site.link(link=number))[0].status == 404


def test_who_asks_is_not_kept_whole(site: Site) -> None:
    site.ask(site.picture(), user_agent="x" * 900, x_forwarded_for="2001:db8:1:2:3::9")

    [row] = site.noted()
    assert (len(row.agent), row.address) == (hits_.AGENT_LENGTH, "2001:db8:1::")


@pytest.mark.parametrize(
    ("address", "kept"),
    [
        ("203.0.113.77", "203.0.113.0"),
        ("::ffff:203.0.113.77", "203.0.113.0"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1::"),
        ("fe80::1%eth0", "fe80::"),
        ("unknown", ""),
        ("", ""),
    ],
)
def test_of_an_address_the_network_is_kept(address: str, kept: str) -> None:
    assert hits_.network(address) == kept


# ------------------------------------------------------------------ writing down


@pytest.fixture
def app(tmp_path: Path) -> Iterator[App]:
    found = App(tmp_path, read_settings(tmp_path, {}), StandingClock())
    yield found
    found.close()


def count(app: App) -> int:
    with app.store.read() as connection:
        return connection.scalar(sa.select(sa.func.count()).select_from(t.web_events)) or 0


def test_while_the_database_is_locked_requests_wait_in_a_file(app: App) -> None:
    written = hits.Hits(app)
    app.store  # noqa: B018 - made before it is locked
    waiting = hits.file_of(app.home)
    with closing(sqlite3.connect(app.home / "crm-mailer.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        for number in range(50):
            written.add(WebHit("open", number, 0))
        begun = time.monotonic()
        written.flush()
        took = time.monotonic() - begun
        other.execute("ROLLBACK")
    assert count(app) == 0
    assert len(waiting.read_text().splitlines()) == 50
    assert took < 1.0, "a kill would have lost more than a second's worth"
    waiting.write_text(waiting.read_text() + '["open", 5')  # a crash cut the last line off

    time.sleep(hits.REST)
    written.add(WebHit("open", 99, 0))
    written.flush()

    assert (count(app), waiting.exists(), written.dropped) == (51, False, 0)


def test_what_comes_faster_than_the_database_takes_it_waits_in_a_file(
    app: App, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hits, "CROWD", 10)
    monkeypatch.setattr(hits, "BATCH", 4)
    written = hits.Hits(app)
    asides = []
    put_aside = written._put_aside

    def counted(some: list[WebHit]) -> None:
        asides.append(len(some))
        put_aside(some)

    monkeypatch.setattr(written, "_put_aside", counted)
    for number in range(30):
        written.add(WebHit("open", number, 0))
    written.flush()

    assert asides == [30]
    assert (count(app), written.dropped) == (30, 0)
    assert not list(app.home.glob(f"{hits.FILE}*"))


def test_more_than_can_wait_is_dropped_counted_and_told(
    app: App, capfd: pytest.CaptureFixture[str]
) -> None:
    written = hits.Hits(app, most=3)
    for number in range(5):
        written.add(WebHit("open", number, 0))
    written.flush()

    assert (count(app), written.dropped) == (3, 2)
    assert "dropped=2" in "".join(capfd.readouterr())


def test_an_ending_server_writes_down_what_waits(tmp_path: Path) -> None:
    app = shop_with_links(tmp_path / "shop")
    written = hits.Hits(app)
    running = start(app, written)
    site = Site(app, running, written)
    for _ in range(20):
        site.ask(site.picture())

    assert running.stop()
    assert count(app) == 20
    app.close()


@pytest.mark.parametrize(
    "error",
    [
        sa.exc.OperationalError("INSERT", {}, sqlite3.OperationalError("disk I/O error")),
        sqlite3.DatabaseError("database disk image is malformed"),
        RuntimeError(),
    ],
    ids=["of the driver", "of the file", "any other"],
)
def test_whatever_goes_wrong_with_the_database_requests_wait_in_the_file(
    app: App, error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_asked: object) -> None:
        raise error

    written = hits.Hits(app)
    with monkeypatch.context() as patch:
        patch.setattr("crm_mailer.store.web_events.add", broken)
        for number in range(10):
            written.add(WebHit("open", number, 0))
        written.flush()
    assert len(hits.file_of(app.home).read_text().splitlines()) == 10

    time.sleep(hits.REST)
    written.flush()

    assert (count(app), written.dropped) == (10, 0)


def test_the_file_is_read_by_nobody_else(app: App) -> None:
    written = hits.Hits(app)
    some = [WebHit("open", number, 0) for number in range(5)]
    written._put_aside(some)
    written._keep_taken(some)
    written._fetch()
    written._put_aside(some)
    written._keep_taken(some)

    modes = {one.name: one.stat().st_mode & 0o777 for one in app.home.glob("web-events*")}

    assert modes == {hits.FILE: 0o600, f"{hits.FILE}.taken": 0o600, hits.LOCK: 0o600}


def test_two_processes_bring_the_file_in_once(app: App, monkeypatch: pytest.MonkeyPatch) -> None:
    one, other = hits.Hits(app), hits.Hits(app)
    one._put_aside([WebHit("open", number, 0) for number in range(5)])
    note = web_events.note

    def meanwhile(store: Any, some: list[WebHit]) -> None:
        """While the one writes, the other looks at the file, and has more for it."""
        monkeypatch.setattr(web_events, "note", note)
        other._put_aside([WebHit("open", 7, 0)])
        other._fetch()
        assert count(app) == 0
        note(store, some)

    monkeypatch.setattr(web_events, "note", meanwhile)
    one._fetch()
    assert count(app) == 5
    other._fetch()

    assert count(app) == 6
    assert not list(app.home.glob(f"{hits.FILE}*"))


def test_what_is_written_while_the_file_is_moved_is_not_lost(app: App) -> None:
    one, other = hits.Hits(app), hits.Hits(app)
    one._put_aside([WebHit("open", 1, 0)])
    writer = threading.Thread(target=other._put_aside, args=([WebHit("open", 2, 0)],))
    with hits._appending(hits.file_of(app.home)):
        writer.start()
        time.sleep(0.2)  # it has the file open, and waits for its turn
        assert writer.is_alive()
        hits.file_of(app.home).replace(one._taken)
        one._fetch()
    writer.join()
    one._fetch()

    assert count(app) == 2


def test_lines_that_somebody_spoilt_stop_nothing(app: App) -> None:
    good = json.dumps(WebHit("open", 1, 0))
    spoilt = ['["open", "x", 0]', '["open", 1, 0, null, {}]', "[]", "{}", "x", "1"]
    hits.file_of(app.home).write_text("\n".join([*spoilt, good]) + "\n", encoding="utf-8")

    hits.Hits(app).flush()

    assert count(app) == 1


def test_a_flood_for_one_mail_is_answered_and_not_noted(
    app: App, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(web_events, "MOST_OF_A_MAIL", 3)
    written = hits.Hits(app)
    followed = Clicks(app, written)
    who = Asked(method="GET", agent=AGENT, address="203.0.113.7")
    for _ in range(5):
        assert followed.see(app.keys.make(Purpose.OPEN, 7), who)
    assert followed.see(app.keys.make(Purpose.OPEN, 8), who)
    written.flush()

    assert count(app) == 4


CHILD = """
import sys
from crm_mailer.app import open_app
from crm_mailer.public import server
app = open_app(sys.argv[1])
running = server.start(app, port=0)
print(running.address, flush=True)
running.thread.join()
"""


def test_a_kill_loses_at_most_a_second_of_requests(tmp_path: Path) -> None:
    app = shop_with_links(tmp_path / "shop")
    with subprocess.Popen(
        [sys.executable, "-c", CHILD, str(app.home)], stdout=subprocess.PIPE, text=True
    ) as child:
        assert child.stdout is not None
        port = int(child.stdout.readline().strip().rstrip("/").rpartition(":")[2])
        line = HTTPConnection(serving.LOOPBACK, port, timeout=20)
        tokens = cycle([app.keys.make(Purpose.OPEN, number) for number in range(1, 500)])
        asked, end = [], time.monotonic() + 2.5
        while time.monotonic() < end:
            line.request("GET", f"/o/{next(tokens)}.gif")
            line.getresponse().read()
            asked.append(time.monotonic())
        os.kill(child.pid, signal.SIGKILL)
        killed = time.monotonic()
        line.close()

    older = sum(at < killed - 1.0 for at in asked)
    assert older > 100
    assert older <= count(app) <= len(asked)
    app.close()


@pytest.mark.postgres
def test_the_right_to_add_and_to_look_links_up_is_enough(
    tmp_path: Path, postgres_store: Any
) -> None:
    with postgres_store.engine.begin() as connection:
        connection.execute(
            sa.insert(t.links).values(id=LINK, target=TARGET, added_at=StandingClock().now())
        )
        connection.exec_driver_sql("CREATE ROLE web_only LOGIN")
        connection.exec_driver_sql("GRANT INSERT ON web_events TO web_only")
        connection.exec_driver_sql("GRANT USAGE ON SEQUENCE web_events_id_seq TO web_only")
        connection.exec_driver_sql("GRANT SELECT ON links TO web_only")
    try:
        with postgres_store.engine.begin() as connection:
            connection.exec_driver_sql("SET LOCAL ROLE web_only")
            rows.add(connection, [WebHit("click", 7, 0, LINK)])
            assert stored.find(connection, LINK) == TARGET
        with postgres_store.engine.connect() as connection:
            connection.exec_driver_sql("SET LOCAL ROLE web_only")
            with pytest.raises(sa.exc.ProgrammingError, match="permission denied"):
                connection.execute(sa.select(t.web_events))
        with postgres_store.read() as connection:
            assert len(rows.list_after(connection, 0, 10)) == 1
    finally:
        with postgres_store.engine.begin() as connection:
            connection.exec_driver_sql("DROP OWNED BY web_only")
            connection.exec_driver_sql("DROP ROLE web_only")


def test_a_line_of_the_file_reads_as_it_was_written() -> None:
    one = WebHit("click", 7, 5, LINK, AGENT, "203.0.113.0", "GET")

    assert hits._read(json.dumps(one)) == one
