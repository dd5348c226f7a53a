"""A small shop whose every step goes through the command line, real SMTP and real IMAP."""

from __future__ import annotations

import csv
import email
import email.policy
import json
import shutil
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from pathlib import Path
from typing import Any, Protocol

import pytest
from click.testing import CliRunner, Result

from crm_mailer.app import App, rounds
from crm_mailer.cli import group
from crm_mailer.model.errors import CrmMailerError
from crm_mailer.settings import read_settings
from tests.flows.running import PATIENCE, Running
from tests.servers.imap_box import PASSWORD, USER, Box, pymap_box
from tests.servers.smtp_sink import Letter, Sink, smtp_sink
from tests.small_shop import copy_home

#: Ten in the morning where the customers live.
MORNING = datetime(2026, 11, 2, 10, 0, tzinfo=UTC)
CARE = "care@lotus-shop.example"
BROKEN = "The teapot arrived broken and the lid is missing. I want a refund."


def due(number: str, address: str) -> dict[str, str]:
    """An unpaid order whose first reminder is due by the machine's clock."""
    placed = datetime.now(UTC) - timedelta(minutes=31)
    return order(number, address, state="placed", placed_at=f"{placed:%FT%TZ}")


def order(number: str, address: str, name: str = "Anna Lee", **facts: str) -> dict[str, str]:
    """One order of an export; times are given as columns such as `paid_at`."""
    return {
        "order_number": number,
        "placed_at": "2026-11-02T09:30:00Z",
        "email": address,
        "customer_name": name,
        "country": "GB",
        "currency": "GBP",
        "amount": "20.00",
        "title": "Enamel teapot",
        **facts,
    }


class HasPort(Protocol):
    """A mail server on loopback."""

    port: int


class SmallShop:
    """The shop's people at work: they import, apply, send and listen, and time goes on."""

    def __init__(self, home: Path, smtp: HasPort, box: Box) -> None:
        self.home = home
        self.smtp = smtp
        self.box = box
        self.sink = smtp if isinstance(smtp, Sink) else Sink()
        self.now = MORNING
        self.has_own_clock = True
        #: What a test sets beyond the usual.
        self.more: dict[str, str] = {}

    @property
    def settings(self) -> dict[str, str]:
        """The shop's settings as environment variables."""
        clock = {"CRM_MAILER_CLOCK": self.now.isoformat()} if self.has_own_clock else {}
        return {
            "CRM_MAILER_ENV": "test",
            **clock,
            "CRM_MAILER_SMTP_HOST": "127.0.0.1",
            "CRM_MAILER_SMTP_PORT": str(self.smtp.port),
            "CRM_MAILER_SMTP_TLS": "none",
            "CRM_MAILER_IMAP_HOST": "127.0.0.1",
            "CRM_MAILER_IMAP_PORT": str(self.box.port),
            "CRM_MAILER_IMAP_USERNAME": USER,
            "CRM_MAILER_IMAP_PASSWORD": PASSWORD,
            "CRM_MAILER_IMAP_TLS": "none",
            "CRM_MAILER_IMAP_FIRST_CONTACT": "all",
            **self.more,
        }

    def run(self, *arguments: str) -> Result:
        """A command; errors of ours become their exit code, as in `main`."""
        runner = CliRunner(env=self.settings)
        result = runner.invoke(group, ["--home", str(self.home), *arguments])
        if isinstance(result.exception, CrmMailerError):
            result.exit_code = result.exception.exit_code
        elif result.exception and not isinstance(result.exception, SystemExit):
            raise result.exception
        return result

    def told(self, *arguments: str) -> Any:
        """What a command says to scripts."""
        result = self.run(*arguments, "--json")
        assert result.exit_code == 0, result.output
        return json.loads(result.stdout)["data"]

    def goes_live(self, *campaigns: str) -> None:
        for name in campaigns:
            path = self.home / "campaigns" / "lifecycle" / f"{name}.yaml"
            text = path.read_text(encoding="utf-8")
            path.write_text(text.replace("mode: draft", "mode: live"), encoding="utf-8")

    def imports(self, *orders: dict[str, str]) -> dict[str, int]:
        """An export of these orders, taken in; the counts of the report."""
        path = self.home / "export.csv"
        columns = list(dict.fromkeys(name for one in orders for name in one))
        with path.open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, columns, restval="")
            writer.writeheader()
            writer.writerows(orders)
        counts: dict[str, int] = self.told("import", "orders", str(path))["counts"]
        return counts

    def works(self) -> None:
        """Every command of a day once: plan and send, listen and learn."""
        assert self.run("apply").exit_code == 0
        assert self.run("send").exit_code == 0
        self.listens()

    def listens(self) -> None:
        """The mailbox is read, and what was said has its effects."""
        assert self.run("listen").exit_code == 0
        app = App(self.home, read_settings(self.home, self.settings))
        rounds.learn(app)
        app.close()

    def later(self, **parts: float) -> None:
        self.now += timedelta(**parts)

    def has_met(self, *names: str) -> bool:
        """Whether these mailboxes were looked at: what lay there before is nobody's answer."""
        looked = {one["name"] for one in self.told("status")["mailboxes"] if one["synced_at"]}
        return looked >= set(names)

    def gets(self, *mails: bytes) -> None:
        """These mails arrive in the shop's mailbox."""
        self.box.put(*mails, when=self.now)

    def mails_to(self, address: str) -> list[EmailMessage]:
        return [parsed(letter.content) for letter in self.sink.letters if letter.rcpt_to == address]

    def fates(self, address: str) -> list[tuple[str, str, str]]:
        """Step, state and reason of every mail planned for a customer, the oldest first."""
        lines = self.told("outbox", "list", "--limit", "1000")
        return [
            (line["step"], line["state"], line["reason"])
            for line in sorted(lines, key=lambda line: int(line["id"]))
            if line["address"] == address
        ]


