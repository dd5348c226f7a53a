"""What the program notes on customers in words, and how such notes are found again.

The database keeps a note in English, once and for all readers. Whoever shows it asks `heard` for
the sentence that it is, which can be said in another language.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from crm_mailer.model.flag import NewFlag
from crm_mailer.model.sentence import Sentence, Sentences

_FLAGGED = re.compile(r"flagged \((\w+)\): (.*?)(?: \[([^\]]*)\])?", re.DOTALL)
_MAILED = re.compile(r"mailed again \(was ([\w, ]+)\): (.*)", re.DOTALL)
_CASE = re.compile(r"(?:(.*), )?case (\d+)", re.DOTALL)


def flagged(new: NewFlag) -> str:
    """A buyer was put on the blacklist."""
    case = f"case {new.case_id}" if new.case_id else ""
    evidence = ", ".join(filter(None, (new.evidence, case)))
    return f"flagged ({new.kind}): {new.reason}" + (f" [{evidence}]" if evidence else "")


def unflagged(why: str) -> str:
    """A buyer was taken off it."""
    return f"unflagged: {why}"


def suppressed(why: str) -> str:
    """Marketing mail to a customer was stopped."""
    return f"suppressed: {why}"


def mailed_again(reasons: Iterable[str], why: str) -> str:
    """A customer is mailed again, who was not for these reasons."""
    return f"mailed again (was {', '.join(reasons)}): {why}"


def heard(text: str) -> str:
    """The sentence that a note is, for whoever translates it; a person's own words as they are."""
    what, _colon, words = text.partition(": ")
    if what == "unflagged":
        return Sentence("unflagged: {why}", why=words)
    if what == "suppressed":
        return Sentence("suppressed: {why}", why=words)
    if (found := _FLAGGED.fullmatch(text)) is not None:
        return _flagged(*found.groups(default=""))
    if (found := _MAILED.fullmatch(text)) is not None:
        was = Sentences(*map(_word, found[1].split(", ")), between=", ")
        return Sentence("mailed again (was {reasons}): {why}", reasons=was, why=found[2])
    return text


def _flagged(kind: str, why: str, evidence: str) -> Sentence:
    if not evidence:
        return Sentence("flagged ({kind}): {why}", kind=_word(kind), why=why)
    if (found := _CASE.fullmatch(evidence)) is not None:
        case = Sentence("case {number}", number=found[2])
        evidence = Sentences(found[1] or "", case, between=", ")
    return Sentence(
        "flagged ({kind}): {why} [{evidence}]", kind=_word(kind), why=why, evidence=evidence
    )


def _word(code: str) -> Sentence:
    return Sentence(code.replace("_", " "))
