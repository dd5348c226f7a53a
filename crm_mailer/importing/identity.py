"""When are two rows one customer: by mail address, buyer id, phone, or name and address."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass

from email_validator import EmailNotValidError, validate_email

from crm_mailer.importing.cells import CellError
from crm_mailer.model import address as addresses
from crm_mailer.model.sentence import Sentence

#: Platforms of identities that are no platform: a phone, a name at an address.
PHONE, PLACE = "#phone", "#address"
PLAIN = re.compile(
    r"[A-Za-z0-9_+-]+(?:\.[A-Za-z0-9_+-]+)*@(?:[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?\.)+"
    r"[A-Za-z]{2,24}"
)
#: Domains that no mail can reach. `.test` stays: demonstrations live there.
UNREACHABLE = ("local", "localhost", "invalid", "onion", "arpa")
MAX_ADDRESS, MAX_LOCAL = 254, 64
CACHED = 20_000
#: Digits of a phone number that tell two apart within a country.
PHONE_TAIL = 9
MIN_PHONE = 7
WORD = re.compile(r"\w+")


@dataclass(frozen=True, slots=True)
class Address:
    """A mail address as it is written, and as it is compared."""

    email: str
    key: str


class Addresses:
    """Reads the mail addresses of one file; the same text is read once."""

    def __init__(self) -> None:
        self.cache: dict[str, Address | None] = {}

    def read(self, text: str) -> Address | None:
        """The address in a cell; None for an empty one.

        Raises:
            CellError: it is no mail address.
        """
        if text in self.cache:
            return self.cache[text]
        if len(self.cache) >= CACHED:
            self.cache.clear()
        found = self.cache[text] = _read(text)
        return found


def phone_key(phone: str, country: str) -> str:
    """What two spellings of a number share; empty where it is too short or masked."""
    digits = re.sub(r"\D", "", phone).lstrip("0")
    if len(digits) < MIN_PHONE or "*" in phone:
        return ""
    return f"{country}:{digits[-PHONE_TAIL:]}" if country else digits


def place_key(name: str, postcode: str, street: str) -> str:
    """A hash of name, postcode and street, however written; empty where one of them is missing."""
    parts = ["".join(WORD.findall(part.casefold())) for part in (name, postcode, street)]
    if not all(parts) or "*" in name or "*" in street:
        return ""
    return hashlib.blake2b("\0".join(parts).encode(), digest_size=12).hexdigest()


def _read(text: str) -> Address | None:
    body = text.strip().removeprefix("mailto:")
    if body.casefold() in {"", "-", "--", "n/a", "none", "null"}:
        return None
    local, _, host = body.rpartition("@")
    host = host.lower()
    if host.rpartition(".")[2] in UNREACHABLE:
        raise CellError(
            Sentence("no mail can reach `{address}`", address=body[:60]),
            "correct it, or leave it empty",
        )
    is_too_long = len(body) > MAX_ADDRESS or len(local) > MAX_LOCAL
    if PLAIN.fullmatch(body) and not is_too_long:
        email = f"{local}@{host}"
        return Address(email, addresses.key(email))
    try:
        if is_too_long:
            raise EmailNotValidError
        checked = validate_email(body, check_deliverability=False, test_environment=True)
    except EmailNotValidError:
        raise CellError(
            Sentence("`{address}` is no mail address", address=body[:60]),
            "correct it, or leave it empty",
        ) from None
    return Address(checked.normalized, addresses.key(checked.normalized))
