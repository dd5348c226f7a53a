"""A request for a link of a mail, or for its picture, as the web saw it."""

from __future__ import annotations

from functools import lru_cache
from ipaddress import IPv6Address, ip_address
from typing import Literal, NamedTuple

#: How much of a program's name for itself is kept.
AGENT_LENGTH = 200
#: Bits of an address that stay: enough to see a burst from one place, too few to name a person.
KEPT_V4, KEPT_V6 = 24, 48

Kind = Literal["click", "open"]


class WebHit(NamedTuple):
    """One request. `at` is in seconds since 1970."""

    kind: Kind
    touch_id: int
    at: int
    #: The number of the link; None for the picture.
    link: int | None = None
    agent: str = ""
    #: Of the network, see `network`.
    address: str = ""
    method: str = "GET"


@lru_cache(maxsize=4096)
def network(address: str) -> str:
    """The network in which an address lies, written as its first address; empty for no address."""
    try:
        found = ip_address(address.partition("%")[0])
    except ValueError:
        return ""
    if isinstance(found, IPv6Address) and found.ipv4_mapped is not None:
        found = found.ipv4_mapped
    kept = KEPT_V6 if isinstance(found, IPv6Address) else KEPT_V4
    lost = found.max_prefixlen - kept
    return str(type(found)(int(found) >> lost << lost))


@lru_cache(maxsize=4096)
def agent(text: str) -> str:
    """What a program calls itself, fit to be kept: short and printable."""
    return "".join(one if one.isprintable() else " " for one in text[:AGENT_LENGTH]).strip()
