"""The one place that writes header bytes: cleaned, encoded, folded, and scanned before use.

Text from outside never reaches a header as it came. After writing, a strict scanner reads the
block again: names and their number must be those that were written.
"""

from __future__ import annotations

import re
from binascii import b2a_base64
from collections.abc import Sequence
from datetime import datetime
from email.utils import format_datetime
from functools import lru_cache
from typing import NamedTuple

from email_validator import EmailNotValidError, validate_email

from crm_mailer.model.sentence import Sentence
from crm_mailer.rendering import clean

SUBJECT_LIMIT, NAME_LIMIT = 255, 100
#: RFC 5322: a line should have at most 78 characters and must have at most 998.
LINE, MAX_LINE = 76, 998
#: RFC 5321: octets before the `@`.
MAX_LOCAL = 64
#: RFC 2047: a line with an encoded word has at most 76 characters. 39 bytes are 52 of base64, 64
#: with `=?utf-8?b?` and `?=`: beside `Subject: ` that fits.
WORD_BYTES = 39

ADDRESS = re.compile(
    r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(?:\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*"
    r"@(?:[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.)+"
    r"[A-Za-z](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
)
ATOMS = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~ -]*")
PRINTABLE = re.compile(r"[\x20-\x7e]*")
#: Headers, each with folded lines that hold more than blanks.
BLOCK = re.compile(
    rb"(?:[A-Za-z][A-Za-z0-9-]*:[\x20-\x7e]*\r\n(?:[ \t]+[\x21-\x7e][\x20-\x7e]*\r\n)*)+"
)
#: The same with an address in UTF-8 (RFC 6532).
WIDE_BLOCK = re.compile(
    rb"(?:[A-Za-z][A-Za-z0-9-]*:[\x20-\x7e\x80-\xf4]*\r\n"
    rb"(?:[ \t]+[\x21-\x7e\x80-\xf4][\x20-\x7e\x80-\xf4]*\r\n)*)+"
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
    return tuple.__new__(Exact, (items,))


def block(fields: Sequence[tuple[str, Value]]) -> bytes:
    """The header lines, each ended by CRLF, without the empty line after them.

    They are ASCII, unless an address has letters outside it before its `@`: then that header is
    written in UTF-8.

    Raises:
        UnsafeHeader: a value cannot be written safely.
    """
    lines = [_field(name, value) for name, value in fields]
    text = "\r\n".join(lines) + "\r\n"
    is_wide = not text.isascii()
    if is_wide:
        for line, (name, value) in zip(lines, fields, strict=True):
            may_be_wide = isinstance(value, Mailbox) and not value.address.isascii()
            if not line.isascii() and not may_be_wide:
                raise UnsafeHeader(Sentence("the header {name} is not ASCII", name=name))
    written = text.encode("utf-8")
    guard(written, [name for name, _value in fields], is_wide=is_wide)
    return written


def guard(written: bytes, names: Sequence[str], *, is_wide: bool = False) -> None:
    """Read a header block strictly.

    Args:
        written: the block.
        names: the headers that were meant.
        is_wide: it may hold UTF-8.

    Raises:
        UnsafeHeader: it has other names than `names`, a line over 998, a bare CR or LF, or
            anything but printable characters.
    """
    if not is_wide and _shape(tuple(names)).fullmatch(written):
        return
    if not (WIDE_BLOCK if is_wide else BLOCK).fullmatch(written):
        raise UnsafeHeader(Sentence("a line is no header"))
    lines = written.split(b"\r\n")[:-1]
    longest = max(map(len, lines))
    if longest > MAX_LINE:
        raise UnsafeHeader(Sentence("a line has {number} characters", number=longest))
    found = [line.partition(b":")[0].decode() for line in lines if line[:1] not in (b" ", b"\t")]
    if found != list(names):
        raise UnsafeHeader(Sentence("the headers are not those that were written"))


@lru_cache(maxsize=64)
def _shape(names: tuple[str, ...]) -> re.Pattern[bytes]:
    """What a block of exactly these headers looks like, line for line: one look says it all."""
    folded = rb"(?: [\x21-\x7e][\x20-\x7e]{0,%d}\r\n)*" % (MAX_LINE - 2)
    lines = [
        re.escape(name.encode("ascii"))
        + rb":[\x20-\x7e]{0,%d}\r\n" % (MAX_LINE - len(name) - 1)
        + folded
        for name in names
    ]
    return re.compile(b"".join(lines))


@lru_cache(maxsize=4096)
def address(text: str) -> str:
    """A mail address as it goes over the wire, the domain in its IDNA form.

    It is ASCII, unless there are letters outside it before the `@`: such a mail needs SMTPUTF8.

    Raises:
        UnsafeHeader: it is no address.
    """
    if "=?" in text:
        # letters that an address may have, and that readers take for an encoded word
        raise UnsafeHeader(Sentence("the address looks like an encoded word"))
    if len(text) <= 254 and text.rfind("@") <= MAX_LOCAL and ADDRESS.fullmatch(text):
        return text
    try:
        found = validate_email(text, check_deliverability=False)
    except EmailNotValidError as error:
        raise UnsafeHeader(
            Sentence("not an address that mail can go to: {error}", error=error)
        ) from None
    local, wire = found.local_part, f"{found.local_part}@{found.ascii_domain}"
    is_shaped = ADDRESS.fullmatch(wire if wire.isascii() else f"x@{found.ascii_domain}")
    # nothing hidden, and nothing that turns what stands behind it
    is_clear = clean.line(local) == local and local.isprintable()
    is_short = len(wire.encode()) <= 254 and len(local.encode()) <= MAX_LOCAL
    if not (is_shaped and is_clear and is_short):
        raise UnsafeHeader(Sentence("the address cannot be written safely"))
    return wire


def cleaned(value: Text | Mailbox) -> str:
    """The words of a value as readers will see them."""
    if isinstance(value, Text):
        return clean.line(value.value, value.limit)
    return clean.line(value.name, NAME_LIMIT)


@lru_cache(maxsize=16)
def date(moment: datetime) -> Exact:
    """The Date header for an aware instant."""
    return exact(format_datetime(moment))


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
    if len(text) < 900 and PRINTABLE.fullmatch(text) and "=?" not in text:
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
    raw = text.encode()
    words: list[str] = []
    begin = 0
    while begin < len(raw):
        end = begin + WORD_BYTES
        while end < len(raw) and raw[end] & 0xC0 == 0x80:  # inside a letter
            end -= 1
        words.append(f"=?utf-8?b?{b2a_base64(raw[begin:end], newline=False).decode()}?=")
        begin = end
    return words


def _fold(name: str, items: Sequence[str]) -> str:
    """`Name: items`, with a line break before an item that would make the line too long."""
    whole = f"{name}: {' '.join(items)}"
    if len(whole) <= LINE and items:
        return whole
    line, lines = f"{name}:", []
    for item in items:
        if len(line) + 1 + len(item) > LINE and line != f"{name}:":
            lines.append(line)
            line = ""
        line += f" {item}"
    return "\r\n".join([*lines, line])
