"""Reads what an SMTP server says, however it says it: RFC 5321 section 4.2 within limits."""

from __future__ import annotations

import re
import unicodedata
from typing import NamedTuple

#: Octets in one line; RFC 5321 4.5.3.1.5 asks for 512, real servers say more.
MAX_LINE = 4096
MAX_LINES = 100
#: Characters of an answer that are kept as evidence.
MAX_TEXT = 1000
#: The code of an answer that cannot be read.
UNREADABLE = 0

_WORDS = re.compile(rb"(?:([245]\.\d{1,3}\.\d{1,3})(?:\s+|$))?(.*)", re.DOTALL)
#: What a server says over and over: a mail taken, the next envelope agreed to, the body wanted.
_USUAL = re.compile(
    rb"(2\d\d) ([^\r\n]{0,500})\r\n2\d\d [^\r\n]{0,500}\r\n2\d\d [^\r\n]{0,500}\r\n"
    rb"354 [^\r\n]{0,500}\r\n"
)
_CODES = {b"%d" % code: code for code in range(100, 1000)}


class Answer(NamedTuple):
    """One answer of the server. A `code` of 0 means that it could not be read.

    Words are made out only when somebody asks: most answers are never looked at.
    """

    code: int
    #: What came after the code in each line.
    raw: tuple[bytes, ...]

    @property
    def is_good(self) -> bool:
        """Whether the server agreed."""
        return 200 <= self.code <= 299

    @property
    def words(self) -> tuple[str, str]:
        """RFC 3463 status such as 5.1.1, empty where the server gave none; and what it said."""
        found = _WORDS.match(self.raw[0])
        if not self.code or found is None:
            return "", clean(self.raw[0])
        mark, rest = found.groups(b"")
        status = mark.decode("ascii")
        if len(self.raw) == 1:
            return status, clean(rest)
        more = (line.removeprefix(mark) for line in self.raw[1:])
        parts = [part[: MAX_TEXT * 4].lstrip() for part in (rest, *more)]
        return status, clean(b" ".join(parts))

    @property
    def status(self) -> str:
        """RFC 3463 status; empty where the server gave none."""
        return self.words[0]

    @property
    def lines(self) -> tuple[str, ...]:
        """The text of each line, as EHLO's list of extensions needs it."""
        return tuple(clean(line) for line in self.raw)

    @property
    def text(self) -> str:
        """The server's words without the status, as evidence."""
        return self.words[1]


class AnswerParser:
    """Turns bytes, cut anywhere, into answers.

    After an unreadable answer the conversation is out of step: `is_broken` stays true and the
    connection must be closed.
    """

    def __init__(self) -> None:
        self._rest = b""
        #: The lines of an answer that has more to come, and their code.
        self._lines: list[bytes] = []
        self._code = 0
        self.is_broken = False

    def usual(self, data: bytes) -> Answer | None:
        """The first of four answers, if `data` is four good ones, whole, of which the last is 354.

        That is what comes for each mail where all goes well, and cheaper than `feed`. Otherwise
        None, and nothing was taken.
        """
        if self._rest or self._lines or self.is_broken:
            return None
        found = _USUAL.fullmatch(data)
        return Answer(_CODES[found.group(1)], (found.group(2),)) if found is not None else None

    def feed(self, data: bytes) -> list[Answer]:
        """The answers that `data` completes."""
        found: list[Answer] = []
        if self.is_broken:
            return found
        if self._rest:
            data = self._rest + data
        lines = data.split(b"\n")
        self._rest = lines.pop()
        for line in lines:
            code = _CODES.get(line[:3], UNREADABLE)
            is_alone = code and line[3:4] == b" " and not self._lines
            if is_alone and len(line) <= MAX_LINE:
                found.append(Answer(code, (line[4:].removesuffix(b"\r"),)))
                continue
            answer = self._take(code, line.removesuffix(b"\r"))
            if answer is not None:
                found.append(answer)
            if self.is_broken:
                return found
        if len(self._rest) > MAX_LINE:
            found.append(self._give_up(self._rest))
        return found

    def forget(self) -> None:
        """Drop what was received: nothing said before a TLS handshake may count after it."""
        self.__init__()  # type: ignore[misc]

    def _take(self, code: int, line: bytes) -> Answer | None:
        mark = line[3:4]
        if not code or len(line) > MAX_LINE or mark not in (b"", b" ", b"-"):
            return self._give_up(line)
        if (self._lines and code != self._code) or len(self._lines) >= MAX_LINES:
            return self._give_up(line)
        self._code = code
        self._lines.append(line[4:])
        if mark == b"-":
            return None
        whole, self._lines = tuple(self._lines), []
        return Answer(code, whole)

    def _give_up(self, line: bytes) -> Answer:
        self.is_broken = True
        return Answer(UNREADABLE, (line[: MAX_TEXT * 4],))


def clean(text: bytes | str) -> str:
    """Text that may be stored and shown: no control or bidirectional characters, not too long."""
    if isinstance(text, bytes):
        text = text[: MAX_TEXT * 4].decode("utf-8", "replace")
    text = text[:MAX_TEXT]
    if not text.isprintable():
        text = "".join(c if unicodedata.category(c)[0] != "C" else " " for c in text)
    return " ".join(text.split())
