"""What stands between the sender's loop and a way out: flights, their source, who takes them.

The loop decides what may leave and keeps the ledger; a transport only moves bytes. A transport
asks for flights as fast as it can take them, so that no connection waits for another.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from crm_mailer.model.delivery import Outcome
from crm_mailer.model.message import Message
from crm_mailer.store.claims import Claimed

#: The words of an outcome where `may_begin` or `before_dot` said no.
STOPPED = "we stopped before the final dot"


@dataclass(slots=True, kw_only=True, eq=False)
class Flight:
    """One rendered mail on its way."""

    claimed: Claimed
    message: Message
    #: Earliest departure on the clock of `time.monotonic`, for a lane's pace; 0: at once.
    not_before: float = 0.0
    #: Whether the journal holds that its final dot may have left.
    has_left: bool = False


class Source(Protocol):
    """Port: where a transport's connections get their flights, and what they owe for each.

    Every flight that was given out is answered by exactly one `landed`.
    """

    async def next(self) -> Flight | None:
        """The next flight that may leave now, waiting for one; None: there will be no more."""
        ...

    def next_now(self) -> Flight | None:
        """The next flight only if one may leave at this moment: its envelope may be sent ahead."""
        ...

    def may_begin(self, flight: Flight) -> bool:
        """Asked before a connection is opened for a flight that was given out; False: it lands
        with the words `STOPPED` instead."""
        ...

    def before_dot(self, flight: Flight) -> bool:
        """Asked right before the step that cannot be taken back; False: it must not leave.

        It notes in the journal that the dot may have left from now on.
        """
        ...

    def landed(self, flight: Flight, outcome: Outcome) -> None:
        """How it ended. Connections that could not be opened tell so here too."""
        ...


class Transport(Protocol):
    """Port: a way out."""

    @property
    def width(self) -> int:
        """How many flights it has in the air at once, those with an envelope sent ahead not
        counted."""
        ...

    async def fly(self, source: Source) -> None:
        """Take flights until the source has no more, then let go of every connection.

        Never raises for what a server or a line does: that is an outcome. A cancelled `fly`
        closes its connections at once.
        """
        ...
