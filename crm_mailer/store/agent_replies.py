"""What agents answered: the text of touches of kind `case_reply`, and what each one answers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from crm_mailer.model import address as addresses
from crm_mailer.model.agent_reply import AgentReply
from crm_mailer.model.campaign import Stream
from crm_mailer.model.consent import NEVER, RECORDED
from crm_mailer.model.errors import NotFound
from crm_mailer.model.reply import BounceKind, ReplyKind
from crm_mailer.model.sentence import Sentence
from crm_mailer.model.standing import Standing
from crm_mailer.model.task import TaskState
from crm_mailer.model.touch import TouchKind, TouchState
from crm_mailer.store import touches as touches_
from crm_mailer.store.engine import upsert
from crm_mailer.store.tables import (
    agent_replies,
    bounces,
    case_events,
    cases,
    deliveries,
    messages,
    orders,
    replies,
    tasks,
    touches,
)

#: Stands in the outbox where a campaign's name stands else.
CAMPAIGN, STEP = "case", "reply"
#: So many earlier letters are named in References: the first, which holds the thread, and the last.
MOST_REFERENCES = 12
#: A letter is one that a person wrote, be it to be left alone.
_LETTERS = (ReplyKind.HUMAN.value, ReplyKind.UNSUBSCRIBE.value)


@dataclass(frozen=True, slots=True, kw_only=True)
class Thread:
    """The Message-IDs under which an answer is filed by the customer's mail program."""

    in_reply_to: str = ""
    references: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """The customer's letter that is to be answered."""

    id: int
    sender: str
    subject: str
    text: str
    language: str
    reasons: tuple[str, ...]
    intent: str
    #: Without angle brackets.
    message_id: str
    received_at: datetime
    touch_id: int | None = None
    order_id: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AskedTask:
    """A task as somebody who answers it must know it."""

    id: int
    kind: str
    key: str
    text: str
    is_done: bool
    customer_id: int | None
    order_id: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """An answer that did not get through, and why."""

    touch_id: int
    customer_id: int
    order_id: int | None
    case_id: int | None
    task_id: int | None
    why: str


def add(connection: sa.Connection, reply: AgentReply, email: str, now: datetime) -> int | None:
    """Put the answer into the outbox; its number there, None where its key is there already."""
    made = connection.execute(
        upsert(connection, touches)
        .values(
            kind=TouchKind.CASE_REPLY.value,
            campaign=CAMPAIGN,
            step=STEP,
            anchor=reply.key,
            customer_id=reply.customer_id,
            order_id=reply.order_id,
            stream=Stream.TRANSACTIONAL.value,
            provider=addresses.provider(email),
            template="",
            anchored_at=now,
            due_at=now,
            next_at=now,
            planned_at=now,
            state=TouchState.PLANNED.value,
        )
        .on_conflict_do_nothing(index_elements=["campaign", "step", "anchor", "customer_id"])
        .returning(touches.c.id)
    ).scalar_one_or_none()
    if made is None:
        return None
    names = "subject text case_id task_id reply_id in_reply_to references template language by"
    values = {name: getattr(reply, name) for name in names.split()}
    connection.execute(agent_replies.insert().values(touch_id=made, at=now, **values))
    return int(made)


def find(connection: sa.Connection, touch_ids: Sequence[int]) -> dict[int, AgentReply]:
    """The agents' letters among these touches."""
    rows = connection.execute(
        sa.select(agent_replies, touches.c.anchor, touches.c.customer_id, touches.c.order_id)
        .join(touches, touches.c.id == agent_replies.c.touch_id)
        .where(agent_replies.c.touch_id.in_(touch_ids))
    )
    return {row.touch_id: _reply(row) for row in rows}


def count(connection: sa.Connection, key: str) -> int:
    """How many answers there are whose key begins so."""
    query = sa.select(sa.func.count()).where(
        touches.c.campaign == CAMPAIGN,
        touches.c.step == STEP,
        # a range that the unique index serves; `:` is followed by `;`
        touches.c.anchor >= f"{key}:",
        touches.c.anchor < f"{key};",
    )
    return connection.scalar(query) or 0


def find_letter(connection: sa.Connection, case_id: int) -> Letter | None:
    """The last letter of a case and of those merged into it; None where there is none."""
    together = sa.select(cases.c.id).where(
        sa.or_(cases.c.id == case_id, cases.c.merged_into_id == case_id)
    )
    row = connection.execute(
        sa.select(replies)
        .join(case_events, case_events.c.reply_id == replies.c.id)
        .where(case_events.c.case_id.in_(together), replies.c.kind.in_(_LETTERS))
        .order_by(replies.c.received_at.desc(), replies.c.id.desc())
        .limit(1)
    ).first()
    return None if row is None else _letter(row)


def get_letter(connection: sa.Connection, reply_id: int) -> Letter | None:
    """The letter with this number."""
    row = connection.execute(sa.select(replies).where(replies.c.id == reply_id)).first()
    return None if row is None else _letter(row)


