"""What agents do with cases: each act is one transaction and one line in the case's log."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from crm_mailer.learning import disputes, followups
from crm_mailer.learning.learn import save
from crm_mailer.model.case import Case, Channel
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
        facts = store_cases.order_facts(connection, order_id)
        move = followups.open_by_hand(trouble, earlier, facts, by=by, now=now)
        return save(connection, move)


def note(
    store: Store, case_id: int, text: str, *, by: str, now: datetime, is_answer: bool = False
) -> Case:
    """Write a note; with `is_answer`, that the customer was answered.

    Raises:
        NotFound: there is no such case.
    """
    return _act(
        store, case_id, lambda case: followups.note(case, text, by=by, now=now, is_answer=is_answer)
    )


def assign(store: Store, case_id: int, owner: str, *, by: str, now: datetime) -> Case:
    """Give the case to somebody.

    Raises:
        NotFound: there is no such case.
    """
    return _act(store, case_id, lambda case: followups.assign(case, owner, by=by, now=now))


def close(
    store: Store, case_id: int, text: str, *, by: str, now: datetime, is_resolved: bool = False
) -> Case:
    """End the case: marketing to the customer may go on.

    Raises:
        NotFound: there is no such case.
        NotPossible: it ended before.
    """
    return _act(
        store,
        case_id,
        lambda case: followups.close(case, text, by=by, now=now, is_resolved=is_resolved),
    )


def reopen(store: Store, case_id: int, text: str, *, by: str, now: datetime) -> Case:
    """Take up a case that had ended.

    Raises:
        NotFound: there is no such case.
        NotPossible: it has not ended.
    """
    return _act(store, case_id, lambda case: followups.reopen(case, text, by=by, now=now))


def finish_task(store: Store, task_id: int, *, now: datetime) -> Task:
    """Mark a task as done.

    Raises:
        NotFound: there is no such task.
        NotPossible: it was done before.
    """
    with store.write() as connection:
        return store_tasks.finish(connection, task_id, now)


def _act(store: Store, case_id: int, decide: Callable[[Case], followups.Move]) -> Case:
    with store.write() as connection:
        case = store_cases.get(connection, case_id, for_change=True)
        move = decide(case)
        save(connection, move)
        return move.case
