"""The outbox a page at a time: each page is found by an index, however many mails there are."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import Any

import sqlalchemy as sa

from crm_mailer.model.touch import TouchState
from crm_mailer.store import outbox
from crm_mailer.store import tables as t
from crm_mailer.store.outbox import OutboxLine, Wanted
from crm_mailer.store.touches import campaigns

#: Mails that are looked through for what no index finds, such as a word of the subject.
FAR = 20_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Sieve:
    """Which mails; what is empty or None does not narrow."""

    state: TouchState | None = None
    campaign: str = ""
    provider: str = ""
    customer_id: int | None = None
    #: This one alone.
    number: int | None = None
    #: A piece of the subject.
    subject: str = ""
    #: Handed over at this moment or later, and before that one.
    since: datetime | None = None
    until: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """Mails, the newest first, and where the next page begins; None: there is none."""

    lines: list[OutboxLine]
    after: int | None
    #: Mails that were looked through without finding more; 0 where an index found all.
    looked_through: int = 0


def page(connection: sa.Connection, sieve: Sieve, *, after: int | None, limit: int) -> Page:
    """The mails behind the mail `after`, by number."""
    if sieve.number is not None:
        return Page(lines=_lines(connection, [sieve.number]), after=None)
    if _is_loose(sieve):
        return _looked_through(connection, sieve, after, limit)
    if sieve.since is not None:
        return _handed_over(connection, sieve, after, limit)
    if sieve.customer_id is not None:
        ids: Iterable[int] = _of_customer(connection, sieve, after, limit + 1)
    else:
        ids = _by_number(connection, sieve, after, limit + 1)
    found = list(ids)
    last = found[limit - 1] if len(found) > limit else None
    return Page(lines=_lines(connection, found[:limit]), after=last)


def _looked_through(connection: sa.Connection, sieve: Sieve, after: int | None, limit: int) -> Page:
    """A piece of a subject, a provider: no index has them, so a stretch of mails is looked at."""
    touch, message = t.touches.c, t.messages.c
    near = _behind(sa.select(t.touches), after).order_by(touch.id.desc()).limit(FAR)
    if sieve.customer_id is not None:
        near = near.where(touch.customer_id == sieve.customer_id)
    elif sieve.campaign and sieve.state is not None:
        near = near.where(touch.campaign == sieve.campaign, touch.state == sieve.state.value)
    stretch = near.subquery()
    row = stretch.c
    query = sa.select(row.id).order_by(row.id.desc()).limit(limit + 1)
    asked = [(sieve.campaign, row.campaign), (sieve.provider, row.provider)]
    query = query.where(*(column == value for value, column in asked if value))
    if sieve.state is not None:
        query = query.where(row.state == sieve.state.value)
    if sieve.subject:
        has = message.subject.icontains(sieve.subject, autoescape=True)
        query = query.join_from(stretch, t.messages, message.touch_id == row.id).where(has)
    if sieve.since is not None:
        query = query.where(_tried(row.id, sieve))
    found = list(connection.scalars(query))
    if len(found) > limit:
        return Page(lines=_lines(connection, found[:limit]), after=found[limit - 1])
    looked, last = connection.execute(sa.select(sa.func.count(), sa.func.min(row.id))).one()
    end = last if looked == FAR else None
    return Page(lines=_lines(connection, found), after=end, looked_through=looked)


def _tried(touch_id: sa.ColumnElement[int], sieve: Sieve) -> sa.ColumnElement[bool]:
    delivery = t.deliveries.c
    return sa.exists().where(
        delivery.touch_id == touch_id, delivery.at >= sieve.since, delivery.at < sieve.until
    )


def _is_loose(sieve: Sieve) -> bool:
    """Whether something is asked that no index answers."""
    return bool(sieve.provider or sieve.subject)


def _by_number(
    connection: sa.Connection, sieve: Sieve, after: int | None, limit: int
) -> Iterable[int]:
    """By campaign and state, each of which the index has in order; merged."""
    touch = t.touches.c
    if sieve.state is None and not sieve.campaign:
        query = sa.select(touch.id).order_by(touch.id.desc()).limit(limit)
        return connection.scalars(_behind(query, after)).all()
    names = [sieve.campaign] if sieve.campaign else campaigns(connection)
    states = [sieve.state] if sieve.state is not None else list(TouchState)
    runs: list[Sequence[int]] = []
    for name in names:
        for state in states:
            query = (
                sa.select(touch.id)
                .where(touch.campaign == name, touch.state == state.value)
                .order_by(touch.id.desc())
                .limit(limit)
            )
            runs.append(connection.scalars(_behind(query, after)).all())
    return islice(heapq.merge(*runs, reverse=True), limit)


def _of_customer(
    connection: sa.Connection, sieve: Sieve, after: int | None, limit: int
) -> Sequence[int]:
    touch = t.touches.c
    query = sa.select(touch.id).where(touch.customer_id == sieve.customer_id, *_also(sieve))
    query = query.order_by(touch.id.desc()).limit(limit)
    return connection.scalars(_behind(query, after)).all()


def _handed_over(connection: sa.Connection, sieve: Sieve, after: int | None, limit: int) -> Page:
    """Tried last within a time, the latest first; pages go on behind an attempt, by number."""
    touch, delivery = t.touches.c, t.deliveries.c
    also = [touch.customer_id == sieve.customer_id] if sieve.customer_id is not None else []
    query = (
        sa.select(delivery.id, delivery.touch_id)
        .join_from(t.deliveries, t.touches, touch.id == delivery.touch_id)
        .where(delivery.at >= sieve.since, delivery.at < sieve.until, *_also(sieve), *also)
        .where(delivery.attempt == touch.attempts)
        .order_by(delivery.at.desc(), delivery.id.desc())
        .limit(limit + 1)
    )
    if after is not None:
        at = connection.scalar(sa.select(delivery.at).where(delivery.id == after))
        if at is not None:
            behind = sa.tuple_(sa.literal(at, delivery.at.type), sa.literal(after))
            query = query.where(sa.tuple_(delivery.at, delivery.id) < behind)
    rows = connection.execute(query).all()
    order = {row.touch_id: place for place, row in enumerate(rows[:limit])}
    lines = sorted(_lines(connection, list(order)), key=lambda line: order[line.id])
    return Page(lines=lines, after=rows[limit - 1].id if len(rows) > limit else None)


def _also(sieve: Sieve) -> list[sa.ColumnElement[bool]]:
    touch = t.touches.c
    asked = [(sieve.campaign, touch.campaign == sieve.campaign)]
    if sieve.state is not None:
        asked.append(("state", touch.state == sieve.state.value))
    return [condition for value, condition in asked if value]


def _lines(connection: sa.Connection, ids: Sequence[int]) -> list[OutboxLine]:
    if not ids:
        return []
    return outbox.list_(connection, _These(numbers=tuple(ids)), limit=len(ids))


def _behind(query: sa.Select[Any], after: int | None) -> sa.Select[Any]:
    return query if after is None else query.where(t.touches.c.id < after)


@dataclass(frozen=True, slots=True, kw_only=True)
class _These(Wanted):
    """Certain mails."""

    numbers: tuple[int, ...] = ()

    def conditions(self) -> list[sa.ColumnElement[bool]]:
        """As a condition over `touches`."""
        return [t.touches.c.id.in_(self.numbers)]


# ------------------------------------------------------------------ one mail


@dataclass(frozen=True, slots=True, kw_only=True)
class Echo:
    """What came of a mail: a click, an open, an answer, a case."""

    at: datetime
    kind: str
    text: str
    #: The number of the answer or the case.
    number: int | None = None


def echoes(connection: sa.Connection, touch_id: int, limit: int = 50) -> list[Echo]:
    """What came of a mail, the first first."""
    event, reply = t.web_events.c, t.replies.c
    seen = connection.execute(
        sa.select(event.at, event.kind, event.agent)
        .where(event.touch_id == touch_id)
        .order_by(event.at)
        .limit(limit)
    )
    wrote = connection.execute(
        sa.select(reply.received_at, reply.kind, reply.intent, reply.subject, reply.id)
        .where(reply.touch_id == touch_id)
        .order_by(reply.received_at)
        .limit(limit)
    )
    found = [Echo(at=row.at, kind=row.kind, text=row.agent[:80]) for row in seen]
    found += [
        Echo(at=row.received_at, kind=row.intent or row.kind, text=row.subject, number=row.id)
        for row in wrote
    ]
    return sorted(found, key=lambda one: one.at)


def count_states(connection: sa.Connection) -> dict[str, int]:
    """How many mails are in each state; reads an index from end to end."""
    state = t.touches.c.state
    query = sa.select(state, sa.func.count()).group_by(state)
    return dict(connection.execute(query).all())
