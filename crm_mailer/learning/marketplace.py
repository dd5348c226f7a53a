"""The dispute that stands behind a case on the marketplace: its number, deadline and decision."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta, tzinfo

from crm_mailer.learning import sayings
from crm_mailer.learning.acts import not_merged
from crm_mailer.learning.followups import Move
from crm_mailer.model.case import Arbitration, Case
from crm_mailer.model.case import CaseEvent as Event
from crm_mailer.model.case import CaseEventKind as Did
from crm_mailer.model.errors import NotPossible
from crm_mailer.model.sentence import Sentence
from crm_mailer.model.sla import DISPUTE_WINDOW


@dataclass(frozen=True, slots=True, kw_only=True)
class Dispute:
    """What is known of a dispute; what is empty stays as it was."""

    number: str = ""
    deadline_at: datetime | None = None
    arbitration: Arbitration | None = None
    #: Whether the marketplace found the seller liable.
    is_liable: bool | None = None


def link(
    case: Case,
    told: Dispute,
    *,
    by: str,
    now: datetime,
    window: timedelta = DISPUTE_WINDOW,
    place: tzinfo = UTC,
) -> Move:
    """Keep what the marketplace says; a new dispute without a deadline gets the usual `window`.

    In the log the deadline is told by the clock of `place`.

    Raises:
        NotPossible: nothing is told, the deadline is over, or the decision lacks its end.
    """
    _check(not_merged(case), told, now)
    events: list[Event] = []
    after = case
    if told.number and told.number != case.dispute_number:
        after = replace(after, dispute_number=told.number)
        events.append(Event(kind=Did.DISPUTE, at=now, by=by, ref=told.number, text=told.number))
    after, events = _decide(after, told, events, by=by, now=now)
    deadline_at = told.deadline_at
    if deadline_at is None and events and _needs_deadline(after):
        deadline_at = now + window
    if deadline_at and deadline_at != case.deadline_at:
        after = replace(after, deadline_at=deadline_at)
        text = f"{deadline_at.astimezone(place):%Y-%m-%d %H:%M %Z}"
        events.append(Event(kind=Did.DEADLINE, at=now, by=by, ref=deadline_at.isoformat(),
                            text=text))  # fmt: skip
    return Move(case=after, events=tuple(events))


def _check(case: Case, told: Dispute, now: datetime) -> None:
    if told == Dispute():
        raise NotPossible(
            "what about the dispute?",
            hint="say --number, --deadline, --arbitration, --liable or --not-liable",
        )
    if told.deadline_at is not None and told.deadline_at <= now:
        raise NotPossible(
            Sentence(
                "the deadline {deadline} UTC is over",
                deadline=f"{told.deadline_at:%Y-%m-%d %H:%M}",
            ),
            hint="say when the marketplace decides without us",
        )
    if told.arbitration is Arbitration.OPENED and case.arbitration is Arbitration.DECIDED:
        raise NotPossible(
            Sentence("the arbitration of case {id} was decided", id=case.id),
            hint=Sentence("a new dispute is a new case; `crm-mailer case show {id}`", id=case.id),
        )
    decided = Arbitration.DECIDED in (told.arbitration, case.arbitration)
    if told.is_liable is not None and not decided:
        raise NotPossible(
            "who is liable is known once the arbitration is decided",
            hint="add --arbitration decided",
        )
    if told.arbitration is Arbitration.DECIDED and (told.is_liable, case.is_liable) == (None, None):
        raise NotPossible("how was it decided?", hint="add --liable or --not-liable")


def _decide(
    case: Case, told: Dispute, events: list[Event], *, by: str, now: datetime
) -> tuple[Case, list[Event]]:
    """The same case with the arbitration as told; once decided, no deadline is left."""
    stage = told.arbitration or case.arbitration
    is_liable = case.is_liable if told.is_liable is None else told.is_liable
    if (stage, is_liable) == (case.arbitration, case.is_liable) or stage is None:
        return case, events
    text = sayings.IN_ARBITRATION
    if stage is Arbitration.DECIDED:
        text = sayings.LIABLE if is_liable else sayings.NOT_LIABLE
        case = replace(case, deadline_at=None)
    after = replace(case, arbitration=stage, is_liable=is_liable)
    event = Event(kind=Did.ARBITRATION, at=now, by=by, ref=stage.value, text=text)
    return after, [*events, event]


def _needs_deadline(case: Case) -> bool:
    return case.deadline_at is None and case.arbitration is not Arbitration.DECIDED
