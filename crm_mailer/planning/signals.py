"""Tells what people did with a mail from what machines did: raw clicks and opens become signals.

Mail programs fetch pictures ahead of time and scanners follow every link: neither says that
anybody read. What cannot be told counts as a machine's.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from ipaddress import IPv4Network, IPv6Network, ip_address

from crm_mailer.model.curve import Signal

Network = IPv4Network | IPv6Network

#: Nobody reads and clicks so soon after the mail was handed over; scanners do.
TOO_SOON = timedelta(seconds=10)
#: No person opens a mail as soon as this; servers that look into it do.
OPENED_TOO_SOON = timedelta(seconds=2)
#: So many different links within so short a time are a scanner's.
BURST, BURST_LINKS = timedelta(seconds=2), 3
#: What mail programs that load pictures for their users ahead of time call themselves.
PREFETCHER = "Mozilla/5.0"
#: Pieces of the names of programs that are no person's.
SCANNERS = (
    "barracuda",
    "bot",
    "crawler",
    "curl/",
    "fireeye",
    "go-http-client",
    "headless",
    "java/",
    "libwww",
    "mimecast",
    "proofpoint",
    "python-",
    "scanner",
    "spider",
    "symantec",
    "trendmicro",
    "wget/",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Hit:
    """One request for a link of a mail, or for its picture (`link` empty)."""

    at: datetime
    link: str = ""
    agent: str = ""
    method: str = "GET"
    address: str = ""
    #: The link cannot be seen by people: whoever follows it is a machine.
    is_hidden: bool = False


class HitKind(StrEnum):
    """What a request for a link or a picture was."""

    CLICK = "click"
    MACHINE_CLICK = "machine_click"
    HUMAN_OPEN = "human_open"
    MACHINE_OPEN = "machine_open"

    @property
    def signal(self) -> Signal:
        """What it says of the customer; a machine that follows links says that the mail arrived."""
        return Signal.MACHINE_OPEN if self is HitKind.MACHINE_CLICK else Signal(self.value)


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What one kind of hits comes to: the first moment of it."""

    kind: Signal
    at: datetime
    detail: str


def judge(
    hits: Sequence[Hit],
    *,
    delivered_at: datetime,
    links: int,
    ordered_at: datetime | None = None,
    prefetchers: Collection[Network] = (),
) -> list[Seen]:
    """The signals in the hits of one mail: at most one of each kind, the first of it.

    Args:
        hits: all of this mail.
        delivered_at: when the receiver's server took it.
        links: how many links the mail has.
        ordered_at: an order that followed; the clicks before it were a person's after all.
        prefetchers: networks from which mail programs load pictures ahead of time.
    """
    seen: dict[Signal, Seen] = {}
    told = tell_apart(
        hits, delivered_at=delivered_at, links=links, ordered_at=ordered_at, prefetchers=prefetchers
    )
    for hit, kind in told:
        detail = hit.link or hit.agent
        seen.setdefault(kind.signal, Seen(kind=kind.signal, at=hit.at, detail=detail))
    return list(seen.values())


def tell_apart(
    hits: Sequence[Hit],
    *,
    delivered_at: datetime,
    links: int,
    ordered_at: datetime | None = None,
    prefetchers: Collection[Network] = (),
) -> list[tuple[Hit, HitKind]]:
    """The hits of one mail in the order of time, each with what it was; arguments as for `judge`.

    Another hit may show that an earlier one was a machine's.
    """
    clicks = sorted((hit for hit in hits if hit.link), key=lambda hit: hit.at)
    machines = _machine_addresses(clicks, links)
    found: list[tuple[Hit, HitKind]] = []
    for hit in sorted(hits, key=lambda one: one.at):
        if hit.link:
            is_bought = ordered_at is not None and hit.at <= ordered_at and not hit.is_hidden
            is_machine = not is_bought and (
                hit.address in machines
                or hit.is_hidden
                or hit.method.upper() != "GET"
                or hit.at - delivered_at <= TOO_SOON
                or _is_scanner(hit.agent)
            )
            kind = HitKind.MACHINE_CLICK if is_machine else HitKind.CLICK
        else:
            is_ahead = (
                _is_prefetch(hit, prefetchers)
                or _is_scanner(hit.agent)
                or hit.method.upper() != "GET"
                or hit.at - delivered_at <= OPENED_TOO_SOON
            )
            kind = HitKind.MACHINE_OPEN if is_ahead else HitKind.HUMAN_OPEN
        found.append((hit, kind))
    return found


def _machine_addresses(clicks: Sequence[Hit], links: int) -> set[str]:
    """Addresses whose clicks give a machine away: a burst, all links at once, a hidden link."""
    machines = {hit.address for hit in clicks if hit.is_hidden}
    for number, first in enumerate(clicks):
        near = {
            hit.link
            for hit in clicks[number:]
            if hit.address == first.address and hit.at - first.at <= BURST
        }
        if len(near) >= BURST_LINKS or (links > 1 and len(near) >= links):
            machines.add(first.address)
    return machines


def _is_scanner(agent: str) -> bool:
    plain = agent.lower()
    return any(piece in plain for piece in SCANNERS)


def _is_prefetch(hit: Hit, prefetchers: Collection[Network]) -> bool:
    if hit.agent.strip() == PREFETCHER:
        return True
    if not prefetchers:
        return False
    try:
        address = ip_address(hit.address)
    except ValueError:
        return False
    return any(address in network for network in prefetchers)
