"""Links and pictures of mails that tell what became of them: where they may be, how they read."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from urllib.parse import quote, urlsplit, urlunsplit

from crm_mailer.model import domains

#: Countries in which a picture that reports an opening needs the reader's consent first: the EEA
#: and the territories where its law holds (ePrivacy directive, article 5 (3)), the United Kingdom
#: and its islands (PECR, regulation 6), Switzerland (FMG, article 45c).
ASKING = frozenset(
    "AT BE BG CY CZ DE DK EE ES FI FR GR HR HU IE IT LT LU LV MT NL PL PT RO SE SI SK "
    "IS LI NO AX GF GP MF MQ RE YT GB GG IM JE GI CH".split()
)
#: Links of one mail have numbers that begin alike: a set of them, and a place of 0 to 31 in it.
#: The last place is for the link that no person sees: who follows it is a machine.
PLACES, HIDDEN = 32, 31
#: Letters of a link's code: 60 bits.
CODE = re.compile(r"[a-z2-7]{12}", re.IGNORECASE)
#: Longer ones are cut by somebody on their way.
LONGEST = 2_000
#: An address that may stand in a header as it is: no user, nothing that ends a line or a host.
_PLAIN = re.compile(
    r"https?://[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?(?::[0-9]{1,5})?(?:[/?#][!#-;=?-\[\]-~]*)?",
    re.IGNORECASE | re.ASCII,
)
_LETTERS = "abcdefghijklmnopqrstuvwxyz234567"
#: Our base32 letters as the digits that Python counts with.
_DIGITS = str.maketrans(_LETTERS, "0123456789abcdefghijklmnopqrstuv")
_BITS = 60


class Opens(StrEnum):
    """Whether mails carry the picture that reports their opening."""

    ON = "on"
    OFF = "off"
    #: Not where it needs consent, nor where the country is unknown.
    AUTO = "auto"


@dataclass(frozen=True, slots=True, kw_only=True)
class Tracking:
    """What a shop wants to know of its marketing mails; order mail is never tracked."""

    clicks: bool = True
    opens: Opens = Opens.AUTO
    #: A link that no person sees, to know scanners by.
    honeypot: bool = False
    #: Countries in which nothing is tracked.
    off_in: frozenset[str] = frozenset()

    def has_clicks(self, country: str) -> bool:
        """Whether links report clicks of a reader there."""
        return self.clicks and country not in self.off_in

    def has_opens(self, country: str) -> bool:
        """Whether a mail to a reader there carries the picture."""
        if self.opens is Opens.OFF or country in self.off_in:
            return False
        return self.opens is Opens.ON or (bool(country) and country not in ASKING)


@lru_cache(maxsize=4096)
def target(text: str) -> str:
    """The address of a page as a header can say it; empty where it is none, or a suspect one.

    Only http and https, no user names, nothing hidden; letters outside ASCII are encoded.
    """
    if len(text) > LONGEST:
        return ""
    if _PLAIN.fullmatch(text):
        return text
    if text.isascii() or not text.isprintable():
        return ""
    try:
        parts = urlsplit(text)
        host = domains.wire(parts.hostname or "")
        place = f"{host}:{parts.port}" if parts.port else host
    except (UnicodeError, ValueError):
        return ""
    if "@" in parts.netloc:
        return ""
    path, query, rest = (quote(one, safe="/%:@!$&'()*+,;=~?-._[]") for one in parts[2:])
    found = urlunsplit((parts.scheme, place, path, query, rest))
    return found if len(found) <= LONGEST and _PLAIN.fullmatch(found) else ""


@lru_cache(maxsize=4096)
def link_set(targets: tuple[str, ...]) -> int:
    """The number of a set of links: the same for the same targets, wherever it is asked."""
    if len(targets) > HIDDEN:
        raise ValueError(f"{len(targets)} links are more than a set has")
    raw = hashlib.blake2b("\n".join(targets).encode(), digest_size=8, person=b"links").digest()
    return int.from_bytes(raw, "big") >> (64 - _BITS + 5)


def number(link_set: int, place: int) -> int:
    """The number of a link."""
    return link_set * PLACES + place


def set_bytes(link: int) -> bytes:
    """The set of a link as its token proves it."""
    return (link // PLACES).to_bytes(8, "big")


def is_hidden(link: int) -> bool:
    """Whether no person can see it."""
    return link % PLACES == HIDDEN


def code(link: int) -> str:
    """A link's number as it stands in an address: twelve letters."""
    return "".join(_LETTERS[link >> shift & 31] for shift in range(_BITS - 5, -1, -5))


def read_code(text: str) -> int | None:
    """The number in such letters; None where there are others."""
    return int(text.lower().translate(_DIGITS), 32) if CODE.fullmatch(text) else None
