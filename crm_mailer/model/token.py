"""The signed token in Message-IDs, bounce addresses and links: made and read by two rooms.

Form: base32(key id, 8-byte id) "." base32(10-byte keyed BLAKE2b of purpose and id), lower case.
A token says which touch it belongs to and proves that we made it; it names no person.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache


class Purpose(StrEnum):
    """What a token may be used for; one made for a purpose proves nothing for another."""

    VERP = "verp"
    MESSAGE_ID = "msgid"
    UNSUBSCRIBE = "unsub"
    CLICK = "click"
    OPEN = "open"
    PREFERENCES = "prefs"
    WEB = "web"
    CONFIRM = "yes"


_LETTERS = "abcdefghijklmnopqrstuvwxyz234567"
_PAIRS = tuple(first + second for first in _LETTERS for second in _LETTERS)
#: Our letters as the digits that Python counts with.
_DIGITS = str.maketrans(_LETTERS, "0123456789abcdefghijklmnopqrstuv")
SHAPE = re.compile(r"[a-z2-7]{15}\.[a-z2-7]{16}", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class KeyRing:
    """Secret keys by id (0..255). The one called `current` signs, all verify."""

    keys: Mapping[int, bytes]
    current: int

    def make(self, purpose: Purpose, touch_id: int) -> str:
        """A token for the touch."""
        body, head = _head(self.current, touch_id)
        return f"{head}.{_b32(_mac(self.keys[self.current], purpose, body))}"

    def read(self, purpose: Purpose, token: str) -> int | None:
        """The touch id; None for a token that we did not make for this purpose."""
        if not SHAPE.fullmatch(token):
            return None
        head, _, tail = token.partition(".")
        body, mac = _unb32(head), _unb32(tail)
        if body is None or mac is None or len(body) != 9 or body[0] not in self.keys:
            return None
        if not hmac.compare_digest(mac, _mac(self.keys[body[0]], purpose, body)):
            return None
        return int.from_bytes(body[1:], "big")

    def has_key_of(self, token: str) -> bool:
        """Whether the key that a token names is here; it proves nothing."""
        body = _unb32(token.partition(".")[0])
        return body is not None and len(body) == 9 and body[0] in self.keys

    def make_for(self, purpose: Purpose, touch_id: int, about: bytes) -> str:
        """A token for the touch together with something else, which it proves as well."""
        body, head = _head(self.current, touch_id)
        return f"{head}.{_b32(_mac(self.keys[self.current], purpose, body + about))}"

    def read_for(self, purpose: Purpose, token: str, about: bytes) -> int | None:
        """The touch id; None for a token that we did not make for this purpose and `about`.

        As quick as can be, for who reads thousands a second.
        """
        if not SHAPE.fullmatch(token):
            return None
        head, _, tail = token.lower().partition(".")
        # 15 letters are 75 bits, of which the last 3 are none
        number = int(head.translate(_DIGITS), 32)
        body = (number >> 3).to_bytes(9, "big")
        key = self.keys.get(body[0])
        if key is None or number & 7:
            return None
        if not hmac.compare_digest(tail, _b32(_mac(key, purpose, body + about))):
            return None
        return int.from_bytes(body[1:], "big")


@lru_cache(maxsize=256)
def _head(key_id: int, touch_id: int) -> tuple[bytes, str]:
    """What the tokens of one mail share."""
    body = bytes([key_id]) + touch_id.to_bytes(8, "big")
    return body, _b32(body)


def _mac(key: bytes, purpose: Purpose, body: bytes) -> bytes:
    mac = _keyed(key, purpose).copy()
    mac.update(body)
    return mac.digest()


@lru_cache(maxsize=64)
def _keyed(key: bytes, purpose: Purpose) -> hashlib.blake2b:
    """The beginning that all tokens of a purpose share."""
    return hashlib.blake2b(purpose.value.encode() + b"\0", key=key, digest_size=10)


def _b32(raw: bytes) -> str:
    """Base32 of at most 10 bytes, lower case, without padding, written two letters at a time.

    The standard library's is Python code over single letters; each mail needs this several times.
    """
    whole, pair = raw.ljust(10, b"\0"), _PAIRS
    # in two halves, each of which fits into a machine word
    high, low = int.from_bytes(whole[:5], "big"), int.from_bytes(whole[5:], "big")
    text = (
        f"{pair[high >> 30]}{pair[high >> 20 & 1023]}{pair[high >> 10 & 1023]}{pair[high & 1023]}"
        f"{pair[low >> 30]}{pair[low >> 20 & 1023]}{pair[low >> 10 & 1023]}{pair[low & 1023]}"
    )
    return text if len(raw) == 10 else text[: (len(raw) * 8 + 4) // 5]


def _unb32(text: str) -> bytes | None:
    try:
        return base64.b32decode(text.upper() + "=" * (-len(text) % 8))
    except ValueError:
        return None
