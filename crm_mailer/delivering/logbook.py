"""Outcomes on their way into the database, in groups, and what a watcher is told of them."""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from crm_mailer.delivering import departed, settling
from crm_mailer.delivering.report import DeliverReport, Progress
from crm_mailer.model.campaign import Stream
from crm_mailer.model.delivery import Outcome
from crm_mailer.model.touch import SkipReason, Touch, TouchState
from crm_mailer.store import claims
from crm_mailer.store.claims import Claimed, Settlement
from crm_mailer.store.engine import Connection

#: Outcomes that are written at once, and seconds that the first of a few may wait.
GROUP, PATIENCE = 500, 0.15
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
    #: Marketing mails that may leave or have left, and are not settled: touch -> customer.
    under_way: dict[int, int] = field(default_factory=dict)
    _landed: list[tuple[Claimed, Outcome]] = field(default_factory=list)
    #: Touches that are given back untouched.
    _free: list[int] = field(default_factory=list)
    #: How many of both the running write turn holds, and which of the second were cancelled.
    _written: tuple[int, int] = (0, 0)
    _ended: frozenset[int] = frozenset()
    #: What was given back in this round and not claimed again since.
    _back: set[int] = field(default_factory=set)
    _since: float = 0.0
    _told_at: float = float("-inf")
    _began: float = field(default_factory=time.monotonic)
    _past: deque[tuple[float, int]] = field(default_factory=deque)

    def taken(self, touch_ids: Sequence[int]) -> None:
        """These were claimed; one that had been given back in this round is the same mail."""
        self.report.claimed += len(touch_ids)
        if self._back:
            again = self._back.intersection(touch_ids)
            self._back -= again
            self.report.claimed -= len(again)
            self.report.released -= len(again)

    def given_back(self, touch_ids: Sequence[int]) -> None:
        """These are in the database as they were before."""
        self._back.update(touch_ids)
        self.report.released += len(touch_ids)

    def looked_at(self, touches: Iterable[Touch]) -> None:
        """Nothing stands against these: they leave next."""
        for touch in touches:
            if touch.stream is Stream.MARKETING and touch.customer_id is not None:
                self.under_way[touch.id] = touch.customer_id

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
        back = claims.release(connection, self.owner, self._free, now)
        self._ended = frozenset(id_ for id_, state in back.items() if state is TouchState.SKIPPED)
        self._written = len(self._landed), len(self._free)
        # from here on the database tells of them, to whoever looks in the same turn
        for id_ in [*(claimed.touch.id for claimed, _outcome in self._landed), *self._free]:
            self.under_way.pop(id_, None)

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
        self._freed(free)
        del self._landed[:landed], self._free[:free]
        self._tell()

    def _freed(self, number: int) -> None:
        ended, self._ended = self._ended, frozenset()
        self.given_back([one for one in self._free[:number] if one not in ended])
        if ended:
            self.report.skipped[SkipReason.CANCELLED] += len(ended)
            self.progress.skipped[SkipReason.CANCELLED] += len(ended)

    def skipped(self, ends: list[Settlement]) -> None:
        """These were not sent, for a reason that is in the database."""
        for end in ends:
            self.under_way.pop(end.touch_id, None)
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
