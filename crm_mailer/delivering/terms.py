"""What a round of sending is asked for: how much at a time, and of what."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import timedelta

from crm_mailer.model.campaign import Stream


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How much to take at a time, and how fast to send."""

    #: Touches claimed by one durable commit.
    batch: int = 1000
    #: Touches checked, rendered and settled together, at most: fewer where they would not leave
    #: within a tenth of a second, so that an opt-out is heard in time.
    cycle: int = 500
    #: Mails a minute of a transport that comes without an outlet; None: as fast as it takes them.
    per_minute: int | None = None
    #: How long a claim holds without being renewed; longer than the longest wait for an answer.
    claim_for: timedelta = timedelta(minutes=20)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which of the due touches to send."""

    limit: int | None = None
    streams: Collection[Stream] | None = None
    campaign: str | None = None


USUAL_PACE = Pace()
EVERYTHING = Wanted()
