"""Messages and touches for the tests of sending."""

from __future__ import annotations

import asyncio
import hashlib
from collections import deque
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import sqlalchemy as sa

from crm_mailer.delivering import loops
from crm_mailer.delivering.account import Account, Deadlines, Tls
from crm_mailer.delivering.port import Flight, Transport
from crm_mailer.delivering.smtp_transport import SmtpTransport
from crm_mailer.model.campaign import Stream
from crm_mailer.model.delivery import Outcome
from crm_mailer.model.message import Message, NotRendered
from crm_mailer.model.touch import Touch, TouchState
from crm_mailer.store.claims import Claimed
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


def flight(mail: Message) -> Flight:
    """A mail on its way, with a touch that only has the right number."""
    now = datetime(2026, 3, 2, tzinfo=UTC)
    touch = Touch(
        id=mail.touch_id, campaign="spring", step="hello", anchor="order:1", customer_id=1,
        stream=Stream.MARKETING, state=TouchState.CLAIMED, template="t", due_at=now,
    )  # fmt: skip
    return Flight(claimed=Claimed(touch=touch, owner="tester"), message=mail)


class ListSource:
    """Gives out mails one after the other and keeps what became of them.

    Args:
        stop_at: the place in the list, from 0, of the mail whose final dot may not leave.
        gaps: places before which `next` waits so many seconds, and `next_now` has nothing.
    """

    def __init__(
        self,
        *mails: Message,
        stop_at: int | None = None,
        gaps: dict[int, float] | None = None,
    ) -> None:
        self.flights = [flight(mail) for mail in mails]
        self.waiting = deque(self.flights)
        self.stop_at = stop_at
        self.gaps = dict(gaps or {})
        #: Touch ids in the order in which the final dots were asked for.
        self.dots: list[int] = []
        #: Touch id -> how it ended; a second outcome for one mail is an error.
        self.found: dict[int, Outcome] = {}

    async def next(self) -> Flight | None:
        await asyncio.sleep(self.gaps.pop(self._place, 0))
        return self.waiting.popleft() if self.waiting else None

    def next_now(self) -> Flight | None:
        return self.waiting.popleft() if self.waiting and self._place not in self.gaps else None

    def may_begin(self, flight: Flight) -> bool:
        return True

    def before_dot(self, flight: Flight) -> bool:
        self.dots.append(flight.message.touch_id)
        is_stopped = self.stop_at is not None and flight is self.flights[self.stop_at]
        flight.has_left = flight.has_left or not is_stopped
        return not is_stopped

    def landed(self, flight: Flight, outcome: Outcome) -> None:
        number = flight.message.touch_id
        assert number not in self.found, f"mail {number} landed twice"
        self.found[number] = outcome

    @property
    def outcomes(self) -> list[Outcome]:
        """One for each mail, in the order of the list."""
        assert not self.waiting
        return [self.found[one.message.touch_id] for one in self.flights]

    @property
    def _place(self) -> int:
        return len(self.flights) - len(self.waiting)


def fly(transport: Transport, source: ListSource) -> list[Outcome]:
    """Let all mails of the source go; returns how each ended."""
    loops.run(transport.fly(source))
    return source.outcomes


def send(transport: Transport, *mails: Message) -> list[Outcome]:
    """Send mails; each waits for the one before, as long as one connection is used."""
    return fly(transport, ListSource(*mails))


def send_one(port: int, mail: Message | None = None, **changes: object) -> Outcome:
    return send(SmtpTransport(account(port, connections=1, **changes)), mail or message())[0]


class PlainRenderer:
    """A renderer without templates: every touch becomes a short mail to its customer."""

    def __init__(self, *, broken: Sequence[int] = ()) -> None:
        self.broken = set(broken)
        self.seen: list[int] = []

    def look_up(self, wanted: Sequence[Touch]) -> None:
        """All that it needs is in the touches."""

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
