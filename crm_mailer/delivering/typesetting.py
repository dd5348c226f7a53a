"""Renders a few touches on the way out, so that one customer's fault stays that customer's."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from time import perf_counter

import structlog

from crm_mailer.delivering import crash, permission, settling
from crm_mailer.delivering.booking import Booking
from crm_mailer.delivering.guards import Guards
from crm_mailer.delivering.journal import Journal
from crm_mailer.delivering.port import Flight
from crm_mailer.model.campaign import Stream
from crm_mailer.model.errors import StoreError
from crm_mailer.model.message import Message, NotRendered, Renderer
from crm_mailer.model.touch import SkipReason, Touch
from crm_mailer.store import claims, messages
from crm_mailer.store.claims import Settlement
from crm_mailer.store.engine import Store

log = structlog.get_logger()

#: Seconds of rendering after which the connections get a turn.
SPELL = 0.001


@dataclass(slots=True, kw_only=True)
class Typesetter:
    """Turns bookings into flights."""

    store: Store
    renderer: Renderer
    journal: Journal
    guards: Guards

    async def set(
        self, bookings: Sequence[Booking], now: datetime
    ) -> tuple[list[Flight], list[Settlement]]:
        """The flights, in the order of the bookings, and why the others are left out.

        Both are in the database when this returns.
        """
        flights: list[Flight] = []
        skips: list[Settlement] = []
        self.journal.render([booking.claimed.touch.id for booking in bookings])
        try:
            results = [one async for one in self._results(bookings)]
            crash.point("KR")
        finally:  # a fault that is told is no crash, and nothing of these is on the wire yet
            self.journal.rendered()
        for booking, result in zip(bookings, results, strict=True):
            touch = booking.claimed.touch
            if isinstance(result, Message):
                self.guards.rendered(touch, True)
                flights.append(
                    Flight(claimed=booking.claimed, message=result, not_before=booking.not_before)
                )
            else:
                self.guards.rendered(touch, False, result.reason)
                obstacle = permission.waiting(touch, result.reason, now)
                skips.append(settling.held_up(booking.claimed, obstacle, now, result.detail))
        self._save(flights, skips, now)
        return flights, skips

    def _save(self, flights: list[Flight], skips: list[Settlement], now: datetime) -> None:
        kept = {
            flight.message.touch_id
            for flight in flights
            if flight.claimed.touch.stream is Stream.TRANSACTIONAL
        }
        # a second attempt repeats these bytes exactly, even after a power cut
        with self.store.write(durable=bool(kept)) as connection:
            claims.settle(connection, self.journal.owner, skips)
            messages.save(connection, [flight.message for flight in flights], now, kept)

    async def _results(self, bookings: Sequence[Booking]) -> AsyncIterator[Message | NotRendered]:
        """One result for each, with turns for the connections in between."""
        wanted = [booking.claimed.touch for booking in bookings]
        spell_ends = perf_counter() + SPELL
        for result in self._rendered(wanted):
            yield result
            if perf_counter() > spell_ends:
                await asyncio.sleep(0)
                spell_ends = perf_counter() + SPELL

    def _rendered(self, wanted: Sequence[Touch]) -> Iterator[Message | NotRendered]:
        """One result for each touch: a fault that breaks the batch is found one by one."""
        done = 0
        try:
            for result in self.renderer.render_batch(wanted):
                yield result
                done += 1
        except StoreError:
            raise
        except Exception:  # one customer's fault stays one customer's
            log.warning("render", trouble="batch", touches=len(wanted) - done, exc_info=True)
            yield from (self._rendered_alone(touch) for touch in wanted[done:])

    def _rendered_alone(self, touch: Touch) -> Message | NotRendered:
        try:
            [result] = self.renderer.render_batch([touch])
        except StoreError:
            raise
        except Exception as error:
            log.exception("render", touch=touch.id)
            why = f"{type(error).__name__}: {error}"
            return NotRendered(touch_id=touch.id, reason=SkipReason.TEMPLATE_ERROR, detail=why)
        return result
