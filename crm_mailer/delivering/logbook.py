"""Outcomes on their way into the database, in groups, and what a watcher is told of them."""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from crm_mailer.delivering import departed, settling
from crm_mailer.delivering.report import DeliverReport, Progress
from crm_mailer.model.delivery import Outcome
from crm_mailer.store import claims
from crm_mailer.store.claims import Claimed, Settlement
from crm_mailer.store.engine import Connection

#: Outcomes that are written at once, and seconds that the first of a few may wait.
GROUP, PATIENCE = 500, 0.05
#: Seconds between two words to a watcher, and over which the rate is taken.
TELL_EVERY, RATE_OVER = 0.2, 5.0


@dataclass(slots=True, kw_only=True)
class Logbook:
    """What has landed and is not yet settled."""

    owner: str
    report: DeliverReport
    #: Where it is written down what left, for the day on which the database is lost.
    folder: Path
    on_progress: Callable[[Progress], None] | None = None
    progress: Progress = field(default_factory=Progress)
    _landed: list[tuple[Claimed, Outcome]] = field(default_factory=list)
    #: Touches that are given back untouched.
    _free: list[int] = field(default_factory=list)
    #: How many of both the running write turn holds.
    _written: tuple[int, int] = (0, 0)
    _since: float = 0.0
    _told_at: float = float("-inf")
    _began: float = field(default_factory=time.monotonic)
    _past: deque[tuple[float, int]] = field(default_factory=deque)

    def note(self, claimed: Claimed, outcome: Outcome) -> None:
        """One attempt ended so."""
        if not self._landed:
            self._since = time.monotonic()
        self._landed.append((claimed, outcome))

    def count(self, outlet: str, outcome: Outcome) -> None:
        """An outlet had an answer."""
        answers = self.report.by_outlet.get(outlet)
        if answers is None:
            answers = self.report.by_outlet[outlet] = Counter()
        answers[outcome.kind._value_] += 1

    def free(self, claimed: Claimed) -> None:
        """No attempt was made: the touch is given back."""
        self._free.append(claimed.touch.id)

    @property
    def is_empty(self) -> bool:
        """Whether all is in the database."""
        return not self._landed and not self._free

    @property
    def is_due(self) -> bool:
        """Whether it is time to write."""
        if len(self._landed) >= GROUP:
            return True
        return bool(self._landed) and time.monotonic() - self._since >= PATIENCE

    def write(self, connection: Connection, now: datetime) -> None:
        """Settle what has landed and give back the rest; `done` follows when it is committed."""
        departed.note(self.folder, self._landed, now)
        ends = [settling.after(claimed, outcome, now) for claimed, outcome in self._landed]
        claims.settle(connection, self.owner, ends)
        claims.release(connection, self.owner, self._free)
        self._written = len(self._landed), len(self._free)

    def done(self) -> None:
        """What was written is committed."""
        report, progress = self.report, self.progress
        landed, free = self._written
        self._written = 0, 0
        for claimed, outcome in self._landed[:landed]:
            kind = outcome.kind._value_
            report.outcomes[kind] += 1
            progress.outcomes[kind] += 1
            answers = progress.by_provider.get(claimed.touch.provider)
            if answers is None:
                answers = progress.by_provider[claimed.touch.provider] = Counter()
            answers[kind] += 1
        report.released += free
        del self._landed[:landed], self._free[:free]
        self._tell()

    def skipped(self, ends: list[Settlement]) -> None:
        """These were not sent, for a reason that is in the database."""
        for end in ends:
            self.report.skipped[end.reason] += 1
            self.progress.skipped[end.reason] += 1

    def _tell(self) -> None:
        now = time.monotonic()
        if self.on_progress is None or now - self._told_at < TELL_EVERY:
            return
        self._told_at = now
        self.tell()

    def tell(self) -> None:
        """Say where the round stands."""
        if self.on_progress is None:
            return
        now, progress, past = time.monotonic(), self.progress, self._past
        progress.seconds = now - self._began
        past.append((now, progress.done))
        while len(past) > 2 and now - past[0][0] > RATE_OVER:
            past.popleft()
        began, before = past[0] if len(past) > 1 else (self._began, 0)
        progress.rate = (progress.done - before) / (now - began) if now > began else 0.0
        self.on_progress(progress)
