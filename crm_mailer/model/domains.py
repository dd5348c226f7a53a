"""Domains as they go over the wire: in ASCII, by the rules that registries follow."""

from __future__ import annotations

import re
from functools import lru_cache

#: What people type for a dot; the last three stand in Chinese and Japanese text.
_DOTS = re.compile("[.\u3002\uff0e\uff61]")
#: DNS has no longer names, and none with a longer part.
_LONGEST, _LONGEST_LABEL = 253, 63


@lru_cache(maxsize=4_096)
def wire(domain: str) -> str:
    """`domain` in its `xn--` form (IDNA 2008 with UTS 46); one in ASCII stays as it is.

    Of the older rules that Python knows, `faß.de` is `fass.de`, which is somebody else's.

    Raises:
        UnicodeError: it cannot be written so.
    """
    labels = _DOTS.split(domain)
    found = ".".join(one if one.isascii() else _label(one) for one in labels)
    # a dot at the end names the root
    if len(found.removesuffix(".")) > _LONGEST or not all(
        0 < len(one) <= _LONGEST_LABEL for one in found.removesuffix(".").split(".")
    ):
        raise UnicodeError(f"{domain} is no domain")
    return found


def wire_place(place: str) -> str:
    """The same for a host with or without a port, as web addresses have it.

    Raises:
        UnicodeError: it cannot be written so.
    """
    if place.isascii():
        return place
    host, colon, port = place.partition(":")
    return f"{wire(host)}{colon}{port}"


def _label(label: str) -> str:
    import idna  # slow to import, and seldom needed

    return idna.encode(label, uts46=True).decode("ascii")
