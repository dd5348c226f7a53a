"""The customers of the demo: what each does with a mail, by chances that only the seed decides."""

from __future__ import annotations

import heapq
import random
import re
from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from crm_mailer.demo import catalogue, people, voices
from crm_mailer.demo.people import Person
from crm_mailer.demo.story import BEFORE_ARRIVAL, START, Purchase, chance, countries, purchases
from crm_mailer.model.order import OrderState as S

#: Of all addresses: dead at the door, dead with a bounce that comes later, mailbox full.
DEAD, DEAD_LATER, FULL = 0.004, 0.004, 0.003
#: Servers that take a stranger's mail at the second try only.
GREYLISTING = 0.01
#: What a person who has nothing to complain of does with one marketing mail; with one order mail.
MARKETING = (
    (0.005, "stop"),
    (0.0006, "spam"),
    (0.001, "too_many"),
    (0.005, "out_of_office"),
    (0.004, "ask.product"),
    (0.012, "praise"),
)
ORDER_MAIL = (
    (0.006, "out_of_office"),
    (0.010, "ask.tracking"),
    (0.004, "ask.change_order"),
    (0.004, "ask.invoice"),
    (0.010, "thanks"),
)
HEADER_BYTES = 4096
SUBJECT = re.compile(rb"^Subject: (.*?)\r\n(?![ \t])", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True, slots=True, order=True)
class Answer:
    """A mail on its way to the shop's mailbox."""

    at: datetime
    key: str
    raw: bytes


