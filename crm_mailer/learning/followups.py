"""What a complaint or a later letter makes of a case: values in, values out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from crm_mailer.learning import disputes, sayings
from crm_mailer.model.case import THANKS, THREAT, UNDER_WAY, Case, CaseState, Channel
from crm_mailer.model.case import CaseEvent as Event
from crm_mailer.model.case import CaseEventKind as Did
from crm_mailer.model.errors import NotPossible
from crm_mailer.model.feedback import UnlearntReply, UnlearntReview
from crm_mailer.model.reply import Intent, ReplyKind, Severity
from crm_mailer.model.sentence import Sentence

#: A letter after a case was resolved reopens it this long; a later one opens a new case.
REOPENS_FOR = timedelta(days=7)
#: States in which we owe the customer an answer.
OWED = frozenset({CaseState.NEW, CaseState.OPEN})
#: What machines write that belongs to a case, and how it is noted there.
MACHINES = {
    ReplyKind.AUTO_REPLY: sayings.AUTOMATIC,
    ReplyKind.BOUNCE: sayings.CAME_BACK,
    ReplyKind.CHALLENGE: sayings.CHALLENGED,
}
#: Reviews of so many stars or fewer are complaints.
BAD_STARS = 2
_EXCERPT = 300


@dataclass(frozen=True, slots=True, kw_only=True)
class Move:
    """A case as it stands after something happened, and what is written into its log.

    `case.id` is 0 for a case that is to be opened. When it is due follows from the log: see
    `filing`. No event: nothing changed.
    """

    case: Case
    events: tuple[Event, ...]

    @property
    def is_new(self) -> bool:
        """Whether the case is to be opened."""
        return self.case.id == 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Trouble:
    """An unhappy customer's words, or a bad review, as the case rules see it."""

    customer_id: int
    at: datetime
    reason: str
    severity: Severity
    is_complaint: bool
    wants_an_answer: bool = True
    is_threat: bool = False
    order_id: int | None = None
    reply_id: int | None = None
    touch_id: int | None = None
    channel: Channel = Channel.EMAIL
    asks: str = ""
    text: str = ""


def of_reply(reply: UnlearntReply, customer_id: int, now: datetime) -> Trouble:
    """What a person's letter means to a case.

    Thanks and confirmations are written into the case they belong to, but reopen nothing.
    """
    is_complaint = reply.intent is Intent.COMPLAINT
    reasons = disputes.complaint_reasons(reply.reasons)
    told = [disputes.severity_of(code) for code in reasons] if is_complaint else []
    return Trouble(
        customer_id=customer_id,
        at=min(reply.received_at, now),
        reason=disputes.main_reason(reasons),
        severity=disputes.worst([reply.severity, *told]),
        is_complaint=is_complaint,
        wants_an_answer=reply.intent not in (Intent.PRAISE, Intent.CONFIRM),
        is_threat=any(code.startswith("threat.") for code in reasons),
        order_id=reply.order_id,
        reply_id=reply.id,
        touch_id=reply.touch_id,
        channel=Channel(reply.channel),
        asks=reply.asks,
        text=reply.text,
    )


def of_review(review: UnlearntReview, customer_id: int, now: datetime) -> Trouble:
    """What stars and a comment mean to a case."""
    stars = f"{review.stars} star{'s' if review.stars > 1 else ''}"
    return Trouble(
        customer_id=customer_id,
        at=min(review.at, now),
        reason="other",
        severity=disputes.severity_of("other"),
        is_complaint=review.stars <= BAD_STARS,
        order_id=review.order_id,
        channel=Channel.PLATFORM,
        text=f"{stars}: {review.comment}" if review.comment else stars,
    )


def decide(
    trouble: Trouble, cases: Sequence[Case], facts: disputes.Facts, now: datetime
) -> Move | None:
    """Open a case, go on with the customer's own one, or (None) leave cases alone.

    Args:
        trouble: what was said.
        cases: the customer's cases, newest first.
        facts: when the order in question reached which state.
        now: the present instant.
    """
    case = under_way(trouble.order_id, cases, is_complaint=trouble.is_complaint)
    if case is not None:
        move = _join(case, trouble, now)
    elif (resolved := _resolved_lately(trouble, cases)) is not None:
        move = _write_after_resolved(resolved, trouble, now)
    elif trouble.is_complaint:
        move = _open(trouble, cases, now)
    else:
        return None
    return _with_clash(move, trouble, facts, now)


def of_machine(reply: UnlearntReply, cases: Sequence[Case], now: datetime) -> Move | None:
    """What an automatic mail is to a case: a note; it reopens nothing and changes no owner."""
    if reply.kind not in MACHINES:
        return None
    case = under_way(reply.order_id, cases, is_complaint=True)
    if case is None:
        return None
    words = " ".join(reply.text.split())
    what = MACHINES[reply.kind]
    text = sayings.SAID.format(what=what, words=words) if words else what
    event = Event(kind=Did.NOTE, at=now, text=text[:_EXCERPT], reply_id=reply.id)
    return Move(case=case, events=(event,))


def under_way(order_id: int | None, cases: Sequence[Case], *, is_complaint: bool) -> Case | None:
    """The case that words about this order belong to; what was merged leads to where it went."""
    running = [case for case in cases if case.state in UNDER_WAY]
    exact = [case for case in running if case.order_id == order_id]
    if exact:
        return exact[0]
    if order_id is None:
        return running[0] if running else None
    merged = [case for case in cases if case.merged_into_id and case.order_id == order_id]
    if merged and (target := _goes_on_in(merged[0], cases)) in running:
        return target
    # A question about another order is no part of a case that names none.
    loose = [case for case in running if case.order_id is None]
    return loose[0] if loose and is_complaint else None


