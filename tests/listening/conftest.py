"""A shop with a few customers, what it sent them, and mails in their many shapes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from crm_mailer.definitions.words_reader import read_words
from crm_mailer.listening import ListenReport, understand
from crm_mailer.model.token import KeyRing, Purpose
from crm_mailer.model.words import Words
from crm_mailer.store import alerts, inbound, pauses, replies, suppressions, tables
from crm_mailer.store.engine import Store
from crm_mailer.store.inbound import RawMail
from crm_mailer.store.replies import ReplyRow
from tests.conftest import NOON, StandingClock
from tests.servers.imap_box import Box, pymap_box

KEYS = KeyRing(keys={1: b"k" * 32}, current=1)
CARE = "care@shop.example"


@pytest.fixture(scope="session")
def words() -> Words:
    return read_words()


@pytest.fixture(scope="module")
def box() -> Iterator[Box]:
    with pymap_box() as running:
        yield running


class Desk:
    """A shop's mail desk: puts mails in as if they had been fetched, reads them, looks."""

    def __init__(self, store: Store, words: Words, folder: Path) -> None:
        self.store = store
        self.words = words
        self.folder = folder
        self.clock = StandingClock()
        self.uid = 0

    def customer(self, email: str, language: str = "en", name: str = "Anna") -> int:
        return self._insert(
            tables.customers,
            email=email,
            email_key=email.casefold(),
            name=name,
            language=language,
            created_at=NOON,
            changed_at=NOON,
        )

    def order(self, number: str, customer_id: int | None) -> int:
        return self._insert(
            tables.orders,
            platform="shop",
            number=number,
            customer_id=customer_id,
            state="shipped",
            placed_at=NOON,
            currency="USD",
            amount_minor=100,
            created_at=NOON,
            changed_at=NOON,
        )

    def sent(
        self,
        customer_id: int,
        address: str,
        *,
        ago: timedelta = timedelta(days=1),
        order_id: int | None = None,
        anchor: str = "order:1:shipped",
    ) -> int:
        at = NOON - ago
        touch_id = self._insert(
            tables.touches,
            campaign="win-back",
            step="hello",
            anchor=anchor,
            customer_id=customer_id,
            order_id=order_id,
            stream="marketing",
            template="growth/win-back-1",
            anchored_at=at,
            due_at=at,
            planned_at=at,
            settled_at=at,
            state="accepted",
        )
        with self.store.write() as connection:
            connection.execute(
                sa.insert(tables.messages).values(
                    touch_id=touch_id,
                    message_id=message_id(touch_id),
                    rcpt_to=address,
                    sha256="-",
                    rendered_at=at,
                )
            )
        return touch_id

    def comes(self, *mails: bytes, at: datetime | None = None) -> ListenReport:
        """These mails arrive and are read."""
        with self.store.write() as connection:
            row = inbound.open_mailbox(connection, "care@shop.example", "INBOX")
            for mail in mails:
                self.uid += 1
                raw = RawMail(
                    uid=self.uid, digest=str(self.uid), size=len(mail), received_at=at or NOON,
                    raw=mail,
                )  # fmt: skip
                inbound.add_many(connection, row.id, 1, [raw])
        return self.listen()

    def listen(self, order_pattern: str = r"#(\d{4,})") -> ListenReport:
        return understand(
            self.store,
            keys=KEYS,
            words=self.words,
            order_pattern=order_pattern,
            raw_folder=self.folder,
            now=self.clock.now(),
        )

    def replies(self) -> list[ReplyRow]:
        with self.store.read() as connection:
            return replies.list_(connection)[::-1]

    def reply(self) -> ReplyRow:
        [only] = self.replies()
        return only

    def suppressed(self) -> list[tuple[str, str]]:
        with self.store.read() as connection:
            return [(s.address, s.reason.value) for s in suppressions.list_(connection)]

    def bounces(self) -> list[Any]:
        with self.store.read() as connection:
            return list(connection.execute(sa.select(tables.bounces)))

    def _insert(self, table: sa.Table, **values: Any) -> int:
        with self.store.write() as connection:
            made = connection.execute(sa.insert(table).values(**values).returning(table.c.id))
            return int(made.scalar_one())


@pytest.fixture
def desk(store: Store, words: Words, tmp_path: Path) -> Desk:
    return Desk(store, words, tmp_path / "inbound")