class World:
    """All customers, their orders, and the answers that are under way."""

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.now = START
        self.counts: Counter[str] = Counter()
        self.people = {
            person.email.lower(): person
            for number, country in countries().items()
            for person in [people.person(number, country, seed)]
        }
        self.orders: dict[str, list[Purchase]] = defaultdict(list)
        for order in purchases(seed):
            if order.placed_at >= START:
                self.orders[order.customer].append(order)
        self.complained: set[str] = set()
        self.seen: set[str] = set()
        self.unread: list[tuple[str, bytes, str]] = []
        self.under_way: list[Answer] = []

    def refuse(self, address: str) -> str:
        """What the customer's server says to the recipient; empty when it takes the mail."""
        person = self.people.get(address.lower())
        luck = chance(self.seed, "address", address.lower())
        if person is None or luck < DEAD:
            self.counts["refused: no such user"] += 1
            return "550 5.1.1 The email account that you tried to reach does not exist"
        if luck > 1 - GREYLISTING and address not in self.seen:
            self.seen.add(address)
            self.counts["deferred: greylisting"] += 1
            return "451 4.7.1 Greylisted, please try again in a few minutes"
        return ""

    def receive(self, address: str, mail_from: str, raw: bytes) -> None:
        """Take a mail; it is read later, so that the order of arrival decides nothing."""
        self.counts["mails taken"] += 1
        self.unread.append((address.lower(), raw, mail_from))

    def _open(self, address: str, raw: bytes, mail_from: str) -> None:
        person = self.people[address]
        head = raw[:HEADER_BYTES]
        found = SUBJECT.search(head)
        key = f"{person.number} {found[1].decode('ascii', 'replace') if found else ''}"
        luck = chance(self.seed, "address", address)
        if luck < DEAD + DEAD_LATER:
            self._bounce(key, raw, "5.1.1", "smtp; 550 5.1.1 User unknown", mail_from)
        elif luck < DEAD + DEAD_LATER + FULL:
            self._bounce(key, raw, "4.2.2", "smtp; 452 4.2.2 Mailbox full", mail_from)
        else:
            self._read(person, key, raw, is_marketing=b"\nPrecedence: bulk" in head)

    def read(self) -> None:
        """Let the customers read what has come, at this moment."""
        for address, raw, mail_from in sorted(self.unread):
            self._open(address, raw, mail_from)
        self.unread.clear()

    def tick(self, now: datetime) -> list[tuple[datetime, bytes]]:
        """Move the clock; the answers that arrive until `now`, in a fixed order."""
        self.read()
        self.now = now
        arrived = []
        while self.under_way and self.under_way[0].at <= now:
            answer = heapq.heappop(self.under_way)
            arrived.append((answer.at, answer.raw))
        return arrived

    def _read(self, person: Person, key: str, raw: bytes, *, is_marketing: bool) -> None:
        missing = self._missing(person)
        if missing is not None and not is_marketing:
            self.complained.add(missing.number)
            self._say(person, key, raw, "complaint", missing.trouble, missing, hours=24 * 12)
            return
        trouble = self._trouble(person)
        if trouble is not None and chance(self.seed, "complains", trouble.number) < 0.7:
            self.complained.add(trouble.number)
            self._say(person, key, raw, "complaint", trouble.trouble, trouble)
            return
        waiting = self._waiting_for_funds(person)
        if waiting is not None and not is_marketing:
            self.complained.add(waiting.number)
            self._say(person, key, raw, "confirm", "", waiting)
            return
        act = _draw(MARKETING if is_marketing else ORDER_MAIL, chance(self.seed, "act", key))
        if act:
            self._act(act, person, key, raw)

    def _act(self, act: str, person: Person, key: str, raw: bytes) -> None:
        latest = self._latest(person)
        match act:
            case "spam":
                self._send(key, "spam report", lambda at: voices.as_spam_report(raw, now=at))
            case "out_of_office":
                self._send(
                    key,
                    "out of office",
                    lambda at: voices.as_auto_reply(raw, person, now=at),
                    hours=0.1,
                )
            case "too_many":
                self._say(person, key, raw, "complaint", "mail.too_many", latest)
            case "praise" if latest is None or S.ARRIVED not in latest.known_at(self.now):
                return
            case _ if act.startswith("ask."):
                self._say(person, key, raw, "question", act, latest)
            case _:
                self._say(person, key, raw, act, "", latest)

    def _trouble(self, person: Person) -> Purchase | None:
        """The person's order that came and was not right."""
        for order in self.orders[person.number]:
            if not order.trouble or order.number in self.complained:
                continue
            if order.trouble not in BEFORE_ARRIVAL and S.ARRIVED in order.known_at(self.now):
                return order
        return None

    def _missing(self, person: Person) -> Purchase | None:
        """The person's parcel that has left and will not come for weeks."""
        for order in self.orders[person.number]:
            known = order.known_at(self.now)
            is_under_way = S.SHIPPED in known and S.ARRIVED not in known
            if order.trouble in BEFORE_ARRIVAL and is_under_way:
                return None if order.number in self.complained else order
        return None

    def _waiting_for_funds(self, person: Person) -> Purchase | None:
        for order in self.orders[person.number]:
            known = order.known_at(self.now)
            if S.FUNDS_PENDING in known and S.SHIPPED not in known:
                return None if order.number in self.complained else order
        return None

    def _latest(self, person: Person) -> Purchase | None:
        placed = [one for one in self.orders[person.number] if one.placed_at <= self.now]
        return placed[-1] if placed else None

    def _goods(self, order: Purchase | None) -> str:
        """What the customer calls the thing: the first title in the basket."""
        if order is None:
            return ""
        dice = random.Random(f"{self.seed} basket {order.number}")
        return catalogue.basket(order.number, order.pence, dice)[0].title

    def _say(
        self,
        person: Person,
        key: str,
        raw: bytes,
        kind: str,
        reason: str,
        order: Purchase | None,
        *,
        hours: float = 30,
    ) -> None:
        dice = random.Random(f"{self.seed} {key}")
        number = order.number if order else ""
        item = self._goods(order)
        prefix, text = voices.reply_text(
            kind, reason, person.language, person, number, dice, item=item
        )
        style = dice.choice(("gmail", "outlook", "mailru", "plain"))
        label = f"{kind}: {reason}" if reason else kind
        self._send(
            key,
            label,
            lambda at: voices.as_reply(raw, person, text, now=at, style=style, prefix=prefix),
            hours=hours,
        )

    def _bounce(self, key: str, raw: bytes, status: str, diagnostic: str, to: str) -> None:
        self._send(
            key,
            f"bounce {status}",
            lambda at: voices.as_bounce(raw, status=status, diagnostic=diagnostic, now=at, to=to),
            hours=0.2,
        )

    def _send(
        self, key: str, label: str, write: Callable[[datetime], bytes], *, hours: float = 30
    ) -> None:
        """Let an answer arrive some hours from now."""
        least = hours / 2 if hours > 48 else 0.2  # a missing parcel is missed after days
        at = self.now + timedelta(hours=least + hours * chance(self.seed, "delay", key))
        at = at.replace(microsecond=0)
        self.counts[label] += 1
        heapq.heappush(self.under_way, Answer(at, f"{key} {label}", write(at)))


def _draw(table: tuple[tuple[float, str], ...], luck: float) -> str:
    for share, act in table:
        if luck < share:
            return act
        luck -= share
    return ""
