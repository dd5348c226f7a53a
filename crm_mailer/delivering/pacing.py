"""How fast to send: limits of accounts and lanes, warming up, and slowing down when asked to.

A bucket is one instant: when the next place is due (GCRA, ITU-T I.371). It lies in the database,
so that all senders of a shop share it, over restarts too. Each takes the places that it needs for
the next two seconds in the transaction of its claim, so that it never holds much on a slow lane.

The limit of a lane holds over all accounts: a receiver judges a shop by the domain in its From.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta

from crm_mailer.delivering.faults import SANDBOX, LaneFault, rest_after
from crm_mailer.delivering.outcomes import OPENING
from crm_mailer.delivering.routing import Lane, Ways
from crm_mailer.model.campaign import Stream
from crm_mailer.model.delivery import Blame, Outcome, OutcomeKind
from crm_mailer.store import paces
from crm_mailer.store.engine import Connection
from crm_mailer.store.paces import Pace

__all__ = ["BIG", "HALVED", "SANDBOX", "LaneFault", "Pacer", "rest_after"]

#: Room where there is no limit.
BIG = 1_000_000
#: Places are taken so many seconds ahead, and as many as fit into so many seconds at a time.
HORIZON, PORTION = 2.0, 1.0
#: The server closes for now (SMTP), or wants fewer requests (HTTP).
TOO_FAST = (421, 429)
#: A pause saves up at most so many seconds' worth.
BURST = 1.0
#: Mails a day to one provider while an account warms up, from its first day on; then it is free.
WARM_UP = (50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000, 20_000, 50_000)
#: A lane's rate in thousandths: all of it, the least, and what each quiet minute brings back.
FULL, LEAST, GROWTH = 1_000, 16, 50
#: A lane is halved at most so often: what is on its way was sent before we heard.
HALVE_EVERY = timedelta(minutes=1)
#: So many of the last hundred answers may say that a server is busy.
BUSY_ALLOWED, BUSY_AMONG = 10, 100
#: The bucket of all marketing mail: in use only while spam reports halve its pace.
HALVED = "stream:marketing"
#: A row from so far in the future was written before the clock was set back.
CLOCK_SLACK = timedelta(minutes=1)


def warm_up_limit(since: date | None, today: date) -> int | None:
    """Mails that may leave `today` to one provider; None: as many as there are.

    Days are counted in UTC: the room knows no shop's zone.
    """
    if since is None:
        return None
    day = (today - since).days
    if day < 0:
        return WARM_UP[0]
    return WARM_UP[day] if day < len(WARM_UP) else None


def asks_for_less(outcome: Outcome) -> bool:
    """Whether a receiver says that mails come too fast: 421, 4.3.2 and 4.7.x.

    A full mailbox speaks of one customer, and a refused connection of the account.
    """
    if outcome.kind is not OutcomeKind.DEFERRED or outcome.blame is Blame.RECIPIENT:
        return False
    if outcome.phase in OPENING:
        return False
    status = outcome.status
    return outcome.code in TOO_FAST or status == "4.3.2" or status.startswith("4.7.")


def is_busy(outcome: Outcome) -> bool:
    """Whether a receiver says that it is busy: no wonder now and then, a sign when often."""
    if outcome.kind is not OutcomeKind.DEFERRED or outcome.blame is Blame.RECIPIENT:
        return False
    return 400 <= outcome.code < 500 and outcome.phase not in OPENING


def factor_at(pace: Pace, now: datetime) -> int:
    """The share of its rate at which a bucket goes, in thousandths: each quiet minute adds."""
    if pace.told_at is None:
        return pace.factor
    quiet = max(0, int((now - pace.told_at) / HALVE_EVERY))
    return min(FULL, pace.factor + GROWTH * quiet)


def slow_down(pace: Pace, now: datetime, *, limit: int | None, seen_rate: float) -> None:
    """A receiver asked for less: halve the rate, at most once a minute.

    Args:
        pace: is changed.
        now: when it asked.
        limit: the lane's limit in mails a minute; None: it has none.
        seen_rate: the mails a minute of late, which become its limit for a while.
    """
    before = factor_at(pace, now)
    if pace.slowed_at is None or now - pace.slowed_at >= HALVE_EVERY:
        if limit is None and before >= FULL:
            pace.seen_rate = max(1, round(seen_rate))
        pace.factor, pace.slowed_at = max(LEAST, before // 2), now
    else:
        pace.factor = before
    pace.told_at = now


class Pacer:
    """How many mails may leave now, by account and by lane; shared by all senders through rows.

    `load`, `take` and `save` belong into one write transaction, that of the claim. Where `save`
    comes later, two senders may take the same places, and both wait for them afterwards.

    Args:
        ways: the accounts and limits.
        tick: seconds that go on even while the shop's clock stands (rehearsals) or is set back.
    """

    def __init__(self, ways: Ways, tick: Callable[[], float] = time.monotonic) -> None:
        self._ways = ways
        self._tick = tick
        self._origin: datetime | None = None
        self._outlets = {outlet.name: outlet for outlet in ways.outlets}
        self._is_limited = bool(ways.limits) or any(
            outlet.per_minute or outlet.warm_since for outlet in ways.outlets
        )
        self._meters: dict[str, _Meter] = {}
        self._gauges: dict[Lane, _Gauge] = {}
        self._rows: Mapping[str, Pace] = {}
        self._now: datetime | None = None
        #: What had no room when it was asked for, and when it will have (seconds since 1970).
        self._dry: dict[tuple[str, Lane | None], float] = {}

    @property
    def is_dirty(self) -> bool:
        """Whether anything waits for `save`."""
        return any(meter.is_changed for meter in self._meters.values())

    # ------------------------------------------------------------------ rows

    def load(self, connection: Connection, now: datetime) -> None:
        """See what all senders have taken."""
        now = self._at(now)
        self._see(paces.load(connection, is_alone=self._is_limited), now)
        self._dry.clear()

    def save(self, connection: Connection, now: datetime) -> None:
        """Add what was taken, given back and heard to what others wrote meanwhile."""
        changed = [meter for meter in self._meters.values() if meter.is_changed]
        if not changed:
            return
        now = self._at(now)
        self._see(paces.load(connection, is_alone=True), now)
        paces.save(connection, [meter.pace for meter in changed], now)
        for meter in changed:
            meter.is_saved()

    def _see(self, rows: Mapping[str, Pace], now: datetime) -> None:
        self._rows, self._now = rows, now
        for name, meter in self._meters.items():
            meter.see(rows.get(name), now)

    def _meter(self, name: str, limit: int | None = None) -> _Meter:
        meter = self._meters.get(name)
        if meter is None:
            meter = self._meters[name] = _Meter(name, limit)
            if self._now is not None:
                meter.see(self._rows.get(name), self._now)
        return meter

    # ------------------------------------------------------------------ room

    def outlet_room(self, outlet: str, now: datetime) -> int:
        """How many mails may be claimed now for this account; BIG where it has no limit."""
        now = self._at(now)
        room, wait = self._account(outlet).room(now)
        self._note(outlet, None, room, now.timestamp() + wait)
        return room

    def lane_room(self, outlet: str, lane: Lane, now: datetime) -> int:
        """The same for a lane: its limit, its slow-down, the rest of a day of warming up."""
        now = self._at(now)
        room, wait = BIG, 0.0
        for meter in self._of_lane(lane):
            its_room, its_wait = meter.room(now)
            room, wait = min(room, its_room), max(wait, its_wait)
        left = self._left_today(outlet, lane, now)
        if left <= 0:
            room, wait = 0, max(wait, _until_midnight(now))
        room = min(room, left)
        self._note(outlet, lane, room, now.timestamp() + wait)
        return room

    def wait(self, now: datetime) -> float:
        """Seconds until some of what had no room gets some; 0 where all that was asked had."""
        moment = self._at(now).timestamp()
        return max(0.0, min(self._dry.values(), default=moment) - moment)

    def take(self, outlet: str, lane: Lane, number: int, now: datetime) -> list[float]:
        """Take places; returns for each mail the seconds until it may leave (0.0: at once).

        Order mail counts in a day of warming up, but is never held back by it.
        """
        now = self._at(now)
        if self._warms(outlet, now):
            self._day(outlet, lane).count(number, now)
        waits = [0.0] * number
        for meter in (self._account(outlet), *self._of_lane(lane)):
            for place, wait in enumerate(meter.take(number, now)):
                waits[place] = max(waits[place], wait)
        return waits

    def give_back(self, outlet: str, lane: Lane, number: int) -> None:
        """Places that were taken and not used: what was skipped or released."""
        if self._now is None or number <= 0:
            return
        if self._warms(outlet, self._now):
            self._day(outlet, lane).count(-number, self._now)
        for meter in (self._account(outlet), *self._of_lane(lane)):
            meter.give_back(number, self._now)

    def hear(self, outlet: str, lane: Lane, outcome: Outcome, now: datetime) -> None:
        """Slow a lane down where its receiver asks for it."""
        gauge = self._gauges.get(lane)
        if gauge is None:
            gauge = self._gauges[lane] = _Gauge()
        gauge.count(now)
        if outcome.kind is OutcomeKind.ACCEPTED:
            gauge.heard(is_busy=False)
        elif asks_for_less(outcome) or gauge.heard(is_busy=is_busy(outcome)):
            self._lane(lane).slow_down(now, gauge.rate(now))

    def _at(self, now: datetime) -> datetime:
        """The later of the shop's clock and what has passed since we first saw it."""
        passed = timedelta(seconds=self._tick())
        if self._origin is None:
            self._origin = now - passed
        return max(now, self._origin + passed)

    def _note(self, outlet: str, lane: Lane | None, room: int, until: float) -> None:
        if room <= 0:
            self._dry[outlet, lane] = until
        else:
            self._dry.pop((outlet, lane), None)

    # ------------------------------------------------------------------ which buckets

    def _account(self, outlet: str) -> _Meter:
        known = self._outlets.get(outlet)
        return self._meter(f"account:{outlet}", known.per_minute if known else None)

    def _lane(self, lane: Lane) -> _Meter:
        meter = self._meter(f"lane:{lane.name}", self._ways.limits.get(lane.provider))
        meter.gauge = self._gauges.get(lane)
        return meter

    def _of_lane(self, lane: Lane) -> Iterator[_Meter]:
        yield self._lane(lane)
        if lane.stream is Stream.MARKETING:
            yield self._meter(HALVED)

    def _day(self, outlet: str, lane: Lane) -> _Meter:
        return self._meter(f"warm:{outlet}:{lane.provider}")

    def _warms(self, outlet: str, now: datetime) -> bool:
        known = self._outlets.get(outlet)
        return known is not None and warm_up_limit(known.warm_since, now.date()) is not None

    def _left_today(self, outlet: str, lane: Lane, now: datetime) -> int:
        known = self._outlets.get(outlet)
        limit = warm_up_limit(known.warm_since, now.date()) if known else None
        if limit is None or lane.stream is Stream.TRANSACTIONAL:
            return BIG
        return limit - self._day(outlet, lane).used_on(now)


