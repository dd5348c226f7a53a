"""A shop folder whose preview page is served on loopback."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Iterator
from http.client import HTTPConnection, HTTPResponse
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

from crm_mailer.app import App
from crm_mailer.app.showroom import Showroom
from crm_mailer.settings import read_settings
from crm_mailer.studio.preview.server import application
from crm_mailer.web import serving
from crm_mailer.web.serving import LOOPBACK
from tests.conftest import StandingClock
from tests.small_shop import small_shop

SHIPPED = "during_sale/shipped"


#: What the page's shop has: two campaigns' mails and a canned reply, in three languages.
KEPT = {"during_sale/shipped", "care/birthday", "replies/which-order"}
CAMPAIGNS = {"shipped", "birthday"}


class Site:
    """The page, as a browser or a stranger asks for it."""

    def __init__(self, home: Path, port: int) -> None:
        self.home = home
        self.port = port
        self.url = f"http://{LOOPBACK}:{port}/"

    def ask(self, path: str, *, host: str = "", **headers: str) -> tuple[HTTPResponse, bytes]:
        line = HTTPConnection(LOOPBACK, self.port, timeout=20)
        told = {name.replace("_", "-"): value for name, value in headers.items()}
        line.request("GET", path, headers=({"Host": host} if host else {}) | told)
        answer = line.getresponse()
        body = answer.read()
        line.close()
        return answer, body

    def json(self, path: str, **asked: str) -> Any:
        return json.loads(self.ask(f"{path}?{urlencode(asked)}")[1])

    def look(self, template: str = SHIPPED, **asked: str) -> Any:
        return self.json("/look.json", template=template, **{"language": "en", **asked})

    def mail(self, template: str = SHIPPED, **asked: str) -> str:
        query = urlencode({"template": template, "language": "en", **asked})
        return self.ask(f"/mail.html?{query}")[1].decode()

    def file(self, name: str = f"{SHIPPED}.en") -> Path:
        return self.home / "templates" / f"{name}.mjml"


class Ear:
    """An open page that waits to be told."""

    def __init__(self, site: Site) -> None:
        self._line = HTTPConnection(LOOPBACK, site.port, timeout=30)
        self._line.request("GET", "/events")
        self._answer = self._line.getresponse()
        assert self.next() == "hello"

    def next(self) -> str:
        while not (line := self._answer.readline().strip()):
            pass
        return line.decode().removeprefix("data: ")

    def wait_for(self, word: str) -> None:
        while self.next() != word:
            pass

    def close(self) -> None:
        self._answer.close()
        self._line.close()


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    home = tmp_path_factory.mktemp("served") / "shop"
    small_shop(home, CAMPAIGNS, KEPT)
    app = App(home, read_settings(home, {}), StandingClock())
    door = serving.open_port(0, usual=8026)
    web, watch = application(Showroom(app))
    server = serving.server(web, watch.end)
    thread = threading.Thread(target=server.run, args=([door],), daemon=True)
    thread.start()
    port = door.getsockname()[1]
    _wait(port)
    yield Site(home, port)
    server.should_exit = True
    thread.join(20)
    app.close()
    assert not thread.is_alive()


def _wait(port: int) -> None:
    end = time.monotonic() + 20
    while time.monotonic() < end:
        with socket.socket() as one:
            if one.connect_ex((LOOPBACK, port)) == 0:
                return
        time.sleep(0.05)


@pytest.fixture
def ear(site: Site) -> Iterator[Ear]:
    one = Ear(site)
    yield one
    one.close()


@pytest.fixture
def restored(site: Site) -> Iterator[Path]:
    """A template that is put back afterwards."""
    path = site.file()
    before = path.read_text(encoding="utf-8")
    yield path
    path.write_text(before, encoding="utf-8")
