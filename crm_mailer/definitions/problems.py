"""Faults in what people wrote, told as a compiler tells them: all at once, each with its place."""

from __future__ import annotations

import difflib
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import NoReturn

from crm_mailer.model.errors import DefinitionError

MAX_SHOWN = 160


class Severity(StrEnum):
    """An error stops the file from being used; a warning does not."""

    ERROR = "error"
    WARNING = "warning"
    NOTE = "note"


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One fault. Line and column count from 1; line 0 means the file as a whole.

    `source` is the line as it stands in the file, `width` the number of characters to underline.
    """

    code: str
    message: str
    file: str
    line: int = 0
    column: int = 0
    width: int = 1
    severity: Severity = Severity.ERROR
    help: str = ""
    source: str = ""

    @property
    def is_error(self) -> bool:
        """Whether the file cannot be used."""
        return self.severity is Severity.ERROR

    @property
    def place(self) -> str:
        """`file:line:column`, as editors and terminals make it a link."""
        return f"{self.file}:{self.line}:{self.column}" if self.line else self.file

    def as_text(self) -> str:
        """The fault with its source line, a caret and the remedy."""
        rows = [f"{self.severity}[{self.code}]: {self.message}", f"  --> {self.place}"]
        if self.line and self.source.strip():
            number = str(self.line)
            line, column = _excerpt(self.source, self.column)
            marked = line[column - 1 : column - 1 + self.width]
            rows.append(f"{number:>5} | {line}")
            rows.append(f"      | {_indent(line[: column - 1])}{'^' * max(1, _wide(marked))}")
        if self.help:
            rows.append(f"      = help: {self.help}")
        return "\n".join(rows)

    def as_json(self) -> dict[str, str | int]:
        """The fault for programs."""
        return {
            "code": self.code,
            "severity": str(self.severity),
            "file": self.file,
            "line": self.line,
            "column": self.column,
            "width": self.width,
            "message": self.message,
            "help": self.help,
        }


def raise_all(problems: Sequence[Problem]) -> NoReturn:
    """Refuse the definitions, naming every fault.

    Raises:
        DefinitionError: always; its `problems` are these.
    """
    error = DefinitionError(
        "\n".join(problem.as_text() for problem in problems),
        hint="`crm-mailer check` shows all faults; `check --explain CODE` says more about one",
    )
    error.problems = tuple(problems)
    raise error


def raise_errors(problems: Sequence[Problem]) -> None:
    """Refuse when there is at least one error; warnings alone pass.

    Raises:
        DefinitionError: with all of `problems`.
    """
    if any(problem.is_error for problem in problems):
        raise_all(problems)


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """The remedy for a misspelt name; the short list of what is known where nothing is near."""
    names = sorted(set(known))
    lowered = {name.lower(): name for name in names}
    near = difflib.get_close_matches(word.lower(), lowered, n=1, cutoff=0.6)
    if near:
        return f"did you mean `{lowered[near[0]]}`?"
    if not names:
        return ""
    return "known: " + ", ".join(names[:12]) + (" ..." if len(names) > 12 else "")


def _excerpt(line: str, column: int) -> tuple[str, int]:
    """A line short enough to show, and where the column lies in it."""
    if len(line) <= MAX_SHOWN:
        return line, column
    start = max(0, column - 1 - MAX_SHOWN // 2)
    return line[start : start + MAX_SHOWN], column - start


def _indent(before: str) -> str:
    """Blanks as wide as `before`; tabs stay tabs."""
    return "".join("\t" if letter == "\t" else " " * _wide(letter) for letter in before)


def _wide(text: str) -> int:
    """How many places `text` takes in a terminal; Chinese letters take two."""
    return sum(
        0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1
        for c in text
    )


#: What `check --explain` tells about each code of a YAML file.
EXPLAINED: dict[str, str] = {
    "CRM100": "The file cannot be read: it is missing, larger than 256 kB, or not UTF-8 text. Save "
    "it as UTF-8 (in Windows Notepad: Save as, Encoding: UTF-8).",
    "CRM101": "The file is not YAML. Most often a colon is missing after a key, a quote is not "
    "closed, or lines of one block do not begin in the same column.",
    "CRM102": "Anchors (&), aliases (*), merge keys (<<), tags (!x) and several documents in one "
    "file are not allowed: what a file says must be plain to whoever reads it.",
    "CRM103": "A key stands twice in one block. YAML would silently keep the last; here it is an "
    "error, because the first one was surely meant too.",
    "CRM104": "The key is not known here. Check its spelling and its indentation.",
    "CRM105": "A key that must be there is missing.",
    "CRM106": "The value has the wrong kind: a list where one text belongs, a word where a number "
    "belongs.",
    "CRM107": "The value is of the right kind but not one of those allowed.",
    "CRM108": "The file is nested deeper than 20 levels.",
    "CRM109": "Definitions are files whose names end in .yaml; this one is passed over.",
    "CRM110": "A duration is a whole number and a unit: 30m, 12h, 4d, 2w.",
    "CRM111": 'A time of day is written "10:00" (24 hours), a day 2026-11-20.',
    "CRM112": "The places of a memory curve are offsets from the anchor, not gaps, so each must be "
    "later than the one before.",
    "CRM113": "The campaign has more steps than its curve has places, and those steps have no "
    "`after:` of their own.",
    "CRM114": "The curve is not in curves.yaml. `crm-mailer curve list` shows those that are.",
    "CRM115": "There is no template by this name: templates/<name>.<language>.mjml.",
    "CRM116": "There is no segment by this id in campaigns/segments/.",
    "CRM117": "An id is a slug: lower-case letters, digits and hyphens, such as `win-back`. It is "
    "stored with every mail, so it must stay as it is for ever.",
    "CRM118": "Two files (or two steps) have one id. A customer's history could not tell them "
    "apart.",
    "CRM119": "An edm campaign is started by a day for all (`anchor: {date: 2026-11-20}`, or a "
    "festival, or monthly), a lifecycle campaign by an event (order, segment, birthday ...).",
    "CRM120": "Transactional mail answers an order or a reply. Whatever else a shop sends is "
    "marketing, needs a way to unsubscribe, and respects caps and quiet hours.",
    "CRM121": "A live campaign needs explicit ids for itself and for each step. Ids are the memory "
    "of what was sent: without them, moving a file would send everything again.",
    "CRM122": "Marketing mail must carry the shop's postal address (CAN-SPAM and like laws).",
    "CRM123": "The template lacks a language that the shop writes in: those customers get the "
    "fallback language.",
    "CRM124": "The time zone is not in the IANA list; examples: Asia/Shanghai, Europe/Moscow.",
    "CRM125": "A language is a code of two or three letters such as en, ru, es.",
    "CRM126": "A step is due at the same moment as, or before, the step above it.",
    "CRM127": "An exit condition cannot be met with this anchor, for example `order.paid` in a "
    "birthday campaign.",
    "CRM128": "A mail is valid for so short a time that quiet hours alone could end it.",
    "CRM129": "The sender's address is missing or is not an address.",
    "CRM130": "Segments speak of each other in a ring, so none of them can be worked out first.",
    "CRM131": "`hold` is the undo window: so long after planning nothing leaves. It is for "
    "marketing mail, at most 24h, shorter than `valid_for` and than the time between two steps.",
    "CRM180": "On an adaptive curve each mail's time follows from what the customer did with the "
    "one before, so its steps have no `after`.",
    "CRM181": "A parameter of an adaptive curve is outside its range, or two of them clash. "
    "docs/memory-curve.md explains each.",
    "CRM160": "A festival has a day (`on: 11-11`, `on: 4th thu of nov + 1d`, `on: easter - 2d`, "
    "`on: [2027-02-06]`) or is a public holiday (`holiday: Diwali` with `countries` or `of: IN`); "
    "where countries keep it on different days, `days` has one line for each.",
    "CRM161": "The festival is neither among those that every shop knows nor in "
    "campaigns/calendar.yaml. `crm-mailer campaign festivals` lists all of them.",
    "CRM162": "`spread` lets the mails of one moment leave within so much time after it: at most "
    "6h, less than `valid_for`, and it ends before the quiet hours begin.",
    "CRM163": "`window` has the hours and weekdays of the customer in which a campaign's marketing "
    "mail may leave: `{from: 9, until: 18, days: [mon]}`. Some of its hours must not be quiet.",
    "CRM132": "`exit` says what ends a campaign for a customer: `converted` (its `goal` is met), "
    "`unmatched` (the customer leaves its `audience`), `either` or `never`.",
    "CRM133": "A/B tests and hold-outs are for marketing mail: order mail is owed to everybody.",
    "CRM134": "A step's time is `after:` (from the event) or `wait:` (from the step before).",
    "CRM135": "An EDM without an audience is sent to every customer who may be mailed at all.",
    "CRM140": "A list is a .csv or .txt file beside the segments: a column `email` (or `id` for "
    "customer numbers), or one address a line. It is read anew whenever it is saved.",
    "CRM141": "The lines of the rule contradict one another, so it holds for nobody.",
    "CRM142": "The lines of the rule leave nobody out, so it holds for every customer.",
}
