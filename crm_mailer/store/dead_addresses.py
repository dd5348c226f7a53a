"""Addresses that a server named dead while it was asked: no stream may use them again."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import sqlalchemy as sa

from crm_mailer.model.delivery import Outcome
from crm_mailer.model.suppression import SuppressionReason
from crm_mailer.store import suppressions
from crm_mailer.store.bulk import every
from crm_mailer.store.tables import customers, messages, touches


def bury(connection: sa.Connection, rows: Sequence[tuple[int, Outcome, datetime]]) -> None:
    """Suppress the addresses of these touches, given with the server's words and their time."""
    if not rows:
        return
    words = {touch_id: (outcome, at) for touch_id, outcome, at in rows}
    # after a power cut the message itself may be lost
    mailed = sa.func.coalesce(messages.c.rcpt_to, customers.c.email)
    found = every(
        connection,
        sa.select(touches.c.id, mailed)
        .outerjoin(customers, customers.c.id == touches.c.customer_id)
        .outerjoin(messages, messages.c.touch_id == touches.c.id)
        .where(touches.c.id.in_(words), mailed.is_not(None)),
    )
    for touch_id, address in found:
        outcome, at = words[touch_id]
        suppressions.add(
            connection,
            address,
            SuppressionReason.HARD_BOUNCE,
            source=f"smtp:touch:{touch_id}",
            at=at,
            evidence=f"{outcome.code} {outcome.status} {outcome.text}",
        )
