"""How fast to send: limits of accounts and lanes, warming up, and slowing down when asked to.

A bucket is one instant: when the next place is due (GCRA, ITU-T I.371). It lies in the database,
so that all senders of a shop share it, over restarts too. Each takes the places that it needs for
the next two seconds in the transaction of its claim, so that it never holds much on a slow lane.

The limit of a lane holds over all accounts: a receiver judges a shop by the domain in its From.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from datetime import date, datetime, timedelta

from crm_mailer.delivering.faults import SANDBOX, LaneFault, rest_after
from crm_mailer.delivering.meters import BIG, HORIZON, Gauge, Meter
from crm_mailer.delivering.outcomes import OPENING
from crm_mailer.delivering.routing import Lane, Ways
from crm_mailer.model.campaign import Stream
from crm_mailer.model.delivery import Blame, Outcome, OutcomeKind
from crm_mailer.store import paces
from crm_mailer.store.engine import Connection
from crm_mailer.store.paces import Pace

__all__ = ["BIG", "HALVED", "HORIZON", "SANDBOX", "LaneFault", "Pacer", "rest_after"]

#: Mails a day to one provider while an account warms up, from its first day on; then it is free.
WARM_UP = (50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000, 20_000, 50_000)
#: The server closes for now (SMTP), or wants fewer requests (HTTP).
TOO_FAST = (421, 429)
#: The bucket of all marketing mail: in use only while spam reports halve its pace.
HALVED = "stream:marketing"


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
        self._meters: dict[str, Meter] = {}
        self._gauges: dict[Lane, Gauge] = {}
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

    def _meter(self, name: str, limit: int | None = None) -> Meter:
        meter = self._meters.get(name)
        if meter is None:
            meter = self._meters[name] = Meter(name, limit)
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
            gauge = self._gauges[lane] = Gauge()
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

    def _account(self, outlet: str) -> Meter:
        known = self._outlets.get(outlet)
        return self._meter(f"account:{outlet}", known.per_minute if known else None)

    def _lane(self, lane: Lane) -> Meter:
        meter = self._meter(f"lane:{lane.name}", self._ways.limits.get(lane.provider))
        meter.gauge = self._gauges.get(lane)
        return meter

    def _of_lane(self, lane: Lane) -> Iterator[Meter]:
        yield self._lane(lane)
        if lane.stream is Stream.MARKETING:
            yield self._meter(HALVED)

    def _day(self, outlet: str, lane: Lane) -> Meter:
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


def _until_midnight(now: datetime) -> float:
    """Seconds until the next day begins, in UTC."""
    start = now.replace(hour=0, minute=0, second=0, microsecond=0)
    return (start + timedelta(days=1) - now).total_seconds()
