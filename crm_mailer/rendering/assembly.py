"""Puts headers and bodies together: what goes over the wire, CRLF throughout, 7 bit.

A body stays in pieces until the mail leaves: most of them are the same in every mail, so the one
copy that is needed is made when it is read anyway, while it lies in the processor's cache.
"""

from __future__ import annotations

import binascii
from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

from crm_mailer.rendering import headers, quoted
from crm_mailer.rendering.headers import Value, exact

BASE64_LINE = 76
VERSION: tuple[str, Value] = ("MIME-Version", exact("1.0"))


class Body(NamedTuple):
    """One form of the content, encoded, ended by CRLF. `is_base64`: most of it is not ASCII."""

    subtype: str
    pieces: Sequence[str]
    is_base64: bool = False


def body(subtype: str, text: str, is_base64: bool = False) -> Body:
    """Text as one form of the content."""
    return Body(subtype, [encoded(text, is_base64)], is_base64)


def alternatives(bodies: Sequence[Body], boundary: str) -> list[str]:
    """Forms of the same content, best last, as pieces of the mail's body.

    Args:
        bodies: two or more.
        boundary: begins with `=_`, which no encoded body can contain.
    """
    mark = f"--{boundary}"
    pieces: list[str] = []
    for one in bodies:
        pieces += (mark, _part_head(one.subtype, one.is_base64))
        pieces += one.pieces
    pieces += (mark, "--\r\n")
    return pieces


def kind(boundary: str) -> tuple[str, Value]:
    """The header that announces alternatives."""
    return ("Content-Type", exact("multipart/alternative;", f'boundary="{boundary}"'))


def content(subtype: str, is_base64: bool) -> list[tuple[str, Value]]:
    """The headers that tell how a body is written."""
    return [
        ("Content-Type", exact(f"text/{subtype};", "charset=utf-8")),
        ("Content-Transfer-Encoding", exact("base64" if is_base64 else "quoted-printable")),
    ]


def encoded(text: str, is_base64: bool) -> str:
    """The text in its transfer encoding, ended by CRLF; empty lines at its end are left out."""
    if "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    text = text.rstrip("\n")
    if is_base64:
        raw = (text + "\n").replace("\n", "\r\n").encode("utf-8", "replace")
        wire = binascii.b2a_base64(raw, newline=False)
        rows = [wire[at : at + BASE64_LINE] for at in range(0, len(wire), BASE64_LINE)]
        return b"\r\n".join([*rows, b""]).decode("ascii")
    return "\r\n\r\n".join(map(_paragraph, text.split("\n\n"))) + "\r\n"


@lru_cache(maxsize=4096)
def _paragraph(text: str) -> str:
    """Some lines in quoted-printable. Remembered: most come again in the next mail."""
    return "\r\n".join(map(quoted.line, text.split("\n")))


@lru_cache(maxsize=8)
def _part_head(subtype: str, is_base64: bool) -> str:
    """What stands between the boundary and a body."""
    return f"\r\n{headers.block(content(subtype, is_base64)).decode('ascii')}\r\n"
