"""What an agent's act makes of a case: values in, values out; no event means nothing changed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from crm_mailer.learning import disputes, sayings
from crm_mailer.learning.followups import Move, owe_an_answer
from crm_mailer.model.case import OURS, UNDER_WAY, Case, CaseState, Remedy
from crm_mailer.model.case import CaseEvent as Event
from crm_mailer.model.case import CaseEventKind as Did
from crm_mailer.model.errors import NotPossible
from crm_mailer.model.money import Money
from crm_mailer.model.reply import Severity
from crm_mailer.model.sentence import Sentence

#: Remedies that say nothing without an amount.
NEEDS_AMOUNT = frozenset({Remedy.PARTIAL_REFUND, Remedy.DIFFERENCE, Remedy.POSTAGE})
#: A name on a list.
LONGEST_NAME = 60


def not_merged(case: Case) -> Case:
    """`case`, where it is not part of another one.

    Raises:
        NotPossible: it was merged.
    """
    if case.merged_into_id is not None:
        raise NotPossible(
            Sentence(
                "case {id} was merged into case {other}",
                id=case.id,
                other=case.merged_into_id,
            ),
            hint=Sentence("go on there: `crm-mailer case show {other}`", other=case.merged_into_id),
        )
    return case


def under_way(case: Case) -> Case:
    """`case`, where something is still to be done about it.

    Raises:
        NotPossible: it is over, or merged.
    """
    if not_merged(case).state not in UNDER_WAY:
        raise NotPossible(
            Sentence("case {id} is {state}", id=case.id, state=case.state_in_words),
            hint=Sentence("`crm-mailer case reopen {id}` opens it again", id=case.id),
        )
    return case


def note(
    case: Case, text: str, *, by: str, now: datetime, is_answer: bool, is_ours: bool = False
) -> Move:
    """Write a note; one that says the customer was answered hands the turn to the customer.

    Args:
        case: the case.
        text: the note.
        by: who writes it.
        now: the present instant.
        is_answer: the customer was answered.
        is_ours: with an answer that promises another one: the turn stays ours.

    Raises:
        NotPossible: the case was merged.
    """
    after = _looked_at(not_merged(case))
    if is_answer and case.state in UNDER_WAY:
        state = CaseState.OPEN if is_ours else CaseState.WAITING_CUSTOMER
        after = replace(case, state=state)
    if is_answer and case.first_response_at is None:
        after = replace(after, first_response_at=now)
    kind = Did.ANSWERED if is_answer else Did.NOTE
    ref = OURS if is_answer and is_ours else ""
    return Move(case=after, events=(Event(kind=kind, at=now, by=by, text=text, ref=ref),))


def take(case: Case, *, by: str, now: datetime) -> Move:
    """Take a case that nobody has; taking one's own again changes nothing.

    Raises:
        NotPossible: somebody else has it, or it is over.
    """
    if by and case.owner == by:
        return Move(case=case, events=())
    if under_way(case).owner:
        raise NotPossible(
            Sentence("{owner} has case {id}", owner=case.owner, id=case.id),
            hint=Sentence(
                "ask {owner}, or `crm-mailer case assign {id} {by}`",
                owner=case.owner,
                id=case.id,
                by=by,
            ),
        )
    return assign(case, by, by=by, now=now)


def assign(case: Case, owner: str, *, by: str, now: datetime) -> Move:
    """Give the case to somebody; giving it to its owner changes nothing.

    Raises:
        NotPossible: that is no name, or the case was merged.
    """
    owner = " ".join(owner.split())
    if not owner or len(owner) > LONGEST_NAME:
        raise NotPossible(
            Sentence("an owner's name has 1 to {longest} letters", longest=LONGEST_NAME),
            hint=Sentence("such as `crm-mailer case assign {id} lin`", id=case.id),
        )
    if not_merged(case).owner == owner:
        return Move(case=case, events=())
    after = replace(_looked_at(case), owner=owner)
    return Move(case=after, events=(Event(kind=Did.ASSIGNED, at=now, by=by, text=owner),))


def close(
    case: Case,
    text: str,
    *,
    by: str,
    now: datetime,
    is_resolved: bool,
    satisfaction: int | None = None,
) -> Move:
    """End the case: resolved may be reopened by the customer for seven days, closed is final.

    Raises:
        NotPossible: it ended before.
    """
    state = CaseState.RESOLVED if is_resolved else CaseState.CLOSED
    if not_merged(case).state in (CaseState.CLOSED, state):
        raise NotPossible(
            Sentence("case {id} is {state} already", id=case.id, state=case.state_in_words),
            hint=Sentence("`crm-mailer case reopen {id}` opens it again", id=case.id),
        )
    kind = Did.RESOLVED if is_resolved else Did.CLOSED
    after = replace(case, state=state, closed_at=now)
    move = Move(case=after, events=(Event(kind=kind, at=now, by=by, text=text),))
    if satisfaction is None:
        return move
    rated = rate(after, satisfaction, by=by, now=now)
    return Move(case=rated.case, events=(*move.events, *rated.events))


def rate(case: Case, stars: int, *, by: str, now: datetime) -> Move:
    """Keep the customer's word on how it was handled, 1 to 5."""
    if case.satisfaction == stars:
        return Move(case=case, events=())
    event = Event(
        kind=Did.RATED, at=now, by=by, ref=str(stars), text=sayings.STARS.format(stars=stars)
    )
    return Move(case=replace(case, satisfaction=stars), events=(event,))


