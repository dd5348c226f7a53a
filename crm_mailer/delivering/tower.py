"""One round of sending: books, looks again, renders, lets flights leave, and settles them.

All of it happens in one thread and one event loop. While connections move bytes the tower
prepares the next few mails, so that neither waits for the other; what is prepared ahead is kept
small, so that an opt-out or a pause is heard at once.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime

import structlog

from crm_mailer.delivering import crash, recheck, settling, typesetting
from crm_mailer.delivering.air import Air, awake
from crm_mailer.delivering.booking import Booking, Desk, Order
from crm_mailer.delivering.guards import Guards
from crm_mailer.delivering.journal import Journal
from crm_mailer.delivering.logbook import Logbook
from crm_mailer.delivering.permission import Rules
from crm_mailer.delivering.port import Flight
from crm_mailer.delivering.report import DeliverReport
from crm_mailer.delivering.terms import Pace, Wanted
from crm_mailer.delivering.typesetting import Typesetter
from crm_mailer.delivering.witness import Witness
from crm_mailer.model.errors import CannotWrite
from crm_mailer.model.moment import Clock
from crm_mailer.model.touch import TouchKind
from crm_mailer.store import cancelling, claims, pauses
from crm_mailer.store.claims import Settlement
from crm_mailer.store.engine import Connection, Queued, Store
from crm_mailer.store.pauses import Pauses

log = structlog.get_logger()

NEVER = datetime.max.replace(tzinfo=UTC)
#: A lane that has room later than this is left to another round, in seconds.
WORTH_WAITING = 60.0
#: Longest sleep between two looks at `should_stop`, in seconds.
NAP = 0.2
#: Pauses are looked up so often while nothing else asks for them, in seconds.
LISTEN_EVERY = 0.5
#: So many are rendered between two turns of the connections: while these are written, a server
#: takes about as many, so that neither waits for the other.
AT_ONCE = 25
#: So many at least wait for one write turn together, unless there are no more.
FEW = 100
#: So many at most wait for one, although no runway is empty.
SAVED_AT_ONCE = 250
#: A flight is looked at no earlier than this before its time, in seconds.
AHEAD = 0.1
#: Seconds between two looks whether the write turn has come.
LOOK_EVERY = 0.001
#: A cycle that lasts less is followed by a larger one, one that lasts more by a smaller one.
QUICK, SLOW = 0.1, 0.3


@dataclass(slots=True, kw_only=True)
class Tower:
    """One call of `deliver`."""

    store: Store
    desk: Desk
    typesetter: Typesetter
    guards: Guards
    logbook: Logbook
    journal: Journal
    witness: Witness
    clock: Clock
    wanted: Wanted
    pace: Pace
    rules: Rules
    fence: int
    boot: str
    report: DeliverReport
    air: Air
    #: Claimed, and not yet looked at again.
    bookings: deque[Booking] = field(default_factory=deque)
    #: When the claims are to be renewed, on a clock that cannot be set, and when they end on the
    #: clock that others see.
    _renew_at: float = 0.0
    _until: datetime = NEVER
    #: A renewal that is not yet committed.
    _renewed: tuple[float, datetime] | None = None
    _heard_at: float = 0.0
    #: When was asked what is cancelled of all that we hold.
    _asked_at: float = 0.0
    #: No use in claiming before, since nothing was there.
    _book_at: float = 0.0
    #: Nothing is in the air, and nothing will be.
    _has_landed: bool = False
    _cycle: int = 0
    _prepared_at: float = 0.0

    async def run(self) -> None:
        """The whole round.

        Raises:
            StoreError: the database cannot be used; what was sent is in the journal.
        """
        broken: BaseException | None = None
        try:
            while not self.air.is_over() and await self._step():
                pass
        except CannotWrite as error:  # the journal; the database still takes what has landed
            self.air.error = error
        except BaseException as error:  # raised again below; a `finally` may not wait when compiled
            broken = error
        self.air.clear()
        self._free(self.bookings)
        self.bookings.clear()
        if broken is None:
            try:  # now: a server may keep us waiting until somebody loses patience
                await self._settle()
            except BaseException as error:
                broken = error
        await self.air.land()
        self._has_landed = True
        if broken is not None:
            raise broken
        await self._settle()
        self.report.faults = {
            outlet.name: fault
            for outlet in self.desk.ways.outlets
            if (fault := self.guards.fault(outlet.name)) is not None
        }
        self.logbook.tell()
        if self.air.error is not None:
            raise self.air.error

    async def _step(self) -> bool:
        """Do the next useful thing; False when there is nothing more to do."""
        if cycle := self._next_cycle():
            await self._prepare(cycle)
            await asyncio.sleep(0)
            return True
        if self._may_book() and await self._book():
            return True
        if self._is_idle() and not self._is_worth_waiting():
            return False
        if self.logbook.is_due or (self._is_idle() and not self.logbook.is_empty):
            await self._settle()
        await self._rest()
        return True

    def _is_idle(self) -> bool:
        return self.air.is_empty and not self.bookings

    def _is_worth_waiting(self) -> bool:
        """Whether something is due that only its lane's pace keeps back for a moment."""
        wait = self.desk.pacer.wait(self.clock.now())
        if self._claimed_enough() or not 0 < wait <= WORTH_WAITING:
            return False
        with self.store.read() as connection:
            return claims.has_due(connection, self.clock.now())

    async def _rest(self) -> None:
        """Wait for an outcome, for a hungry runway, or a moment."""
        nap = NAP if self.logbook.is_empty else 0.05
        timer = asyncio.get_running_loop().call_later(nap, self.air.wake.set)
        await self.air.wake.wait()
        timer.cancel()
        self.air.wake.clear()
        if not self._is_idle():
            self._look_up()

    def _look_up(self) -> None:
        """What must not wait for the next cycle, which may be long in coming."""
        if time.monotonic() - min(self._heard_at, self._asked_at) > LISTEN_EVERY:
            with self.store.read() as connection:
                stops = pauses.load(connection)
                ended = self._cancelled(connection)
            self._hear(stops)
            self._call_off(ended)
        now = self.clock.now()
        if self._is_renewal_due(now):
            with self.store.write() as connection:
                self._renew(connection, now)
            self._extend_renewed()

    def _cancelled(self, connection: Connection) -> set[int]:
        """What somebody has cancelled of all that we hold; asked now and then."""
        now = time.monotonic()
        if now - self._asked_at <= LISTEN_EVERY:
            return set()
        self._asked_at = now
        return cancelling.list_marked(connection, owner=self.journal.owner, fence=self.fence)

    def _call_off(self, ended: set[int]) -> None:
        """Give back what was cancelled, wherever it waits: there it ends."""
        if not ended:
            return
        gone = [one for one in self.bookings if one.claimed.touch.id in ended]
        if gone:
            self._free(gone)
            self.bookings = deque(
                [one for one in self.bookings if one.claimed.touch.id not in ended]
            )
        self.air.call_off(ended)

    # ------------------------------------------------------------------ booking

    def _may_book(self) -> bool:
        has_place = len(self.bookings) < self.pace.batch // 2 and not self._claimed_enough()
        return has_place and (self._is_idle() or time.monotonic() >= self._book_at)

    def _claimed_enough(self) -> bool:
        return self.wanted.limit is not None and self.report.claimed >= self.wanted.limit

    async def _book(self) -> bool:
        """Claim more; whether there was any."""
        limit = self.pace.batch
        if self.wanted.limit is not None:
            limit = min(limit, self.wanted.limit - self.report.claimed)
        with self.store.queued() as place:
            await _turn(place)
            began, now = awake(), self.clock.now()
            order = self._order(now)
            with self.store.write(durable=True, place=place) as connection:
                found = self.desk.book(connection, order, self.air.paused, limit=limit, now=now)
                if found:
                    self.witness.bear(connection, now)
                crash.point("K1")
        crash.point("K2")
        self.witness.keep()
        if not self.air.deadline:
            self._extend(began, order.until)
        self.bookings.extend(found)
        self.logbook.taken([one.claimed.touch.id for one in found])
        if not found:
            self._book_at = time.monotonic() + NAP
        return bool(found)

    def _order(self, now: datetime) -> Order:
        return Order(
            owner=self.journal.owner,
            until=now + self.pace.claim_for,
            boot_id=self.boot,
            fence=self.fence,
            streams=self.wanted.streams,
            campaign=self.wanted.campaign,
        )

    def _is_renewal_due(self, now: datetime) -> bool:
        is_late = now >= self._until - self.pace.claim_for * 3 / 4
        return is_late or time.monotonic() >= self._renew_at

    def _renew(self, connection: Connection, now: datetime) -> None:
        """Hold on to the claims. Where their time was over, others may have taken them."""
        owner, fence = self.journal.owner, self.fence
        if awake() >= self.air.deadline:
            self.air.ground()
            claims.take_back(connection, owner, now)
        began, until = awake(), now + self.pace.claim_for
        claims.renew(connection, owner=owner, fence=fence, until=until)
        self._renewed = began, until

    def _extend(self, began: float, until: datetime) -> None:
        """Claims that were made or renewed at `began` are committed."""
        seconds = self.pace.claim_for.total_seconds()
        self._until = until
        self.air.deadline = began + seconds
        self._renew_at = time.monotonic() + seconds / 4

    def _extend_renewed(self) -> None:
        if self._renewed is not None:
            self._extend(*self._renewed)
            self._renewed = None

    # ------------------------------------------------------------------ one cycle

    def _next_cycle(self) -> list[Booking]:
        """The next few whose runway wants more and whose time is near.

        One over which a sender died before goes alone, to be told for sure.
        """
        outlets = self.desk.ways.outlets
        hungry = {outlet.name for outlet in outlets if self.air.wants_more(outlet.name)}
        if not self.bookings or not hungry | self.desk.closed:
            return []
        soon, found, size = time.monotonic() + AHEAD, list[Booking](), self._size()
        rest: deque[Booking] = deque()
        while self.bookings and len(found) < size:
            booking = self.bookings.popleft()
            if booking.outlet in self.desk.closed and not self._moved(booking):
                self.logbook.free(booking.claimed)  # moving it has given back its place
            elif booking.not_before > soon or booking.outlet not in hungry:
                rest.append(booking)
            elif found and (booking.claimed.crashes or found[0].claimed.crashes):
                rest.append(booking)
                break
            else:
                found.append(booking)
        self.bookings.extendleft(reversed(rest))
        return found

    def _moved(self, booking: Booking) -> bool:
        return self.desk.move(booking, self.air.paused, self.clock.now())

    def _free(self, bookings: Iterable[Booking]) -> None:
        for booking in bookings:
            self.logbook.free(booking.claimed)
            self.desk.give_back([booking])

    def _size(self) -> int:
        """As many as leave in a fraction of a second, so that the look at them stays fresh."""
        width = sum(outlet.transport.width for outlet in self.desk.ways.outlets)
        return max(1, min(self.pace.cycle, max(self._cycle, 2 * width)))

    def _adapt(self) -> None:
        """Larger cycles where they fly off quickly, smaller ones where they do not."""
        now = time.monotonic()
        lasted, self._prepared_at = now - self._prepared_at, now
        size = self._size()
        if lasted < QUICK:
            self._cycle = min(self.pace.cycle, 2 * size)
        elif lasted > SLOW:
            self._cycle = size // 2
        self.air.keep_ready(self._size() // 2)

    async def _prepare(self, bookings: list[Booking]) -> None:
        self._adapt()
        ready = await self._look(bookings)
        self.typesetter.look_up(ready)
        flights: list[Flight] = []
        skips: list[Settlement] = []
        for start in range(0, len(ready), AT_ONCE):
            part = ready[start : start + AT_ONCE]
            more, left_out = self.typesetter.set(part, self.clock.now())
            flights += more
            skips += left_out
            await asyncio.sleep(0)  # the connections' turn
            is_last = start + AT_ONCE >= len(ready)
            if is_last or self._may_line_up(len(flights)):
                await self._line_up(ready, flights, skips)
                flights, skips = [], []

    def _may_line_up(self, rendered: int) -> bool:
        """Whether so many are worth a write turn of their own."""
        return rendered >= (FEW if self.air.has_run_dry() else SAVED_AT_ONCE)

    async def _line_up(
        self, bookings: list[Booking], flights: list[Flight], skips: list[Settlement]
    ) -> None:
        """Save what was rendered and put it on its runways."""
        is_lasting = typesetting.are_kept(flights)
        with self.store.queued() as place:
            await _turn(place)
            with self.store.write(durable=is_lasting, place=place) as connection:
                self.typesetter.save(connection, flights, skips, self.clock.now())
        self.logbook.skipped(skips)
        left_out = {end.touch_id for end in skips}
        outlets = {one.claimed.touch.id: one.outlet for one in bookings}
        self.desk.give_back(one for one in bookings if one.claimed.touch.id in left_out)
        for flight in flights:
            self.air.line_up(flight, outlets[flight.message.touch_id])

    async def _look(self, bookings: list[Booking]) -> list[Booking]:
        """The last look before hand-over: still ours, not paused, still allowed?

        What has landed meanwhile is settled in the same turn.
        """
        with self.store.queued() as place:
            await _turn(place)
            now = self.clock.now()
            with self.store.write(place=place) as connection:
                self._write(connection, now)
                cancelled = self._cancelled(connection)
                held, ended = self._held(connection, bookings, now)
                stops = pauses.load(connection)
                going, back = self._sorted(held, stops)
                given_up = [one.claimed.touch.id for one in back]
                claims.release(connection, self.journal.owner, given_up, now)
                going, ends = self._allowed(connection, going, stops, now)
                ends += ended
                claims.settle(connection, self.journal.owner, ends)
        self._written()
        self._extend_renewed()
        self._hear(stops)
        self._call_off(cancelled)
        self.report.lost_claims += len(bookings) - len(held) - len(ended)
        self.logbook.given_back(given_up)
        self.logbook.skipped(ends)
        self.logbook.looked_at(one.claimed.touch for one in going)
        kept = {one.claimed.touch.id for one in going}
        self.desk.give_back(one for one in bookings if one.claimed.touch.id not in kept)
        return going

    def _held(
        self, connection: Connection, bookings: list[Booking], now: datetime
    ) -> tuple[list[Booking], list[Settlement]]:
        """Those that are ours still, and the ends of those that were cancelled meanwhile."""
        owner, fence = self.journal.owner, self.fence
        if self._is_renewal_due(now):
            self._renew(connection, now)
        ids = [one.claimed.touch.id for one in bookings]
        held = claims.still_held(connection, ids, owner=owner, fence=fence)
        ends: list[Settlement] = []
        if held.cancelled:
            ends = [settling.cancelled(one.claimed, now) for one in bookings
                    if one.claimed.touch.id in held.cancelled]  # fmt: skip
        return [one for one in bookings if one.claimed.touch.id in held.going], ends

    def _sorted(
        self, bookings: Iterable[Booking], stops: Pauses
    ) -> tuple[list[Booking], list[Booking]]:
        """Those that may go, and those whose lane was stopped meanwhile."""
        going: list[Booking] = []
        back: list[Booking] = []
        for one in bookings:
            is_open = stops.everything is None and self.desk.is_open(one.lane, stops)
            (going if is_open else back).append(one)
        return going, back

    def _allowed(
        self, connection: Connection, bookings: list[Booking], stops: Pauses, now: datetime
    ) -> tuple[list[Booking], list[Settlement]]:
        """Those that nothing stands against; what becomes of the others."""
        ends: list[Settlement] = []
        going: list[Booking] = []
        for one in bookings:
            if self._is_campaign_paused(one, stops):
                ends.append(settling.paused(one.claimed, now))
            else:
                going.append(one)
        touches = [one.claimed.touch for one in going]
        found = recheck.obstacles(
            connection,
            touches,
            self.rules,
            now=now,
            owner=self.journal.owner,
            under_way=self.logbook.under_way,
        )
        for one in going:
            obstacle = found.get(one.claimed.touch.id)
            if obstacle is not None:
                ends.append(settling.held_up(one.claimed, obstacle, now))
        return [one for one in going if one.claimed.touch.id not in found], ends

    def _is_campaign_paused(self, booking: Booking, stops: Pauses) -> bool:
        touch = booking.claimed.touch
        if touch.kind is not TouchKind.CAMPAIGN:
            return False
        return touch.campaign in stops.campaigns or touch.campaign in self.guards.stopped_campaigns

    # ------------------------------------------------------------------ pauses and the ledger

    def _hear(self, stops: Pauses) -> None:
        self._heard_at = time.monotonic()
        self.report.is_paused = stops.everything is not None
        self.air.hear(stops)

    async def _settle(self) -> None:
        if self.logbook.is_empty and not self.guards.is_dirty and not self.desk.pacer.is_dirty:
            return
        with self.store.queued() as place:
            await _turn(place)
            with self.store.write(place=place) as connection:
                self._write(connection, self.clock.now())
        self._written()

    def _write(self, connection: Connection, now: datetime) -> None:
        """Outcomes, counters and paces go into one write turn."""
        if self.air.deadline and awake() >= self.air.deadline:
            claims.take_back(connection, self.journal.owner, now)
        self.logbook.write(connection, now)
        self.desk.pacer.save(connection, now)
        for cause in self.guards.save(connection, now, may_wait=not self._has_landed):
            log.warning("alert", cause=cause)
        self.desk.stopped = self.guards.stopped_lanes

    def _written(self) -> None:
        if not self.logbook.is_empty:
            crash.point("K7")
        self.logbook.done()
        if self.journal.is_long:
            self.journal.compact(
                (flight.claimed.touch.id, flight.claimed.touch.attempts)
                for runway in self.air.runways.values()
                for flight in runway.in_air
                if flight.has_left
            )


async def _turn(place: Queued) -> None:
    """Let connections move bytes until the write turn has come."""
    while not place.has_come():
        await asyncio.sleep(LOOK_EVERY)
