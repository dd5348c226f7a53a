"""Faults in what people wrote, told as a compiler tells them: all at once, each with its place."""

from __future__ import annotations

import difflib
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import NoReturn

from crm_mailer.model.errors import DefinitionError
from crm_mailer.model.sentence import Sentence, Sentences, sentence

MAX_SHOWN = 160


class Severity(StrEnum):
    """An error stops the file from being used; a warning should be looked at; advice may be."""

    ERROR = "error"
    WARNING = "warning"
    ADVICE = "advice"


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One fault. Line and column count from 1; line 0 means the file as a whole.

    `source` is the line as it stands in the file, `width` the number of characters to underline.
    `message` and `help` are sentences, to be said in the reader's language.
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

    def __post_init__(self) -> None:
        object.__setattr__(self, "message", sentence(self.message))
        object.__setattr__(self, "help", sentence(self.help))

    @property
    def is_error(self) -> bool:
        """Whether the file cannot be used."""
        return self.severity is Severity.ERROR

    @property
    def place(self) -> str:
        """`file:line:column`, as editors and terminals make it a link."""
        return f"{self.file}:{self.line}:{self.column}" if self.line else self.file

    @property
    def order(self) -> tuple[str, int, int, str, str]:
        """By what findings are sorted, so that two runs tell the same in the same order."""
        return self.file, self.line, self.column, self.code, self.message

    def as_text(self) -> Sentence:
        """The fault with its source line, a caret and the remedy."""
        title = Sentence("{severity}[{code}]: {message}", severity=Sentence(self.severity),
                         code=self.code, message=self.message)  # fmt: skip
        rows = [title, f"  --> {self.place}"]
        if self.line and self.source.strip():
            number = str(self.line)
            line, column = _excerpt(self.source, self.column)
            marked = line[column - 1 : column - 1 + self.width]
            rows.append(f"{number:>5} | {line}")
            rows.append(f"      | {_indent(line[: column - 1])}{'^' * max(1, _wide(marked))}")
        if self.help:
            told = Sentence("help: {hint}", hint=self.help)
            rows.append(Sentences("      = ", told, between=""))
        return Sentences(*rows, between="\n")

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
        Sentences(*(problem.as_text() for problem in problems), between="\n"),
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
        return Sentence("did you mean `{name}`?", name=lowered[near[0]])
    if not names:
        return ""
    few = ", ".join(names[:12]) + (" ..." if len(names) > 12 else "")
    return Sentence("known: {names}", names=few)


def nearest(word: str, known: Iterable[str]) -> str:
    """The name that a misspelt one is meant for; empty where none is near."""
    near = difflib.get_close_matches(word.lower(), known, n=1, cutoff=0.6)
    return near[0] if near else ""


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