def reopen(case: Case, text: str, *, by: str, now: datetime) -> Move:
    """Take up a case that had ended; an answer is due afresh.

    Raises:
        NotPossible: it has not ended, or it was merged.
    """
    if not_merged(case).state in UNDER_WAY:
        raise NotPossible(
            Sentence(
                "case {id} is not closed, it is {state}", id=case.id, state=case.state_in_words
            ),
            hint=Sentence("`crm-mailer case show {id}` says what is to be done", id=case.id),
        )
    event = Event(kind=Did.REOPENED, at=now, by=by, text=text)
    return Move(case=owe_an_answer(case), events=(event,))


def mark(
    case: Case,
    events: Sequence[Event],
    kind: Did,
    refs: Sequence[str],
    *,
    text: str,
    by: str,
    now: datetime,
) -> Move:
    """Write down evidence, steps or offers; what stands in the log already is not written twice.

    Raises:
        NotPossible: the case was merged.
    """
    known = {event.ref for event in events if event.kind is kind}
    new = [ref for ref in dict.fromkeys(refs) if ref not in known]
    if not new:
        return Move(case=not_merged(case), events=())
    written = tuple(Event(kind=kind, at=now, by=by, text=text, ref=ref) for ref in new)
    return Move(case=_looked_at(not_merged(case)), events=written)


def choose(
    case: Case, remedy: Remedy, amount: Money | None, *, text: str, by: str, now: datetime
) -> Move:
    """Keep the remedy that the customer chose and what it costs; a later choice replaces it.

    Raises:
        NotPossible: this remedy needs an amount, or the case was merged.
    """
    if amount is None and remedy in NEEDS_AMOUNT:
        raise NotPossible(
            Sentence("{remedy}: how much?", remedy=remedy.value),
            hint=Sentence(
                'say so: `crm-mailer case choose {id} {remedy} --amount "12.50 USD"`',
                id=case.id,
                remedy=remedy.value,
            ),
        )
    if (not_merged(case).remedy, case.compensation) == (remedy, amount):
        return Move(case=case, events=())
    after = replace(_looked_at(case), remedy=remedy, compensation=amount)
    told = f"{amount.amount} {amount.currency}" if amount else ""
    words = ": ".join(part for part in (told, text) if part)
    event = Event(kind=Did.CHOSEN, at=now, by=by, ref=remedy.value, text=words)
    return Move(case=after, events=(event,))