def find_thread(connection: sa.Connection, letter: Letter | None) -> Thread:
    """Where the answer to a letter belongs; empty where the letter has no name of its own."""
    if letter is None or not letter.message_id:
        return Thread()
    before = connection.execute(
        sa.select(messages.c.message_id, agent_replies.c.references)
        .outerjoin(agent_replies, agent_replies.c.touch_id == messages.c.touch_id)
        .where(messages.c.touch_id == letter.touch_id)
    ).first()
    own = f"<{letter.message_id}>"
    names = [*(before.references or "").split(), before.message_id] if before else []
    names.append(own)
    if len(names) > MOST_REFERENCES:
        names = [names[0], *names[1 - MOST_REFERENCES :]]
    return Thread(in_reply_to=own, references=" ".join(names))


def get_task(connection: sa.Connection, task_id: int, *, for_change: bool = False) -> AskedTask:
    """The task with this number.

    Raises:
        NotFound: there is none.
    """
    query = sa.select(tasks).where(tasks.c.id == task_id)
    row = connection.execute(query.with_for_update() if for_change else query).first()
    if row is None:
        raise NotFound(
            Sentence("there is no task {task_id}", task_id=task_id),
            hint="`crm-mailer case tasks` lists what is open",
        )
    return AskedTask(
        id=row.id,
        kind=row.kind,
        key=row.key,
        text=row.text,
        is_done=row.state == TaskState.DONE,
        customer_id=row.customer_id,
        order_id=row.order_id,
    )


def list_failed(connection: sa.Connection, since: datetime, *, limit: int = 200) -> list[Failure]:
    """Answers written since then that did not get through, and of which nobody was told."""
    came_back = (
        sa.select(bounces.c.diagnostic)
        .where(bounces.c.touch_id == touches.c.id, bounces.c.kind != BounceKind.DELAY.value)
        .order_by(bounces.c.id)
        .limit(1)
        .scalar_subquery()
    )
    said = (
        sa.select(deliveries.c.text)
        .where(deliveries.c.touch_id == touches.c.id)
        .order_by(deliveries.c.attempt.desc())
        .limit(1)
        .scalar_subquery()
    )
    ended = (TouchState.REFUSED.value, TouchState.EXPIRED.value, TouchState.SKIPPED.value)
    rows = connection.execute(
        sa.select(
            agent_replies.c.touch_id,
            agent_replies.c.case_id,
            agent_replies.c.task_id,
            touches.c.customer_id,
            touches.c.order_id,
            touches.c.state,
            touches.c.reason,
            came_back.label("came_back"),
            said.label("said"),
        )
        .join(touches, touches.c.id == agent_replies.c.touch_id)
        .where(
            agent_replies.c.at >= since,
            agent_replies.c.failed_at.is_(None),
            sa.or_(touches.c.state.in_(ended), came_back.is_not(None)),
        )
        .order_by(agent_replies.c.touch_id)
        .limit(limit)
    )
    return [_failure(row) for row in rows]


def mark_failed(connection: sa.Connection, touch_id: int, now: datetime) -> bool:
    """Note that a person was told of a failure; False where that was done before."""
    done = connection.execute(
        agent_replies.update()
        .where(agent_replies.c.touch_id == touch_id, agent_replies.c.failed_at.is_(None))
        .values(failed_at=now)
    )
    return done.rowcount == 1


def find_standing(connection: sa.Connection, customer_id: int) -> Standing:
    """Whether the customer may be mailed, as far as an answer asks: laws on advertising aside."""
    return touches_.find_standing(connection, customer_id, consent=RECORDED, now=NEVER)


def list_order_ids(connection: sa.Connection, customer_id: int, *, limit: int = 20) -> list[int]:
    """The customer's last orders, newest first."""
    query = (
        sa.select(orders.c.id)
        .where(orders.c.customer_id == customer_id)
        .order_by(orders.c.placed_at.desc(), orders.c.id.desc())
        .limit(limit)
    )
    return list(connection.execute(query).scalars())


def _reply(row: Any) -> AgentReply:
    names = AgentReply.__dataclass_fields__.keys() - {"key"}
    return AgentReply(key=row.anchor, **{name: getattr(row, name) for name in names})


def _letter(row: Any) -> Letter:
    return Letter(
        id=row.id,
        sender=row.sender,
        subject=row.subject,
        text=row.own_text,
        language=row.language,
        reasons=tuple(row.reasons or ()),
        intent=row.intent or "",
        message_id=row.message_id,
        received_at=row.received_at,
        touch_id=row.touch_id,
        order_id=row.order_id,
    )


def _failure(row: Any) -> Failure:
    why = row.came_back or ""
    if row.state != TouchState.ACCEPTED:
        reason = row.reason.replace("_", " ")
        why = " ".join(part for part in (row.state, reason, row.said or "") if part)
    return Failure(
        touch_id=row.touch_id,
        customer_id=row.customer_id,
        order_id=row.order_id,
        case_id=row.case_id,
        task_id=row.task_id,
        why=" ".join(why.split())[:200],
    )
