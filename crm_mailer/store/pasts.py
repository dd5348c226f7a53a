"""What customers were planned already: read once, however many campaigns ask for it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from typing import Any, NamedTuple

import sqlalchemy as sa

from crm_mailer.model.campaign import Stream
from crm_mailer.model.touch import TouchState
from crm_mailer.store import bulk
from crm_mailer.store import tables as t
from crm_mailer.store.engine import Instant
from crm_mailer.store.touches import UNSENT, Event

_LEFT = (TouchState.ACCEPTED, TouchState.IN_DOUBT)
_WAITING = (*UNSENT, TouchState.CLAIMED)


class Slot(NamedTuple):
    """A marketing mail that left or is to leave `at`; `event` is what it is about."""

    at: datetime
    campaign: str
    event: Event
    is_unsent: bool


class Course(NamedTuple):
    """A campaign's mails about one event: when the last of them is due, and the last unsent one."""

    event: Event
    due_at: datetime
    unsent_at: datetime | None


@dataclass(slots=True)
class Past:
    """One customer's slots, and the courses of each campaign."""

    slots: list[Slot] = field(default_factory=list)
    courses: dict[str, list[Course]] = field(default_factory=dict)


def of_customers(
    connection: sa.Connection, customer_ids: Sequence[int], since: datetime
) -> dict[int, Past]:
    """The past of each of these customers, as far as it is due from `since` on."""
    found = {one: Past() for one in customer_ids}
    dialect = connection.dialect.name
    for ids in bulk.batches(customer_ids):
        given = {"ids": json.dumps(ids), "since": since}
        for row in connection.execute(_slots(dialect), given):
            customer_id, at, campaign, anchored_at, anchor, is_unsent = row
            slot = Slot(at, campaign, (anchored_at, anchor), bool(is_unsent))
            found[customer_id].slots.append(slot)
        for row in connection.execute(_courses(dialect), given):
            customer_id, campaign, anchored_at, anchor, due_at, unsent_at = row
            course = Course((anchored_at, anchor), due_at, unsent_at)
            found[customer_id].courses.setdefault(campaign, []).append(course)
    return found


def _near(dialect: str) -> sa.ColumnElement[bool]:
    """Touches of the customers `ids`, due from `since` on."""
    touch = t.touches.c
    return sa.and_(
        touch.customer_id.in_(bulk.given_ids(dialect)),
        touch.due_at >= sa.bindparam("since", type_=Instant),
    )


@lru_cache(maxsize=2)
def _slots(dialect: str) -> sa.Select[Any]:
    touch = t.touches.c
    left = touch.state.in_(_LEFT)
    moment = sa.case(
        (left, sa.func.coalesce(touch.settled_at, touch.due_at)),
        else_=sa.func.coalesce(touch.next_at, touch.due_at),
    )
    return sa.select(
        touch.customer_id,
        sa.type_coerce(moment, Instant),
        touch.campaign,
        touch.anchored_at,
        touch.anchor,
        touch.state.in_(UNSENT),
    ).where(
        _near(dialect),
        touch.stream == Stream.MARKETING.value,
        touch.state.in_((*_LEFT, *_WAITING)),
    )


@lru_cache(maxsize=2)
def _courses(dialect: str) -> sa.Select[Any]:
    touch = t.touches.c
    unsent = sa.case((touch.state.in_(UNSENT), touch.due_at))
    names = (touch.customer_id, touch.campaign, touch.anchored_at, touch.anchor)
    return (
        sa.select(
            *names,
            sa.func.max(touch.due_at, type_=Instant),
            sa.func.max(unsent, type_=Instant),
        )
        .where(_near(dialect))
        .group_by(*names)
    )
