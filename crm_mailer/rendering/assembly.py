"""Puts headers and bodies together: the bytes that go over the wire, CRLF throughout, 7 bit."""

from __future__ import annotations

import binascii
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from crm_mailer.rendering import headers
from crm_mailer.rendering.headers import Value, exact

BASE64_LINE = 57


@dataclass(frozen=True, slots=True)
class Body:
    """One form of the content. `is_base64` where most of it is not ASCII.

    `known` holds lines that are the same in each mail of a template, already encoded: four fifths
    of the time that quoted-printable takes is saved by it.
    """

    subtype: str
    text: str
    is_base64: bool = False
    known: Mapping[str, bytes] = field(default_factory=dict)


def message(fields: Sequence[tuple[str, Value]], bodies: Sequence[Body], boundary: str) -> bytes:
    """A whole mail: one body stands alone, several are alternatives, best last.

    Args:
        fields: headers, without those of the content.
        bodies: one or more.
        boundary: begins with `=_`, which no encoded body can contain.

    Raises:
        UnsafeHeader: a header cannot be written safely.
    """
    fields = [*fields, ("MIME-Version", exact("1.0"))]
    if len(bodies) == 1:
        return headers.block([*fields, *_content(bodies[0])]) + b"\r\n" + encoded(bodies[0])
    kind = exact("multipart/alternative;", f'boundary="{boundary}"')
    parts = [headers.block([*fields, ("Content-Type", kind)]), b"\r\n"]
    for body in bodies:
        parts += [b"--", boundary.encode("ascii"), b"\r\n", _part_head(body), encoded(body)]
    return b"".join([*parts, b"--", boundary.encode("ascii"), b"--\r\n"])


def encoded(body: Body) -> bytes:
    """The body in its transfer encoding, ended by CRLF."""
    text = body.text
    if "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    if body.is_base64:
        raw = (text.rstrip("\n") + "\n").replace("\n", "\r\n").encode("utf-8", "replace")
        rows = range(0, len(raw), BASE64_LINE)
        return b"".join(
            [binascii.b2a_base64(raw[row : row + BASE64_LINE])[:-1] + b"\r\n" for row in rows]
        )
    known = body.known
    lines = [known.get(line) or quoted(line) for line in text.rstrip("\n").split("\n")]
    return b"\r\n".join([*lines, b""])


def quoted(line: str) -> bytes:
    """One line in quoted-printable, without its line break."""
    is_plain = len(line) < 76 and line.isascii() and line.isprintable() and "=" not in line
    if is_plain and line[-1:] != " " and line != ".":
        return line.encode("ascii")
    return binascii.b2a_qp(line.encode("utf-8", "replace")).replace(b"\n", b"\r\n")


def _content(body: Body) -> list[tuple[str, Value]]:
    return [
        ("Content-Type", exact(f"text/{body.subtype};", "charset=utf-8")),
        ("Content-Transfer-Encoding", exact("base64" if body.is_base64 else "quoted-printable")),
    ]


#: The heads of the four kinds of parts never change.
_HEADS: dict[tuple[str, bool], bytes] = {}


def _part_head(body: Body) -> bytes:
    key = body.subtype, body.is_base64
    if key not in _HEADS:
        _HEADS[key] = headers.block(_content(body)) + b"\r\n"
    return _HEADS[key]