@dataclass(slots=True)
class _Gauge:
    """What a lane did of late, seen from this process alone."""

    #: Mails of the last minute, by the second.
    _seconds: deque[list[int]] = field(default_factory=deque)
    #: Whether each of the last answers said that the server is busy.
    _busy: deque[bool] = field(default_factory=lambda: deque(maxlen=BUSY_AMONG))
    _number: int = 0

    def count(self, now: datetime) -> None:
        """One more mail."""
        second = int(now.timestamp())
        if not self._seconds or self._seconds[-1][0] != second:
            self._seconds.append([second, 0])
            while self._seconds[0][0] <= second - 60:
                self._seconds.popleft()
        self._seconds[-1][1] += 1

    def rate(self, at: datetime) -> float:
        """Mails a minute over the minute before `at`."""
        end = int(at.timestamp())
        counts = [(second, n) for second, n in self._seconds if end - 60 < second <= end]
        if not counts:
            return 0.0
        length = max(1, end - counts[0][0])
        return sum(n for _second, n in counts) * 60 / length

    def heard(self, *, is_busy: bool) -> bool:
        """Note an answer; whether too many of the last hundred were busy."""
        if len(self._busy) == BUSY_AMONG:
            self._number -= self._busy[0]
        self._busy.append(is_busy)
        self._number += is_busy
        if not is_busy or self._number <= BUSY_ALLOWED:
            return False
        self._busy.clear()
        self._number = 0
        return True


