"""Adaptive courses for the tests: a campaign, its post, and what the pure functions say of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import sqlalchemy as sa

from crm_mailer.model import curve
from crm_mailer.model.campaign import Campaign
from crm_mailer.model.curve import Adaptive, Ending, Memory, Signal
from crm_mailer.model.shop import Shop
from crm_mailer.planning import plan
from crm_mailer.store import signals
from crm_mailer.store import tables as t
from crm_mailer.store.engine import Store
from tests.planning.people import NOON, SHOP, add, campaign, definitions

DAY = timedelta(days=1)
LETTERS = {
    "N": Signal.NOTHING,
    "B": Signal.BOUNCED,
    "U": Signal.MACHINE_OPEN,
    "O": Signal.HUMAN_OPEN,
    "C": Signal.CLICK,
    "R": Signal.REPLY,
    "P": Signal.PURCHASE,
    "X": Signal.STOP,
}


def course_campaign(steps: int = 8, **more: Any) -> Campaign:
    """A live campaign on an adaptive curve, anchored at arrival; mails leave at noon."""
    adaptive = more.pop("adaptive", Adaptive())
    offsets = [DAY * (2**number - 1) for number in range(1, steps + 1)]
    return campaign(offsets=offsets, adaptive=adaptive, curve="adaptive", send_at=(12, 0), **more)


@dataclass(kw_only=True)
class Post:
    """Plans day by day, lets what is due leave, and lets customers be heard."""

    store: Store
    campaign: Campaign
    others: tuple[Campaign, ...] = ()
    shop: Shop = SHOP
    now: datetime = NOON
    is_quick: bool = False
    orders: int = 100
    mails: dict[int, int] = field(default_factory=dict)

    def look(self) -> int:
        """Plan once. How many touches are new or have moved."""
        found = definitions(self.campaign, *self.others, shop=self.shop)
        return plan(self.store, found, now=self.now, is_saved=True, is_quick=self.is_quick).saved

    def send(self) -> list[int]:
        """Everything due leaves: the customers who got a mail."""
        touch = t.touches.c
        is_due = sa.and_(touch.state == "planned", touch.due_at <= self.now)
        with self.store.write() as connection:
            found = connection.execute(sa.select(touch.id, touch.customer_id).where(is_due)).all()
            connection.execute(
                sa.update(t.touches)
                .where(is_due)
                .values(state="accepted", next_at=None, settled_at=self.now)
            )
        self.mails.update({customer: mail for mail, customer in found})
        return [customer for _mail, customer in found]

    def days(self, number: int, heard: dict[int, str] | None = None) -> None:
        """So many days go by. After a customer's mail the next letter of `heard` happens."""
        left = {customer: list(letters) for customer, letters in (heard or {}).items()}
        for _day in range(number):
            self.look()
            for customer in self.send():
                letter = left[customer].pop(0) if left.get(customer) else "N"
                self.happens(customer, LETTERS[letter])
            self.now += DAY

    def happens(self, customer: int, signal: Signal) -> None:
        """An hour from now the customer does this."""
        at = self.now + timedelta(hours=1)
        if signal in signals.SEEN:
            with self.store.write() as connection:
                signals.add(connection, self.mails[customer], signal, at, now=at)
        elif signal in (Signal.REPLY, Signal.STOP):
            intent = "complaint" if signal is Signal.STOP else "question"
            add(
                self.store,
                t.replies,
                kind="human",
                received_at=at,
                customer_id=customer,
                intent=intent,
            )
        elif signal is Signal.PURCHASE:
            self.orders += 1
            add(
                self.store,
                t.orders,
                platform="shop",
                number=str(self.orders),
                state="paid",
                customer_id=customer,
                is_counted=True,
                placed_at=at,
                currency="USD",
                amount_minor=1000,
                created_at=at,
                changed_at=at,
            )
        elif signal is Signal.BOUNCED:
            self._bounce(customer, at)

    def _bounce(self, customer: int, at: datetime) -> None:
        self.orders += 1
        with self.store.write() as connection:
            box = connection.scalar(sa.select(sa.func.min(t.mailboxes.c.id)))
            if box is None:
                made = connection.execute(
                    t.mailboxes.insert().values(account="bounces", folder="INBOX")
                )
                box = made.inserted_primary_key[0] if made.inserted_primary_key else None
            letter = {"mailbox_id": box, "uidvalidity": 1, "uid": self.orders}
            more = {"digest": str(self.orders), "size": 1, "received_at": at, "state": "done"}
            made = connection.execute(t.inbound.insert().values(**letter, **more))
            assert made.inserted_primary_key is not None
            connection.execute(
                t.bounces.insert().values(
                    inbound_id=made.inserted_primary_key[0],
                    touch_id=self.mails[customer],
                    recipient="anna@example.com",
                    kind="soft",
                    at=at,
                )
            )


def left(store: Store, customer: int) -> list[int]:
    """On which days after NOON the customer's mails left."""
    touch = t.touches.c
    query = (
        sa.select(touch.settled_at)
        .where(touch.customer_id == customer, touch.state == "accepted")
        .order_by(touch.settled_at)
    )
    with store.read() as connection:
        return [(at - NOON) // DAY for at in connection.execute(query).scalars()]


def state(store: Store, customer: int) -> Any:
    """The customer's only course."""
    query = sa.select(t.curve_states).where(t.curve_states.c.customer_id == customer)
    with store.read() as connection:
        return connection.execute(query).one()


def foretold(
    letters: str, adaptive: Adaptive, *, days: int, steps: int = 8
) -> tuple[list[int], Memory, Ending | None]:
    """The oracle: the same life by the pure functions, mails on whole days from the anchor on."""
    signals_left = [LETTERS[letter] for letter in letters]
    memory = Memory(half_life=adaptive.first_half_life)
    places: list[int] = []
    day, unseen, before = 0, 0, Signal.NOTHING
    while True:
        gap = curve.whole_days(curve.wait(memory, adaptive, signal=before)) // DAY
        if day + gap >= days:
            return places, memory, None
        day += gap
        places.append(day)
        before = signals_left.pop(0) if signals_left else Signal.NOTHING
        memory = curve.heard(memory, before, unseen + gap, adaptive)
        unseen = unseen + gap if before is Signal.BOUNCED else 0
        ended = curve.ending(memory, before, adaptive)
        if ended is None and len(places) >= steps:
            ended = Ending.DONE
        if ended is not None:
            return places, memory, ended


def utc(day: int, hour: int = 12) -> datetime:
    """An hour of the day so many days after NOON."""
    return datetime(2026, 11, 2, hour, tzinfo=UTC) + day * DAY


def due(store: Store, customer: int) -> Sequence[datetime]:
    """When what waits for the customer is due."""
    touch = t.touches.c
    query = sa.select(touch.due_at).where(
        touch.customer_id == customer, touch.state.in_(("planned", "held"))
    )
    with store.read() as connection:
        return connection.execute(query).scalars().all()
