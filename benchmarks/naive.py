"""The usual Python stack, for honesty: EmailMessage for the bytes, smtplib or aiosmtplib for the
wire.

It is given rendered texts for nothing, keeps no ledger and asks nothing before a mail leaves.
"""

from __future__ import annotations

import asyncio
import email
import smtplib
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from email import policy
from email.message import EmailMessage
from email.utils import formatdate, make_msgid
from itertools import cycle, islice

from benchmarks.sinks import HOST
from crm_mailer.model.message import Message


@dataclass(frozen=True, slots=True)
class Letter:
    """A mail's parts, before it is written as bytes."""

    mail_from: str
    rcpt_to: str
    subject: str
    text: str
    html: str

    def written(self) -> EmailMessage:
        """As most programs would write it."""
        mail = EmailMessage(policy=policy.SMTP)
        mail["From"] = "Lotus Shop <hello@news.lotus-shop.example>"
        mail["To"] = self.rcpt_to
        mail["Subject"] = self.subject
        mail["Date"] = formatdate()
        mail["Message-ID"] = make_msgid(domain="news.lotus-shop.example")
        mail.set_content(self.text)
        mail.add_alternative(self.html, subtype="html")
        return mail


def rates(port: int, sample: Sequence[Message], mails: int, connections: int) -> dict[str, float]:
    """Mails a second of each; aiosmtplib is left out where it is not installed."""
    letters = [_letter(one) for one in sample]
    found = {"smtplib": _with_smtplib(port, letters, mails, connections)}
    try:
        found["aiosmtplib"] = _with_aiosmtplib(port, letters, mails, connections)
    except ImportError:
        print("aiosmtplib is not installed: left out")
    return found


def _letter(message: Message) -> Letter:
    parsed = email.message_from_bytes(message.content, policy=policy.default)
    assert isinstance(parsed, EmailMessage)
    parts = {part.get_content_type(): part.get_content() for part in parsed.iter_parts()}
    return Letter(
        message.mail_from, message.rcpt_to, message.subject, parts["text/plain"], parts["text/html"]
    )


def _with_smtplib(port: int, letters: Sequence[Letter], mails: int, connections: int) -> float:
    waiting, lock = iter(islice(cycle(letters), mails)), threading.Lock()

    def work() -> None:
        with smtplib.SMTP(HOST, port, local_hostname="shop.example") as line:
            while True:
                with lock:
                    letter = next(waiting, None)
                if letter is None:
                    return
                line.send_message(letter.written(), letter.mail_from, [letter.rcpt_to])

    threads = [threading.Thread(target=work) for _ in range(connections)]
    begin = time.monotonic()
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    return mails / (time.monotonic() - begin)


def _with_aiosmtplib(port: int, letters: Sequence[Letter], mails: int, connections: int) -> float:
    import aiosmtplib

    waiting = iter(islice(cycle(letters), mails))

    async def work() -> None:
        line = aiosmtplib.SMTP(hostname=HOST, port=port, use_tls=False, start_tls=False)
        async with line:
            for letter in waiting:
                await line.send_message(
                    letter.written(), sender=letter.mail_from, recipients=[letter.rcpt_to]
                )

    async def run() -> None:
        await asyncio.gather(*(work() for _ in range(connections)))

    begin = time.monotonic()
    asyncio.run(run())
    return mails / (time.monotonic() - begin)
