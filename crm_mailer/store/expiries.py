"""Mails that were put off until their time was over, by the fault of their recipient or of ours.

Nobody ever says no to them: a full mailbox that is never emptied answers "later" to the last.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import sqlalchemy as sa

from crm_mailer.model.delivery import Blame
from crm_mailer.store import facts
from crm_mailer.store.refusals import Refusal
from crm_mailer.store.tables import customers, deliveries, messages, refusals, touches

#: The fact that keeps how far was read, in seconds since 1970.
_READ = "expiries:read"
#: Two processes may commit out of turn: so far back is looked again.
_OVERLAP = timedelta(hours=1)


def list_new(connection: sa.Connection, limit: int) -> list[tuple[Refusal, Blame]]:
    """The last answers of such mails that nobody counted yet, the first that expired first."""
    mailed = sa.func.coalesce(messages.c.rcpt_to, customers.c.email)
    one = deliveries.c
    other = deliveries.alias()
    last = sa.select(sa.func.max(other.c.id)).where(other.c.touch_id == touches.c.id)
    since = datetime.fromtimestamp(facts.find(connection, _READ) or 0, UTC) - _OVERLAP
    query = (
        sa.select(one.id, one.touch_id, mailed, one.phase, one.code, one.status, one.text,
                  one.host, one.at, one.blame)
        .join_from(touches, deliveries, one.touch_id == touches.c.id)
        .outerjoin(customers, customers.c.id == touches.c.customer_id)
        .outerjoin(messages, messages.c.touch_id == one.touch_id)
        .where(
            sa.text("touches.state = 'expired'"),
            touches.c.settled_at >= max(since, datetime.fromtimestamp(0, UTC)),
            one.id == last.scalar_subquery(),
            one.outcome == "deferred",
            one.blame.in_((Blame.RECIPIENT.value, Blame.US.value)),
            ~sa.exists().where(refusals.c.delivery_id == one.id),
            mailed.is_not(None),
        )
        .order_by(touches.c.settled_at, one.id)
        .limit(limit)
    )  # fmt: skip
    return [(Refusal._make(row[:-1]), Blame(row[-1])) for row in connection.execute(query)]


def mark_read(connection: sa.Connection, now: datetime) -> None:
    """All that expired before now is counted."""
    facts.put(connection, _READ, int(now.timestamp()), now)
