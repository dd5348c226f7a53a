"""A served studio and a browser for the pages of all parts.

`studio` is a shop of `tests.studio.shop` served on loopback, one for each module of tests;
`page` is a window of Chromium that has nothing to complain of.
"""

from __future__ import annotations

import json
import re
import shutil
import socket
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPResponse
from http.cookies import SimpleCookie
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from starlette.types import ASGIApp

from crm_mailer.app import App
from crm_mailer.settings import read_settings
from crm_mailer.studio import server as studio_server
from crm_mailer.web import serving
from crm_mailer.web.serving import LOOPBACK
from tests.browser import chromium_browser
from tests.conftest import StandingClock
from tests.studio import shop

WIDE, NARROW = {"width": 1280, "height": 800}, {"width": 375, "height": 740}
CSRF = re.compile(r'name="csrf" (?:value|content)="([0-9a-f]+)"')


@dataclass(slots=True, kw_only=True)
class Answer:
    """What the server said."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def text(self) -> str:
        return self.body.decode()

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass(slots=True, kw_only=True)
class Studio:
    """A served studio, as one browser with its cookies asks for it."""

    app: App
    port: int
    cookies: dict[str, str] = field(default_factory=dict)

    @property
    def url(self) -> str:
        """Its address, without a slash at the end."""
        return f"http://{LOOPBACK}:{self.port}"

    @property
    def clock(self) -> StandingClock:
        assert isinstance(self.app.clock, StandingClock)
        return self.app.clock

    def ask(
        self, path: str, *, method: str = "GET", body: str | bytes = b"", **headers: str
    ) -> Answer:
        """One request; `X_name` headers are sent as X-name. Cookies are kept as browsers do."""
        told = {name.replace("_", "-"): value for name, value in headers.items()}
        if self.cookies:
            told.setdefault("Cookie", "; ".join(f"{n}={v}" for n, v in self.cookies.items()))
        line = HTTPConnection(LOOPBACK, self.port, timeout=30)
        line.request(method, path, body=body or None, headers=told)
        answer = line.getresponse()
        found = Answer(
            status=answer.status, headers=dict(answer.headers.items()), body=answer.read()
        )
        self._keep(answer)
        line.close()
        return found

    def get(self, path: str, **headers: str) -> Answer:
        return self.ask(path, **headers)

    def json(self, path: str, **asked: str) -> Any:
        """The data of a page that is there."""
        answer = self.ask(f"{path}?{urlencode(asked)}" if asked else path)
        assert answer.status == 200, answer.text
        return answer.json

    def csrf(self, path: str = "/") -> str:
        """What the forms of a page carry."""
        found = CSRF.search(self.get(path).text)
        assert found, f"no form on {path}"
        return found[1]

    def post(self, path: str, *, on: str = "/", csrf: str | None = None, **form: str) -> Answer:
        """Send a form that stands on the page `on`."""
        token = self.csrf(on) if csrf is None else csrf
        return self.ask(
            path, method="POST", body=urlencode({"csrf": token, **form}), Origin=self.url,
            Referer=f"{self.url}{on}", Content_Type="application/x-www-form-urlencoded",
        )  # fmt: skip

    def act(self, path: str, *, on: str = "/", **form: str) -> Any:
        """Send a form and be told as JSON what it did; it must have worked."""
        token = self.csrf(on)
        answer = self.ask(
            path, method="POST", body=urlencode({"csrf": token, **form}), Origin=self.url,
            Accept="application/json", Content_Type="application/x-www-form-urlencoded",
        )  # fmt: skip
        assert answer.status == 200, answer.text
        return answer.json

    def _keep(self, answer: HTTPResponse) -> None:
        for line in answer.headers.get_all("set-cookie") or []:
            for name, morsel in SimpleCookie(line).items():
                if morsel["max-age"] == "0":
                    self.cookies.pop(name, None)
                else:
                    self.cookies[name] = morsel.value


@pytest.fixture(scope="session")
def shop_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The shop's folder, built once; copy it."""
    return shop.build(tmp_path_factory.mktemp("studio") / "shop")


@contextmanager
def open_shop(template: Path, home: Path) -> Iterator[App]:
    """A copy of the shop, opened at the standing clock's time."""
    shutil.copytree(template, home)
    app = App(home, read_settings(home, {}), StandingClock())
    yield app
    app.close()


@contextmanager
def served(web: ASGIApp) -> Iterator[int]:
    """An application on a port of loopback, until the block ends."""
    door = serving.open_port(0, usual=studio_server.USUAL_PORT)
    end_streams = getattr(getattr(web, "state", None), "end_streams", lambda: None)
    server = serving.server(web, end_streams)
    thread = threading.Thread(target=server.run, args=([door],), daemon=True)
    thread.start()
    port = door.getsockname()[1]
    _wait(port)
    yield port
    server.should_exit = True
    thread.join(20)
    assert not thread.is_alive()


@pytest.fixture(scope="module")
def studio(shop_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Studio]:
    """A shop of its own for each module, served without passwords: everybody is its admin."""
    home = tmp_path_factory.mktemp("served") / "shop"
    with open_shop(shop_template, home) as app, served(studio_server.application(app)) as port:
        yield Studio(app=app, port=port)


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """Chromium; tests are skipped where there is none."""
    with chromium_browser() as found:
        yield found


@pytest.fixture
def page(browser: Any) -> Iterator[Any]:
    """A window of Chromium: no script may fail, no policy be broken."""
    with window(browser) as one:
        yield one


@contextmanager
def window(browser: Any, **context: Any) -> Iterator[Any]:
    """A window of its own, with its cookies; whatever its console complains of fails the test."""
    complaints: list[str] = []
    one = browser.new_context(**{"viewport": WIDE, **context})
    page = one.new_page()
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("console", lambda said: complaints.append(said.text) if said.type == "error" else 0)
    yield page
    one.close()
    # a mail's links are dead in its frame, and the browser says so
    assert [said for said in complaints if not said.startswith("Blocked opening")] == []


def _wait(port: int) -> None:
    end = time.monotonic() + 20
    while time.monotonic() < end:
        with socket.socket() as one:
            if one.connect_ex((LOOPBACK, port)) == 0:
                return
        time.sleep(0.05)