def correct(
    case: Case,
    *,
    by: str,
    now: datetime,
    reason: str = "",
    severity: Severity | None = None,
    best_channel: str = "",
    best_time: str = "",
) -> Move:
    """Put right what the program concluded; clocks count anew by the severity that is set.

    A graver reason makes the case graver, a milder one does not make it milder by itself.

    Raises:
        NotFound: there is no such reason.
        NotPossible: the case was merged.
    """
    reason = disputes.known_reason(reason) if reason else case.reason
    if severity is None:
        severity = min(case.severity, disputes.severity_of(reason))
    after = replace(
        not_merged(case),
        reason=reason,
        severity=severity,
        best_channel=best_channel or case.best_channel,
        best_time=best_time or case.best_time,
    )
    changed = [
        sayings.CHANGED.format(what=name.replace("_", " "), old=old or "-", new=new)
        for name in ("reason", "severity", "best_channel", "best_time")
        if (old := getattr(case, name)) != (new := getattr(after, name))
    ]
    if not changed:
        return Move(case=case, events=())
    ref = severity.value if severity != case.severity else ""
    event = Event(kind=Did.CORRECTED, at=now, by=by, ref=ref, text="; ".join(changed))
    return Move(case=after, events=(event,))


def merge(case: Case, into: Case, *, by: str, now: datetime) -> tuple[Move, Move]:
    """Put `case` into another one of the same customer: its end, and how the other goes on.

    What `into` lacks it takes over; the graver reason and severity count, the earlier answer too.

    Raises:
        NotPossible: they cannot be one case.
    """
    if case.merged_into_id == into.id:
        return Move(case=case, events=()), Move(case=into, events=())
    _may_merge(case, into)
    ended = replace(
        case, state=CaseState.CLOSED, merged_into_id=into.id, closed_at=case.closed_at or now
    )
    grown = _grown(into, case)
    gone = Event(
        kind=Did.MERGED, at=now, by=by, ref=str(into.id), text=sayings.INTO.format(number=into.id)
    )
    came = Event(
        kind=Did.MERGED,
        at=now,
        by=by,
        ref=str(case.id),
        text=sayings.TOOK_IN.format(number=case.id),
    )
    raised: tuple[Event, ...] = ()
    if (grown.severity, grown.reason) != (into.severity, into.reason):
        change = f"{into.severity} {into.reason} is now {grown.severity} {grown.reason}"
        raised = (Event(kind=Did.RAISED, at=now, by=by, ref=grown.severity.value, text=change),)
    return Move(case=ended, events=(gone,)), Move(case=grown, events=(came, *raised))


def _may_merge(case: Case, into: Case) -> None:
    show = Sentence(
        "`crm-mailer case show {id}` and `{other}` show both", id=case.id, other=into.id
    )
    if case.id == into.id:
        raise NotPossible(Sentence("case {id} cannot be merged into itself", id=case.id), hint=show)
    not_merged(case)
    if case.customer_id != into.customer_id:
        raise NotPossible(
            Sentence("cases {id} and {other} are of two customers", id=case.id, other=into.id),
            hint=show,
        )
    under_way(into)


def _grown(into: Case, case: Case) -> Case:
    answers = [one for one in (into.first_response_at, case.first_response_at) if one]
    is_better = disputes.rank(case.reason) < disputes.rank(into.reason)
    return replace(
        into,
        state=CaseState.OPEN if case.state in (CaseState.NEW, CaseState.OPEN) else into.state,
        reason=case.reason if is_better else into.reason,
        severity=min(into.severity, case.severity),
        order_id=into.order_id or case.order_id,
        owner=into.owner or case.owner,
        asks=into.asks or case.asks,
        is_threat=into.is_threat or case.is_threat,
        first_response_at=min(answers, default=None),
        deadline_at=into.deadline_at or case.deadline_at,
        dispute_number=into.dispute_number or case.dispute_number,
        arbitration=into.arbitration or case.arbitration,
        is_liable=case.is_liable if into.arbitration is None else into.is_liable,
        remedy=into.remedy or case.remedy,
        compensation=into.compensation if into.remedy else case.compensation,
    )


def _looked_at(case: Case) -> Case:
    """A case that somebody works on is no longer new."""
    return replace(case, state=CaseState.OPEN) if case.state is CaseState.NEW else case
