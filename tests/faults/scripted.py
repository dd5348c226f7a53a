"""A mail server without a line: fates are scripted, and what it took is on record in a file.

The file outlives a sender that is killed, so it is the truth that a ledger is compared with.
"""

from __future__ import annotations

import asyncio
import os
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from itertools import chain, repeat
from pathlib import Path
from typing import NamedTuple

from crm_mailer.delivering import outcomes
from crm_mailer.delivering.answers import AnswerParser
from crm_mailer.delivering.port import STOPPED, Flight, Source
from crm_mailer.model.delivery import Blame, Outcome, OutcomeKind, Phase

HOST = "mx.example"


class Fate(Enum):
    """What becomes of one mail: phase, code (0: the line is lost), status, whether it is taken."""

    TAKEN = (Phase.DOT, 250, "2.0.0", True)
    NO_LINE = (Phase.CONNECT, 0, "", False)
    NO_LOGIN = (Phase.AUTH, 535, "5.7.8", False)
    BUSY = (Phase.MAIL, 421, "4.3.2", False)
    SENDER_REFUSED = (Phase.MAIL, 550, "5.7.1", False)
    LATER = (Phase.RCPT, 451, "4.3.0", False)
    THROTTLED = (Phase.RCPT, 450, "4.7.28", False)
    FULL = (Phase.RCPT, 452, "4.2.2", False)
    DEAD = (Phase.RCPT, 550, "5.1.1", False)
    POLICY = (Phase.RCPT, 550, "5.7.26", False)
    LOST_IN_BODY = (Phase.BODY, 0, "", False)
    LATER_AT_DOT = (Phase.DOT, 451, "4.3.0", False)
    SPAM = (Phase.DOT, 554, "5.6.0", False)
    LOST_AND_NOT_TAKEN = (Phase.DOT, 0, "", False)
    LOST_BUT_TAKEN = (Phase.DOT, 0, "", True)
    #: A code that the final dot cannot have: the conversation is out of step.
    NONSENSE_BUT_TAKEN = (Phase.DOT, 354, "", True)

    @property
    def phase(self) -> Phase:
        return self.value[0]

    @property
    def is_taken(self) -> bool:
        return self.value[3]

    @property
    def is_doubtful(self) -> bool:
        """Whether nobody on our side can know."""
        return self.outcome().kind is OutcomeKind.UNKNOWN

    @property
    def ends_the_line(self) -> bool:
        return self.value[1] in (0, 354, 421)

    def outcome(self) -> Outcome:
        phase, code, status, _is_taken = self.value
        if code == 0:
            return outcomes.lost(phase, "the connection was lost", host=HOST)
        [answer] = AnswerParser().feed(f"{code} {status} as scripted\r\n".encode())
        return outcomes.from_answer(phase, answer, host=HOST)


class Taken(NamedTuple):
    """One mail that the server has taken, and whether the sender was told so."""

    touch_id: int
    address: str
    is_told: bool


@dataclass(frozen=True, slots=True)
class Truth:
    """What the server took, in order."""

    path: Path

    def take(self, flight: Flight, fate: Fate) -> None:
        """Written before the sender hears of it, and by one call: a kill cuts nothing."""
        is_told = int(fate is Fate.TAKEN)
        line = f"{flight.message.touch_id} {flight.message.rcpt_to} {is_told}\n"
        file = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        os.write(file, line.encode())
        os.close(file)

    @property
    def mails(self) -> list[Taken]:
        if not self.path.exists():
            return []
        rows = (line.split() for line in self.path.read_text().splitlines())
        return [Taken(int(number), address, told == "1") for number, address, told in rows]

    @property
    def counts(self) -> Counter[int]:
        """How often each touch was taken."""
        return Counter(mail.touch_id for mail in self.mails)


#: Called with the name of each point that is passed; it may not come back.
Passing = Callable[[str], None]


def go_on(_point: str) -> None:
    """Nothing happens."""


@dataclass
class ScriptedTransport:
    """A transport whose mails end as scripted: by touch, else in turn, else they are taken.

    What is scripted for a touch is dealt in turn, the last of it for ever.
    """

    truth: Truth
    in_turn: Iterable[Fate] = ()
    by_touch: Mapping[int, Sequence[Fate]] = field(default_factory=dict)
    passing: Passing = go_on
    width: int = 2
    #: Fates that were dealt, in order.
    dealt: list[Fate] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._turns = iter(self.in_turn)
        self._own = {
            touch: chain(fates, repeat(fates[-1])) for touch, fates in self.by_touch.items()
        }

    async def fly(self, source: Source) -> None:
        """Every connection takes one mail after the other, the next one's envelope ahead."""
        await asyncio.gather(*(self._connection(source) for _ in range(self.width)))

    async def _connection(self, source: Source) -> None:
        ahead: Flight | None = None
        while (flight := ahead or await source.next()) is not None:
            ahead = source.next_now()
            await asyncio.sleep(0)
            fate = self._deal(flight)
            outcome = self._end(source, flight, fate)
            source.landed(flight, outcome)
            self.passing("landed")
            if ahead is not None and fate.ends_the_line:
                source.landed(ahead, outcomes.lost(Phase.MAIL, "the connection was lost"))
                ahead = None

    def _end(self, source: Source, flight: Flight, fate: Fate) -> Outcome:
        self.passing("envelope")
        if fate.phase is not Phase.DOT:
            return fate.outcome()
        self.passing("354")
        if not source.before_dot(flight):
            return Outcome(
                kind=OutcomeKind.DEFERRED, phase=Phase.BODY, text=STOPPED, blame=Blame.US, host=HOST
            )
        self.passing("noted")
        if fate.is_taken:
            self.truth.take(flight, fate)
        self.passing("dot")
        return fate.outcome()

    def _deal(self, flight: Flight) -> Fate:
        fates = self._own.get(flight.message.touch_id, self._turns)
        fate = next(fates, Fate.TAKEN)
        self.dealt.append(fate)
        return fate
