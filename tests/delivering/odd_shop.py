"""A shop whose customers, orders and mail servers hold what nobody would expect."""

from __future__ import annotations

import email
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from email.message import Message as Parsed
from pathlib import Path
from typing import Any, NamedTuple

import sqlalchemy as sa
from click.testing import CliRunner

from crm_mailer.app import App
from crm_mailer.cli import group
from crm_mailer.delivering import DeliverReport, Pace, SmtpTransport, deliver
from crm_mailer.home import make_home
from crm_mailer.model.campaign import Campaign, DateAnchor, Kind, Mode, Step, Stream
from crm_mailer.model.shop import Shop
from crm_mailer.model.token import KeyRing, Purpose
from crm_mailer.rendering.library import TemplateLibrary
from crm_mailer.rendering.render import StoreRenderer
from crm_mailer.settings import read_settings
from crm_mailer.store import deliveries, outbox
from crm_mailer.store.deliveries import Delivery
from crm_mailer.store.tables import (
    alerts,
    customers,
    facts,
    messages,
    orders,
    paces,
    pauses,
    tallies,
    touches,
)
from tests.conftest import NOON, StandingClock
from tests.delivering.letters import account

SHOP = Shop(
    name="Lotus Shop",
    url="https://shop.example",
    postal_address="18 Lakeside Road, Hangzhou",
    sender="news@shop.example",
    orders_sender="orders@shop.example",
    reply_to="care@shop.example",
    languages=("en",),
    time_zone="Asia/Shanghai",
    public_url="https://u.shop.example",
)
KEYS = KeyRing({1: b"k" * 32}, 1)
TEMPLATE = """<mjml>
<mj-head><mj-title>{{ order.number }}</mj-title></mj-head>
<mj-body><mj-section><mj-column>
<mj-text>Dear {{ customer.name }}, about {{ order.number }}: {{ unsubscribe_url }}</mj-text>
</mj-column></mj-section></mj-body>
</mjml>
"""
#: Marks, embeddings, overrides and isolates of UAX 9.
DIRECTIONS = "\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"


class Fate(NamedTuple):
    """A mail in the ledger."""

    state: str
    reason: str
    attempts: int


class OddShop:
    """One shop folder with its database, its own small template, and the command line."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.clock = StandingClock()
        make_home(home)
        self.app = App(home, read_settings(home, {}), self.clock)
        self.store = self.app.store
        self.campaigns: dict[str, Campaign] = {}
        folder = home.parent / "odd-templates"
        (folder / "a").mkdir(parents=True)
        (folder / "a" / "odd.en.mjml").write_text(TEMPLATE, encoding="utf-8")
        self.renderer = StoreRenderer(
            self.store, TemplateLibrary(folder), self.campaigns, SHOP, KEYS, self.clock
        )
        self._number = 0

    def plan(
        self,
        address: str | None = "anna@example.com",
        *,
        name: str = "Anna Lee",
        subject: str = "Your order",
        stream: Stream = Stream.TRANSACTIONAL,
    ) -> int:
        """A mail that is due, in a campaign of its own; returns its number."""
        self._number += 1
        one = self._number
        person = {"id": one, "email": address, "email_key": f"key {one}", "name": name,
                  "language": "en", "created_at": NOON, "changed_at": NOON}  # fmt: skip
        bought = {"id": one, "platform": f"x{one}", "number": subject, "customer_id": one,
                  "state": "shipped", "placed_at": NOON, "currency": "EUR", "amount_minor": 1,
                  "created_at": NOON, "changed_at": NOON}  # fmt: skip
        touch = {"id": one, "campaign": f"odd-{one}", "step": "s", "anchor": f"order:{one}",
                 "customer_id": one, "order_id": one, "stream": stream.value, "template": "a/odd",
                 "state": "planned", "anchored_at": NOON, "due_at": NOON, "next_at": NOON,
                 "planned_at": NOON}  # fmt: skip
        self.campaigns[f"odd-{one}"] = Campaign(
            id=f"odd-{one}", name="Odd", kind=Kind.EDM, stream=stream, mode=Mode.LIVE,
            anchor=DateAnchor(day=NOON.date()),
            steps=(Step(id="s", template="a/odd", offset=timedelta()),),
        )  # fmt: skip
        with self.store.write() as connection:
            connection.execute(customers.insert(), person)
            connection.execute(orders.insert(), bought)
            connection.execute(touches.insert(), touch)
        return one

    def send(self, port: int, **changes: Any) -> DeliverReport:
        """A round over one connection."""
        given: dict[str, Any] = {"connections": 1, **changes}
        return deliver(self.store, self.renderer, SmtpTransport(account(port, **given)),
                       clock=self.clock, owner=f"odd-{self._number}",
                       journal_folder=self.home / "flights", pace=Pace())  # fmt: skip

    def fate(self, number: int) -> Fate:
        with self.store.read() as connection:
            row = connection.execute(sa.select(touches).where(touches.c.id == number)).one()
        return Fate(row.state, row.reason, row.attempts)

    def attempts(self, number: int) -> list[Delivery]:
        with self.store.read() as connection:
            return deliveries.list_(connection, number)

    def message(self, number: int) -> Any:
        """What is kept of a mail; None where it was never rendered."""
        with self.store.read() as connection:
            query = sa.select(messages).where(messages.c.touch_id == number)
            return connection.execute(query).first()

    def is_sound(self) -> bool:
        with self.store.read() as connection:
            return outbox.audit(connection, self.clock.now()).is_sound

    def shown(self, *arguments: str) -> str:
        """What a terminal gets to see."""
        command = ["--home", str(self.home), *arguments]
        result = CliRunner().invoke(group, command, catch_exceptions=False)
        assert result.exit_code == 0, result.output
        return result.stdout

    def forget_faults(self) -> None:
        """End what waits and whatever the last server made the sender remember."""
        with self.store.write() as connection:
            for table in (alerts, facts, paces, pauses, tallies):
                connection.execute(table.delete())
            waiting = touches.c.state.in_(["planned", "deferred", "held", "in_doubt"])
            connection.execute(touches.update().where(waiting).values(next_at=None, state="held"))


@contextmanager
def odd_shop(folder: Path) -> Iterator[OddShop]:
    """A shop in `folder`."""
    shop = OddShop(folder / "shop")
    yield shop
    shop.app.close()


def is_fit_to_show(text: str) -> bool:
    """Whether nothing in a text moves a cursor, colours a line or turns its direction."""
    return not any(
        c in DIRECTIONS or (unicodedata.category(c) in ("Cc", "Cs") and c not in "\n\t")
        for c in text
    )


def parsed(letter: bytes) -> Parsed:
    """As a careful reader sees it, without the help of `email.policy`."""
    return email.message_from_bytes(letter)


def number_of(letter: bytes) -> int:
    """The touch of a letter, by the token in its Message-ID."""
    token = str(parsed(letter)["Message-ID"]).strip("<>").rpartition("@")[0]
    found = KEYS.read(Purpose.MESSAGE_ID, token)
    assert found is not None
    return found
