"""What an agent's word on a reply changes: what it is understood as, its case, its feedback."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from crm_mailer.learning import acts, disputes, feedback, followups, hearing, requests
from crm_mailer.learning.learn import follow, save
from crm_mailer.model.case import UNDER_WAY, Case, CaseEventKind, CaseState
from crm_mailer.model.feedback import FeedbackKind, UnlearntReply
from crm_mailer.model.judgement import Said
from crm_mailer.model.reply import Intent, ReplyKind, Severity
from crm_mailer.model.sla import DEFAULT_LEVELS, ServiceLevels
from crm_mailer.store import cases as store_cases
from crm_mailer.store import feedback as store_feedback
from crm_mailer.store import tasks as store_tasks
from crm_mailer.store.engine import Connection

#: What machines alone write, and answers to tests; there is no word of a customer in it.
UNJUDGEABLE = frozenset({ReplyKind.BOUNCE, ReplyKind.SPAM_REPORT, ReplyKind.TEST})
_KEPT_APART = ("ask.", "objection.", "suggestion", "confirm")


def corrected(
    said: Said, *, is_complaint: bool, reason: str, severity: Severity | None, mild: Intent
) -> Said:
    """What a reply is to be understood as after an agent's word.

    Args:
        said: what it is understood as now.
        is_complaint: the agent's word.
        reason: what it complains about, where the agent says so; it comes first.
        severity: how urgent, where the agent says so; else by the reasons.
        mild: what it wants where it is no complaint.

    Raises:
        NotFound: there is no such reason.
    """
    finer = tuple(code for code in said.reasons if code.startswith(_KEPT_APART))
    if not is_complaint:
        return replace(said, intent=mild, reasons=finer, severity=None)
    known = disputes.complaint_reasons(said.reasons) if said.intent is Intent.COMPLAINT else ()
    if reason:
        others = (code for code in known if code not in (reason, "other"))
        known = (disputes.known_reason(reason), *others)
    known = known or ("other",)
    is_machine = said.kind not in (ReplyKind.HUMAN, ReplyKind.UNSUBSCRIBE)
    return Said(
        kind=ReplyKind.HUMAN if is_machine else said.kind,
        intent=Intent.COMPLAINT,
        reasons=known + finer,
        severity=severity or disputes.worst(disputes.severity_of(code) for code in known),
    )


def align(
    connection: Connection,
    reply: UnlearntReply,
    *,
    by: str,
    why: str,
    now: datetime,
    levels: ServiceLevels = DEFAULT_LEVELS,
) -> int | None:
    """Bring log, case and tasks to what a reply is understood as; the number of its case.

    Doing it again changes nothing. A case that others wrote into goes on.
    """
    _log(connection, reply)
    case_id = store_cases.find_by_reply(connection, reply.id)
    if not feedback.is_complaint(reply):
        if case_id is not None:
            _end(connection, reply, case_id, by=by, why=why, now=now, levels=levels)
        else:
            _ask_for_an_answer(connection, reply, now, levels)
        return case_id
    if reply.customer_id is None:
        store_tasks.add(connection, requests.who_is_it(reply, now, levels), now)
        return None
    if case_id is None:
        move = follow(connection, followups.of_reply(reply, reply.customer_id, now), now, levels)
        return store_cases.find_by_reply(connection, reply.id) if move is not None else None
    _relabel(connection, reply, case_id, by=by, why=why, now=now, levels=levels)
    return case_id


def _log(connection: Connection, reply: UnlearntReply) -> None:
    line = feedback.of_reply(reply)
    if line is None:
        store_feedback.drop(connection, reply.id)
        return
    hearing.log(connection, reply, line, rating=None, review_id=None)


def _relabel(
    connection: Connection,
    reply: UnlearntReply,
    case_id: int,
    *,
    by: str,
    why: str,
    now: datetime,
    levels: ServiceLevels,
) -> None:
    """The case that the reply opened takes its reason and severity, and goes on if it had ended
    by an agent's word.
    """
    case = store_cases.get(connection, case_id, for_change=True)
    if case.merged_into_id is not None or case.reply_id != reply.id:
        return
    if case.state is CaseState.CLOSED and _was_called_off(connection, case):
        move = acts.reopen(case, why, by=by, now=now)
        save(connection, move, levels)
        case = store_cases.get(connection, case_id, for_change=True)
    if case.state in UNDER_WAY:
        reason = disputes.main_reason(reply.reasons)
        move = acts.correct(case, by=by, now=now, reason=reason, severity=reply.severity)
        save(connection, move, levels)


#: How the closing of a case begins that was no complaint.
CALLED_OFF = "no complaint: "


def _was_called_off(connection: Connection, case: Case) -> bool:
    ends = [
        event
        for event in store_cases.list_events(connection, case.id)
        if event.kind is CaseEventKind.CLOSED
    ]
    return bool(ends) and ends[-1].text.startswith(CALLED_OFF)


def _end(
    connection: Connection,
    reply: UnlearntReply,
    case_id: int,
    *,
    by: str,
    why: str,
    now: datetime,
    levels: ServiceLevels,
) -> None:
    """Close the case that the reply opened, unless other complaints stand in it."""
    case = store_cases.get(connection, case_id, for_change=True)
    if case.merged_into_id is not None or case.state not in UNDER_WAY:
        return
    if case.reply_id != reply.id or _has_others(connection, case, reply.id):
        return
    move = acts.close(case, CALLED_OFF + why, by=by, now=now, is_resolved=False)
    save(connection, move, levels)
    _ask_for_an_answer(connection, reply, now, levels)


def _has_others(connection: Connection, case: Case, reply_id: int) -> bool:
    told = {event.reply_id for event in store_cases.list_events(connection, case.id)}
    lines = [
        store_feedback.find_said(connection, one) for one in told if one not in (None, reply_id)
    ]
    return any(line is not None and line.kind is FeedbackKind.COMPLAINT for line in lines)


def _ask_for_an_answer(
    connection: Connection, reply: UnlearntReply, now: datetime, levels: ServiceLevels
) -> None:
    """A question is answered all the same."""
    facts = store_cases.order_facts(connection, reply.order_id, levels.calendar.place)
    task = requests.task_of(reply, facts, now)
    if task is not None:
        store_tasks.add(connection, task, now)
