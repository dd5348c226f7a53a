"""Raw bytes of a mail to what a person would see of it; takes any bytes, within limits."""

from __future__ import annotations

import email
import email.policy
import email.utils
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.message import Message
from itertools import islice

from crm_mailer.listening import charsets, plain

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

    def get(self, name: str) -> str:
        """The first header called `name`, or empty text."""
        return next((value for key, value in self.headers if key == name), "")

    def all(self, name: str) -> list[str]:
        """Every header called `name`."""
        return [value for key, value in self.headers if key == name]

    def returned_header(self, name: str) -> str:
        """The first header called `name` of the mail that came back."""
        return next((value for key, value in self.returned if key == name), "")

    @property
    def sender(self) -> str:
        """The address in From, else in Sender; empty where there is none."""
        return next(
            (found for name in ("from", "sender") if (found := address_of(self.get(name)))), ""
        )

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
        message = email.message_from_bytes(block, policy=email.policy.compat32)
        parts, returned = _open(message)
        return Letter(
            headers=_headers(message),
            kind=message.get_content_type(),
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
    message = email.message_from_string(text[:HEADER_BYTES].lstrip("\r\n"))
    return _headers(message)


def _within_limits(raw: bytes) -> tuple[bytes, bool]:
    block = raw[:PARSED_BYTES]
    if block.startswith((b"From ", b">From ")):  # an mbox line is no header
        block = block.partition(b"\n")[2]
    end = re.search(rb"\r?\n\r?\n", block)
    head = block[: end.start()] if end else block
    if end is None or (len(head) <= HEADER_BYTES and head.count(b"\n") < HEADER_LINES):
        return block, len(raw) > PARSED_BYTES
    lines = head[:HEADER_BYTES].split(b"\n")[:HEADER_LINES]
    if len(lines) > 1:
        lines.pop()  # it may be half a line
    return b"\n".join(lines) + block[end.start() :], True


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


def _open(message: Message) -> tuple[list[Part], tuple[tuple[str, str], ...]]:
    parts: list[Part] = []
    returned: list[tuple[str, str]] = []
    for piece, is_returned in _walk(message, DEPTH, False):
        if len(parts) >= PARTS:
            break
        kind = piece.get_content_type()
        if kind == "message/rfc822" and not returned:
            returned += _headers(_inner(piece))
            continue
        if piece.is_multipart() and not kind.startswith("message/"):
            continue
        part = _part(piece, is_returned)
        parts.append(part)
        if not returned and ("rfc822" in kind) and part.text:
            returned += header_block(part.text)
    return parts, tuple(returned)


def _walk(message: Message, depth: int, is_returned: bool) -> Iterator[tuple[Message, bool]]:
    yield message, is_returned
    if depth == 0 or not message.is_multipart():
        return
    kind = message.get_content_type()
    if kind.startswith("message/") and kind != "message/rfc822":
        return  # delivery reports are read as one text
    for inner in message.get_payload():
        if isinstance(inner, Message):
            yield from _walk(inner, depth - 1, is_returned or kind == "message/rfc822")


def _inner(piece: Message) -> Message:
    payload = piece.get_payload()
    first = payload[0] if isinstance(payload, list) and payload else None
    return first if isinstance(first, Message) else Message()


def _part(piece: Message, is_returned: bool) -> Part:
    kind = piece.get_content_type()
    raw = _payload(piece)
    name = _file_name(piece)
    is_text = kind.startswith(("text/", "message/", "multipart/")) or "delivery-status" in name
    disposition = str(piece.get("content-disposition", "")).strip().lower()
    charset = piece.get_param("charset", "")
    return Part(
        kind=kind,
        text=charsets.decode(raw[:TEXT_BYTES], _plain(charset)) if is_text else "",
        file_name=_file_name(piece),
        size=len(raw),
        is_attachment=disposition.startswith("attachment"),
        is_returned=is_returned,
    )


def _payload(piece: Message) -> bytes:
    if piece.is_multipart():  # message/delivery-status: groups of headers
        groups = [inner for inner in piece.get_payload() if isinstance(inner, Message)]
        blocks = [
            "\n".join(f"{name}: {value}" for name, value in group.raw_items())
            + (f"\n\n{body}" if isinstance(body := group.get_payload(), str) else "")
            for group in groups
        ]
        return "\n\n".join(blocks).encode("utf-8", "surrogateescape")
    payload = piece.get_payload(decode=True)
    return payload if isinstance(payload, bytes) else b""


def _file_name(piece: Message) -> str:
    try:
        return charsets.decode_header(piece.get_filename() or "")[:200]
    except (ValueError, LookupError, TypeError):
        return ""


def _headers(message: Message) -> tuple[tuple[str, str], ...]:
    charset = _body_charset(message)
    return tuple(
        (name.lower(), charsets.decode_header(str(value), charset))
        for name, value in list(message.raw_items())[:HEADER_LINES]
    )


def _body_charset(message: Message) -> str:
    """The charset of the first text; what is declared as ASCII tells nothing of raw bytes."""
    for piece, _ in islice(_walk(message, 3, False), 8):
        charset = _plain(piece.get_param("charset", ""))
        if charset and charset.lower() not in ("us-ascii", "ascii"):
            return charset
    return ""


def _parameters(message: Message) -> dict[str, str]:
    found = message.get_params(failobj=[])
    return {str(name).lower(): _plain(value) for name, value in found[1:50]}


def _plain(value: object) -> str:
    """A MIME parameter as text; the RFC 2231 form is a triple."""
    return str(value[2] if isinstance(value, tuple) else value or "")


def _is_body(part: Part) -> bool:
    return not part.is_attachment and not part.is_returned
