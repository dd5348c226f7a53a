"""Everything that happened with one customer on one line of time: the story, and what was seen,
scored, flagged, given and consented to.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from crm_mailer.model.flag import Flag
from crm_mailer.model.sentence import Sentence, Sentences
from crm_mailer.reporting.courses import CourseFate
from crm_mailer.reporting.customer_story import CustomerStory, EventKind
from crm_mailer.store.benefit_figures import GrantLine
from crm_mailer.store.score_history import ScoreChange

#: What can be looked at alone, in the order of the page.
KINDS = (
    "order",
    "mail",
    "signal",
    "course",
    "reply",
    "case",
    "score",
    "segment",
    "review",
    "flag",
    "suppression",
    "consent",
    "benefit",
    "note",
    "bounce",
    "customer",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """One thing that happened. `ref`: "mail:7", "reply:3", "case:12"; `is_ahead`: it will."""

    at: datetime
    kind: str
    text: str
    ref: str = ""
    is_ahead: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Beside:
    """What the story does not tell: rows by table."""

    signals: Sequence[Any]
    changes: Sequence[ScoreChange]
    consents: Sequence[Any]


def timeline(story: CustomerStory, beside: Beside, now: datetime) -> list[Moment]:
    """All moments, the latest first."""
    found = [
        Moment(at=one.at, kind=one.kind.value, text=one.text, ref=one.ref, is_ahead=one.at > now)
        for one in story.events
        if one.kind is not EventKind.SIGNAL  # told below with more about it
    ]
    found += _seen(beside.signals)
    found += _marks(beside.changes)
    found += _flags(story.flags)
    found += _consents(beside.consents)
    found += _grants(story.benefits)
    found += _courses(story.courses)
    return sorted(found, key=lambda one: one.at, reverse=True)


def _seen(signals: Sequence[Any]) -> Iterator[Moment]:
    for row in signals:
        name = f"{row.campaign} / {row.step}"
        text = Sentence("{what}: {name}", what=_word(row.kind), name=name)
        if row.detail:
            text = Sentence("{what}: {name} ({detail})", what=_word(row.kind), name=name,
                            detail=_short(row.detail))  # fmt: skip
        yield Moment(at=row.at, kind="signal", text=text, ref=f"mail:{row.touch_id}")


def _marks(changes: Sequence[ScoreChange]) -> Iterator[Moment]:
    for one in changes:
        text = Sentence(
            "R F M {before} → {after}: {why}",
            before=_digits(one.before),
            after=_digits(one.after),
            why=_word(one.reason),
        )
        yield Moment(at=one.at, kind="score", text=text)


def _courses(courses: Sequence[CourseFate]) -> Iterator[Moment]:
    for one in courses:
        if one.ended_at is not None:
            text = Sentence("memory curve of {name}: {what}", name=one.campaign, what=one.told[0])
            yield Moment(at=one.ended_at, kind=EventKind.COURSE.value, text=text)


def _flags(flags: Sequence[Flag]) -> Iterator[Moment]:
    for one in flags:
        text = Sentence(
            "flagged, {kind}: {reason}", kind=_word(one.kind), reason=_short(one.reason)
        )
        ref = f"case:{one.case_id}" if one.case_id else ""
        yield Moment(at=one.at, kind="flag", text=text, ref=ref)
        if one.removed_at is not None:
            why = _short(one.removed_why)
            yield Moment(
                at=one.removed_at, kind="flag", text=Sentence("flag taken off: {why}", why=why)
            )


def _consents(consents: Sequence[Any]) -> Iterator[Moment]:
    for row in consents:
        text = Sentence("consent for {purpose}: {basis}", purpose=_word(row.purpose),
                        basis=_word(row.basis))  # fmt: skip
        origin = ", ".join(filter(None, (row.source, row.evidence)))
        whole = Sentences(text, _short(origin), between=", ") if origin else text
        yield Moment(at=row.given_at, kind="consent", text=whole)


def _grants(grants: Sequence[GrantLine]) -> Iterator[Moment]:
    for one in grants:
        if one.granted_at is not None:
            text = Sentence("was given {benefit} {code}", benefit=one.benefit, code=one.code)
            yield Moment(at=one.granted_at, kind="benefit", text=text)
        if one.redeemed_at is not None:
            text = Sentence(
                "used {benefit} in order {number}", benefit=one.benefit, number=one.order_number
            )
            yield Moment(at=one.redeemed_at, kind="benefit", text=text)


def _word(code: str) -> Sentence:
    """A code as a word, which every catalogue has."""
    return Sentence(code.replace("_", " "))


def _digits(marks: tuple[int, int, int] | None) -> str:
    return "-".join(map(str, marks)) if marks else "–"


def _short(text: str, most: int = 160) -> str:
    line = " ".join(text.split())
    return line if len(line) <= most else line[: most - 1] + "…"
