"""What customers were planned already: read once, however many campaigns ask for it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, NamedTuple

import sqlalchemy as sa

from crm_mailer.model.campaign import Stream
from crm_mailer.model.touch import TouchState
from crm_mailer.store import bulk
from crm_mailer.store import tables as t
from crm_mailer.store.engine import Instant
from crm_mailer.store.prepared import Prepared
from crm_mailer.store.touches import UNSENT, Event, begun

#: So many courses of one campaign are kept once for all who have the same. Few customers have
#: more, and to look up all of them after each one would take the square of their number.
SHORT = 8
#: Customers that one statement asks for: their courses are many times as many.
AT_ONCE = 1_000
_LEFT = (TouchState.ACCEPTED, TouchState.IN_DOUBT)


class Slot(NamedTuple):
    """A marketing mail that left or is to leave `at`; `event` is what it is about."""

    at: datetime
    campaign: str
    event: Event
    is_unsent: bool
    #: Of what waits in the table: its number, 0 else, and when its time is over.
    touch_id: int = 0
    expires_at: datetime | None = None


class Course(NamedTuple):
    """A campaign's mails about one event: when the last of them is due, and the last unsent one."""

    event: Event
    due_at: datetime
    unsent_at: datetime | None


@dataclass(slots=True)
class Past:
    """One customer's slots, and the courses of each campaign."""

    slots: list[Slot] = field(default_factory=list)
    courses: dict[str, tuple[Course, ...] | list[Course]] = field(default_factory=dict)


class Reader:
    """Reads pasts. What is equal is kept once: campaigns with one anchor have the same courses,
    and there may be a hundred for each customer.
    """

    def __init__(self) -> None:
        self._same: dict[Any, Any] = {}

    def of_customers(
        self, connection: sa.Connection, customer_ids: Sequence[int], since: datetime
    ) -> dict[int, Past]:
        """The past of each of these customers, as far as it is due from `since` on."""
        found = {one: Past() for one in customer_ids}
        asking, start = _courses(connection.dialect.name), bulk.seconds(since)
        for ids in bulk.batches(customer_ids, AT_ONCE):
            for row in asking.rows(connection, {"ids": json.dumps(ids), "since": start}):
                self._read(found[row[0]], row)
            for one in ids:
                courses = found[one].courses
                for campaign, own in courses.items():
                    if isinstance(own, list):
                        courses[campaign] = self._once(tuple(sorted(own)))
        return found

    def add(self, past: Past, campaign: str, course: Course) -> None:
        """The campaign has a course more."""
        courses = past.courses.get(campaign, ())
        if isinstance(courses, list):
            courses.append(course)
        elif len(courses) < SHORT:
            past.courses[campaign] = self._once((*courses, course))
        else:
            past.courses[campaign] = [*courses, course]

    def forget(self) -> None:
        """No past is kept any more."""
        self._same.clear()

    def _once(self, courses: tuple[Course, ...]) -> tuple[Course, ...]:
        same: tuple[Course, ...] = self._same.setdefault(courses, courses)
        return same

    def _read(self, past: Past, row: Any) -> None:
        _, campaign, anchored_at, anchor, due_at, unsent_at, leaving, gone = row
        campaign = self._same.setdefault(campaign, campaign)
        event = _instant(anchored_at), anchor
        event = self._same.setdefault(event, event)
        unsent = None if unsent_at is None else _instant(unsent_at)
        self.add(past, campaign, Course(event, _instant(due_at), unsent))
        if leaving:
            past.slots += [_waiting(one, campaign, event) for one in leaving.split()]
        if gone:
            past.slots += [Slot(_instant(int(at)), campaign, event, False) for at in gone.split()]


def _waiting(told: str, campaign: str, event: Event) -> Slot:
    at, touch_id, end = told.split(":")
    expires_at = _instant(int(end)) if end else None
    return Slot(_instant(int(at)), campaign, event, True, int(touch_id), expires_at)


@lru_cache(maxsize=65_536)
def _instant(seconds: int) -> datetime:
    """Many mails share their moment, and making one takes longer than looking it up."""
    return datetime.fromtimestamp(seconds, UTC)


@lru_cache(maxsize=2)
def _courses(dialect: str) -> Prepared:
    """One row for each course of the customers `ids`: with its marketing mails, unsent ones and
    others, as moments with blanks between; unsent ones with their number and their end.

    Each touch is read once: they lie all over a large table.
    """
    touch = t.touches.c
    is_unsent = touch.state.in_(UNSENT)
    left = touch.state.in_(_LEFT)
    moment = sa.case(
        (left, sa.func.coalesce(touch.settled_at, touch.due_at)),
        else_=sa.func.coalesce(touch.next_at, touch.due_at),
    )
    is_other = sa.or_(left, touch.state == TouchState.CLAIMED.value)
    is_marketing = touch.stream == Stream.MARKETING.value
    at = sa.cast(moment, sa.Text)
    end = sa.func.coalesce(sa.cast(touch.expires_at, sa.Text), "")
    known = at + ":" + sa.cast(touch.id, sa.Text) + ":" + end
    moments = [
        sa.func.aggregate_strings(sa.case((sa.and_(is_marketing, is_so), told)), " ")
        for is_so, told in ((is_unsent, known), (is_other, at))
    ]
    names = (touch.customer_id, touch.campaign, touch.anchored_at, touch.anchor)
    query = sa.select(
        *names,
        sa.func.max(touch.due_at),
        sa.func.max(sa.case((is_unsent, touch.due_at))),
        *moments,
    )
    return Prepared(
        query.where(
            touch.customer_id.in_(bulk.given_ids(dialect)),
            touch.due_at >= sa.bindparam("since", type_=Instant),
            begun(),
        ).group_by(*names)
    )
