"""Requests for links and pictures of mails: raw rows, and what they come to for a campaign."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

import sqlalchemy as sa

from crm_mailer.model.hit import WebHit
from crm_mailer.model.touch import TouchKind, TouchState
from crm_mailer.store import bulk, facts
from crm_mailer.store import tables as t
from crm_mailer.store.engine import Instant, upsert

#: Up to which row the raw rows were digested.
CURSOR = "web_events.digested"
_ADDED = ("kind", "touch_id", "link_id", "at", "agent", "address", "method")
#: Mails of which there may be something to see.
_LEFT = (TouchState.ACCEPTED.value, TouchState.IN_DOUBT.value)


class Event(NamedTuple):
    """A raw row."""

    id: int
    kind: str
    touch_id: int
    link_id: int | None
    at: datetime
    agent: str
    address: str
    method: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SeenMail:
    """The mail of a touch that has left; `links` is how many of them report."""

    touch_id: int
    customer_id: int
    campaign: str
    step: str
    arm: str
    left_at: datetime
    #: The customer's last order since then.
    ordered_at: datetime | None
    links: int


class FigureKey(NamedTuple):
    """What is counted; `link_id` is 0 for all links together, and for openings."""

    campaign: str
    step: str
    arm: str
    kind: str
    link_id: int


class Count(NamedTuple):
    """In how many mails, and how often."""

    mails: int
    hits: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One line of what was seen of a campaign's mails; `target` is empty for all links together."""

    step: str
    arm: str
    kind: str
    target: str
    mails: int
    hits: int


def add(connection: sa.Connection, hits: Sequence[WebHit]) -> None:
    """Note requests as they came; nothing is read, so the right to add is all that it takes."""
    rows = [
        (hit.kind, hit.touch_id, hit.link, hit.at, hit.agent, hit.address, hit.method)
        for hit in hits
    ]
    bulk.insert(connection, t.web_events, _ADDED, rows)


def cursor(connection: sa.Connection) -> int:
    """The last raw row that was digested."""
    return int(facts.find(connection, CURSOR) or 0)


def step_back(connection: sa.Connection) -> None:
    """After rows were taken away: where the last went, SQLite gives its number once more."""
    if connection.dialect.name == "sqlite":
        last = connection.scalar(sa.select(sa.func.max(t.web_events.c.id))) or 0
        if cursor(connection) > last:
            fact = t.facts.c
            connection.execute(sa.update(t.facts).where(fact.name == CURSOR).values(value=last))


def move_cursor(connection: sa.Connection, before: int, after: int, now: datetime) -> bool:
    """Say that raw rows up to `after` are digested; False where somebody else did so meanwhile."""
    bulk.lock(connection, CURSOR)
    if cursor(connection) != before:
        return False
    facts.put(connection, CURSOR, after, now)
    return True


def list_after(connection: sa.Connection, last: int, limit: int) -> list[Event]:
    """Raw rows after one of them, in the order in which they came."""
    event = t.web_events.c
    query = sa.select(t.web_events).where(event.id > last).order_by(event.id).limit(limit)
    return [Event(*row) for row in connection.execute(query)]


def list_of(
    connection: sa.Connection, touch_ids: Sequence[int], until: int, most: int
) -> dict[int, list[Event]]:
    """The raw rows of some mails, up to row `until`, by mail; the first `most` of each kind."""
    event = t.web_events.c
    place = sa.func.row_number().over(partition_by=(event.touch_id, event.kind), order_by=event.id)
    numbered = (
        sa.select(event.id, place.label("place"))
        .where(bulk.among(connection, event.touch_id, touch_ids), event.id <= until)
        .subquery()
    )
    query = (
        sa.select(t.web_events)
        .join(numbered, numbered.c.id == event.id)
        .where(numbered.c.place <= most)
        .order_by(event.id)
    )
    found: dict[int, list[Event]] = {}
    for row in connection.execute(query):
        found.setdefault(row.touch_id, []).append(Event(*row))
    return found


