"""Mails about a yearly day, of birth or of the first order, that turned out to be another."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta

import sqlalchemy as sa

from crm_mailer.model.touch import SkipReason, TouchState
from crm_mailer.store import bulk
from crm_mailer.store.tables import customers, touches
from crm_mailer.store.touches import UNSENT

#: A month and a day; None where it is not known any more.
Day = tuple[int | None, int | None]
#: Mails that did not leave; they do not stand in the way of those for the right day.
_NOT_LEFT = (*UNSENT, TouchState.SKIPPED, TouchState.EXPIRED)
#: Whatever the day, who is held out stays so, and what a person cancelled does not come back.
_FOR_GOOD = (SkipReason.HOLD_OUT, SkipReason.CANCELLED)
#: Wishes for birthdays longer ago are history.
_LATELY = timedelta(days=60)
#: Where an event is put that never was: before all others, so that it replaces none of them.
_NEVER = datetime.fromtimestamp(0, UTC)


def follow(connection: sa.Connection, told: Mapping[int, Day], *, now: datetime) -> int:
    """End the mails about birthdays that `told` (customer -> day) moves; how many did not leave.

    To be called before the new days are written. An ended mail keeps its row under another key, so
    that the next act of planning makes one for the right day; what has left is not sent twice.
    """
    moved = [
        row.id
        for ids in bulk.batches(told)
        for row in connection.execute(
            sa.select(customers.c.id, customers.c.birth_month, customers.c.birth_day).where(
                bulk.among(connection, customers.c.id, ids)
            )
        )
        if row.birth_month is not None and (row.birth_month, row.birth_day) != told[row.id]
    ]
    return _end_all(connection, moved, "birthday:", now)


def follow_first_orders(
    connection: sa.Connection, customer_ids: Sequence[int], *, now: datetime
) -> int:
    """The same for the anniversaries of customers whose first order was on another day than was
    known, or is none any more.
    """
    return _end_all(connection, customer_ids, "first_order:", now)


def _end_all(
    connection: sa.Connection, customer_ids: Sequence[int], anchors: str, now: datetime
) -> int:
    """End the mails of these customers whose anchors begin so."""
    return sum(_end(connection, ids, anchors, now) for ids in bulk.batches(customer_ids))


def _end(connection: sa.Connection, customer_ids: list[int], anchors: str, now: datetime) -> int:
    touch = touches.c
    is_unsent = touch.state.in_(UNSENT)
    done = connection.execute(
        sa.update(touches)
        .where(
            bulk.among(connection, touch.customer_id, customer_ids),
            touch.anchor.startswith(anchors, autoescape=True),
            touch.anchor.not_like("%#%"),
            touch.state.in_(_NOT_LEFT),
            touch.reason.not_in(_FOR_GOOD),
            touch.due_at >= now - _LATELY,
        )
        .values(
            anchor=touch.anchor + "#moved:" + sa.cast(touch.id, sa.Text),
            anchored_at=_NEVER,
            state=sa.case((is_unsent, TouchState.SKIPPED.value), else_=touch.state),
            reason=sa.case((is_unsent, SkipReason.NEW_ANCHOR.value), else_=touch.reason),
            settled_at=sa.case((is_unsent, sa.literal(now, touch.settled_at.type)),
                               else_=touch.settled_at),
            next_at=None,
        )
    )  # fmt: skip
    return int(done.rowcount)
