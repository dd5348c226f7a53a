"""Which accounts a mail may leave by, best first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import NamedTuple

from crm_mailer.delivering.port import Transport
from crm_mailer.model.campaign import Stream
from crm_mailer.model.touch import Touch


class Lane(NamedTuple):
    """A receiving provider group and a stream: what has a pace of its own."""

    provider: str
    stream: Stream

    @property
    def name(self) -> str:
        """Such as `gmail/marketing`."""
        return f"{self.provider}/{self.stream.value}"


_LANES: dict[tuple[str, Stream], Lane] = {}


def lane_of(touch: Touch) -> Lane:
    """The lane of a touch: the same object for all of a lane."""
    key = touch.provider, touch.stream
    lane = _LANES.get(key)
    if lane is None:
        lane = _LANES[key] = Lane(*key)
    return lane


@dataclass(frozen=True, slots=True, kw_only=True)
class Outlet:
    """One account and what it is for. Empty `streams` or `providers`: for all of them."""

    name: str
    transport: Transport
    streams: frozenset[Stream] = frozenset()
    providers: frozenset[str] = frozenset()
    #: Among accounts that fit equally well, the lower number goes first.
    rank: int = 0
    #: Mails a minute; None: as fast as the server takes them.
    per_minute: int | None = None
    #: First day of warming up; None: it is warm.
    warm_since: date | None = None

    def takes(self, lane: Lane) -> bool:
        """Whether mails of this lane may leave here."""
        is_stream = not self.streams or lane.stream in self.streams
        return is_stream and (not self.providers or lane.provider in self.providers)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ways:
    """All accounts of a shop, and the limits of receiving providers."""

    outlets: Sequence[Outlet]
    #: Provider group -> mails a minute, of both streams each.
    limits: dict[str, int] = field(default_factory=dict)

    def routes(self, lane: Lane) -> tuple[Outlet, ...]:
        """The outlets for a lane: one that names its provider first, then one that names its
        stream, then by rank and name."""
        fitting = [outlet for outlet in self.outlets if outlet.takes(lane)]
        return tuple(
            sorted(
                fitting,
                key=lambda one: (not one.providers, not one.streams, one.rank, one.name),
            )
        )
