"""Quoted-printable (RFC 2045, 6.7), so careful that no later hop has a reason to touch a line.

Rows have at most 76 characters, end in CRLF, never in a blank, and never begin with a dot (which
SMTP would double) or with `From ` (which mailbox files would mark).
"""

from __future__ import annotations

import re
from binascii import b2a_qp
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
#: One that is the same but for its length: most links.
LINK = re.compile(rf"(?!\.|From )[ !#-%(-;?-~]{{{WIDTH}}}(?!\.|From )[ !#-%(-;?-~]{{0,{WIDTH}}}")
#: What HTML has another spelling for.
MARKUP = re.compile("[&<>\"']")
#: What the standard library does not take for a sign of a line.
BROKEN = re.compile("[\\r\\n\\0]")
_SIGNS = [
    chr(byte) if (32 <= byte < 127 and byte != ord("=")) or byte == 9 else f"={byte:02X}"
    for byte in range(256)
]
sign = _SIGNS.__getitem__


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
    if LINK.fullmatch(text):
        return f"{text[:WIDTH]}{SOFT}{text[WIDTH:]}{SOFT}"
    return piece(str(escape(text)) if MARKUP.search(text) else text)


@lru_cache(maxsize=4096)
def _mended(text: str) -> str:
    if "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    *whole, rest = text.split("\n")
    lines = [line_once(one) + "\r\n" for one in whole]
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
    return line_once(text)


def line_once(text: str) -> str:
    """The same for a line that is one customer's own."""
    if PLAIN.fullmatch(text) and text[-1:] != " ":
        return text
    rows = _rows(text)
    if rows[-1][-1:] in (" ", "\t"):
        rows[-1] = _firm(rows[-1])
    return SOFT.join(rows)


def _rows(text: str) -> list[str]:
    """The signs of a line in rows; none is cut inside its `=XX`."""
    signs = signs_of(text)
    rows, begin = [], 0
    while len(signs) - begin > WIDTH:
        end = begin + WIDTH
        cut = signs.find("=", end - 2, end)
        end = end if cut < 0 else cut
        rows.append(_started(signs[begin:end]))
        begin = end
    return [*rows, _started(signs[begin:])]


def signs_of(text: str) -> str:
    """The signs of a line in one row, however long."""
    if text.isascii() and text.isprintable():
        return text.replace("=", "=3D")
    if BROKEN.search(text):
        return "".join(map(sign, text.encode("utf-8", "replace")))
    # C, which makes rows of its own, and spells out a blank or a lone dot at the end
    signs = b2a_qp(text.encode("utf-8", "replace")).decode("ascii").replace("=\n", "")
    return signs[:-3] + text[-1] if signs[-3:] in ("=20", "=09", "=2E") else signs


def _started(row: str) -> str:
    is_risky = row[:1] == "." or row[:5] == "From "
    return f"={ord(row[0]):02X}{row[1:]}" if is_risky else row


def _firm(row: str) -> str:
    """A row whose last blank cannot be lost."""
    return f"{row[:-1]}={ord(row[-1]):02X}"
