"""How often machines answered lately: two of them that answer each other never stop.

Whoever answers a mail by itself asks `is_looping` first, and is silent where it is so.
"""

from __future__ import annotations

from datetime import datetime, timedelta

import sqlalchemy as sa

from crm_mailer.model.reply import ReplyKind
from crm_mailer.store.tables import replies

#: So many machine mails of one sender, or about one mail of ours, within a day are a loop.
LOOP = 4
WITHIN = timedelta(days=1)
#: Kinds that answer by themselves. A bounce is an answer too, but one that nobody answers.
MACHINES = (ReplyKind.AUTO_REPLY, ReplyKind.CHALLENGE)


def count(connection: sa.Connection, sender: str, touch_id: int | None, until: datetime) -> int:
    """Machine mails in the day up to `until`, by a sender or about a mail of ours: the larger."""
    by_sender = _count(connection, replies.c.sender == sender, until) if sender else 0
    by_touch = _count(connection, replies.c.touch_id == touch_id, until) if touch_id else 0
    return max(by_sender, by_touch)


def is_looping(connection: sa.Connection, sender: str, touch_id: int | None, now: datetime) -> bool:
    """Whether an answer to this sender, or about this mail of ours, may feed a loop."""
    return count(connection, sender.casefold(), touch_id, now) >= LOOP


def _count(connection: sa.Connection, condition: sa.ColumnElement[bool], until: datetime) -> int:
    query = sa.select(sa.func.count()).where(
        condition,
        replies.c.kind.in_([kind.value for kind in MACHINES]),
        replies.c.received_at > until - WITHIN,
        replies.c.received_at <= until,
    )
    return connection.scalar(query) or 0
