"""Raw bytes of a mail to what a person would see of it; takes any bytes, within limits."""

from __future__ import annotations

import email.utils
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import islice

from crm_mailer.listening import charsets, mime, plain
from crm_mailer.listening.mime import Entity

#: How much of a mail is parsed; the rest is kept as bytes only.
PARSED_BYTES = 1024 * 1024
HEADER_BYTES = 64 * 1024
HEADER_LINES = 1_000
PARTS = 200
DEPTH = 20
TEXT_BYTES = 512 * 1024
ADDRESSES = 100

_ADDRESS = re.compile(r"[^\s<>()\[\],;:\"@]{1,64}@[^\s<>()\[\],;:\"@]{1,255}")
_ANGLE = re.compile(r"<\s*([^<>\s]+@[^<>\s]+)\s*>")


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One leaf of a mail. `text` is empty for what is not text."""

    kind: str
    text: str = ""
    file_name: str = ""
    size: int = 0
    is_attachment: bool = False
    #: Inside a mail that came back or was forwarded.
    is_returned: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """A mail as read. Header names are lower case; values are decoded, one line each."""

    headers: tuple[tuple[str, str], ...]
    kind: str = "text/plain"
    parameters: dict[str, str] = field(default_factory=dict)
    parts: tuple[Part, ...] = ()
    #: Headers of the mail inside, where one came back.
    returned: tuple[tuple[str, str], ...] = ()
    is_cut: bool = False
    #: The first header of each name.
    first: dict[str, str] = field(init=False, repr=False, compare=False)
    #: The address in From, else in Sender; empty where there is none.
    sender: str = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Keep at hand what is asked for again and again."""
        object.__setattr__(self, "first", dict(reversed(self.headers)))
        sender = address_of(self.get("from")) or address_of(self.get("sender"))
        object.__setattr__(self, "sender", sender)

    def get(self, name: str) -> str:
        """The first header called `name`, or empty text."""
        return self.first.get(name, "")

    def all(self, name: str) -> list[str]:
        """Every header called `name`."""
        if name not in self.first:
            return []
        return [value for key, value in self.headers if key == name]

    def returned_header(self, name: str) -> str:
        """The first header called `name` of the mail that came back."""
        return next((value for key, value in self.returned if key == name), "")

    @property
    def recipients(self) -> list[str]:
        """Every address that this mail was sent to, as far as its headers tell."""
        names = ("delivered-to", "x-original-to", "envelope-to", "to", "cc", "x-failed-recipients")
        return [a for name in names for value in self.all(name) for a in addresses(value)]

    @property
    def subject(self) -> str:
        """The subject, at most 500 characters."""
        return self.get("subject")[:500]

    @property
    def message_id(self) -> str:
        """Without angle brackets; empty where the sender gave none."""
        return self.get("message-id").strip("<> ")[:500]

    @property
    def sent_at(self) -> datetime | None:
        """What the Date header says, where it can be read."""
        return moment_of(self.get("date"))

    @property
    def full_text(self) -> str:
        """All that a reader sees, quoted text marked by `>`."""
        html = self._first("text/html")
        written = self._all_plain()
        if html and (not written.strip() or plain.has_quotes(html)):
            return plain.from_html(html).strip()
        return written.strip()

    def texts(self) -> Iterator[str]:
        """Every text of the mail outside what came back, HTML made plain."""
        for part in self.parts:
            if part.text and not part.is_returned:
                yield plain.from_html(part.text) if part.kind == "text/html" else part.text

    def _first(self, kind: str) -> str:
        return next((p.text for p in self.parts if p.kind == kind and _is_body(p)), "")

    def _all_plain(self) -> str:
        return "\n".join(p.text for p in self.parts if p.kind == "text/plain" and _is_body(p))


def read(raw: bytes) -> Letter:
    """The mail in `raw`; never raises, however broken it is."""
    block, is_cut = _within_limits(raw)
    try:
        message = mime.parse(block.decode("ascii", "surrogateescape"))
        parts, returned = _open(message)
        return Letter(
            headers=_headers(message),
            kind=message.kind,
            parameters=_parameters(message),
            parts=tuple(parts),
            returned=returned,
            is_cut=is_cut,
        )
    except (RecursionError, ValueError, LookupError, TypeError, AttributeError, OverflowError):
        return _headers_only(block)


def addresses(value: str) -> list[str]:
    """The mail addresses in a header value, in order, at most 100."""
    return [found[0].strip(".'") for found in _ADDRESS.finditer(value[:HEADER_BYTES])][:ADDRESSES]


def address_of(value: str) -> str:
    """The one address a header such as From means: the one in angle brackets, else the first."""
    angle = _ANGLE.findall(value[:2_000])
    return angle[-1] if angle else next(iter(addresses(value[:2_000])), "")


def moment_of(value: str) -> datetime | None:
    """A Date header as an instant; None where it cannot be read."""
    try:
        moment = email.utils.parsedate_to_datetime(value)
        moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        return moment.astimezone(UTC)
    except (ValueError, TypeError, OverflowError, IndexError):
        return None


def header_block(text: str) -> tuple[tuple[str, str], ...]:
    """Headers written as text, as in a delivery report or a mail that came back."""
    return _headers(mime.parse(text[:HEADER_BYTES].lstrip("\r\n")))


