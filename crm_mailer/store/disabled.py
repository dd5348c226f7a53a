"""Mailboxes that are switched off (5.2.1): one refusal may pass, a second one is the end."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

import sqlalchemy as sa

from crm_mailer.model import address as addresses
from crm_mailer.model.delivery import Outcome, OutcomeKind
from crm_mailer.model.suppression import SuppressionReason
from crm_mailer.store import suppressions
from crm_mailer.store.tables import bounces, deliveries, messages, touches

#: RFC 3463: the mailbox exists and may not be used.
STATUS = "5.2.1"
#: How far apart two refusals may be to count together.
WITHIN = timedelta(days=30)


def bury(connection: sa.Connection, rows: Sequence[tuple[int, Outcome, datetime]]) -> int:
    """Suppress addresses whose mailbox was switched off before; how many are new.

    Args:
        connection: in a write transaction, after the attempts themselves were kept.
        rows: (touch id, outcome, when) of attempts that met a mailbox that is switched off.
    """
    number = 0
    for touch_id, outcome, at in rows:
        if outcome.kind is not OutcomeKind.REFUSED:
            continue
        address = connection.scalar(
            sa.select(messages.c.rcpt_to).where(messages.c.touch_id == touch_id)
        )
        if address and is_second(connection, address, at, touch_id=touch_id):
            number += suppressions.add(
                connection,
                address,
                SuppressionReason.HARD_BOUNCE,
                source=f"smtp:touch:{touch_id}: switched off twice",
                at=at,
                evidence=f"{outcome.code} {outcome.status} {outcome.text}",
            )
    return number


def is_second(connection: sa.Connection, address: str, at: datetime, *, touch_id: int) -> bool:
    """Whether another mail than this one met a switched-off mailbox within the last 30 days.

    What a server said counts, and what came back as a bounce.
    """
    own = sa.select(touches.c.customer_id).where(touches.c.id == touch_id).scalar_subquery()
    said = (
        sa.select(deliveries.c.id)
        .join_from(touches, deliveries, deliveries.c.touch_id == touches.c.id)
        .join(messages, messages.c.touch_id == touches.c.id)
        .where(
            touches.c.customer_id == own,
            touches.c.id != touch_id,
            deliveries.c.status == STATUS,
            deliveries.c.outcome == OutcomeKind.REFUSED.value,
            deliveries.c.at >= at - WITHIN,
            messages.c.rcpt_to == address,
        )
    )
    came_back = sa.select(bounces.c.id).where(
        bounces.c.recipient == addresses.key(address),
        bounces.c.status == STATUS,
        bounces.c.at >= at - WITHIN,
        bounces.c.touch_id.is_distinct_from(touch_id),
    )
    return any(connection.execute(query.limit(1)).first() for query in (said, came_back))
