"""Takes due touches from the database, outlet by outlet, no more than their lanes have room for."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from datetime import datetime

from crm_mailer.delivering.pacing import Pacer
from crm_mailer.delivering.routing import Lane, Outlet, Ways, lane_of
from crm_mailer.model.campaign import Stream
from crm_mailer.store import claims
from crm_mailer.store.claims import ALL_LANES, Claimed
from crm_mailer.store.engine import Connection
from crm_mailer.store.pauses import Pauses


@dataclass(slots=True, kw_only=True, eq=False)
class Booking:
    """A claimed touch, the outlet it shall leave by, and its time."""

    claimed: Claimed
    outlet: str
    #: On the clock of `time.monotonic`; 0: at once.
    not_before: float = 0.0

    @property
    def lane(self) -> Lane:
        """Its lane."""
        return lane_of(self.claimed.touch)


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """Whose claims these are, and which touches are wanted."""

    owner: str
    until: datetime
    boot_id: str
    fence: int
    streams: Collection[Stream] | None
    campaign: str | None


@dataclass(slots=True, kw_only=True)
class Desk:
    """Books touches on outlets that work."""

    ways: Ways
    pacer: Pacer
    #: Outlets that are out of order in this round.
    closed: set[str] = field(default_factory=set)
    #: Lanes that a guard has stopped in this round.
    stopped: Collection[Lane] = ()

    def best(self, lane: Lane, pauses: Pauses) -> Outlet | None:
        """The outlet for a lane now; None where none works."""
        for outlet in self.ways.routes(lane):
            if outlet.name not in self.closed and outlet.name not in pauses.accounts:
                return outlet
        return None

    def is_open(self, lane: Lane, pauses: Pauses) -> bool:
        """Whether anything may leave in this lane."""
        return lane not in self.stopped and not pauses.stops(lane.name)

    def book(
        self, connection: Connection, order: Order, pauses: Pauses, *, limit: int, now: datetime
    ) -> list[Booking]:
        """Claim at most `limit` touches; must run in a durable write turn."""
        self.pacer.load(connection, now)
        found: list[Booking] = []
        for outlet, lanes in self._by_outlet(order.streams, pauses).items():
            room = min(limit - len(found), self.pacer.outlet_room(outlet, now))
            if room > 0:
                found += self._claim(connection, order, outlet, lanes, room, now)
        self.pacer.save(connection, now)
        return found

    def move(self, booking: Booking, pauses: Pauses, now: datetime) -> bool:
        """Book it on another outlet, whose pace is kept too; False where there is none."""
        lane = booking.lane
        self.pacer.give_back(booking.outlet, lane, 1)
        outlet = self.best(lane, pauses) if self.is_open(lane, pauses) else None
        if outlet is None:
            return False
        booking.outlet = outlet.name
        booking.not_before = _times(self.pacer.take(outlet.name, lane, 1, now))[0]
        return True

    def give_back(self, bookings: Iterable[Booking]) -> None:
        """These places were not needed."""
        for booking in bookings:
            self.pacer.give_back(booking.outlet, booking.lane, 1)

    def _by_outlet(
        self, streams: Collection[Stream] | None, pauses: Pauses
    ) -> dict[str, list[Lane]]:
        found: dict[str, list[Lane]] = {}
        for stream, provider in ALL_LANES:
            lane = Lane(provider, stream)
            if (streams is None or stream in streams) and self.is_open(lane, pauses):
                outlet = self.best(lane, pauses)
                if outlet is not None:
                    found.setdefault(outlet.name, []).append(lane)
        return found

    def _claim(
        self,
        connection: Connection,
        order: Order,
        outlet: str,
        lanes: list[Lane],
        room: int,
        now: datetime,
    ) -> list[Booking]:
        rows = claims.claim(
            connection,
            owner=order.owner,
            now=now,
            until=order.until,
            boot_id=order.boot_id,
            limit=room,
            fence=order.fence,
            lanes={
                (lane.stream, lane.provider): min(room, self.pacer.lane_room(outlet, lane, now))
                for lane in lanes
            },
            campaign=order.campaign,
        )
        found = [Booking(claimed=row, outlet=outlet) for row in rows]
        by_lane: dict[Lane, list[Booking]] = {}
        for booking in found:
            by_lane.setdefault(booking.lane, []).append(booking)
        for lane, bookings in by_lane.items():
            times = _times(self.pacer.take(outlet, lane, len(bookings), now))
            for booking, at in zip(bookings, times, strict=True):
                booking.not_before = at
        return found


def _times(seconds: list[float]) -> list[float]:
    """Waits as moments; no wait is no moment."""
    now = time.monotonic()
    return [now + wait if wait > 0 else 0.0 for wait in seconds]