def find_mails(connection: sa.Connection, touch_ids: Sequence[int]) -> dict[int, SeenMail]:
    """The mails of touches, by touch; those that have not left, and tests, are left out."""
    touch, order = t.touches.c, t.orders.c
    left_at = sa.func.coalesce(touch.settled_at, touch.due_at)
    ordered = (
        sa.select(sa.func.max(order.placed_at))
        .where(order.customer_id == touch.customer_id, order.is_counted, order.placed_at > left_at)
        .correlate(t.touches)
        .scalar_subquery()
    )
    query = (
        sa.select(
            touch.id, touch.campaign, touch.step, touch.arm, touch.customer_id,
            sa.type_coerce(left_at, Instant).label("left_at"),
            sa.type_coerce(ordered, Instant).label("ordered_at"),
            sa.func.coalesce(t.messages.c.links, 0).label("links"),
        )
        .outerjoin_from(t.touches, t.messages, t.messages.c.touch_id == touch.id)
        .where(
            bulk.among(connection, touch.id, touch_ids),
            touch.state.in_(_LEFT),
            touch.kind != TouchKind.TEST.value,
            touch.customer_id.is_not(None),
        )
    )  # fmt: skip
    return {
        row.id: SeenMail(
            touch_id=row.id,
            customer_id=row.customer_id,
            campaign=row.campaign,
            step=row.step,
            arm=row.arm,
            left_at=row.left_at,
            ordered_at=row.ordered_at,
            links=row.links,
        )
        for row in connection.execute(query)
    }


def list_doubted(connection: sa.Connection) -> dict[int, Event]:
    """Of mails in doubt the first request that was noted: it came before the doubt was known."""
    event = t.web_events.c
    first = (
        sa.select(sa.func.min(event.id))
        .join(t.touches, t.touches.c.id == event.touch_id)
        .where(sa.text("touches.state = 'in_doubt'"))
        .group_by(event.touch_id)
    )
    query = sa.select(t.web_events).where(event.id.in_(first))
    return {row.touch_id: Event(*row) for row in connection.execute(query)}


def list_shared(connection: sa.Connection, links: Sequence[int]) -> set[int]:
    """Those of the links that a whole campaign has."""
    link = t.links.c
    query = sa.select(link.id).where(
        bulk.among(connection, link.id, links), link.touch_id.is_(None)
    )
    return set(connection.scalars(query))


def add_figures(connection: sa.Connection, changes: Mapping[FigureKey, Count]) -> None:
    """Add to what was counted; what was counted too much is taken off."""
    names = FigureKey._fields
    insert = upsert(connection, t.web_figures)
    adding = insert.on_conflict_do_update(
        index_elements=list(names),
        set_={name: t.web_figures.c[name] + insert.excluded[name] for name in ("mails", "hits")},
    )
    rows = [
        {**key._asdict(), **count._asdict()} for key, count in sorted(changes.items()) if any(count)
    ]
    if rows:
        connection.execute(adding, rows)


def figures(connection: sa.Connection, campaign: str) -> list[Figure]:
    """What was seen of a campaign's mails, by step, arm, kind and target.

    Links that single mails had are in the sum of all links only.
    """
    figure, link = t.web_figures.c, t.links.c
    target = sa.func.coalesce(link.target, "")
    query = (
        sa.select(
            figure.step, figure.arm, figure.kind, target.label("target"),
            sa.func.sum(figure.mails).label("mails"), sa.func.sum(figure.hits).label("hits"),
        )
        .outerjoin_from(t.web_figures, t.links, link.id == figure.link_id)
        .where(figure.campaign == campaign)
        .group_by(figure.step, figure.arm, figure.kind, target)
        .order_by(figure.step, figure.arm, figure.kind, target)
    )  # fmt: skip
    return [
        Figure(**{**row, "mails": int(row["mails"]), "hits": int(row["hits"])})
        for row in connection.execute(query).mappings()
    ]


def forget_old(connection: sa.Connection, until: datetime, digested: int, limit: int) -> int:
    """Take away at most `limit` digested raw rows from before `until`; how many."""
    event = t.web_events.c
    old = (
        sa.select(event.id)
        .where(event.at < until, event.id <= digested)
        .order_by(event.at)
        .limit(limit)
    )
    gone: sa.CursorResult[Any] = connection.execute(
        sa.delete(t.web_events).where(event.id.in_(old))
    )
    step_back(connection)
    return gone.rowcount