def message_id(touch_id: int) -> str:
    return f"<{KEYS.make(Purpose.MESSAGE_ID, touch_id)}@shop.example>"


def verp(touch_id: int) -> str:
    return f"b-{KEYS.make(Purpose.VERP, touch_id)}@bounces.shop.example"


def letter(
    body: str,
    *,
    sender: str = "anna@example.com",
    to: str = CARE,
    subject: str = "Re: Your order",
    html: str = "",
    **headers: str,
) -> bytes:
    """A mail; header names are written with underscores."""
    message = EmailMessage()
    message["From"] = sender
    message["To"] = to
    message["Subject"] = subject
    for name, value in headers.items():
        message[name.replace("_", "-")] = value
    message.set_content(body)
    if html:
        message.add_alternative(html, subtype="html")
    return message.as_bytes()


def bounce(
    recipient: str,
    *,
    to: str = CARE,
    status: str = "5.1.1",
    diagnostic: str = "550 5.1.1 User unknown",
    action: str = "failed",
    returned_id: str = "<x@example.com>",
    returned: str = "",
) -> bytes:
    """A delivery report as Postfix writes it."""
    return (
        "Return-Path: <>\r\n"
        "From: MAILER-DAEMON@mx.example.net (Mail Delivery System)\r\n"
        f"To: {to}\r\n"
        "Subject: Undelivered Mail Returned to Sender\r\n"
        "Auto-Submitted: auto-replied\r\n"
        "MIME-Version: 1.0\r\n"
        'Content-Type: multipart/report; report-type=delivery-status; boundary="b"\r\n'
        "\r\n"
        "--b\r\nContent-Type: text/plain\r\n\r\n"
        f"This is the mail system. I could not deliver to <{recipient}>: {diagnostic}\r\n"
        "--b\r\nContent-Type: message/delivery-status\r\n\r\n"
        "Reporting-MTA: dns; mx.example.net\r\n\r\n"
        f"Final-Recipient: rfc822; {recipient}\r\nAction: {action}\r\nStatus: {status}\r\n"
        f"Remote-MTA: dns; mail.example.org\r\nDiagnostic-Code: smtp; {diagnostic}\r\n\r\n"
        "--b\r\nContent-Type: message/rfc822\r\n\r\n"
        f"Message-ID: {returned_id}\r\nTo: {recipient}\r\nSubject: We miss you\r\n{returned}\r\n"
        "Please come back. unsubscribe. refund. dispute.\r\n"
        "--b--\r\n"
    ).encode()


def spam_report(
    recipient: str = "", *, kind: str = "abuse", returned_id: str = "<x@example.com>"
) -> bytes:
    """A report in the Abuse Reporting Format; the recipient may be removed, as providers do."""
    told = f"Original-Rcpt-To: {recipient}\r\n" if recipient else ""
    return (
        "From: feedback@provider.example\r\n"
        f"To: {CARE}\r\nSubject: Email Feedback Report\r\nMIME-Version: 1.0\r\n"
        'Content-Type: multipart/report; report-type=feedback-report; boundary="b"\r\n\r\n'
        "--b\r\nContent-Type: text/plain\r\n\r\nThis is an email abuse report.\r\n"
        "--b\r\nContent-Type: message/feedback-report\r\n\r\n"
        f"Feedback-Type: {kind}\r\nUser-Agent: x/1\r\nVersion: 1\r\n{told}\r\n"
        f"--b\r\nContent-Type: message/rfc822\r\n\r\nMessage-ID: {returned_id}\r\n"
        "Subject: We miss you\r\n\r\nhello\r\n--b--\r\n"
    ).encode()


@pytest.fixture
def paused(store: Store) -> Callable[[], list[str]]:
    """What is stopped now."""

    def look() -> list[str]:
        with store.read() as connection:
            return [one.scope for one in pauses.list_(connection)]

    return look


@pytest.fixture
def resume(store: Store) -> Callable[[str, datetime], None]:
    """Lets a lane or a campaign go on, as `crm-mailer resume` does."""

    def let_go(scope: str, now: datetime) -> None:
        with store.write() as connection:
            for one in pauses.covered(connection, scope):
                alerts.end_of(connection, one, now)
            pauses.resume(connection, scope)

    return let_go
