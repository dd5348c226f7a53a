"""What one round of sending did."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from crm_mailer.delivering.pacing import LaneFault


@dataclass(slots=True, kw_only=True)
class Progress:
    """Where a round stands, for whoever watches it."""

    #: Seconds since it began.
    seconds: float = 0.0
    #: By outcome: accepted, deferred, refused, unknown.
    outcomes: Counter[str] = field(default_factory=Counter)
    #: Receiving provider group -> the same.
    by_provider: dict[str, Counter[str]] = field(default_factory=dict)
    #: Not sent, by reason.
    skipped: Counter[str] = field(default_factory=Counter)
    #: Mails that were due when the round began; None where nobody counted.
    due: int | None = None
    #: Mails a second over the last few seconds.
    rate: float = 0.0

    @property
    def done(self) -> int:
        """How many have a fate."""
        return self.outcomes.total() + self.skipped.total()

    @property
    def seconds_left(self) -> float | None:
        """How long the rest will take at this rate; None where it cannot be told."""
        if self.due is None or self.rate <= 0:
            return None
        return max(0, self.due - self.done) / self.rate


@dataclass(slots=True, kw_only=True)
class DeliverReport:
    """Counts of one round. Every claimed touch is in exactly one of them."""

    #: How many mails, however often each was claimed.
    claimed: int = 0
    #: By outcome: accepted, deferred, refused, unknown.
    outcomes: Counter[str] = field(default_factory=Counter)
    #: Not sent, by reason.
    skipped: Counter[str] = field(default_factory=Counter)
    #: Given back untouched, since the round was stopped; taken again later they count no more.
    released: int = 0
    #: Taken over by somebody else while we were slow.
    lost_claims: int = 0
    #: What was found of senders that died, by state.
    recovered: Counter[str] = field(default_factory=Counter)
    #: Outlet -> outcomes of the mails that it was asked to take.
    by_outlet: dict[str, Counter[str]] = field(default_factory=dict)
    #: Outlets that are out of order, and why.
    faults: dict[str, LaneFault] = field(default_factory=dict)
    is_paused: bool = False
    #: Why nothing was tried: the lane rests after a fault.
    resting: str = ""
    seconds: float = 0.0

    @property
    def lane_fault(self) -> LaneFault | None:
        """The first fault that stopped an outlet; None when all work."""
        return next(iter(self.faults.values()), None)

    @property
    def is_idle(self) -> bool:
        """Whether there was nothing to do."""
        return not self.claimed and not self.recovered

    @property
    def accounted(self) -> int:
        """The sum over all fates: always equal to `claimed`."""
        fates = self.outcomes.total() + self.skipped.total()
        return fates + self.released + self.lost_claims
