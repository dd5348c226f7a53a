"""Every word that was said around a customer: messages are evidence and are never deleted."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from crm_mailer.store.tables import agent_replies, messages, replies, touches


@dataclass(frozen=True, slots=True, kw_only=True)
class Word:
    """One mail or call, whole; `who` is customer, agent or shop."""

    at: datetime
    who: str
    channel: str
    subject: str
    text: str
    #: Who of us wrote, or the customer's address.
    name: str = ""
    language: str = ""
    message_id: str = ""
    #: The number of the letter in the inbox; None for what we wrote.
    reply_id: int | None = None
    #: What became of a mail of ours.
    fate: str = ""


def of_case(connection: sa.Connection, customer_id: int, case_ids: Collection[int]) -> list[Word]:
    """All that the customer wrote, our answers to these cases, and the mails we sent; by time."""
    words = [*_theirs(connection, customer_id), *_ours(connection, case_ids)]
    words += _sent(connection, customer_id)
    return sorted(words, key=lambda word: word.at)


def _theirs(connection: sa.Connection, customer_id: int) -> list[Word]:
    rows = connection.execute(
        sa.select(replies).where(replies.c.customer_id == customer_id, replies.c.is_copy.is_(False))
    )
    return [
        Word(
            at=row.received_at,
            who="customer",
            channel=row.channel,
            subject=row.subject,
            text=row.full_text or row.own_text,
            name=row.sender,
            language=row.language,
            message_id=row.message_id,
            reply_id=row.id,
        )
        for row in rows
    ]


def _ours(connection: sa.Connection, case_ids: Collection[int]) -> list[Word]:
    rows = connection.execute(
        sa.select(agent_replies, touches.c.state, messages.c.message_id)
        .join(touches, touches.c.id == agent_replies.c.touch_id)
        .outerjoin(messages, messages.c.touch_id == touches.c.id)
        .where(agent_replies.c.case_id.in_(case_ids))
    )
    return [
        Word(
            at=row.at,
            who="agent",
            channel="email",
            subject=row.subject,
            text=row.text,
            name=row.by,
            language=row.language,
            message_id=row.message_id or "",
            fate=row.state,
        )
        for row in rows
    ]


def _sent(connection: sa.Connection, customer_id: int) -> list[Word]:
    """Mails of campaigns: their subjects; their texts are in the outbox."""
    answered = sa.select(agent_replies.c.touch_id)
    rows = connection.execute(
        sa.select(touches, messages.c.subject, messages.c.message_id)
        .join(messages, messages.c.touch_id == touches.c.id)
        .where(touches.c.customer_id == customer_id, touches.c.id.not_in(answered))
    )
    return [
        Word(
            at=row.settled_at or row.due_at,
            who="shop",
            channel="email",
            subject=row.subject,
            text="",
            name=row.campaign,
            message_id=row.message_id,
            fate=row.state,
        )
        for row in rows
    ]
