"""Quoted-printable (RFC 2045, 6.7), so careful that no later hop has a reason to touch a line.

Rows have at most 76 characters, end in CRLF, never in a blank, and never begin with a dot (which
SMTP would double) or with `From ` (which mailbox files would mark).
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any

from markupsafe import escape

#: Characters of a row; its first sign and a last blank may bring two more each.
WIDTH = 72
SOFT = "=\r\n"
#: Stands as it is, with nothing to mend at its beginning.
PLAIN = re.compile(rf"(?!\.|From )[ -<>-~]{{0,{WIDTH}}}")
#: A value that neither HTML nor quoted-printable changes: most names, numbers and days.
HARMLESS = re.compile(rf"(?!\.|From )[ !#-%(-;?-~]{{0,{WIDTH}}}")
#: What HTML has another spelling for.
MARKUP = re.compile("[&<>\"']")
_SIGNS = [
    chr(byte) if (32 <= byte < 127 and byte != ord("=")) or byte == 9 else f"={byte:02X}"
    for byte in range(256)
]
_sign = _SIGNS.__getitem__


def piece(text: str) -> str:
    """Text encoded so that it may stand between any other pieces: it begins and ends a row.

    Line breaks of any kind become CRLF. Empty text leaves nothing.
    """
    if PLAIN.fullmatch(text):
        return text + SOFT if text else ""
    return _mended(text)


def html(value: Any) -> str:
    """A value of any kind as a piece: escaped as HTML, then encoded."""
    if value.__class__ is not str:
        return piece(str(escape(value)))
    text = str(value)
    if HARMLESS.fullmatch(text):
        return text + SOFT if text else ""
    return piece(str(escape(text)) if MARKUP.search(text) else text)


@lru_cache(maxsize=4096)
def _mended(text: str) -> str:
    if "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    *whole, rest = text.split("\n")
    lines = [_line(one) + "\r\n" for one in whole]
    return "".join([*lines, SOFT.join([*_rows(rest), ""]) if rest else ""])


def close(pieces: list[str]) -> list[str]:
    """The same pieces as a whole body: its last row ends for good."""
    while pieces and not pieces[-1]:
        pieces.pop()
    if pieces and pieces[-1].endswith(SOFT):
        last = pieces[-1].removesuffix(SOFT)
        pieces[-1] = (_firm(last) if last[-1:] in (" ", "\t") else last) + "\r\n"
    return pieces


@lru_cache(maxsize=8192)
def line(text: str) -> str:
    """One whole line, without its CRLF. Remembered: most lines come again in the next mail."""
    return _line(text)


def _line(text: str) -> str:
    if PLAIN.fullmatch(text) and text[-1:] != " ":
        return text
    rows = _rows(text)
    if rows[-1][-1:] in (" ", "\t"):
        rows[-1] = _firm(rows[-1])
    return SOFT.join(rows)


def _rows(text: str) -> list[str]:
    """The signs of a line in rows; none is cut inside its `=XX`."""
    if text.isascii() and text.isprintable():
        signs = text.replace("=", "=3D")
    else:
        signs = "".join(map(_sign, text.encode("utf-8", "replace")))
    rows, begin = [], 0
    while len(signs) - begin > WIDTH:
        end = begin + WIDTH
        cut = signs.find("=", end - 2, end)
        end = end if cut < 0 else cut
        rows.append(_started(signs[begin:end]))
        begin = end
    return [*rows, _started(signs[begin:])]


def _started(row: str) -> str:
    is_risky = row[:1] == "." or row[:5] == "From "
    return f"={ord(row[0]):02X}{row[1:]}" if is_risky else row


def _firm(row: str) -> str:
    """A row whose last blank cannot be lost."""
    return f"{row[:-1]}={ord(row[-1]):02X}"
