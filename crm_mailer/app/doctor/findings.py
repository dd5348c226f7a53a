"""What the doctor says of one thing: how it is, and what to do."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Grade(StrEnum):
    """How grave a finding is."""

    OK = "ok"
    #: Works, but will hurt.
    WARNING = "warning"
    #: Does not work, or will not be trusted.
    FAULT = "fault"
    #: Could not be looked at, or does not concern this shop.
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that was looked at. What is said is a `Sentence`."""

    #: What was looked at, such as "smtp main" or "spf shop.example".
    what: str
    grade: Grade
    said: str
    #: What to do; empty where all is well.
    remedy: str = ""


def ok(what: str, said: str) -> Finding:
    """All is well."""
    return Finding(what=what, grade=Grade.OK, said=said)


def warning(what: str, said: str, remedy: str = "") -> Finding:
    """Works, but will hurt."""
    return Finding(what=what, grade=Grade.WARNING, said=said, remedy=remedy)


def fault(what: str, said: str, remedy: str = "") -> Finding:
    """Does not work."""
    return Finding(what=what, grade=Grade.FAULT, said=said, remedy=remedy)


def skipped(what: str, said: str, remedy: str = "") -> Finding:
    """Not looked at."""
    return Finding(what=what, grade=Grade.SKIPPED, said=said, remedy=remedy)
