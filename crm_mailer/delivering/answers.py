"""Reads what an SMTP server says, however it says it: RFC 5321 section 4.2 within limits."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass

#: Octets in one line; RFC 5321 4.5.3.1.5 asks for 512, real servers say more.
MAX_LINE = 4096
MAX_LINES = 100
#: Characters of an answer that are kept as evidence.
MAX_TEXT = 1000
#: The code of an answer that cannot be read.
UNREADABLE = 0

_STATUS = re.compile(r"([245]\.\d{1,3}\.\d{1,3})(?:\s+|$)")


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer of the server. A `code` of 0 means that it could not be read."""

    code: int
    status: str
    text: str
    #: The text of each line, as EHLO's list of extensions needs it.
    lines: tuple[str, ...] = ()

    @property
    def is_good(self) -> bool:
        """Whether the server agreed."""
        return 200 <= self.code <= 299


class AnswerParser:
    """Turns bytes, cut anywhere, into answers.

    After an unreadable answer the conversation is out of step: `is_broken` stays true and the
    connection must be closed.
    """

    def __init__(self) -> None:
        self._rest = b""
        self._code = b""
        self._lines: list[bytes] = []
        self.is_broken = False

    def feed(self, data: bytes) -> list[Answer]:
        """The answers that `data` completes."""
        if self.is_broken:
            return []
        found: list[Answer] = []
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            answer = self._take(line.removesuffix(b"\r"))
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

    def _take(self, line: bytes) -> Answer | None:
        code, mark = line[:3], line[3:4]
        if len(line) > MAX_LINE or not _is_code(code) or mark not in (b"", b" ", b"-"):
            return self._give_up(line)
        if (self._code and code != self._code) or len(self._lines) >= MAX_LINES:
            return self._give_up(line)
        self._code = code
        self._lines.append(line[4:])
        return None if mark == b"-" else self._finish()

    def _finish(self) -> Answer:
        answer = _answer(int(self._code), self._lines)
        self._code, self._lines = b"", []
        return answer

    def _give_up(self, line: bytes) -> Answer:
        self.is_broken = True
        return Answer(UNREADABLE, "", clean(line))


def clean(text: bytes | str) -> str:
    """Text that may be stored and shown: no control or bidirectional characters, not too long."""
    if isinstance(text, bytes):
        text = text[: MAX_TEXT * 4].decode("utf-8", "replace")
    shown = "".join(c if unicodedata.category(c)[0] != "C" else " " for c in text[:MAX_TEXT])
    return " ".join(shown.split())


def _is_code(code: bytes) -> bool:
    return len(code) == 3 and code.isdigit() and code[:1] != b"0"


def _answer(code: int, raw: list[bytes]) -> Answer:
    lines = tuple(clean(line) for line in raw)
    found = _STATUS.match(lines[0])
    status = found.group(1) if found else ""
    if status:
        lines_without = (_without(line, status) for line in lines)
        return Answer(code, status, clean(" ".join(lines_without)), lines)
    return Answer(code, "", clean(" ".join(lines)), lines)


def _without(line: str, status: str) -> str:
    return line.removeprefix(status).lstrip()
