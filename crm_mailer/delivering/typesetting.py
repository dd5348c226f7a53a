"""Renders a few touches on the way out, so that one customer's fault stays that customer's."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

import structlog

from crm_mailer.delivering import crash, permission, settling
from crm_mailer.delivering.booking import Booking
from crm_mailer.delivering.guards import Guards
from crm_mailer.delivering.journal import Journal
from crm_mailer.delivering.port import Flight
from crm_mailer.model.campaign import Stream
from crm_mailer.model.errors import StoreError
from crm_mailer.model.message import Message, NotRendered, Renderer
from crm_mailer.model.touch import SkipReason, Touch, TouchKind
from crm_mailer.store import claims, messages
from crm_mailer.store.claims import Settlement
from crm_mailer.store.engine import Connection

log = structlog.get_logger()


@dataclass(slots=True, kw_only=True)
class Typesetter:
    """Turns bookings into flights."""

    renderer: Renderer
    journal: Journal
    guards: Guards

    def look_up(self, bookings: Sequence[Booking]) -> None:
        """Read at once what is needed to `set` these, in parts, next."""
        try:
            self.renderer.look_up([booking.claimed.touch for booking in bookings])
        except StoreError:
            raise
        except Exception:  # whose fault it is shows when they are set
            log.warning("render", trouble="look up", touches=len(bookings), exc_info=True)

    def set(
        self, bookings: Sequence[Booking], now: datetime
    ) -> tuple[list[Flight], list[Settlement]]:
        """The flights, in the order of the bookings, and why the others are left out.

        Both must be saved before any of the flights may leave.
        """
        flights: list[Flight] = []
        skips: list[Settlement] = []
        self.journal.render([booking.claimed.touch.id for booking in bookings])
        try:
            results = list(self._rendered([booking.claimed.touch for booking in bookings]))
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
        return flights, skips

    def save(
        self,
        connection: Connection,
        flights: Sequence[Flight],
        skips: Sequence[Settlement],
        now: datetime,
    ) -> None:
        """Keep what was rendered; the turn must be durable where `are_kept`."""
        claims.settle(connection, self.journal.owner, skips)
        kept = {one.message.touch_id for one in flights if _is_kept(one)}
        messages.save(connection, [flight.message for flight in flights], now, kept)

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


def are_kept(flights: Sequence[Flight]) -> bool:
    """Whether there is order mail among them: a second attempt repeats its bytes exactly, even
    after a power cut.
    """
    return any(map(_is_kept, flights))


def _is_kept(flight: Flight) -> bool:
    touch = flight.claimed.touch
    return touch.stream is Stream.TRANSACTIONAL or touch.kind is TouchKind.TEST
