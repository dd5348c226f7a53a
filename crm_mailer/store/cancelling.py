"""Marketing mails that a customer's trouble makes out of place."""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa

from crm_mailer.model.campaign import Stream
from crm_mailer.store.tables import touches
from crm_mailer.store.touches import UNSENT


def list_out_of_place(
    connection: sa.Connection, customer_id: int, *, order_id: int | None, touch_id: int | None
) -> Sequence[int]:
    """Unsent marketing touches that nobody wants to get after a complaint.

    Those about the order in question (a request for a review, a care mail), and what else was to
    follow of the occasion whose mail the customer answered (a win-back's second mail).
    """
    answered = touches.alias("answered")
    is_sequel = sa.exists().where(
        answered.c.id == touch_id,
        answered.c.campaign == touches.c.campaign,
        answered.c.anchor == touches.c.anchor,
    )
    query = sa.select(touches.c.id).where(
        touches.c.customer_id == customer_id,
        touches.c.stream == Stream.MARKETING.value,
        touches.c.state.in_(UNSENT),
        sa.or_(touches.c.order_id == order_id, is_sequel),
    )
    return connection.execute(query).scalars().all()
