"""Ends what has not left: mails in a sender's hands, and marketing mails that a customer's trouble
makes out of place.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from crm_mailer.model.campaign import Stream
from crm_mailer.model.touch import SkipReason
from crm_mailer.store.claims import CANCELLED, CLAIMED
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


def mark(connection: sa.Connection, which: Sequence[sa.ColumnElement[bool]]) -> int:
    """Mark what senders have in their hands, so that it ends there; how many are newly marked.

    What has passed its sender's last look may still leave. What a sender writes about at this
    moment is passed over: to wait for each other's rows could go on for ever.

    Args:
        which: conditions over `touches`.
    """
    free = _unmarked(which).with_for_update(skip_locked=True)
    return connection.execute(
        sa.update(touches)
        .where(touches.c.id.in_(free.scalar_subquery()), CLAIMED)
        .values(reason=SkipReason.CANCELLED.value)
    ).rowcount


def has_unmarked(connection: sa.Connection, which: Sequence[sa.ColumnElement[bool]]) -> bool:
    """Whether senders still hold some of these that are not marked."""
    return connection.scalar(_unmarked(which).limit(1)) is not None


def _unmarked(which: Sequence[sa.ColumnElement[bool]]) -> sa.Select[Any]:
    return sa.select(touches.c.id).where(CLAIMED, *which, ~CANCELLED)


def list_marked(connection: sa.Connection, *, owner: str, fence: int) -> set[int]:
    """What `owner` has in its hands and somebody has marked to end."""
    query = sa.select(touches.c.id).where(
        CLAIMED, touches.c.owner == owner, touches.c.fence == fence, CANCELLED
    )
    return set(connection.scalars(query))
