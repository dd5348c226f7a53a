"""Claims what is due, renders it, hands it over and settles it, in small cycles."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import structlog

from crm_mailer.delivering import crash, outcomes, permission, recheck, settling
from crm_mailer.delivering.journal import Journal, boot_id
from crm_mailer.delivering.pacing import Bucket, Circuit
from crm_mailer.delivering.permission import FREE, Rules
from crm_mailer.delivering.recover import recover
from crm_mailer.delivering.report import DeliverReport
from crm_mailer.delivering.transport import Transport
from crm_mailer.model.campaign import Stream
from crm_mailer.model.delivery import Outcome, Phase
from crm_mailer.model.errors import CrmMailerError, StoreError
from crm_mailer.model.message import Message, NotRendered, Renderer
from crm_mailer.model.moment import Clock
from crm_mailer.model.touch import SkipReason, Touch
from crm_mailer.store import claims, health, messages
from crm_mailer.store.claims import Claimed, Settlement
from crm_mailer.store.engine import Store

TRANSACTIONAL = Stream.TRANSACTIONAL
log = structlog.get_logger()

#: Longest sleep between two looks at `should_stop`, in seconds.
NAP = 0.2


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How much to take at a time, and how fast to send."""

    #: Touches claimed by one durable commit.
    batch: int = 400
    #: Touches checked, rendered and settled together.
    cycle: int = 100
    #: Mails a minute; None: as fast as the server takes them.
    per_minute: int | None = None
    #: How long a claim holds without being renewed; longer than the longest wait for an answer.
    claim_for: timedelta = timedelta(minutes=20)

    def at_once(self, number: int) -> int:
        """`number`, but not more than a minute's worth: claims must not outlive their time."""
        return max(1, min(number, self.per_minute or number))


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which of the due touches to send."""

    limit: int | None = None
    streams: Collection[Stream] | None = None
    campaign: str | None = None


def deliver(
    store: Store,
    renderer: Renderer,
    transport: Transport,
    *,
    clock: Clock,
    owner: str,
    journal_folder: Path,
    should_stop: Callable[[], bool] = lambda: False,
    wanted: Wanted = Wanted(),
    pace: Pace = Pace(),
    rules: Rules = FREE,
    fence: int = 0,
) -> DeliverReport:
    """Send what is due until nothing is left, something is wrong, or `should_stop` says so.

    What a dead sender left behind is put right first. A stop lets the mails in flight finish and
    gives back the rest.

    Args:
        owner: unique for this process; its journal is named after it.
        rules: the shop's quiet hours and caps, and its campaigns as they are now.
        fence: the epoch of the lease under which we work.

    Raises:
        StoreError: the database cannot be written. Nothing is lost: the journal tells the next
            round what was sent.
    """
    started = time.monotonic()
    report = DeliverReport(recovered=recover(store, journal_folder, now=clock.now()))
    with store.read() as connection:
        report.is_paused = health.is_paused(connection)
        if report.is_paused or not claims.has_due(connection, clock.now()):
            return report
    journal = Journal(journal_folder, owner)
    work = _Round(
        store=store,
        renderer=renderer,
        transport=transport,
        clock=clock,
        journal=journal,
        should_stop=should_stop,
        wanted=wanted,
        pace=pace,
        rules=rules,
        fence=fence,
        report=report,
        bucket=Bucket(pace.per_minute),
    )
    is_settled = False
    try:
        asyncio.run(work.run())
        is_settled = True
    finally:
        journal.close(is_settled=is_settled)
        report.seconds = time.monotonic() - started
    return report


@dataclass(slots=True, kw_only=True)
class _Round:
    """One call of `deliver`."""

    store: Store
    renderer: Renderer
    transport: Transport
    clock: Clock
    journal: Journal
    should_stop: Callable[[], bool]
    wanted: Wanted
    pace: Pace
    rules: Rules
    fence: int
    report: DeliverReport
    bucket: Bucket
    circuit: Circuit = field(default_factory=Circuit)
    boot: str = field(default_factory=boot_id)
    #: Time on the clock of `_awake` after which no final dot may leave without a renewed claim.
    deadline: float = 0.0
    error: CrmMailerError | None = None

    async def run(self) -> None:
        """Batch after batch."""
        try:
            while not self._is_over() and (batch := self._claim()):
                left = deque(batch)
                while left and not self._is_over():
                    await self._cycle(self._next_cycle(left))
                self._give_back(list(left))
        finally:
            await self.transport.close()
            self.report.lane_fault = self.circuit.fault
        if self.error is not None:
            raise self.error

    def _is_over(self) -> bool:
        is_stopped = self.report.is_paused or self.circuit.fault is not None
        return is_stopped or self.error is not None or self.should_stop()

    # ------------------------------------------------------------------ claim

    def _claim(self) -> list[Claimed]:
        size = self.pace.at_once(self.pace.batch)
        if self.wanted.limit is not None:
            size = min(size, self.wanted.limit - self.report.claimed)
        if size <= 0:
            return []
        now = self.clock.now()
        self._extend()
        with self.store.write(durable=True) as connection:
            batch = claims.claim(
                connection,
                owner=self.journal.owner,
                now=now,
                until=now + self.pace.claim_for,
                boot_id=self.boot,
                limit=size,
                fence=self.fence,
                streams=self.wanted.streams,
                campaign=self.wanted.campaign,
            )
            crash.point("K1")
        crash.point("K2")
        self.report.claimed += len(batch)
        return batch

    def _extend(self) -> None:
        self.deadline = _awake() + self.pace.claim_for.total_seconds()

    def _give_back(self, rows: Sequence[Claimed]) -> None:
        if rows:
            with self.store.write() as connection:
                claims.release(connection, self.journal.owner, [row.touch.id for row in rows])
            self.report.released += len(rows)

    # ------------------------------------------------------------------ one cycle

    def _next_cycle(self, left: deque[Claimed]) -> list[Claimed]:
        """The next few; one over which a sender died before goes alone, to be told for sure."""
        rows = [left.popleft()]
        size = self.pace.at_once(self.pace.cycle)
        while left and len(rows) < size and not (rows[0].crashes or left[0].crashes):
            rows.append(left.popleft())
        return rows

    async def _cycle(self, rows: list[Claimed]) -> None:
        ready = self._recheck(rows)
        mails = self._render(ready)
        flown, left = await self._fly(mails)
        self._settle(flown, left)

    def _recheck(self, rows: list[Claimed]) -> list[Claimed]:
        """The last look before hand-over: still ours, not paused, still allowed?"""
        now, owner = self.clock.now(), self.journal.owner
        self._extend()
        with self.store.write() as connection:
            kept = claims.renew(
                connection, owner=owner, fence=self.fence, until=now + self.pace.claim_for
            )
            self.report.lost_claims += sum(row.touch.id not in kept for row in rows)
            rows = [row for row in rows if row.touch.id in kept]
            if health.is_paused(connection):
                self.report.is_paused = True
                claims.release(connection, owner, [row.touch.id for row in rows])
                self.report.released += len(rows)
                return []
            found = recheck.obstacles(
                connection, [row.touch for row in rows], self.rules, now=now, owner=owner
            )
            stopped = [row for row in rows if row.touch.id in found]
            ends = [settling.held_up(row, found[row.touch.id], now) for row in stopped]
            claims.settle(connection, owner, ends)
        self.report.skipped.update(obstacle.reason.value for obstacle in found.values())
        return [row for row in rows if row.touch.id not in found]

    def _render(self, rows: list[Claimed]) -> list[tuple[Claimed, Message]]:
        if not rows:
            return []
        now = self.clock.now()
        mails: list[tuple[Claimed, Message]] = []
        skips: list[Settlement] = []
        self.journal.render([row.touch.id for row in rows])
        try:
            results = self._rendered([row.touch for row in rows])
            crash.point("KR")
        finally:  # a fault that is told is no crash, and nothing is on the wire yet
            self.journal.landed()
        for row, result in zip(rows, results, strict=True):
            if isinstance(result, Message):
                mails.append((row, result))
            else:
                obstacle = permission.waiting(row.touch, result.reason, now)
                skips.append(settling.held_up(row, obstacle, now, result.detail))
                self.report.skipped[result.reason.value] += 1
        with self.store.write() as connection:
            claims.settle(connection, self.journal.owner, skips)
            kept = [row.touch.id for row, _mail in mails if row.touch.stream is TRANSACTIONAL]
            messages.save(connection, [mail for _row, mail in mails], now, kept)
        return mails

    def _rendered(self, wanted: list[Touch]) -> list[Message | NotRendered]:
        """One result for each touch: a fault that breaks the batch is found one by one."""
        try:
            return self.renderer.render_batch(wanted)
        except StoreError:
            raise
        except Exception:  # one customer's fault stays one customer's
            log.warning("render", trouble="batch", touches=len(wanted), exc_info=True)
        return [self._rendered_alone(touch) for touch in wanted]

    def _rendered_alone(self, touch: Touch) -> Message | NotRendered:
        try:
            return self.renderer.render_batch([touch])[0]
        except StoreError:
            raise
        except Exception as error:
            log.exception("render", touch=touch.id)
            why = f"{type(error).__name__}: {error}"
            return NotRendered(touch_id=touch.id, reason=SkipReason.TEMPLATE_ERROR, detail=why)

    # ------------------------------------------------------------------ hand over

    async def _fly(
        self, mails: list[tuple[Claimed, Message]]
    ) -> tuple[list[tuple[Claimed, Outcome]], list[Claimed]]:
        """Hand over, several at once; returns what was tried and what was left."""
        queue, flown = deque(mails), list[tuple[Claimed, Outcome]]()
        width = min(self.transport.width, len(mails))
        await asyncio.gather(*(self._lane(queue, flown) for _ in range(width)))
        return flown, [row for row, _message in queue]

    async def _lane(
        self,
        queue: deque[tuple[Claimed, Message]],
        flown: list[tuple[Claimed, Outcome]],
    ) -> None:
        while queue and not self._is_over():
            await self._wait_for_place()
            if not queue or self._is_over():
                return
            row, message = queue.popleft()
            try:
                outcome = await self._hand_over(row, message)
            except CrmMailerError as error:
                self.error = error
                queue.append((row, message))
                return
            self.circuit.watch(outcome)
            flown.append((row, outcome))

    async def _hand_over(self, row: Claimed, message: Message) -> Outcome:
        touch, dots = row.touch, [False]

        def before_dot() -> bool:
            if _awake() >= self.deadline:
                return False
            try:
                self.journal.dot(touch.id, touch.attempts, self.clock.now())
            except OSError:
                log.exception("journal", touch=touch.id)
                return False
            dots[0] = True
            return True

        try:
            outcome = await self.transport.hand_over(message, before_dot)
        except CrmMailerError:
            raise
        except Exception as error:  # a fault of ours must not make a doubtful mail look safe
            log.exception("hand_over", touch=touch.id)
            phase = Phase.DOT if dots[0] else Phase.BODY
            outcome = outcomes.lost(phase, f"{type(error).__name__}: {error}")
        if not self.circuit.is_lane_fault(outcome):
            self._note(touch, outcome)
        return outcome

    def _note(self, touch: Touch, outcome: Outcome) -> None:
        try:
            self.journal.answer(touch.id, touch.attempts, outcome, self.clock.now())
        except OSError:  # it is still in memory, and goes to the database next
            log.exception("journal", touch=touch.id)
        crash.point("K6J")

    async def _wait_for_place(self) -> None:
        wait = self.bucket.take(time.monotonic())
        while wait > 0 and not self._is_over():
            await asyncio.sleep(min(wait, NAP))
            wait -= NAP

    # ------------------------------------------------------------------ settle

    def _settle(self, flown: list[tuple[Claimed, Outcome]], left: list[Claimed]) -> None:
        """Write the outcomes; what says nothing about a mail gives its touch back untouched."""
        now = self.clock.now()
        ends = [
            settling.after(row, outcome, now)
            for row, outcome in flown
            if not self.circuit.is_lane_fault(outcome)
        ]
        free = left + [row for row, out in flown if self.circuit.is_lane_fault(out)]
        owner = self.journal.owner
        if flown or free:
            with self.store.write() as connection:
                claims.settle(connection, owner, ends)
                claims.release(connection, owner, [row.touch.id for row in free])
        crash.point("K7")
        self.journal.landed()
        self.report.released += len(free)
        self.report.outcomes.update(end.outcome.kind.value for end in ends if end.outcome)


def _awake() -> float:
    """Seconds that go on while the process is stopped and, where known, while the host sleeps."""
    if hasattr(time, "CLOCK_BOOTTIME"):
        return time.clock_gettime(time.CLOCK_BOOTTIME)
    return time.monotonic()
