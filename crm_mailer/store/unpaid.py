"""Why orders are not paid: noted from answers, and by agents who asked."""

from __future__ import annotations

import sqlalchemy as sa

from crm_mailer.model.order import OrderState
from crm_mailer.model.unpaid import UnpaidReason
from crm_mailer.store.tables import orders


def note(connection: sa.Connection, order_id: int, reason: UnpaidReason) -> OrderState | None:
    """Keep the reason, in place of an older one, of an order that waits for its payment.

    Returns the order's state where it does not wait: then nothing is changed.
    """
    waits = orders.c.state == OrderState.PLACED.value
    statement = (
        sa.update(orders).where(orders.c.id == order_id, waits).values(unpaid_reason=reason.value)
    )
    if connection.execute(statement).rowcount:
        return None
    state = connection.scalar(sa.select(orders.c.state).where(orders.c.id == order_id))
    return OrderState(state) if state else None