def _goes_on_in(case: Case, cases: Sequence[Case]) -> Case:
    by_id = {one.id: one for one in cases}
    while case.merged_into_id in by_id:
        case = by_id[case.merged_into_id]
    return case


def _resolved_lately(trouble: Trouble, cases: Sequence[Case]) -> Case | None:
    for case in cases:
        fits = trouble.order_id is None or case.order_id in (None, trouble.order_id)
        ended = case.closed_at if case.state is CaseState.RESOLVED else None
        if fits and ended and trouble.at - ended <= REOPENS_FOR:
            return case
    return None


def _open(trouble: Trouble, cases: Sequence[Case], now: datetime) -> Move:
    case = Case(
        id=0,
        customer_id=trouble.customer_id,
        state=CaseState.NEW,
        reason=trouble.reason,
        severity=trouble.severity,
        opened_at=now,
        due_at=trouble.at,
        order_id=trouble.order_id,
        channel=trouble.channel,
        asks=trouble.asks,
        is_threat=trouble.is_threat,
        reply_id=trouble.reply_id,
        touch_id=trouble.touch_id,
    )
    earlier = next((one.id for one in cases if one.order_id == trouble.order_id), None)
    why = case.reason
    if earlier:
        why = sayings.FOLLOWS.format(reason=why, number=earlier)
    opened = _event(Did.OPENED, trouble, now, why)
    opened = replace(opened, ref=case.severity.value)
    return Move(case=replace(case, follows_id=earlier), events=(opened,))


def _join(case: Case, trouble: Trouble, now: datetime) -> Move:
    after, raised = _raise(case, trouble, now)
    said = _said(trouble, now)
    if not trouble.wants_an_answer:
        return Move(case=after, events=(replace(said, ref=THANKS), *raised))
    return Move(case=owe_an_answer(after), events=(said, *raised))


def _write_after_resolved(case: Case, trouble: Trouble, now: datetime) -> Move:
    said = _said(trouble, now)
    if not trouble.wants_an_answer:
        return Move(case=case, events=(replace(said, ref=THANKS),))
    after, raised = _raise(case, trouble, now)
    days = (trouble.at - (case.closed_at or trouble.at)).days
    again = _event(Did.REOPENED, trouble, now, sayings.WROTE_AFTER.format(days=days))
    return Move(case=owe_an_answer(after), events=(said, again, *raised))


def owe_an_answer(case: Case) -> Case:
    """The same case with the turn ours."""
    if case.state in OWED:
        return case
    return replace(case, state=CaseState.OPEN, closed_at=None)


def _raise(case: Case, trouble: Trouble, now: datetime) -> tuple[Case, tuple[Event, ...]]:
    if not trouble.is_complaint:
        return case, ()
    severity = disputes.worst([case.severity, trouble.severity])
    better = disputes.rank(trouble.reason) < disputes.rank(case.reason)
    reason = trouble.reason if better else case.reason
    after = replace(
        case,
        severity=severity,
        reason=reason,
        order_id=case.order_id or trouble.order_id,
        asks=trouble.asks or case.asks,
        is_threat=case.is_threat or trouble.is_threat,
    )
    if (severity, reason) == (case.severity, case.reason):
        return after, ()
    change = f"{case.severity} {case.reason} is now {severity} {reason}"
    raised = _event(Did.RAISED, trouble, now, change)
    return after, (replace(raised, ref=severity.value),)


def _with_clash(move: Move, trouble: Trouble, facts: disputes.Facts, now: datetime) -> Move:
    words = disputes.clash(trouble.reason, facts) if trouble.is_complaint else ""
    if not words:
        return move
    return replace(move, events=(*move.events, _event(Did.CLASH, trouble, now, words)))


def _said(trouble: Trouble, now: datetime) -> Event:
    said = _event(Did.REPLY, trouble, now, trouble.text)
    return replace(said, ref=THREAT) if trouble.is_threat else said


def _event(kind: Did, trouble: Trouble, now: datetime, text: str) -> Event:
    return Event(kind=kind, at=now, text=text[:_EXCERPT], reply_id=trouble.reply_id)


def open_by_hand(
    trouble: Trouble, cases: Sequence[Case], facts: disputes.Facts, *, by: str, now: datetime
) -> Move:
    """Open a case for what an agent heard.

    Raises:
        NotPossible: a case for this order is under way.
    """
    for case in cases:
        if case.state in UNDER_WAY and case.order_id == trouble.order_id:
            raise NotPossible(
                Sentence(
                    "case {id} of this customer is {state} for the same matter",
                    id=case.id,
                    state=case.state_in_words,
                ),
                hint=Sentence("add to it: `crm-mailer case note {id} TEXT`", id=case.id),
            )
    move = _open(trouble, cases, now)
    opened = replace(move.events[0], by=by)
    said = (Event(kind=Did.NOTE, at=now, by=by, text=trouble.text),) if trouble.text else ()
    return _with_clash(replace(move, events=(opened, *said)), trouble, facts, now)


def time_left(case: Case, now: datetime) -> timedelta | None:
    """How long until the nearest clock runs out, negative when it did; None while none runs.

    While the customer has the turn, only the marketplace's deadline goes on.
    """
    waits_with_deadline = case.state is CaseState.WAITING_CUSTOMER and case.deadline_at is not None
    return case.due_at - now if case.state in OWED or waits_with_deadline else None