class _Meter:
    """One bucket as this process sees it: the row, and what was not written yet."""

    __slots__ = ("_base", "_counted", "_counted_on", "_knows_rate", "_limit", "_owed", "_own_rate",
                 "_signs", "gauge", "is_changed", "pace")  # fmt: skip

    def __init__(self, name: str, limit: int | None) -> None:
        self.pace = Pace(name=name)
        self.gauge: _Gauge | None = None
        self.is_changed = False
        self._limit = limit or None
        #: Seconds taken (less those given back) since the last save, and from when on.
        self._owed, self._base = 0.0, 0.0
        self._counted, self._counted_on = 0, ""
        self._signs: list[tuple[datetime, float]] = []
        #: Whether our own mails are in the rate of a lane that was slowed; else how many they were.
        self._knows_rate, self._own_rate = False, 0

    # ------------------------------------------------------------------ rows

    def see(self, row: Pace | None, now: datetime) -> None:
        """Put what was not written yet on top of what others wrote."""
        pace = self.pace = row or Pace(name=self.pace.name)
        if pace.changed_at is not None and pace.changed_at > now + CLOCK_SLACK:
            pace.due -= (pace.changed_at - now).total_seconds()
            self.is_changed = True  # or it would stay as far ahead for ever
        pace.due = max(pace.due, self._base if self._owed > 0 else 0.0) + self._owed
        self._see_day(now)
        if self._limit is None:
            self._see_rate()
        for at, seen_rate in self._signs:
            slow_down(pace, at, limit=self._limit, seen_rate=seen_rate)
        self._recover(now)

    def _see_day(self, now: datetime) -> None:
        today = now.date().isoformat()
        if self.pace.day != today:
            self.pace.day, self.pace.used = today, 0
        if self._counted_on == today:
            self.pace.used = max(0, self.pace.used + self._counted)

    def _see_rate(self) -> None:
        """Where another process slowed an unlimited lane, its limit is what all sent together."""
        pace = self.pace
        if not pace.seen_rate or pace.slowed_at is None:
            self._knows_rate, self._own_rate = bool(self._signs), 0
            return
        if not self._knows_rate:
            self._knows_rate = True
            self._own_rate = round(self.gauge.rate(pace.slowed_at)) if self.gauge else 0
            self.is_changed |= self._own_rate > 0
        pace.seen_rate += self._own_rate

    def _recover(self, now: datetime) -> None:
        """All of its rate is back: as if nothing had been."""
        pace = self.pace
        if pace.slowed_at is not None and factor_at(pace, now) >= FULL:
            pace.seen_rate, pace.factor, pace.slowed_at, pace.told_at = 0, FULL, None, None
            self.is_changed = True

    def is_saved(self) -> None:
        """All that we know is in the row."""
        self.is_changed = False
        self._owed, self._base = 0.0, 0.0
        self._counted, self._counted_on = 0, ""
        self._signs.clear()
        self._own_rate = 0

    # ------------------------------------------------------------------ the bucket

    def _interval(self, now: datetime) -> float:
        """Seconds between two mails; 0: there is no limit."""
        nominal = self._limit or self.pace.seen_rate
        factor = factor_at(self.pace, now)
        if not nominal or (self._limit is None and factor >= FULL):
            return 0.0
        return 60 * FULL / (nominal * factor)

    def room(self, now: datetime) -> tuple[int, float]:
        """How many places lie within the horizon, and else the seconds until some do.

        Many small claims would cost more than few larger ones: a fast bucket waits until a portion
        is free.
        """
        interval = self._interval(now)
        if not interval:
            return BIG, 0.0
        moment = now.timestamp()
        first = max(self.pace.due, moment) - max(0.0, BURST - interval) - moment
        number = int((HORIZON - first) / interval) + 1 if first <= HORIZON else 0
        portion = max(1, int(PORTION / interval))
        if number >= portion:
            return number, 0.0
        return 0, max(0.001, first + (portion - 1) * interval - HORIZON)

    def take(self, number: int, now: datetime) -> Iterable[float]:
        """Take places; the seconds until each of them, nothing where there is no limit."""
        interval = self._interval(now)
        if not interval or number <= 0:
            return ()
        moment = now.timestamp()
        if self.pace.due < moment:  # what was not used is lost, save for a burst
            self.pace.due, self._owed = moment, 0.0
        if not self._owed:
            self._base = self.pace.due
        start = self.pace.due - moment - max(0.0, BURST - interval)
        self._owed += number * interval
        self.pace.due += number * interval
        self.is_changed = True
        return [max(0.0, start + place * interval) for place in range(number)]

    def give_back(self, number: int, now: datetime) -> None:
        """Put places back."""
        interval = self._interval(now)
        if interval:
            self._owed -= number * interval
            self.pace.due -= number * interval
            self.is_changed = True

    # ------------------------------------------------------------------ the day

    def count(self, number: int, now: datetime) -> None:
        """So many more left today."""
        today = now.date().isoformat()
        if self._counted_on != today:
            self._counted_on, self._counted = today, 0
        if self.pace.day != today:
            self.pace.day, self.pace.used = today, 0
        self._counted += number
        self.pace.used = max(0, self.pace.used + number)
        self.is_changed = True

    def used_on(self, now: datetime) -> int:
        """How many left on this day."""
        return self.pace.used if self.pace.day == now.date().isoformat() else 0

    # ------------------------------------------------------------------ slowing down

    def slow_down(self, now: datetime, seen_rate: float) -> None:
        """The receiver asked for less."""
        if self._signs and now - self._signs[-1][0] < timedelta(seconds=1):
            return
        slow_down(self.pace, now, limit=self._limit, seen_rate=seen_rate)
        self._signs.append((now, seen_rate))
        self.is_changed = True


def _until_midnight(now: datetime) -> float:
    """Seconds until the next day begins, in UTC."""
    start = now.replace(hour=0, minute=0, second=0, microsecond=0)
    return (start + timedelta(days=1) - now).total_seconds()
