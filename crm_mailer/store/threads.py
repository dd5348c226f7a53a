"""The words around a case as a page shows them: the latest letters, answers and mails."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from crm_mailer.model.reply import Evidence
from crm_mailer.store.replies import ReplyRow
from crm_mailer.store.tables import agent_replies, messages, replies, touches


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """One mail or call; `who` is customer, agent or shop."""

    at: datetime
    who: str
    channel: str
    subject: str
    #: What the writer wrote, and all of it with what was quoted.
    own_text: str
    full_text: str
    #: Who of us wrote, the customer's address, or the campaign of a mail.
    name: str = ""
    language: str = ""
    kind: str = ""
    intent: str = ""
    reasons: tuple[str, ...] = ()
    evidence: tuple[Evidence, ...] = ()
    #: The number in the inbox, and whether bytes of a mail lie behind it.
    reply_id: int | None = None
    has_bytes: bool = False
    #: The number in the outbox, and what became of it there.
    touch_id: int | None = None
    fate: str = ""
    template: str = ""


def of_case(
    connection: sa.Connection, customer_id: int, case_ids: Collection[int], *, limit: int
) -> list[Letter]:
    """The latest so many of each: what the customer wrote, our answers to these cases, our mails.

    Oldest first.
    """
    found = [
        *_theirs(connection, customer_id, limit),
        *_ours(connection, case_ids, limit),
        *_sent(connection, customer_id, limit),
    ]
    return sorted(found, key=lambda letter: letter.at)


def of_reply(reply: ReplyRow) -> Letter:
    """One letter of the inbox."""
    return _written(reply, reply.evidence)


def _written(row: Any, evidence: tuple[Evidence, ...]) -> Letter:
    """What a customer wrote: a row of the inbox, or of the table."""
    return Letter(
        at=row.received_at,
        who="customer",
        channel=row.channel,
        subject=row.subject,
        own_text=row.own_text,
        full_text=row.full_text or row.own_text,
        name=row.sender,
        language=row.language,
        kind=row.kind,
        intent=row.intent or "",
        reasons=tuple(row.reasons or ()),
        evidence=evidence,
        reply_id=row.id,
        has_bytes=row.inbound_id is not None,
    )


def _theirs(connection: sa.Connection, customer_id: int, limit: int) -> list[Letter]:
    rows = connection.execute(
        sa.select(replies)
        .where(replies.c.customer_id == customer_id, replies.c.is_copy.is_(False))
        .order_by(replies.c.received_at.desc(), replies.c.id.desc())
        .limit(limit)
    )
    return [_their(row) for row in rows]


def _their(row: sa.Row[Any]) -> Letter:
    return _written(row, tuple(Evidence(**told) for told in row.evidence or ()))


def _ours(connection: sa.Connection, case_ids: Collection[int], limit: int) -> list[Letter]:
    rows = connection.execute(
        sa.select(agent_replies, touches.c.state)
        .join(touches, touches.c.id == agent_replies.c.touch_id)
        .where(agent_replies.c.case_id.in_(case_ids))
        .order_by(agent_replies.c.at.desc())
        .limit(limit)
    )
    return [
        Letter(
            at=row.at,
            who="agent",
            channel="email",
            subject=row.subject,
            own_text=row.text,
            full_text=row.text,
            name=row.by,
            language=row.language,
            touch_id=row.touch_id,
            fate=row.state,
            template=row.template,
        )
        for row in rows
    ]


def _sent(connection: sa.Connection, customer_id: int, limit: int) -> list[Letter]:
    """Mails of campaigns: their texts are in the outbox."""
    answered = sa.select(agent_replies.c.touch_id).where(agent_replies.c.touch_id == touches.c.id)
    rows = connection.execute(
        sa.select(touches, messages.c.subject)
        .join(messages, messages.c.touch_id == touches.c.id)
        .where(touches.c.customer_id == customer_id, ~sa.exists(answered))
        .order_by(touches.c.due_at.desc(), touches.c.id.desc())
        .limit(limit)
    )
    return [
        Letter(
            at=row.settled_at or row.due_at,
            who="shop",
            channel="email",
            subject=row.subject,
            own_text="",
            full_text="",
            name=row.campaign,
            touch_id=row.id,
            fate=row.state,
        )
        for row in rows
    ]
