"""The one place that writes header bytes: cleaned, encoded, folded, and scanned before use.

Text from outside never reaches a header as it came. After writing, a strict scanner reads the
block again: names and their number must be those that were written.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Sequence
from email.utils import format_datetime
from functools import lru_cache
from typing import NamedTuple

from email_validator import EmailNotValidError, validate_email

from crm_mailer.rendering import clean

SUBJECT_LIMIT, NAME_LIMIT = 255, 100
#: RFC 5322: a line should have at most 78 characters and must have at most 998.
LINE, MAX_LINE = 76, 998
#: RFC 2047: a line with an encoded word has at most 76 characters. 39 bytes are 52 of base64, 64
#: with `=?utf-8?b?` and `?=`: beside `Subject: ` that fits.
WORD_BYTES = 39

ADDRESS = re.compile(
    r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(?:\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*"
    r"@(?:[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.)*"
    r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
)
ATOMS = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~ -]*")
PRINTABLE = re.compile(r"[\x20-\x7e]*")
FIELD_NAME = re.compile(rb"^([A-Za-z][A-Za-z0-9-]*):", re.MULTILINE)
#: Headers, each with folded lines that hold more than blanks.
BLOCK = re.compile(
    rb"(?:[A-Za-z][A-Za-z0-9-]*:[\x20-\x7e]*\r\n(?:[ \t]+[\x21-\x7e][\x20-\x7e]*\r\n)*)+"
)


class UnsafeHeader(Exception):
    """A header would not be what we meant; the mail is not sent."""


class Text(NamedTuple):
    """Words for people, in any script."""

    value: str
    limit: int = SUBJECT_LIMIT


class Mailbox(NamedTuple):
    """A name and an address."""

    name: str
    address: str


class Exact(NamedTuple):
    """What we made ourselves: printable ASCII. Items are folded between, never inside."""

    items: tuple[str, ...]


Value = Text | Mailbox | Exact


def exact(*items: str) -> Exact:
    """A value that is written as it stands."""
    return Exact(items)


def block(fields: Sequence[tuple[str, Value]]) -> bytes:
    """The header lines, each ended by CRLF, without the empty line after them.

    Raises:
        UnsafeHeader: a value cannot be written safely.
    """
    lines = [_field(name, value) for name, value in fields]
    try:
        written = ("\r\n".join(lines) + "\r\n").encode("ascii")
    except UnicodeEncodeError:
        raise UnsafeHeader("a header is not ASCII") from None
    guard(written, [name for name, _value in fields])
    return written


def guard(written: bytes, names: Sequence[str]) -> None:
    """Read a header block strictly.

    Raises:
        UnsafeHeader: it has other names than `names`, a line over 998, a bare CR or LF, or
            anything but printable ASCII.
    """
    if not BLOCK.fullmatch(written):
        raise UnsafeHeader("a line is no header")
    longest = max(map(len, written.split(b"\r\n")))
    if longest > MAX_LINE:
        raise UnsafeHeader(f"a line has {longest} characters")
    if [name.decode() for name in FIELD_NAME.findall(written)] != list(names):
        raise UnsafeHeader("the headers are not those that were written")


@lru_cache(maxsize=4096)
def address(text: str) -> str:
    """A mail address as it goes over the wire: ASCII, the domain in its IDNA form.

    Raises:
        UnsafeHeader: it is no address, or needs SMTPUTF8.
    """
    if len(text) <= 254 and ADDRESS.fullmatch(text):
        return text
    try:
        found = validate_email(text, check_deliverability=False, allow_smtputf8=False)
    except EmailNotValidError as error:
        raise UnsafeHeader(f"not an address that mail can go to: {error}") from None
    if found.ascii_email is None or not ADDRESS.fullmatch(found.ascii_email):
        raise UnsafeHeader("the address cannot be written in ASCII")
    return found.ascii_email


def cleaned(value: Text | Mailbox) -> str:
    """The words of a value as readers will see them."""
    if isinstance(value, Text):
        return clean.line(value.value, value.limit)
    return clean.line(value.name, NAME_LIMIT)


def date(moment: object) -> Exact:
    """The Date header for an aware instant."""
    return exact(format_datetime(moment))  # type: ignore[arg-type]


def _field(name: str, value: Value) -> str:
    """One header on one or more lines; the guard looks at its name."""
    if isinstance(value, Text):
        return _fold(name, _words(cleaned(value)))
    if isinstance(value, Mailbox):
        wire = f"<{address(value.address)}>"
        phrase = _phrase(cleaned(value))
        return _fold(name, [*phrase, wire] if phrase else [wire[1:-1]])
    return _fold(name, value.items)


def _words(text: str) -> list[str]:
    """Unstructured text: plain words, or encoded words (RFC 2047)."""
    if PRINTABLE.fullmatch(text) and "=?" not in text and max(map(len, text.split() or [""])) < 900:
        return text.split(" ") if text else []
    return _encoded(text)


def _phrase(text: str) -> list[str]:
    """A display name: atoms, a quoted string, or encoded words."""
    if not text:
        return []
    if not PRINTABLE.fullmatch(text) or "=?" in text:
        return _encoded(text)
    if ATOMS.fullmatch(text):
        return text.split(" ")
    return ['"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"']


def _encoded(text: str) -> list[str]:
    """Encoded words of at most 75 characters; no letter is cut in two."""
    words: list[str] = []
    piece = b""
    for letter in text:
        raw = letter.encode()
        if len(piece) + len(raw) > WORD_BYTES:
            words.append(_word(piece))
            piece = b""
        piece += raw
    return [*words, _word(piece)] if piece else words


def _word(raw: bytes) -> str:
    return f"=?utf-8?b?{base64.b64encode(raw).decode()}?="


def _fold(name: str, items: Sequence[str]) -> str:
    """`Name: items`, with a line break before an item that would make the line too long."""
    line, lines = f"{name}:", []
    for item in items:
        if len(line) + 1 + len(item) > LINE and line != f"{name}:":
            lines.append(line)
            line = ""
        line += f" {item}"
    return "\r\n".join([*lines, line])
