"""Reports that show the talk with the other server: Sendmail, old and new, and its kin."""

from __future__ import annotations

import re
from collections.abc import Iterator

from crm_mailer.listening.bounces.told import RECIPIENTS, Report, Told, addresses, first_address
from crm_mailer.listening.guards import Guarded

_LIST = Guarded(re.compile(
    r"following address(?:es)?\b.{0,30}\b(?:had|have|has)\b|addresses had (?:permanent|transient|"
    r"delivery)|following recipients? (?:had|have) (?:permanent|fatal)",
    re.IGNORECASE,
), ("following address", "addresses had", "following recipient"))  # fmt: skip
_TALK = Guarded(
    re.compile(r"transcript of (?:the )?session follows|while talking to", re.IGNORECASE),
    ("transcript of", "while talking to"),
)
_LISTED = re.compile(r"\s*<[^<>\s]+@[^<>\s]+>\s+\([A-Za-z]")
_REFUSED = re.compile(r"\s*[45]\d\d ")
_NO = re.compile(r"[45]\d\d")
_HOST = re.compile(r"while talking to \[?([^\s\]:]+)", re.IGNORECASE)
_ASKED = re.compile(r"^\s*(?:>>>|In:)\s*(\w+)(.*)$")
_SAID = re.compile(r"^\s*(?:<<<|Out:)\s*(.*)$")
_ENDED = re.compile(r"^\s*-{3,}.*(?:message|mail) (?:header )?(?:follows|text)", re.IGNORECASE)
_VERDICT = re.compile(r"^\s*(?:\d{3}[ -])?(?:\d\.\d\.\d+ )?<?([^<>\s]+)>?\.\.\. ?(.*)$")
_POSTMASTER_COPY = re.compile(r"^\s*Out:\s*2\d\d[ -]", re.MULTILINE)


def read(report: Report) -> list[Told]:
    """Each address of the list, with what was said about it in the talk."""
    text = report.text
    if not (_TALK.search(text) or _LIST.search(text)):
        return []
    reasons, named = _listed(report.lines), set(_with_reason(report.lines))
    talk = _Talk(report.lines)
    found = dict.fromkeys([*reasons, *talk.refused])
    return [
        Told(
            recipient=address,
            diagnostic=reasons.get(address) or talk.words_for(address, is_only=len(found) == 1),
            near=talk.near(address),
            remote_host=talk.hosts.get(address.casefold(), ""),
            command=talk.commands.get(
                address.casefold(),
                "RCPT" if address in named else talk.last if len(found) == 1 else "",
            ),
        )
        for address in list(found)[:RECIPIENTS]
    ]


def _listed(lines: list[str]) -> dict[str, str]:
    """The addresses of the list, with the reason in brackets below each."""
    found: dict[str, str] = {}
    is_list, address = False, ""
    for line in lines:
        if _LIST.search(line):
            is_list = True
        elif is_list and re.match(r"\s*-{3,}", line):
            is_list = False
        elif is_list and (reason := re.match(r"\s*\(?reason: (.*)", line)):
            found[address] = reason[1].rstrip(")") if address else ""
        elif is_list and line.strip() and not line.lstrip().startswith("("):
            address = first_address(line)
            if address:
                found.setdefault(address, "")
    found.pop("", None)
    return found


def _with_reason(lines: list[str]) -> Iterator[str]:
    """Addresses with their reason in the same line: a list of addresses speaks of addresses."""
    for line in lines:
        if _LISTED.match(line):
            yield first_address(line)


class _Talk:
    """What both servers said, and of whom."""

    def __init__(self, lines: list[str]) -> None:
        self.refused: list[str] = []
        self.commands: dict[str, str] = {}
        self.hosts: dict[str, str] = {}
        self._words: dict[str, list[str]] = {}
        self._all: list[str] = []
        self.last = ""
        self._command, self._address, self._host = "", "", ""
        self._is_open = False
        self._answers: list[str] = []
        for line in lines:
            self._take(line)

    def words_for(self, address: str, *, is_only: bool) -> str:
        """What was said about an address; all that was refused, where it is the only one."""
        own = self._words.get(address.casefold())
        return " ".join(own or (self._all if is_only else []))[:2_000]

    def near(self, address: str) -> str:
        """The refusals about an address, for a second look."""
        return " ".join(self._words.get(address.casefold(), []))[:2_000]

    def _take(self, line: str) -> None:
        if _TALK.search(line):
            self._is_open = True
            host = _HOST.search(line)
            self._host = host[1].strip(".") if host else self._host
            self._answers = []
        if not self._is_open or _ENDED.search(line):
            self._is_open = self._is_open and not _ENDED.search(line)
            return
        if asked := _ASKED.match(line):
            self._command = asked[1].upper()
            self._address = first_address(asked[2]) or self._address
            self._answers = []
        elif said := _SAID.match(line):
            self._answer(said[1])
        elif verdict := _VERDICT.match(line):
            self._judge(verdict[1], line.strip())
        elif _REFUSED.match(line):
            self._all.append(line.strip())

    def _answer(self, words: str) -> None:
        if not _NO.match(words):
            return
        self._all.append(words)
        self._answers.append(words)
        self.last = self.last or self._command
        named = first_address(words)
        if self._command == "RCPT" and self._address:
            self._note(self._address, words)
        elif named and self._command == "DATA":
            self._note(named, words, is_listed=False)

    def _judge(self, name: str, words: str) -> None:
        found = addresses(name, 1)
        if not found or (" Deferred" in words and "(smtp)" in words):
            return
        if self._answers and self._command != "RCPT":
            self._note(found[0], " ".join(self._answers))
        self._note(found[0], words)
        self._answers = []

    def _note(self, address: str, words: str, *, is_listed: bool = True) -> None:
        key = address.casefold()
        self._words.setdefault(key, []).append(words)
        self._all.append(words)
        if self._answers:
            self.commands.setdefault(key, self._command)
        self.hosts.setdefault(key, self._host)
        if is_listed and address not in self.refused:
            self.refused.append(address)
