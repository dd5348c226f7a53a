"""A shop whose mails have left, with its public pages served on loopback."""

from __future__ import annotations

import shutil
import socket
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import urlencode

import sqlalchemy as sa

from crm_mailer.app import App, delivering, planning, preferences
from crm_mailer.model.choices import PageReader
from crm_mailer.model.customer import Customer
from crm_mailer.model.token import Purpose
from crm_mailer.public import server
from crm_mailer.settings import read_settings
from crm_mailer.store import customers
from crm_mailer.store import tables as t
from crm_mailer.store.preferences import find_reader
from crm_mailer.web.serving import LOOPBACK, Running
from tests.conftest import NOON, StandingClock
from tests.small_shop import small_shop

ONE_CLICK = "List-Unsubscribe=One-Click"
#: A name that would be markup if a page forgot itself.
EVIL = "<script>alert(1)</script>"
HOST = "mail.lotus-shop.example"
FORM = "application/x-www-form-urlencoded"
TOPICS = """
topics:
  news: {en: New arrivals, ru: Новинки}
  wishes: {en: "<b>Wishes</b> & more"}
"""
#: Who has a birthday today: address, name, language, country.
PEOPLE = (
    ("anna@example.ru", "Анна", "ru", "RU"),
    ("bob@example.com", "Bob", "en", "GB"),
    ("carmen@example.es", "Carmen", "es", "ES"),
    ("evil@example.com", EVIL, "en", "GB"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """What the server answered."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def text(self) -> str:
        return self.body.decode()


@dataclass(slots=True, kw_only=True)
class PageSite:
    """The pages, as strangers, mail programs and customers ask for them."""

    app: App
    running: Running

    @property
    def port(self) -> int:
        return int(self.running.address.rstrip("/").rpartition(":")[2])

    def ask(
        self, path: str, method: str = "GET", body: str | bytes = b"", host: str = "", **told: str
    ) -> Said:
        line = HTTPConnection(LOOPBACK, self.port, timeout=20)
        headers = {name.replace("_", "-"): value for name, value in told.items()}
        if host:
            headers["Host"] = host
        with suppress(BrokenPipeError, ConnectionResetError):
            line.request(method, path, body=body, headers=headers)
        answer = line.getresponse()
        found = Said(
            status=answer.status,
            headers={name.lower(): value for name, value in answer.getheaders()},
            body=answer.read(),
        )
        line.close()
        return found

    def post(self, path: str, **form: str) -> Said:
        """What the page's own form sends."""
        return self.ask(path, "POST", urlencode(form), content_type=FORM)

    def raw(self, sent: bytes, patience: float = 20.0) -> bytes:
        """What comes back for bytes that no client library would send; until it hangs up."""
        with socket.create_connection((LOOPBACK, self.port), timeout=patience) as line:
            line.sendall(sent)
            found = b""
            with suppress(ConnectionResetError):
                while part := line.recv(65_536):
                    found += part
            return found

    def touch(self, address: str) -> int:
        """The mail that somebody got."""
        return mail_to(self.app, address)

    def link(self, purpose: Purpose, address: str) -> str:
        """The path of a link in that mail."""
        letter = {"unsub": "u", "prefs": "p", "web": "w", "yes": "y"}[purpose.value]
        return f"/{letter}/{self.app.keys.make(purpose, self.touch(address))}"

    def reader(self, address: str) -> PageReader:
        """How somebody's wishes stand."""
        since = self.app.clock.now() - timedelta(days=1)
        with self.app.store.read() as connection:
            found = find_reader(connection, self.touch(address), since=since)
        assert found is not None
        return found

    def acts(self) -> int:
        """How many acts were kept."""
        with self.app.store.read() as connection:
            return connection.scalar(sa.select(sa.func.count()).select_from(t.page_acts)) or 0

    def take_in(self) -> int:
        return preferences.take_in(self.app)


def mail_to(app: App, address: str) -> int:
    """The latest mail to an address."""
    query = sa.select(sa.func.max(t.messages.c.touch_id)).where(t.messages.c.rcpt_to == address)
    with app.store.read() as connection:
        return int(connection.scalar(query) or 0)


def build(home: Path, *, database: str = "") -> App:
    """A shop that congratulated four customers on their birthday, into the sandbox."""
    small_shop(home, {"birthday", "sign-up-confirmation"}, {"care/birthday", "care/sign-up"})
    shop = home / "campaigns" / "shop.yaml"
    written = shop.read_text(encoding="utf-8").replace(
        "# public_url: https://mail.lotus-shop.example", f"public_url: https://{HOST}"
    )
    shop.write_text(written.replace("topics: {}\n", TOPICS), encoding="utf-8")
    birthday = home / "campaigns" / "lifecycle" / "birthday.yaml"
    text = birthday.read_text(encoding="utf-8").replace("mode: draft", "mode: live\ntopic: wishes")
    birthday.write_text(text.replace("valid_for: 12h", "valid_for: 3d"), encoding="utf-8")
    told = {"CRM_MAILER_DATABASE": database} if database else {}
    app = App(home, read_settings(home, told), StandingClock(NOON))
    add_people(app)
    planning.apply(app)
    delivering.send(app)
    return app


def add_people(app: App) -> None:
    """Customers whose birthday it is."""
    today = app.clock.now()
    with app.store.write() as connection:
        ids = customers.take_ids(connection, len(PEOPLE))
        customers.add(
            connection,
            [
                Customer(
                    id=id_, email=address, name=name, given_name=name, language=language,
                    country=country, birth_month=today.month, birth_day=today.day,
                )
                for id_, (address, name, language, country) in zip(ids, PEOPLE, strict=True)
            ],
            now=today,
        )  # fmt: skip


def copy(built: Path, home: Path) -> App:
    """A built shop once more, in a folder of its own."""
    shutil.copytree(built, home)
    return App(home, read_settings(home, {}), StandingClock(NOON))


def serve(app: App) -> PageSite:
    """The shop's pages, served until `running.stop()`."""
    return PageSite(app=app, running=server.start(app, port=0))
