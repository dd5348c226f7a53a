"""What agents do with cases: each act is one transaction and one line in the case's log."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from functools import partial

from crm_mailer.learning import acts, disputes, followups, marketplace
from crm_mailer.learning.followups import Move
from crm_mailer.learning.learn import save
from crm_mailer.learning.marketplace import Dispute
from crm_mailer.model.case import Case, CaseEventKind, Channel, Remedy
from crm_mailer.model.errors import NotPossible
from crm_mailer.model.money import Money
from crm_mailer.model.reply import Severity
from crm_mailer.model.sentence import Sentence
from crm_mailer.model.sla import DEFAULT_LEVELS, ServiceLevels
from crm_mailer.model.task import Task
from crm_mailer.store import cases as store_cases
from crm_mailer.store import tasks as store_tasks
from crm_mailer.store.engine import Store


def open_case(
    store: Store,
    *,
    customer_id: int,
    reason: str,
    now: datetime,
    order_id: int | None = None,
    text: str = "",
    channel: Channel = Channel.EMAIL,
    by: str = "",
    levels: ServiceLevels = DEFAULT_LEVELS,
) -> int:
    """Open a case by hand; its number.

    Raises:
        NotFound: there is no such reason.
        NotPossible: a case of this customer for this order is open already.
    """
    trouble = followups.Trouble(
        customer_id=customer_id,
        at=now,
        reason=disputes.known_reason(reason),
        severity=disputes.severity_of(reason),
        is_complaint=True,
        order_id=order_id,
        channel=channel,
        text=text,
    )
    with store.write() as connection:
        store_cases.lock_customer(connection, customer_id)
        earlier = store_cases.list_of_customer(connection, customer_id)
        facts = store_cases.order_facts(connection, order_id, levels.calendar.place)
        move = followups.open_by_hand(trouble, earlier, facts, by=by, now=now)
        return save(connection, move, levels)


def note(
    store: Store,
    case_id: int,
    text: str,
    *,
    by: str,
    now: datetime,
    is_answer: bool = False,
    is_ours: bool = False,
    levels: ServiceLevels = DEFAULT_LEVELS,
) -> Case:
    """Write a note; with `is_answer`, that the customer was answered.

    Raises:
        NotFound: there is no such case.
        NotPossible: it was merged.
    """
    decide = partial(acts.note, text=text, by=by, now=now, is_answer=is_answer, is_ours=is_ours)
    return _act(store, case_id, decide, levels)


def take(
    store: Store,
    case_id: int,
    *,
    by: str,
    now: datetime,
    levels: ServiceLevels = DEFAULT_LEVELS,
) -> Case:
    """Take a case that nobody has: of two who try at once, one is told who was faster.

    Raises:
        NotFound: there is no such case.
        NotPossible: somebody else has it, or it is over.
    """
    return _act(store, case_id, partial(acts.take, by=by, now=now), levels)


def assign(
    store: Store,
    case_id: int,
    owner: str,
    *,
    by: str,
    now: datetime,
    levels: ServiceLevels = DEFAULT_LEVELS,
) -> Case:
    """Give the case to somebody.

    Raises:
        NotFound: there is no such case.
        NotPossible: that is no name, or the case was merged.
    """
    return _act(store, case_id, partial(acts.assign, owner=owner, by=by, now=now), levels)


def close(
    store: Store,
    case_id: int,
    text: str,
    *,
    by: str,
    now: datetime,
    is_resolved: bool = False,
    satisfaction: int | None = None,
    levels: ServiceLevels = DEFAULT_LEVELS,
) -> Case:
    """End the case: marketing to the customer may go on.

    Raises:
        NotFound: there is no such case.
        NotPossible: it ended before.
    """
    decide = partial(
        acts.close, text=text, by=by, now=now, is_resolved=is_resolved, satisfaction=satisfaction
    )
    return _act(store, case_id, decide, levels)


def reopen(
    store: Store,
    case_id: int,
    text: str,
    *,
    by: str,
    now: datetime,
    levels: ServiceLevels = DEFAULT_LEVELS,
) -> Case:
    """Take up a case that had ended.

    Raises:
        NotFound: there is no such case.
        NotPossible: it has not ended.
    """
    return _act(store, case_id, partial(acts.reopen, text=text, by=by, now=now), levels)


def rate_case(
    store: Store,
    case_id: int,
    stars: int,
    *,
    by: str,
    now: datetime,
    levels: ServiceLevels = DEFAULT_LEVELS,
) -> Case:
    """Keep the customer's word on how the case was handled, 1 to 5.

    Raises:
        NotFound: there is no such case.
    """
    return _act(store, case_id, partial(acts.rate, stars=stars, by=by, now=now), levels)


def mark(
    store: Store,
    case_id: int,
    kind: CaseEventKind,
    refs: Sequence[str],
    *,
    text: str = "",
    by: str,
    now: datetime,
    levels: ServiceLevels = DEFAULT_LEVELS,
) -> int:
    """Write down evidence, steps or offers; how many of them are new.

    Raises:
        NotFound: there is no such case.
        NotPossible: it was merged.
    """
    with store.write() as connection:
        case = store_cases.get(connection, case_id, for_change=True)
        events = store_cases.list_events(connection, case_id)
        move = acts.mark(case, events, kind, refs, text=text, by=by, now=now)
        save(connection, move, levels)
        return len(move.events)


def choose(
    store: Store,
    case_id: int,
    remedy: Remedy,
    amount: Money | None,
    *,
    text: str = "",
    by: str,
    now: datetime,
    levels: ServiceLevels = DEFAULT_LEVELS,
) -> Case:
    """Keep the remedy that the customer chose, and what it costs.

    Raises:
        NotFound: there is no such case.
        NotPossible: the remedy needs an amount, or the case was merged.
    """
    decide = partial(acts.choose, remedy=remedy, amount=amount, text=text, by=by, now=now)
    return _act(store, case_id, decide, levels)


def correct(
    store: Store,
    case_id: int,
    *,
    by: str,
    now: datetime,
    reason: str = "",
    severity: Severity | None = None,
    best_channel: str = "",
    best_time: str = "",
    levels: ServiceLevels = DEFAULT_LEVELS,
) -> Case:
    """Put reason, severity, best channel or time right.

    Raises:
        NotFound: there is no such case, or no such reason.
        NotPossible: the case was merged.
    """
    decide = partial(
        acts.correct,
        by=by,
        now=now,
        reason=reason,
        severity=severity,
        best_channel=best_channel,
        best_time=best_time,
    )
    return _act(store, case_id, decide, levels)


def link_dispute(
    store: Store,
    case_id: int,
    told: Dispute,
    *,
    by: str,
    now: datetime,
    levels: ServiceLevels = DEFAULT_LEVELS,
) -> Case:
    """Keep what the marketplace says about the dispute behind a case.

    Raises:
        NotFound: there is no such case.
        NotPossible: another case has this dispute, or what is told cannot be.
    """
    with store.write() as connection:
        case = store_cases.get(connection, case_id, for_change=True)
        other = store_cases.find_by_dispute(connection, told.number) if told.number else None
        if other is not None and other.id != case_id:
            raise NotPossible(
                Sentence("dispute {number} belongs to case {id}", number=told.number, id=other.id),
                hint=Sentence(
                    "the same matter? `crm-mailer case merge {id} {other}`",
                    id=case_id,
                    other=other.id,
                ),
            )
        window, place = levels.dispute_window, levels.calendar.place
        move = marketplace.link(case, told, by=by, now=now, window=window, place=place)
        save(connection, move, levels)
        return store_cases.get(connection, case_id)


def merge(
    store: Store,
    case_id: int,
    into_id: int,
    *,
    by: str,
    now: datetime,
    levels: ServiceLevels = DEFAULT_LEVELS,
) -> Case:
    """Put a case into another one of the same customer; the one that goes on. Twice does nothing.

    Raises:
        NotFound: there is no such case.
        NotPossible: they cannot be one.
    """
    with store.write() as connection:
        store_cases.lock_customer(connection, store_cases.get(connection, case_id).customer_id)
        found = {
            number: store_cases.get(connection, number, for_change=True)
            for number in sorted({case_id, into_id})
        }
        gone, grown = acts.merge(found[case_id], found[into_id], by=by, now=now)
        save(connection, gone, levels)
        save(connection, grown, levels)
        return store_cases.get(connection, into_id)


def finish_task(store: Store, task_id: int, *, now: datetime) -> Task:
    """Mark a task as done.

    Raises:
        NotFound: there is no such task.
        NotPossible: it was done before.
    """
    with store.write() as connection:
        return store_tasks.finish(connection, task_id, now)


def _act(store: Store, case_id: int, decide: Callable[[Case], Move], levels: ServiceLevels) -> Case:
    with store.write() as connection:
        case = store_cases.get(connection, case_id, for_change=True)
        move = decide(case)
        save(connection, move, levels)
        return store_cases.get(connection, case_id)
