"""What is on its way: runways, their transports, and what each landing means."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from datetime import datetime

import structlog

from crm_mailer.delivering import crash, outcomes
from crm_mailer.delivering.booking import Booking, Desk
from crm_mailer.delivering.guards import Guards
from crm_mailer.delivering.journal import Journal
from crm_mailer.delivering.logbook import Logbook
from crm_mailer.delivering.port import STOPPED, Flight
from crm_mailer.delivering.routing import Lane, lane_of
from crm_mailer.delivering.runway import Runway
from crm_mailer.model.delivery import Outcome, OutcomeKind, Phase
from crm_mailer.model.errors import CannotWrite, CrmMailerError
from crm_mailer.model.moment import Clock
from crm_mailer.model.sentence import Sentence
from crm_mailer.store.pauses import Pauses

log = structlog.get_logger()


@dataclass(slots=True, kw_only=True)
class Air:
    """The flights of one round, from the runway to the landing."""

    desk: Desk
    guards: Guards
    logbook: Logbook
    journal: Journal
    clock: Clock
    should_stop: Callable[[], bool]
    paused: Pauses
    #: Outlets that failed last time: each begins with one mail.
    probing: Collection[str] = ()
    runways: dict[str, Runway] = field(default_factory=dict)
    #: Set when something has happened.
    wake: asyncio.Event = field(default_factory=asyncio.Event)
    error: CrmMailerError | None = None
    _stock: int = 0
    _is_landing: bool = False
    #: On the clock of `awake`: after it no final dot may leave.
    deadline: float = 0.0
    #: What a guard has stopped in this round.
    _lanes: frozenset[Lane] = frozenset()
    _campaigns: frozenset[str] = frozenset()
    _flying: dict[str, asyncio.Task[None]] = field(default_factory=dict)
    #: Flights whose claims may have passed to another sender.
    _lost: set[Flight] = field(default_factory=set)

    def is_over(self) -> bool:
        """Whether nothing new may leave any more."""
        if self._is_landing or self.error is not None or self.paused.everything is not None:
            return True
        if self.should_stop():
            return True
        return len(self.desk.closed) == len(self.desk.ways.outlets)

    @property
    def is_empty(self) -> bool:
        """Whether nothing waits on a runway or is on the wire."""
        return not any(len(one) or one.in_air for one in self.runways.values())

    def wants_more(self, outlet: str) -> bool:
        """Whether an outlet's runway runs low."""
        runway = self.runways.get(outlet)
        return runway is None or len(runway) <= runway.low

    def has_run_dry(self) -> bool:
        """Whether a connection has nothing to send next."""
        return not self.runways or not all(map(len, self.runways.values()))

    def keep_ready(self, number: int) -> None:
        """How many flights shall wait on a runway: what leaves while more are prepared."""
        self._stock = number
        for runway in self.runways.values():
            runway.low = max(runway.width, number)

    def line_up(self, flight: Flight, name: str) -> None:
        """Put a flight on its outlet's runway, whose connections are opened with the first."""
        runway = self.runways.get(name)
        if runway is None:
            [outlet] = [one for one in self.desk.ways.outlets if one.name == name]
            runway = self.runways[name] = Runway(name, self, outlet.transport.width)
            runway.low = max(runway.width, self._stock)
            runway.is_narrow = name in self.probing
            task = asyncio.create_task(outlet.transport.fly(runway), name=f"fly {name}")
            task.add_done_callback(lambda done: self._flown(name, done))
            self._flying[name] = task
        if runway.is_closed:
            self._elsewhere(flight, name)
        else:
            runway.add([flight])

    def may_leave(self, runway: Runway, flight: Flight) -> bool:
        """Asked right before the final dot; True means that it is noted in the journal."""
        touch = flight.claimed.touch
        if runway.is_held or awake() >= self.deadline:
            return False
        if flight in self._lost or self._is_stopped(flight):
            return False
        try:
            self.journal.dot(touch.id, touch.attempts, self.clock.now(), runway.name)
        except OSError as error:
            self.error = CannotWrite(
                Sentence(
                    "the flight journal cannot be written: {why}", why=error.strerror or error
                ),
                hint="nothing is sent without it: free some space on the disk of the shop's folder",
            )
            return False
        flight.has_left = True
        return True

    def ground(self) -> None:
        """Nothing that was looked at before may leave: its claim may be somebody else's by now."""
        for runway in self.runways.values():
            for flight in runway.clear():
                self._free(flight, runway.name)
            self._lost |= runway.in_air

    def call_off(self, ended: Collection[int]) -> None:
        """These touches may not leave any more: somebody has cancelled them."""
        for runway in self.runways.values():
            waiting = runway.clear()
            runway.add([one for one in waiting if one.claimed.touch.id not in ended])
            for flight in waiting:
                if flight.claimed.touch.id in ended:
                    self._free(flight, runway.name)
            self._lost |= {
                one for one in runway.in_air
                if not one.has_left and one.claimed.touch.id in ended
            }  # fmt: skip

    def _is_stopped(self, flight: Flight) -> bool:
        touch, stops = flight.claimed.touch, self.paused
        if stops.everything is not None or touch.campaign in stops.campaigns:
            return True
        if touch.campaign in self._campaigns:
            return True
        if not (stops.lanes or self._lanes):
            return False
        lane = lane_of(touch)
        return lane in self._lanes or stops.stops(lane.name)

    def has_landed(self, runway: Runway, flight: Flight, outcome: Outcome) -> None:
        """Note an outcome; what says nothing about the mail sends it elsewhere, or back."""
        if outcome.text == STOPPED:
            # we stopped it, or the one before it on the same connection
            self._turn_back(runway, flight)
        elif outcome.kind is OutcomeKind.ACCEPTED:
            self._judge(runway, flight, outcome)
            if runway.is_narrow:
                runway.widen()
        else:
            self._take_amiss(runway, flight, outcome)
        self._lost.discard(flight)
        if self.logbook.is_due or not runway.in_air:
            self.wake.set()
        if self.guards.fault(runway.name):
            self._close(runway)

    def _take_amiss(self, runway: Runway, flight: Flight, outcome: Outcome) -> None:
        """Judge what was not accepted, and see whether the outlet may go on."""
        had_fault = self.guards.fault(runway.name) is not None
        self._judge(runway, flight, outcome)
        self._heed_guards()
        is_its_fault = not had_fault or self.guards.is_lane_fault(outcome)
        if is_its_fault and self.guards.fault(runway.name) is not None:
            self._close(runway, is_held=outcome.phase not in outcomes.OPENING)

    def _turn_back(self, runway: Runway, flight: Flight) -> None:
        """It was stopped before its dot: another outlet may take it where only this one failed."""
        if flight.has_left:  # noted for a step that was called off before it was taken
            flight.has_left = False
            self.journal.back(flight.claimed.touch.id, flight.claimed.touch.attempts)
        if runway.is_closed:
            self._elsewhere(flight, runway.name)
        else:
            self._free(flight, runway.name)

    def _judge(self, runway: Runway, flight: Flight, outcome: Outcome) -> None:
        touch = flight.claimed.touch
        now = self.clock.now()
        self.guards.heard(touch, runway.name, outcome)
        self.desk.pacer.hear(runway.name, lane_of(touch), outcome, now)
        if not self.guards.is_lane_fault(outcome):
            self.logbook.count(runway.name, outcome)
            self._note(flight, outcome, now)
            return
        if flight.has_left:
            flight.has_left = False
            self.journal.back(touch.id, touch.attempts)
        self._close(runway)
        self._elsewhere(flight, runway.name)

    def _note(self, flight: Flight, outcome: Outcome, now: datetime) -> None:
        touch = flight.claimed.touch
        self.logbook.note(flight.claimed, outcome)
        try:
            self.journal.answer(touch.id, touch.attempts, outcome, now)
        except OSError:  # it is still in memory, and goes to the database next
            log.exception("journal", touch=touch.id)
        crash.point("K6J")

    def is_hungry(self) -> None:
        """A runway is about to run dry."""
        self.wake.set()

    def _close(self, runway: Runway, *, is_held: bool = False) -> None:
        """An outlet is out of order: what waits there goes elsewhere, or back.

        Args:
            runway: the outlet's.
            is_held: nor may what is in the air take its last step there. A server that allows
                three connections and refuses the fourth still takes mails on the three.
        """
        runway.is_held = runway.is_held or is_held
        if runway.is_closed:
            return
        self.desk.closed.add(runway.name)
        for flight in runway.close():
            self._elsewhere(flight, runway.name)
        self.wake.set()

    def _elsewhere(self, flight: Flight, name: str) -> None:
        """Before its dot a flight may change the outlet; without another it is given back."""
        if self.is_over() or flight in self._lost or self._is_stopped(flight):
            self._free(flight, name)
            return
        booking = Booking(claimed=flight.claimed, outlet=name, not_before=flight.not_before)
        if self.desk.move(booking, self.paused, self.clock.now()):
            flight.not_before = booking.not_before
            self.line_up(flight, booking.outlet)
        else:  # its place was given back by the attempt to move it
            self.logbook.free(flight.claimed)

    def _free(self, flight: Flight, name: str) -> None:
        """Give back a flight that has not left, and its place in the outlet's pace."""
        self.logbook.free(flight.claimed)
        self.desk.pacer.give_back(name, lane_of(flight.claimed.touch), 1)

    def _flown(self, name: str, task: asyncio.Task[None]) -> None:
        """A transport ended. One that broke leaves flights that nobody answers for."""
        self.wake.set()
        runway = self.runways[name]
        if task.cancelled() or task.exception() is None:
            error: BaseException | None = None
        else:
            error = task.exception()
        if isinstance(error, CrmMailerError):
            self.error = error
        elif error is not None:
            log.error("fly", outlet=name, exc_info=error)
        for flight in list(runway.in_air):
            runway.in_air.discard(flight)
            if flight.has_left:  # a fault of ours must not make a doubtful mail look safe
                why = f"{type(error).__name__}: {error}"
                self._note(flight, outcomes.lost(Phase.DOT, why), self.clock.now())
            else:
                self._free(flight, name)
        if error is not None:
            self._close(runway)

    def clear(self) -> None:
        """Nothing new leaves: what waits on runways is given back."""
        self._is_landing = True
        for runway in self.runways.values():
            for flight in runway.close():
                self._free(flight, runway.name)

    async def land(self) -> None:
        """Let what is on the wire land."""
        if self._flying:
            await asyncio.wait(self._flying.values())
            await asyncio.sleep(0)  # lets the callbacks of the last ones run

    def hear(self, stops: Pauses) -> None:
        """Obey pauses at once: what waits on a runway does not leave."""
        self.paused = stops
        for runway in self.runways.values():
            if runway.name in stops.accounts:
                self._close(runway, is_held=True)
        if stops.campaigns or stops.lanes:
            self._sweep()

    def _heed_guards(self) -> None:
        lanes, campaigns = self.guards.stopped_lanes, self.guards.stopped_campaigns
        if (lanes, campaigns) != (self._lanes, self._campaigns):
            self._lanes, self._campaigns = lanes, campaigns
            self._sweep()

    def _sweep(self) -> None:
        """Take from the runways what may not leave any more."""
        for runway in self.runways.values():
            waiting = runway.clear()
            runway.add(one for one in waiting if not self._is_stopped(one))
            for flight in waiting:
                if self._is_stopped(flight):
                    self._free(flight, runway.name)


def awake() -> float:
    """Seconds that go on while the process is stopped and, where known, while the host sleeps."""
    return time.monotonic() if _BOOT_TIME is None else time.clock_gettime(_BOOT_TIME)


_BOOT_TIME: int | None = getattr(time, "CLOCK_BOOTTIME", None)
