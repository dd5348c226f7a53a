"""The courses of one customer, with the mails that have left."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from crm_mailer.store import tables as t
from crm_mailer.store.curve_states import LEFT
from crm_mailer.store.engine import Instant


@dataclass(frozen=True, slots=True, kw_only=True)
class CourseRow:
    """One course as it is kept, and when its mails left."""

    campaign: str
    anchor: str
    order_id: int | None
    anchored_at: datetime
    first_half_life: float
    retention: float
    next_at: datetime | None
    ended: str
    why: str
    ended_at: datetime | None
    left: tuple[datetime, ...]
    #: With what was heard of the last mail.
    misses: float = 0.0
    #: The mail that is planned; the place of the last step that was used.
    step: str = ""
    place: int = 0
    #: Until when a paused course still listens.
    listens_until: datetime | None = None


def of_customer(
    connection: sa.Connection, customer_id: int, *, campaign: str = ""
) -> list[CourseRow]:
    """The customer's courses, the newest first."""
    course = t.curve_states.c
    query = (
        sa.select(t.curve_states)
        .where(course.customer_id == customer_id)
        .order_by(course.anchored_at.desc(), course.campaign)
    )
    if campaign:
        query = query.where(course.campaign == campaign)
    mails = _mails(connection, customer_id)
    return [
        CourseRow(
            campaign=row.campaign,
            anchor=row.anchor,
            order_id=row.order_id,
            anchored_at=row.anchored_at,
            first_half_life=row.first_half_life,
            retention=row.retention,
            next_at=row.due_at if not row.ended else None,
            ended=row.ended,
            why=row.why,
            ended_at=row.ended_at,
            left=tuple(mails.get((row.campaign, row.anchor), ())),
            misses=row.next_misses,
            step=row.step,
            place=row.place,
            listens_until=row.listens_until,
        )
        for row in connection.execute(query)
    ]


def count_of(connection: sa.Connection, campaign: str) -> dict[str, int]:
    """How many courses of a campaign go on (empty text), are paused, done and so on."""
    course = t.curve_states.c
    query = (
        sa.select(course.ended, sa.func.count().label("courses"))
        .where(course.campaign == campaign)
        .group_by(course.ended)
    )
    return {row.ended: row.courses for row in connection.execute(query)}


def _mails(connection: sa.Connection, customer_id: int) -> dict[tuple[str, str], list[datetime]]:
    touch = t.touches.c
    left_at = sa.type_coerce(sa.func.coalesce(touch.settled_at, touch.due_at), Instant)
    query = (
        sa.select(touch.campaign, touch.anchor, left_at)
        .where(touch.customer_id == customer_id, touch.state.in_(LEFT))
        .order_by(left_at)
    )
    found: dict[tuple[str, str], list[datetime]] = {}
    for campaign, anchor, at in connection.execute(query):
        found.setdefault((campaign, anchor), []).append(at)
    return found
