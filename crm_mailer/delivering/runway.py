"""The flights of one outlet that may leave now, handed to its connections one by one."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Iterable
from typing import Protocol

from crm_mailer.delivering.port import Flight
from crm_mailer.model.delivery import Outcome


class Controller(Protocol):
    """Port: who decides whether a flight may leave, and notes what became of it."""

    def may_leave(self, runway: Runway, flight: Flight) -> bool:
        """Asked right before the final dot; True means that it is noted in the journal."""
        ...

    def has_landed(self, runway: Runway, flight: Flight, outcome: Outcome) -> None:
        """Note an outcome."""
        ...

    def is_hungry(self) -> None:
        """A runway is about to run dry."""
        ...

    def is_over(self) -> bool:
        """Whether nothing new may leave any more."""
        ...


class Runway:
    """The `Source` of one outlet's connections.

    Args:
        name: the outlet.
        controller: who decides.
        width: how many connections ask for flights.
    """

    def __init__(self, name: str, controller: Controller, width: int) -> None:
        self.name = name
        self.width = width
        #: With so few flights left it asks for more.
        self.low = width
        #: Flights that were given out and have not landed.
        self.in_air: set[Flight] = set()
        #: One flight at a time: the outlet failed last time, and has taken nothing since.
        self.is_narrow = False
        #: Not even what is in the air may leave any more.
        self.is_held = False
        self._controller = controller
        self._ready: deque[Flight] = deque()
        self._waiters: deque[asyncio.Future[None]] = deque()
        self._is_closed = False
        self._timer: asyncio.TimerHandle | None = None

    def __len__(self) -> int:
        """How many flights wait."""
        return len(self._ready)

    @property
    def is_closed(self) -> bool:
        """Whether no flight leaves here any more."""
        return self._is_closed

    def add(self, flights: Iterable[Flight]) -> None:
        """Let these leave too, each not before its time."""
        self._ready.extend(flights)
        self._wake(len(self._ready))

    def clear(self) -> list[Flight]:
        """Take back what has not been given out."""
        left = list(self._ready)
        self._ready.clear()
        return left

    def close(self) -> list[Flight]:
        """Give out no more; returns what has not been given out."""
        self._is_closed = True
        self._wake(len(self._waiters))
        if self._timer is not None:
            self._timer.cancel()
        return self.clear()

    def widen(self) -> None:
        """The outlet works again: as many flights at once as it has connections."""
        self.is_narrow = False
        self._wake(len(self._ready))

    # ------------------------------------------------------------------ the port Source

    async def next(self) -> Flight | None:
        """The next flight that may leave now, waiting for one; None: there will be no more."""
        while True:
            flight = self.next_now()
            if flight is not None or self._is_closed:
                return flight
            waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._waiters.append(waiter)
            await waiter

    def next_now(self) -> Flight | None:
        """The next flight only if one may leave at this moment."""
        ready = self._ready
        if not ready or self._is_closed or self._controller.is_over():
            self._controller.is_hungry()
            return None
        if self.is_narrow and self.in_air:
            return None  # whoever has that one asks again
        if ready[0].not_before:
            wait = ready[0].not_before - time.monotonic()
            if wait > 0:
                self._wake_later(wait)
                return None
        flight = ready.popleft()
        self.in_air.add(flight)
        if len(ready) <= self.low:
            self._controller.is_hungry()
        return flight

    def may_begin(self, flight: Flight) -> bool:
        """Asked before a connection is opened for a flight that was given out."""
        return not self._is_closed and not self._controller.is_over()

    def before_dot(self, flight: Flight) -> bool:
        """Asked right before the step that cannot be taken back."""
        return self._controller.may_leave(self, flight)

    def landed(self, flight: Flight, outcome: Outcome) -> None:
        """How a flight ended."""
        self.in_air.discard(flight)
        self._controller.has_landed(self, flight, outcome)

    # ------------------------------------------------------------------ inner

    def _wake(self, number: int) -> None:
        while number > 0 and self._waiters:
            waiter = self._waiters.popleft()
            if not waiter.done():
                waiter.set_result(None)
                number -= 1

    def _wake_later(self, seconds: float) -> None:
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(seconds, self._tick)

    def _tick(self) -> None:
        self._timer = None
        self._wake(len(self._ready))
