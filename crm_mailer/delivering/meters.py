"""Buckets as one process sees them: the shared rows, with what was not written yet on top."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from crm_mailer.store.paces import Pace

#: Room where there is no limit.
BIG = 1_000_000
#: Places are taken so many seconds ahead, and as many as fit into so many seconds at a time.
HORIZON, PORTION = 2.0, 1.0
#: A pause saves up at most so many seconds' worth.
BURST = 1.0
#: A lane's rate in thousandths: all of it, the least, and what each quiet minute brings back.
FULL, LEAST, GROWTH = 1_000, 16, 50
#: A lane without a limit is never taken for slower, in mails a minute: when a round begins, few
#: have left.
LEAST_SEEN = 60
#: A lane is halved at most so often: what is on its way was sent before we heard.
HALVE_EVERY = timedelta(minutes=1)
#: So many of the last hundred answers may say that a server is busy.
BUSY_ALLOWED, BUSY_AMONG = 10, 100
#: A row from so far in the future was written before the clock was set back.
CLOCK_SLACK = timedelta(minutes=1)


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
            pace.seen_rate = max(LEAST_SEEN, round(seen_rate))
        pace.factor, pace.slowed_at = max(LEAST, before // 2), now
    else:
        pace.factor = before
    pace.told_at = now


@dataclass(slots=True)
class Gauge:
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


class Meter:
    """One bucket as this process sees it: the row, and what was not written yet."""

    __slots__ = ("_base", "_counted", "_counted_on", "_knows_rate", "_limit", "_owed", "_own_rate",
                 "_signs", "gauge", "is_changed", "pace")  # fmt: skip

    def __init__(self, name: str, limit: int | None) -> None:
        self.pace = Pace(name=name)
        self.gauge: Gauge | None = None
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
