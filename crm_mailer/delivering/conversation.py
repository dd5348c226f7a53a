"""One open connection that carries mails: it always knows how far each of them has come.

A failure before the final dot is harmless and the mail may be sent again; a failure after it
leaves the mail in doubt. Exceptions cannot tell the two apart, so the step of each mail is kept,
and each ends in one `Outcome`. Everything is driven by the server's answers, without a coroutine
for each mail: that is what makes it fast.

Three ways of talking, by what the server offers: body, final dot and the envelope of the next
mail in one write (one round trip a mail); the envelope in one write; one command at a time.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from crm_mailer.delivering import commands, crash, outcomes
from crm_mailer.delivering.account import Account
from crm_mailer.delivering.answers import UNREADABLE, Answer
from crm_mailer.delivering.line import Line
from crm_mailer.delivering.port import STOPPED, Flight, Source
from crm_mailer.delivering.trips import Offers, Step, Trip, prepared
from crm_mailer.model.delivery import Outcome, OutcomeKind, Phase

#: RFC 5321 3.8: the server closes the connection, whatever was asked.
BUSY = 421
#: The server waits for the body.
GO_AHEAD = 354
#: Octets that TLS may add to what follows a dot; more is never wrong, only more careful.
MARGIN = 1024
#: The words of a mail whose sending was called off from within.
CALLED_OFF = "sending was stopped"


_RESET, _MAIL, _RCPT, _DATA, _DOT, _VOID = Step
_UNKNOWN = OutcomeKind.UNKNOWN


class _OutOfStep(Exception):
    """The server answers what was not asked."""


class Conversation:
    """An open connection with at most one mail's dot and one more envelope in the air."""

    def __init__(
        self, account: Account, line: Line, extensions: Mapping[str, str], source: Source
    ) -> None:
        self.account = account
        self.line = line
        self._source = source
        self._offers = Offers.read(account, extensions)
        self._place = account.place
        limits = account.deadlines
        ordinary = limits.command
        self._limits = (limits.reset, ordinary, ordinary, limits.data, limits.dot, limits.dot)
        #: How many mails may still begin here.
        self._left = max(1, account.messages_per_connection)
        self._has_carried = False
        self._needs_reset = False
        self._is_over = False
        #: Whether the server has said more than what is being looked at.
        self._has_more = False
        self._now: Trip | None = None
        self._ahead: Trip | None = None
        self._untouched: Flight | None = None
        self._rest: asyncio.Future[None] | None = None
        self._clock = asyncio.get_running_loop().time
        line.hearer = self

    # ------------------------------------------------------------------ from outside

    @property
    def is_usable(self) -> bool:
        """Whether another mail may begin here."""
        return not self._is_over and self._left > 0 and self.line.is_up

    async def fly(self, flight: Flight) -> Flight | None:
        """Send `flight`, then as many more as the source has ready.

        Returns:
            A flight of which the server knows nothing, since the connection had silently died or
            was closed before it: to be tried once on a fresh one.
        """
        self._rest = asyncio.get_running_loop().create_future()
        try:
            self._begin(flight)
            await self._rest
        except BaseException:
            self._call_off()
            raise
        untouched, self._untouched = self._untouched, None
        return untouched

    async def close(self) -> None:
        """Say QUIT and leave; what the server answers does not matter any more.

        QUIT is never sent behind a dot: only when nothing is in the air.
        """
        if not self._is_over and self.line.is_up:
            self.line.hearer = None
            self.line.deadline = self._clock() + self.account.deadlines.quit
            self.line.write(commands.QUIT)
            try:
                await self.line.answer()
            except OSError:
                pass
            except BaseException:
                self.line.cut()
                raise
        self._is_over = True
        self.line.cut()
        await asyncio.sleep(0)  # lets the event loop close the socket

    # ------------------------------------------------------------------ what the line calls

    def heard(self, answers: list[Answer]) -> None:
        """Answers came, in the order of what was asked."""
        try:
            last = len(answers) - 1
            for place, answer in enumerate(answers):
                if self._is_over:
                    return
                self._has_more = place < last
                self._take(answer)
            self._watch()
        except _OutOfStep:
            self._hang_up("the server answered what was not asked")
        except BaseException as error:
            self._fail(error)

    def heard_usual(self, answer: Answer) -> bool:
        """All went well with one mail and with the envelope of the next; `answer` is the dot's."""
        trip, follower = self._now, self._ahead
        if trip is None or follower is None or trip.is_in_body or self._is_over:
            return False
        try:
            crash.point("K6")
            self._land(trip, self._judged(trip, Phase.DOT, answer))
            self._now, self._ahead = follower, None
            follower.step = _DATA
            crash.point("K3")
            self._body(follower)
            self._watch()
        except BaseException as error:
            self._fail(error)
        return True

    def flowed(self) -> None:
        """The kernel has the final dot: from now on the server may know the whole mail."""
        trip = self._now
        if trip is not None and trip.is_in_body:
            trip.is_in_body = False
            self._watch()

    def lost(self, why: str) -> None:
        """The line is gone: say of each mail in the air what that means."""
        self._is_over = True
        trips, self._now, self._ahead = (self._now, self._ahead), None, None
        try:
            for trip in trips:
                if trip is not None and not trip.has_landed:
                    self._settle_lost(trip, why)
        except BaseException as error:
            self._fail(error)
        self._stop()

    # ------------------------------------------------------------------ beginning

    def _begin(self, flight: Flight) -> None:
        """Make `flight`, or whatever the source has after it, the only mail in the air."""
        trip = self._prepared(flight) or self._next()
        if trip is None:
            self._stop()
            return
        if not self.line.is_up:
            trip.is_first = not self._has_carried
            self._now = trip
            self.lost("the server has closed the idle connection")
            return
        self._launch(trip, is_idle=True)
        self._watch()

    def _go_on(self) -> None:
        """Nothing is in the air: the next one, if there is one ready."""
        trip = self._next() if self._left > 0 else None
        if trip is None:
            self._stop()
        else:
            self._launch(trip, is_idle=False)

    def _stop(self) -> None:
        if self._rest is not None and not self._rest.done():
            self._rest.set_result(None)

    def _next(self) -> Trip | None:
        while (flight := self._source.next_now()) is not None:
            trip = self._prepared(flight)
            if trip is not None:
                return trip
        return None

    def _prepared(self, flight: Flight) -> Trip | None:
        """A flight with its commands; None where it has landed, as it cannot be sent here."""
        trip = prepared(flight, self._offers)
        if isinstance(trip, Trip):
            return trip
        self._source.landed(flight, trip)
        return None

    def _launch(self, trip: Trip, *, is_idle: bool) -> None:
        """Send the envelope of the only mail in the air, as far ahead as the server allows."""
        self._take_off(trip)
        self._now = trip
        if self._needs_reset:
            trip.step = _RESET
            self._needs_reset = False
        reset = commands.RESET if trip.step is _RESET else b""
        if not self._offers.pipelining:
            self._say(reset or trip.mail)
        elif not self._offers.blocks:
            self._say(reset + trip.envelope())
        elif is_idle or reset:
            # the line may be dead, or RSET refused: ask before what cannot be taken back
            self._say(reset + trip.mail + trip.rcpt)
        else:
            self._write_dot(trip, trip.mail + trip.rcpt + trip.block(), b"")

    def _take_off(self, trip: Trip) -> None:
        trip.started = self._clock()
        trip.is_first = not self._has_carried
        self._has_carried = True
        self._left -= 1

    # ------------------------------------------------------------------ answers, step by step

    def _take(self, answer: Answer) -> None:
        trip = self._now
        if trip is None:
            self._hang_up(f"the server spoke unasked: {answer.code} {answer.text}".rstrip())
        elif trip.step is _DOT:
            self._at_dot(trip, answer)
        elif trip.step is _MAIL:
            self._at_mail(trip, answer)
        elif trip.step is _RCPT:
            self._at_rcpt(trip, answer)
        elif trip.step is _DATA:
            self._at_data(trip, answer)
        else:
            self._at_aside(trip, answer)

    def _at_aside(self, trip: Trip, answer: Answer) -> None:
        """RSET, or the lone dot after a recipient that was refused."""
        if trip.step is _RESET and answer.is_good:
            self._advance(trip, _MAIL, trip.mail)
        elif trip.step is _VOID and 400 <= answer.code <= 599 and answer.code != BUSY:
            self._end(trip)
        else:
            asked = "RSET" if trip.step is _RESET else "an end without a mail"
            self._hang_up(f"{asked} was answered by {answer.code}")

    def _at_mail(self, trip: Trip, answer: Answer) -> None:
        if answer.is_good:
            self._advance(trip, _RCPT, trip.rcpt)
            return
        if answer.code == BUSY and not trip.is_first:
            # "enough on this connection": it takes no block either, a fresh one does
            trip.has_dot = False
            self._hang_up("the server closes the connection (421)")
            return
        self._land(trip, self._judged(trip, Phase.MAIL, answer))
        if self._is_unfit(answer):
            self._hang_up(f"MAIL was answered by {answer.code}")
        elif self._offers.pipelining:
            trip.step = _RCPT
        else:
            self._end(trip)

    def _at_rcpt(self, trip: Trip, answer: Answer) -> None:
        if answer.is_good and not trip.has_landed:
            self._after_rcpt(trip)
            return
        if not trip.has_landed:
            self._land(trip, self._judged(trip, Phase.RCPT, answer))
            self._needs_reset = True
        if self._is_unfit(answer) and not answer.is_good:
            self._hang_up(f"RCPT was answered by {answer.code}")
        elif trip.has_dot:
            trip.step = _DOT
        elif self._offers.pipelining and not self._offers.blocks:
            trip.step = _DATA
        else:
            self._end(trip)

    def _after_rcpt(self, trip: Trip) -> None:
        if trip.has_dot:
            trip.step = _DOT
        elif self._offers.blocks:
            self._write_dot(trip, trip.block(), b"")
            trip.step = _DOT
        else:
            self._advance(trip, _DATA, commands.DATA)

    def _at_data(self, trip: Trip, answer: Answer) -> None:
        if answer.code == GO_AHEAD:
            if trip.has_landed:
                # it was refused and still begins: end it at once, it must not become a mail
                trip.step = _VOID
                self._say(commands.DOT)
            else:
                crash.point("K3")
                self._body(trip)
            return
        if not trip.has_landed:
            self._land(trip, self._judged(trip, Phase.DATA, answer))
            self._needs_reset = True
        if self._is_unfit(answer):
            self._hang_up(f"DATA was answered by {answer.code}")
        else:
            self._end(trip)

    def _body(self, trip: Trip) -> None:
        """After 354 there is no way back but the dot or the end of the connection."""
        if self._has_more:
            raise _OutOfStep
        follower, envelope = None, b""
        if self._offers.pipelining and self._left > 0:
            follower = self._next()
        if follower is not None:
            self._take_off(follower)
            self._ahead = follower
            envelope = follower.envelope()
        trip.step = _DOT
        self._write_dot(trip, b"%b.\r\n%b" % (trip.body(), envelope), envelope)

    def _write_dot(self, trip: Trip, data: bytes, tail: bytes) -> None:
        """Take the step that cannot be taken back: `data` holds the final dot, then `tail`."""
        if self._has_more:
            raise _OutOfStep
        if not self._source.before_dot(trip.flight):
            self._land(trip, outcomes.ours(Phase.BODY, STOPPED, host=self._place))
            self._hang_up(STOPPED)
            return
        crash.point("K4")
        line = self.line
        line.write(data)
        # a write that failed at once has not left; one that waits in our memory not yet
        trip.has_dot = not line.is_closing
        rest = len(tail) + MARGIN
        if line.is_stuck and trip.has_dot and line.backlog() > rest:
            trip.is_in_body = True
            line.tell_at(rest)
        crash.point("K5")

    def _at_dot(self, trip: Trip, answer: Answer) -> None:
        crash.point("K6")
        if trip.has_landed:
            self._after_failed_block(trip, answer)
            return
        phase = Phase.BODY if trip.is_in_body else Phase.DOT
        outcome = self._judged(trip, phase, answer)
        self._land(trip, outcome)
        if trip.is_in_body or outcome.kind is _UNKNOWN or answer.code == BUSY:
            self._hang_up(f"the final dot was answered by {answer.code}")
        else:
            # a block that was refused leaves the transaction open (RFC 3030 section 3)
            self._needs_reset = self._offers.blocks and not answer.is_good
            self._end(trip)

    def _after_failed_block(self, trip: Trip, answer: Answer) -> None:
        """The answer to a block that was sent before its recipient was refused."""
        if self._is_unfit(answer):
            self._hang_up(f"a mail without recipients was answered by {answer.code}")
        else:
            self._needs_reset = True
            self._end(trip)

    def _advance(self, trip: Trip, step: Step, command: bytes) -> None:
        trip.step = step
        if not self._offers.pipelining:
            self._say(command)

    def _say(self, command: bytes) -> None:
        """Send what has answers to come. Those that are there already cannot be its answers."""
        if self._has_more:
            raise _OutOfStep
        self.line.write(command)

    def _end(self, trip: Trip) -> None:
        """The server has answered all that this mail asked."""
        self._now, self._ahead = self._ahead, None
        if self._now is None:
            self._go_on()

    # ------------------------------------------------------------------ landing

    def _land(self, trip: Trip, outcome: Outcome) -> None:
        trip.has_landed = True
        self._source.landed(trip.flight, outcome)

    def _judged(self, trip: Trip, phase: Phase, answer: Answer) -> Outcome:
        is_early = trip.has_dot and phase is not Phase.DOT and not trip.is_in_body
        if is_early and answer.code != BUSY and self._is_unfit(answer):
            phase = Phase.DOT  # out of step with a block that has left: nobody knows
        took = int((self._clock() - trip.started) * 1000)
        return outcomes.from_answer(phase, answer, host=self._place, took_ms=took)

    def _settle_lost(self, trip: Trip, why: str) -> None:
        if not trip.has_dot and trip.step <= _MAIL and not trip.is_first:
            self._untouched = trip.flight
            return
        took = int((self._clock() - trip.started) * 1000) if trip.started else 0
        outcome = outcomes.lost(trip.phase, why, host=self._place, took_ms=took)
        self._source.landed(trip.flight, outcome)

    @staticmethod
    def _is_unfit(answer: Answer) -> bool:
        """Whether nobody knows how to go on after this answer in the place of a refusal."""
        return answer.code in (BUSY, UNREADABLE) or not 400 <= answer.code <= 599

    # ------------------------------------------------------------------ ending

    def _watch(self) -> None:
        """A new stage has begun: it has all its time."""
        trip = self._now
        if trip is None or self._is_over:
            self.line.deadline = float("inf")
        elif trip.is_in_body:
            self.line.deadline = self._clock() + self.account.deadlines.body
        else:
            self.line.deadline = self._clock() + self._limits[trip.step]

    def _hang_up(self, why: str) -> None:
        """Cut the line; it tells `lost`, which sees to what else is in the air."""
        self._is_over = True
        self.line.cut(why)

    def _fail(self, error: BaseException) -> None:
        """The source itself failed: whoever called `fly` must know."""
        self._is_over = True
        if self._rest is not None and not self._rest.done():
            self._rest.set_exception(error)
        self.line.cut()

    def _call_off(self) -> None:
        """Stopped from within: what may have left is in doubt, the rest was not touched."""
        self._is_over = True
        self.line.hearer = None
        self.line.cut(CALLED_OFF)
        trips, self._now, self._ahead = (self._now, self._ahead), None, None
        for trip in trips:
            if trip is None or trip.has_landed:
                continue
            judge = outcomes.lost if trip.phase is Phase.DOT else outcomes.ours
            outcome = judge(trip.phase, CALLED_OFF, host=self._place)
            self._source.landed(trip.flight, outcome)