def _within_limits(raw: bytes) -> tuple[bytes, bool]:
    block = raw[:PARSED_BYTES]
    if block.startswith((b"From ", b">From ")):  # an mbox line is no header
        block = block.partition(b"\n")[2]
    end = _end_of_headers(block)
    head = block[:end]
    if end == len(block) or (len(head) <= HEADER_BYTES and head.count(b"\n") < HEADER_LINES):
        return block, len(raw) > PARSED_BYTES
    lines = head[:HEADER_BYTES].split(b"\n")[:HEADER_LINES]
    if len(lines) > 1:
        lines.pop()  # it may be half a line
    return b"\n".join(lines) + block[end:], True


def _end_of_headers(block: bytes) -> int:
    """Where the blank line begins."""
    blanks = (block.find(b"\n\n"), block.find(b"\n\r\n"))
    end = min((place for place in blanks if place >= 0), default=len(block))
    return end - block[:end].endswith(b"\r")


def _headers_only(block: bytes) -> Letter:
    head, _, body = block.partition(b"\n\n")
    text = charsets.decode(body[:TEXT_BYTES])
    pairs = []
    for line in head[:HEADER_BYTES].splitlines()[:HEADER_LINES]:
        name, colon, value = line.partition(b":")
        if colon and b" " not in name.strip():
            pairs.append(
                (
                    name.strip().decode("ascii", "replace").lower(),
                    charsets.decode_header(charsets.decode(value)),
                )
            )
    part = Part(kind="text/plain", text=text, size=len(body))
    return Letter(headers=tuple(pairs), parts=(part,), is_cut=True)


def _open(message: Entity) -> tuple[list[Part], tuple[tuple[str, str], ...]]:
    parts: list[Part] = []
    returned: list[tuple[str, str]] = []
    for piece, is_returned in _walk(message, DEPTH, False):
        if len(parts) >= PARTS:
            break
        kind = piece.kind
        if kind == "message/rfc822" and not returned:
            returned += _headers(piece.children[0]) if piece.children else []
            continue
        if piece.children is not None and not kind.startswith("message/"):
            continue
        part = _part(piece, is_returned)
        parts.append(part)
        if not returned and ("rfc822" in kind) and part.text:
            returned += header_block(part.text)
    return parts, tuple(returned)


def _walk(message: Entity, depth: int, is_returned: bool) -> Iterator[tuple[Entity, bool]]:
    yield message, is_returned
    if depth == 0 or message.children is None:
        return
    kind = message.kind
    if kind.startswith("message/") and kind != "message/rfc822":
        return  # delivery reports are read as one text
    for inner in message.children:
        yield from _walk(inner, depth - 1, is_returned or kind == "message/rfc822")


def _part(piece: Entity, is_returned: bool) -> Part:
    kind = piece.kind
    raw = piece.content() if piece.children is None else _groups(piece.children)
    name = _file_name(piece)
    is_text = kind.startswith(("text/", "message/", "multipart/")) or "delivery-status" in name
    disposition = (piece.get("content-disposition") or "").strip().lower()
    charset = _plain(piece.param("charset"))
    return Part(
        kind=kind,
        text=_lines(charsets.decode(raw[:TEXT_BYTES], charset)) if is_text else "",
        file_name=name,
        size=len(raw),
        is_attachment=disposition.startswith("attachment"),
        is_returned=is_returned,
    )


def _lines(text: str) -> str:
    """Text with plain ends of lines, whatever the kind of part: a screen shows no others."""
    return text.replace("\r\n", "\n") if "\r" in text else text


def _groups(groups: list[Entity]) -> bytes:
    """The groups of fields of a delivery report as one text."""
    blocks = [
        "\n".join(f"{name}: {value}" for name, value in group.headers)
        + (f"\n\n{group.payload}" if group.children is None else "")
        for group in groups
    ]
    return "\n\n".join(blocks).encode("utf-8", "surrogateescape")


def _file_name(piece: Entity) -> str:
    try:
        return charsets.decode_header(piece.file_name)[:200]
    except (ValueError, LookupError, TypeError):
        return ""


def _headers(message: Entity) -> tuple[tuple[str, str], ...]:
    found = message.headers[:HEADER_LINES]
    charset = "" if all(value.isascii() for _, value in found) else _body_charset(message)
    return tuple([(name.lower(), charsets.decode_header(value, charset)) for name, value in found])


def _body_charset(message: Entity) -> str:
    """The charset of the first text; what is declared as ASCII tells nothing of raw bytes."""
    for piece, _ in islice(_walk(message, 3, False), 8):
        charset = _plain(piece.param("charset"))
        if charset and charset.lower() not in ("us-ascii", "ascii"):
            return charset
    return ""


def _parameters(message: Entity) -> dict[str, str]:
    return {name.lower(): _plain(value) for name, value in message.params()[1:50]}


def _plain(value: mime.ParamValue | None) -> str:
    """A MIME parameter as text; the RFC 2231 form is a triple."""
    return str(value[2] if isinstance(value, tuple) else value or "")


def _is_body(part: Part) -> bool:
    return not part.is_attachment and not part.is_returned
