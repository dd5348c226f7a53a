"""Hands over one mail that is in no ledger: a note to the shop's own people."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import UTC, datetime

from crm_mailer.delivering.port import Flight, Transport
from crm_mailer.model.campaign import Stream
from crm_mailer.model.delivery import Blame, Outcome, OutcomeKind, Phase
from crm_mailer.model.message import Message
from crm_mailer.model.touch import Touch, TouchState
from crm_mailer.store.claims import Claimed

#: Seconds for all of it: a server that does not answer must not hold up the next way.
PATIENCE = 60.0


def hand_over(transport: Transport, message: Message, *, patience: float = PATIENCE) -> Outcome:
    """One attempt by one way out, which no lane and no pace holds up; how it ended."""
    return asyncio.run(_fly(transport, message, patience))


async def _fly(transport: Transport, message: Message, patience: float) -> Outcome:
    source = _One(Flight(claimed=Claimed(_nobodys(message), owner=""), message=message))
    try:
        async with asyncio.timeout(patience):
            await transport.fly(source)
    except TimeoutError:
        text = f"no end after {patience:.0f} seconds"
        kind = OutcomeKind.UNKNOWN if source.has_left else OutcomeKind.DEFERRED
        phase = Phase.DOT if source.has_left else Phase.CONNECT
        return source.outcome or Outcome(kind=kind, phase=phase, text=text, blame=Blame.SITE)
    assert source.outcome is not None  # every flight that was given out lands
    return source.outcome


@dataclass(slots=True)
class _One:
    """A source with one flight."""

    flight: Flight | None
    outcome: Outcome | None = None
    has_left: bool = False

    async def next(self) -> Flight | None:
        return self.next_now()

    def next_now(self) -> Flight | None:
        flight, self.flight = self.flight, None
        return flight

    def may_begin(self, flight: Flight) -> bool:
        return True

    def before_dot(self, flight: Flight) -> bool:
        self.has_left = flight.has_left = True
        return True

    def landed(self, flight: Flight, outcome: Outcome) -> None:
        self.outcome = outcome


def _nobodys(message: Message) -> Touch:
    """What a flight is for, as far as a way out wants to know."""
    return Touch(
        id=message.touch_id,
        campaign="",
        step="",
        anchor="",
        customer_id=None,
        stream=Stream.TRANSACTIONAL,
        state=TouchState.CLAIMED,
        template="",
        due_at=datetime(1970, 1, 1, tzinfo=UTC),
    )
