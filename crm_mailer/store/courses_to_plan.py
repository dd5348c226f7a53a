"""Courses of the adaptive curve whose next touch is to be planned, moved or ended, page by page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from crm_mailer.model.campaign import Campaign
from crm_mailer.model.consent import ConsentRules
from crm_mailer.model.curve import Ending
from crm_mailer.store import exits
from crm_mailer.store import tables as t
from crm_mailer.store.curve_states import HAS_TODO, RESTS, TO_END, TO_PLAN
from crm_mailer.store.engine import Instant
from crm_mailer.store.occasions import Occasion
from crm_mailer.store.touches import UNSENT, standing_columns, standing_of

_course, _touch = t.curve_states.c, t.touches.c


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenCourse:
    """A course and its customer, as an occasion; `place` steps of it are used."""

    occasion: Occasion
    place: int
    last_at: datetime
    wanted_at: datetime
    step: str
    #: The touch that is planned already, and when it is due; None where there is none.
    touch_id: int | None
    due_at: datetime | None
    #: The planned touch is on its way or gone: it cannot be moved.
    is_leaving: bool
    #: An exit condition is met, or a newer event has begun the campaign anew.
    is_exited: bool
    is_superseded: bool
    #: Why the course has ended; None: it has not.
    ended: Ending | None = None
    why: str = ""


def page(
    connection: sa.Connection,
    campaign: Campaign,
    *,
    size: int,
    consent: ConsentRules,
    now: datetime,
    todo: int = TO_PLAN,
) -> list[OpenCourse]:
    """The next courses to plan, or with something else to be done, in the order of customers."""
    source = t.curve_states.join(t.customers, t.customers.c.id == _course.customer_id).outerjoin(
        t.touches,
        sa.and_(
            _touch.campaign == _course.campaign,
            _touch.step == _course.step,
            _touch.anchor == _course.anchor,
            _touch.customer_id == _course.customer_id,
        ),
    )
    person = t.customers.c
    met = exits.conditions(
        campaign,
        customer_id=_course.customer_id,
        order_id=_course.order_id,
        anchored_at=_course.anchored_at,
    )
    query = (
        sa.select(
            t.curve_states,
            person.email,
            person.country,
            person.time_zone,
            *standing_columns(consent),
            _touch.id.label("touch_id"),
            _touch.state.label("touch_state"),
            _touch.due_at.label("touch_due_at"),
            sa.or_(sa.false(), *met).label("is_exited"),
            _has_newer(campaign).label("is_superseded"),
        )
        .select_from(source)
        .where(_course.campaign == campaign.id, HAS_TODO, _course.todo == todo)
        .order_by(_course.customer_id, _course.anchored_at)
        .limit(size)
    )
    return [_open_course(row, now) for row in connection.execute(query)]


def _has_newer(campaign: Campaign) -> sa.ColumnElement[bool]:
    if campaign.is_parallel:
        return sa.false()
    newer = t.curve_states.alias("newer").c
    return sa.exists().where(
        newer.customer_id == _course.customer_id,
        newer.campaign == _course.campaign,
        newer.anchored_at > _course.anchored_at,
    )


def _open_course(row: Any, now: datetime) -> OpenCourse:
    occasion = Occasion(
        key=row.customer_id,
        customer_id=row.customer_id,
        email=row.email or "",
        country=row.country,
        time_zone=row.time_zone,
        standing=standing_of(row, now),
        anchor=row.anchor,
        at=row.anchored_at,
        order_id=row.order_id,
    )
    return OpenCourse(
        occasion=occasion,
        place=row.place,
        last_at=row.last_at,
        wanted_at=row.wanted_at,
        step=row.step,
        touch_id=row.touch_id,
        due_at=row.touch_due_at,
        is_leaving=row.touch_state is not None and row.touch_state not in UNSENT,
        is_exited=bool(row.is_exited),
        is_superseded=bool(row.is_superseded),
        ended=Ending(row.ended) if row.ended else None,
        why=row.why,
    )


def planned(
    connection: sa.Connection,
    campaign: Campaign,
    courses: Sequence[tuple[OpenCourse, str, datetime]],
) -> None:
    """Note the step and the time of each course's next touch; nothing is left to do for it."""
    statement = _of_course(campaign).values(
        step=sa.bindparam("new_step"), due_at=sa.bindparam("new_due", type_=Instant), todo=RESTS
    )
    rows = [
        {**_key(course), "new_step": step, "new_due": due_at} for course, step, due_at in courses
    ]
    if rows:
        connection.execute(statement, rows)


def stopped(
    connection: sa.Connection,
    campaign: Campaign,
    courses: Sequence[tuple[OpenCourse, Ending, str]],
    *,
    now: datetime,
) -> None:
    """End these courses: customer cannot be written to any more, or no step is left."""
    statement = _of_course(campaign).values(
        ended=sa.bindparam("new_end"), why=sa.bindparam("new_why"), ended_at=now, todo=TO_END
    )
    rows = [
        {**_key(course), "new_end": ending.value, "new_why": why} for course, ending, why in courses
    ]
    if rows:
        connection.execute(statement, rows)


def move(connection: sa.Connection, touches: Sequence[tuple[int, datetime, datetime]]) -> None:
    """Give planned touches another time: (id, due, expires). What is leaving stays."""
    statement = (
        sa.update(t.touches)
        .where(_touch.id == sa.bindparam("touch"), _touch.state.in_(("planned", "held")))
        .values(
            due_at=sa.bindparam("due", type_=Instant),
            next_at=sa.bindparam("due", type_=Instant),
            expires_at=sa.bindparam("expires", type_=Instant),
        )
    )
    rows = [{"touch": id_, "due": due, "expires": expires} for id_, due, expires in touches]
    if rows:
        connection.execute(statement, rows)


def rest(connection: sa.Connection, campaign: Campaign, courses: Sequence[OpenCourse]) -> None:
    """These courses, which have ended, have nothing left to do."""
    statement = _of_course(campaign).values(todo=RESTS, step="", due_at=None)
    if courses:
        connection.execute(statement, [_key(course) for course in courses])


def _of_course(campaign: Campaign) -> sa.Update:
    return sa.update(t.curve_states).where(
        _course.customer_id == sa.bindparam("of_customer"),
        _course.campaign == campaign.id,
        _course.anchor == sa.bindparam("of_anchor"),
    )


def _key(course: OpenCourse) -> dict[str, Any]:
    return {"of_customer": course.occasion.customer_id, "of_anchor": course.occasion.anchor}
