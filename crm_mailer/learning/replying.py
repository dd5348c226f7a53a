"""An agent's answer goes into the outbox and hands the customer the turn; a failed one is told."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from crm_mailer.learning import acts, filing, followups, sayings
from crm_mailer.model.agent_reply import AgentReply
from crm_mailer.model.case import Case, CaseEvent, CaseEventKind, CaseState
from crm_mailer.model.errors import NotPossible
from crm_mailer.model.sentence import Sentence
from crm_mailer.model.sla import DEFAULT_LEVELS, ServiceLevels
from crm_mailer.model.task import NewTask, TaskKind
from crm_mailer.store import agent_replies
from crm_mailer.store import cases as store_cases
from crm_mailer.store import tasks as store_tasks
from crm_mailer.store.agent_replies import Failure
from crm_mailer.store.engine import Connection, Store

#: A mail comes back within days, or never.
LOOKS_BACK = timedelta(days=14)
ANSWER_IN = timedelta(hours=8)
_EXCERPT = 300


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """An answer in the outbox, and the case as it stands then."""

    touch_id: int
    case: Case | None = None


def answer(
    store: Store,
    reply: AgentReply,
    email: str,
    *,
    now: datetime,
    levels: ServiceLevels = DEFAULT_LEVELS,
) -> Sent:
    """Put an answer into the outbox. The case waits for the customer then, the task is done.

    All of it is one transaction, and the answer's key is unique: pressing twice sends once.

    Args:
        store: the shop's database.
        reply: the letter, with the case or the task that it answers.
        email: where it goes.
        now: the present instant.
        levels: the shop's times.

    Raises:
        NotFound: there is no such case or task.
        NotPossible: it was sent before, or the case or task is over.
    """
    with store.write() as connection:
        case = _case(connection, reply)
        _open_task(connection, reply)
        touch_id = agent_replies.add(connection, reply, email, now)
        if touch_id is None:
            raise NotPossible(
                "this letter was answered already", hint="--again sends another answer"
            )
        if reply.task_id is not None:
            store_tasks.finish(connection, reply.task_id, now)
        if case is None:
            return Sent(touch_id=touch_id)
        words = " ".join(reply.text.split())[:_EXCERPT]
        move = acts.note(case, words, by=reply.by, now=now, is_answer=True)
        return Sent(touch_id=touch_id, case=filing.save(connection, move, levels))


def take_back(
    store: Store, *, now: datetime, levels: ServiceLevels = DEFAULT_LEVELS
) -> list[Failure]:
    """Give answers that did not get through back to a person, each once.

    A case that waits for the customer is ours again; what else is owed becomes a task.
    """
    with store.read() as connection:
        found = agent_replies.list_failed(connection, now - LOOKS_BACK)
    told = []
    for failure in found:
        with store.write() as connection:
            if agent_replies.mark_failed(connection, failure.touch_id, now):
                _give_back(connection, failure, now, levels)
                told.append(failure)
    return told


def _case(connection: Connection, reply: AgentReply) -> Case | None:
    if reply.case_id is None:
        return None
    return acts.under_way(store_cases.get(connection, reply.case_id, for_change=True))


def _open_task(connection: Connection, reply: AgentReply) -> None:
    if reply.task_id is None:
        return
    if agent_replies.get_task(connection, reply.task_id, for_change=True).is_done:
        raise NotPossible(Sentence("task {task_id} is done already", task_id=reply.task_id))


def _give_back(
    connection: Connection, failure: Failure, now: datetime, levels: ServiceLevels
) -> None:
    words = sayings.NOT_THROUGH.format(why=failure.why)
    if failure.case_id is not None:
        case = store_cases.get(connection, failure.case_id, for_change=True)
        if case.state is CaseState.WAITING_CUSTOMER:
            after = followups.owe_an_answer(case)
            event = CaseEvent(kind=CaseEventKind.REOPENED, at=now, text=words)
            filing.save(connection, followups.Move(case=after, events=(event,)), levels)
            return
    what = sayings.REACH.format(what=words)
    if failure.case_id is not None:
        what = sayings.OF_CASE.format(number=failure.case_id, what=what)
    task = NewTask(
        kind=TaskKind.ANSWER,
        key=f"undelivered:{failure.touch_id}",
        text=what,
        due_at=now + ANSWER_IN,
        customer_id=failure.customer_id,
        order_id=failure.order_id,
    )
    store_tasks.add(connection, task, now)
