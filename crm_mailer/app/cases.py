"""Verbs of agents: see cases, act on them, log what came by other ways than mail."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from crm_mailer import learning, listening
from crm_mailer.app.wiring import App
from crm_mailer.learning import LearnReport
from crm_mailer.model.case import UNDER_WAY, Case, CaseState, Channel
from crm_mailer.model.errors import NotPossible
from crm_mailer.model.task import Task
from crm_mailer.reporting import cases as reports
from crm_mailer.reporting.cases import CaseFile, CaseLine
from crm_mailer.store import cases as store_cases
from crm_mailer.store import directory, replies
from crm_mailer.store import tasks as store_tasks
from crm_mailer.store.replies import ReplyRow


@dataclass(frozen=True, slots=True, kw_only=True)
class Logged:
    """What a customer said, as it was understood, and the case that it became, if any."""

    reply: ReplyRow
    case: int | None


def learn(app: App, *, limit: int | None = None) -> LearnReport:
    """Give replies and reviews their effects."""
    return learning.learn(app.store, now=app.clock.now(), limit=limit)


def case_list(
    app: App,
    *,
    states: Collection[CaseState] = UNDER_WAY,
    owner: str | None = None,
    is_overdue: bool = False,
) -> list[CaseLine]:
    """Cases by due time."""
    now = app.clock.now()
    with app.store.read() as connection:
        listed = store_cases.list_cases(
            connection, states=states, owner=owner, overdue_at=now if is_overdue else None
        )
    return [reports.case_line(one, now) for one in listed]


def case_file(app: App, case_id: int) -> CaseFile:
    """All about one case."""
    return reports.case_file(app.store, case_id, now=app.clock.now(), place=app.zone)


def open_case(
    app: App, *, email: str, reason: str, order: str, text: str, channel: Channel, by: str
) -> int:
    """Open a case by hand; `order` is its number, or empty."""
    with app.store.read() as connection:
        customer_id = directory.find_customer(connection, email)
        order_id = store_cases.find_order(connection, order, customer_id) if order else None
    return learning.open_case(
        app.store,
        customer_id=customer_id,
        reason=reason,
        order_id=order_id,
        text=text,
        channel=channel,
        by=by,
        now=app.clock.now(),
    )


def note(app: App, case_id: int, text: str, *, by: str, is_answer: bool) -> Case:
    """Write a note on a case."""
    return learning.note(app.store, case_id, text, by=by, now=app.clock.now(), is_answer=is_answer)


def assign(app: App, case_id: int, owner: str, *, by: str) -> Case:
    """Give a case to somebody."""
    return learning.assign(app.store, case_id, owner, by=by, now=app.clock.now())


def close(app: App, case_id: int, text: str, *, by: str, is_resolved: bool) -> Case:
    """End a case."""
    return learning.close(
        app.store, case_id, text, by=by, now=app.clock.now(), is_resolved=is_resolved
    )


def reopen(app: App, case_id: int, text: str, *, by: str) -> Case:
    """Take up a case that had ended."""
    return learning.reopen(app.store, case_id, text, by=by, now=app.clock.now())


def tasks(app: App) -> list[Task]:
    """What agents should do besides cases, most urgent first."""
    with app.store.read() as connection:
        return store_tasks.list_open(connection)


def finish_task(app: App, task_id: int) -> Task:
    """Mark a task as done."""
    return learning.finish_task(app.store, task_id, now=app.clock.now())


def log_feedback(
    app: App, *, email: str, channel: Channel, text: str, order: str = "", rating: int | None = None
) -> Logged:
    """Log what a customer said by chat, phone or on a platform, and do what it asks for.

    Raises:
        NotFound: no such customer or order.
        NotPossible: there are no words.
    """
    if not text.strip():
        raise NotPossible("there are no words to log", hint="write what the customer said")
    now = app.clock.now()
    with app.store.read() as connection:
        customer_id = directory.find_customer(connection, email)
        order_id = store_cases.find_order(connection, order, customer_id) if order else None
    reply_id = listening.log_by_hand(
        app.store,
        customer_id=customer_id,
        channel=channel.value,
        text=text,
        order_id=order_id,
        at=now,
        words=app.words,
    )
    learning.learn(app.store, now=now)
    if rating is not None:
        learning.rate(app.store, reply_id, rating, now=now)
    with app.store.read() as connection:
        return Logged(
            reply=replies.get(connection, reply_id),
            case=store_cases.find_by_reply(connection, reply_id),
        )