def parsed(mail: bytes) -> EmailMessage:
    return email.message_from_bytes(mail, policy=email.policy.default)


def text_of(mail: EmailMessage) -> str:
    body = mail.get_body(("plain",))
    assert isinstance(body, EmailMessage)
    return str(body.get_content())


def answer(to: EmailMessage, text: str, *, sender: str) -> bytes:
    """What a customer's mail program sends when they press "reply"."""
    reply = EmailMessage()
    reply["From"] = sender
    reply["To"] = to["Reply-To"] or to["From"]
    reply["Subject"] = f"Re: {to['Subject']}"
    reply["Message-ID"] = f"<{abs(hash(text))}@mail.example.com>"
    reply["In-Reply-To"] = to["Message-ID"]
    reply["References"] = to["Message-ID"]
    quoted = "\n".join(f"> {line}" for line in text_of(to).splitlines())
    reply.set_content(f"{text}\n\nOn Monday {to['From']} wrote:\n{quoted}\n")
    return reply.as_bytes()


def bounce(of: EmailMessage, letter: Letter) -> bytes:
    """A delivery report: there is no such mailbox."""
    return (
        "From: MAILER-DAEMON@mx.example.com\r\n"
        f"To: {letter.mail_from}\r\n"
        "Subject: Undelivered Mail Returned to Sender\r\n"
        "Auto-Submitted: auto-replied\r\n"
        "MIME-Version: 1.0\r\n"
        'Content-Type: multipart/report; report-type=delivery-status; boundary="b"\r\n\r\n'
        f"--b\r\n\r\nI could not deliver to <{letter.rcpt_to}>.\r\n"
        "--b\r\nContent-Type: message/delivery-status\r\n\r\n"
        "Reporting-MTA: dns; mx.example.com\r\n\r\n"
        f"Final-Recipient: rfc822; {letter.rcpt_to}\r\nAction: failed\r\nStatus: 5.1.1\r\n"
        "Diagnostic-Code: smtp; 550 5.1.1 no such user\r\n\r\n"
        "--b\r\nContent-Type: text/rfc822-headers\r\n\r\n"
        f"Message-ID: {of['Message-ID']}\r\n\r\n--b--\r\n"
    ).encode()


Start = Callable[..., Running]


@pytest.fixture
def start(shop: SmallShop) -> Iterator[Start]:
    """Starts daemons of the shop by the machine's own clock; none is left over."""
    shop.has_own_clock = False
    started: list[Running] = []

    def start_one(home: Path | None = None, before: str = "", **more: str) -> Running:
        started.append(Running(home or shop.home, shop.settings | more, before))
        return started[-1]

    yield start_one
    for one in started:
        one.process.kill()
        one.process.wait(PATIENCE)


@pytest.fixture
def sink() -> Iterator[Sink]:
    with smtp_sink() as running:
        yield running


@pytest.fixture
def box() -> Iterator[Box]:
    with pymap_box() as running:
        yield running


@pytest.fixture
def shop(
    starter_home: Path, empty_database: Path, tmp_path: Path, sink: Sink, box: Box
) -> Iterator[SmallShop]:
    """A fresh shop; when the test is over, its ledger must add up."""
    shutil.copy(empty_database, copy_home(starter_home, tmp_path / "shop"))
    small = SmallShop(tmp_path / "shop", sink, box)
    yield small
    audit = small.run("outbox", "audit")
    assert audit.exit_code == 0, audit.output
