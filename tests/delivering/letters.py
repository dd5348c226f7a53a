"""Messages and touches for the tests of sending."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Sequence
from datetime import datetime, timedelta

import sqlalchemy as sa

from crm_mailer.delivering import Account, Deadlines, SmtpTransport, Tls, Transport
from crm_mailer.model.campaign import Stream
from crm_mailer.model.delivery import Outcome
from crm_mailer.model.message import Message, NotRendered
from crm_mailer.model.touch import Touch
from crm_mailer.store.engine import Store
from crm_mailer.store.tables import customers, touches

#: Far more than a server on loopback needs, even on a busy machine.
QUICK = Deadlines(connect=5, banner=5, command=5, data=5, body=5, dot=5, reset=5, quit=1)
#: For servers that hang on purpose.
HASTY = Deadlines(
    connect=5, banner=0.5, command=0.5, data=0.5, body=0.5, dot=0.5, reset=0.5, quit=0.2
)


def account(port: int, **changes: object) -> Account:
    """An account at a server on loopback that must answer quickly."""
    given: dict[str, object] = {
        "host": "127.0.0.1",
        "port": port,
        "tls": Tls.NONE,
        "deadlines": QUICK,
        "connections": 2,
        "hello": "shop.example",
        **changes,
    }
    return Account(**given)  # type: ignore[arg-type]


def message(touch_id: int = 1, rcpt_to: str = "anna@example.com", **changes: object) -> Message:
    body = f"Subject: Hello {touch_id}\r\n\r\nOne.\r\n.Two.\r\n".encode()
    given: dict[str, object] = {
        "touch_id": touch_id,
        "message_id": f"<{touch_id}@shop.example>",
        "mail_from": "bounce@shop.example",
        "rcpt_to": rcpt_to,
        "content": body,
        "subject": f"Hello {touch_id}",
        "language": "en",
        "template": "t",
        "template_version": "v1",
        "sha256": hashlib.sha256(body).hexdigest(),
        **changes,
    }
    return Message(**given)  # type: ignore[arg-type]


def send(transport: Transport, *mails: Message) -> list[Outcome]:
    """Hand mails over one after the other, then close."""

    async def run() -> list[Outcome]:
        found = [await transport.hand_over(mail, lambda: True) for mail in mails]
        await transport.close()
        return found

    return asyncio.run(run())


def send_one(port: int, mail: Message | None = None, **changes: object) -> Outcome:
    return send(SmtpTransport(account(port, **changes)), mail or message())[0]


class PlainRenderer:
    """A renderer without templates: every touch becomes a short mail to its customer."""

    def __init__(self, *, broken: Sequence[int] = ()) -> None:
        self.broken = set(broken)
        self.seen: list[int] = []

    def render_batch(self, wanted: Sequence[Touch]) -> list[Message | NotRendered]:
        return [self._one(touch) for touch in wanted]

    def _one(self, touch: Touch) -> Message:
        if touch.id in self.broken:
            raise ZeroDivisionError("division by zero")
        self.seen.append(touch.id)
        return message(touch.id, f"customer{touch.customer_id}@example.com")


def plan(
    store: Store,
    number: int,
    now: datetime,
    *,
    stream: Stream = Stream.MARKETING,
    campaign: str = "spring",
    expires_after: timedelta | None = timedelta(days=3),
) -> list[int]:
    """`number` customers, each with one touch that is due; returns the touches' ids."""
    with store.write() as connection:
        first = (connection.scalar(sa.select(sa.func.max(customers.c.id))) or 0) + 1
        ids = list(range(first, first + number))
        people = [
            {
                "id": one,
                "email": f"customer{one}@example.com",
                "email_key": f"customer{one}@example.com",
                "created_at": now,
                "changed_at": now,
            }
            for one in ids
        ]
        rows = [
            {
                "id": one,
                "campaign": campaign,
                "step": "hello",
                "anchor": "order:1",
                "customer_id": one,
                "stream": stream.value,
                "template": "t",
                "state": "planned",
                "anchored_at": now,
                "due_at": now,
                "next_at": now,
                "planned_at": now,
                "expires_at": now + expires_after if expires_after else None,
            }
            for one in ids
        ]
        connection.execute(sa.insert(customers), people)
        connection.execute(sa.insert(touches), rows)
    return ids


def states(store: Store) -> dict[str, int]:
    """How many touches are in each state."""
    with store.read() as connection:
        rows = connection.execute(
            sa.select(touches.c.state, sa.func.count().label("number")).group_by(touches.c.state)
        )
        return {row.state: row.number for row in rows}
