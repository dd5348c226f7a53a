"""Occasions that campaigns have not planned yet: asked for once for all that share an anchor."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from functools import lru_cache
from typing import Any

import sqlalchemy as sa

from crm_mailer.model.campaign import Anchor
from crm_mailer.model.touch import SkipReason, TouchState
from crm_mailer.store import bulk
from crm_mailer.store import tables as t
from crm_mailer.store.events import Events, events_of
from crm_mailer.store.prepared import Prepared

#: A campaign, its last step, whose touch tells that an occasion is planned, and the steps that it
#: has planned mails of and its file has no more.
Fellow = tuple[str, str, tuple[str, ...]]
#: The number of an occasion, and for each fellow 1 where it has not planned it.
Row = tuple[int, ...]


def untouched(
    fellow: Fellow, anchor: sa.ColumnElement[Any], customer_id: sa.ColumnElement[Any]
) -> sa.ColumnElement[bool]:
    """No touch of the last step yet: every step of an occasion gets its row at once.

    Nor one of a step that is gone: an occasion whose mails were planned under another name would
    else get them twice.
    """
    touch, (campaign, step, gone) = t.touches.c, fellow
    is_none = ~sa.exists().where(
        touch.campaign == campaign,
        touch.step == step,
        touch.anchor == anchor,
        touch.customer_id == customer_id,
    )
    if not gone:
        return is_none
    return sa.and_(is_none, no_gone(campaign, gone, anchor, customer_id))


def no_gone(
    campaign: str,
    gone: Sequence[str],
    anchor: sa.ColumnElement[Any],
    customer_id: sa.ColumnElement[Any],
) -> sa.ColumnElement[bool]:
    """No touch of a step that is gone, save what a person has cancelled."""
    touch = t.touches.c
    return ~sa.exists().where(
        touch.campaign == campaign,
        touch.step.in_(gone),
        touch.anchor == anchor,
        touch.customer_id == customer_id,
        sa.or_(touch.state != TouchState.SKIPPED.value, touch.reason != SkipReason.CANCELLED.value),
    )


def list_gone(
    connection: sa.Connection, campaigns: Mapping[str, Collection[str]]
) -> dict[str, tuple[str, ...]]:
    """The steps of which each campaign has touches, without those that it has now.

    Args:
        connection: for looking.
        campaigns: the steps that each has.
    """
    asking = _steps(connection.dialect.name)
    rows = asking.rows(connection, {"names": json.dumps([[name] for name in campaigns])})
    found: dict[str, list[str]] = {}
    for campaign, step in rows:
        if step not in campaigns[campaign]:
            found.setdefault(campaign, []).append(step)
    return {campaign: tuple(sorted(steps)) for campaign, steps in found.items()}


@lru_cache(maxsize=4)
def _steps(dialect: str) -> Prepared:
    """Each step is found behind the one before it: touches are millions."""
    touch = t.touches.c
    named = bulk.as_rows(dialect, {"name": sa.Text()}, "names").c.name
    first = sa.select(sa.func.min(touch.step)).where(touch.campaign == named).scalar_subquery()
    found = sa.select(named.label("campaign"), first.label("step")).cte("found", recursive=True)
    after = sa.select(sa.func.min(touch.step)).where(
        touch.campaign == found.c.campaign, touch.step > found.c.step
    )
    more = sa.select(found.c.campaign, after.scalar_subquery()).where(found.c.step.is_not(None))
    found = found.union_all(more)
    return Prepared(sa.select(found.c.campaign, found.c.step).where(found.c.step.is_not(None)))


def list_events(
    connection: sa.Connection,
    anchor: Anchor,
    fellows: Sequence[Fellow],
    *,
    since: datetime,
    until: datetime,
    among: Sequence[int] | None = None,
) -> list[Row]:
    """Events that not all of these campaigns have planned, in the order of their numbers.

    The events are read once for all of them, and no customer is.

    Args:
        connection: for looking.
        anchor: what starts the campaigns.
        fellows: the campaigns.
        since: the first moment of the events.
        until: the last one.
        among: only events with these numbers; None: all.
    """
    values: dict[str, Any] = {"since": bulk.seconds(since), "until": bulk.seconds(until)}
    if among is not None:
        values["ids"] = json.dumps(among)
    asking = _events(connection.dialect.name, anchor, tuple(fellows), among is not None)
    return sorted(asking.rows(connection, values))


@lru_cache(maxsize=256)
def _events(dialect: str, anchor: Anchor, fellows: tuple[Fellow, ...], has_among: bool) -> Prepared:
    """The statement of `list_events`, made once for these campaigns."""
    events = events_of(anchor)
    source = among(dialect, events, events.source) if has_among else events.source
    found = sa.select(
        events.key.label("key"),
        events.name.label("name"),
        events.customer_id.label("customer_id"),
    )
    return Prepared(_open(found.select_from(source).where(events.where), fellows))


def among(dialect: str, events: Events, source: sa.FromClause) -> sa.FromClause:
    """The events with the numbers `ids`.

    As a table of its own: an engine expects few rows of it, and reads no other table for them.
    """
    new = bulk.given_ids(dialect).subquery("new")
    found: sa.FromClause = new.join(source, events.key == next(iter(new.c)))
    return found


def list_birthdays(
    connection: sa.Connection,
    fellows: Sequence[Fellow],
    days: Mapping[int, Sequence[tuple[int, int]]],
) -> list[Row]:
    """Customers born on one of these days whose birthday is open, in their order.

    Args:
        connection: for looking.
        fellows: the campaigns.
        days: year of the celebration -> month and day.
    """
    person = t.customers.c
    parts = [
        _of_year(person.id, f"birthday:{year}").where(born_on(pairs))
        for year, pairs in days.items()
    ]
    return _list(connection, parts, fellows)


def list_anniversaries(
    connection: sa.Connection,
    fellows: Sequence[Fellow],
    spans: Mapping[int, tuple[datetime, datetime]],
) -> list[Row]:
    """Customers whose first order lies in one of these spans, and who are open, in their order.

    Args:
        connection: for looking.
        fellows: the campaigns.
        spans: years ago -> from, until.
    """
    score = t.scores.c
    parts = [
        _of_year(score.customer_id, f"first_order:{years}").where(
            score.first_order_at.between(*span)
        )
        for years, span in spans.items()
    ]
    return _list(connection, parts, fellows)


def born_on(pairs: Sequence[tuple[int, int]]) -> sa.ColumnElement[bool]:
    """Customers born on one of these days, each a month and a day."""
    months: dict[int, list[int]] = {}
    for month, day in pairs:
        months.setdefault(month, []).append(day)
    person = t.customers.c
    return sa.or_(
        sa.false(),
        *(
            sa.and_(person.birth_month == month, person.birth_day.in_(sorted(days)))
            for month, days in sorted(months.items())
        ),
    )


def _of_year(customer_id: sa.ColumnElement[int], anchor: str) -> sa.Select[Any]:
    names: list[Any] = [customer_id.label("key"), sa.literal(anchor).label("name")]
    return sa.select(*names, customer_id.label("customer_id"))


def _list(
    connection: sa.Connection, parts: Sequence[sa.Select[Any]], fellows: Sequence[Fellow]
) -> list[Row]:
    if not parts:
        return []
    found = parts[0] if len(parts) == 1 else sa.union_all(*parts)
    return sorted(tuple(row) for row in connection.execute(_open(found, fellows)))


def _open(found: Any, fellows: Sequence[Fellow]) -> sa.Select[Any]:
    """Of the occasions `found` (key, name, customer_id) those that are open, as `Row`.

    They come in the order of their names: so each look into the key of touches is near the one
    before, while events of one time have numbers from all over. A name is put together once, and
    no engine looks for a better way through it.
    """
    one = found.order_by("name", "customer_id").cte("found").prefix_with("MATERIALIZED").c
    flags = [
        sa.case((untouched(fellow, one.name, one.customer_id), 1), else_=0).label(f"open_{place}")
        for place, fellow in enumerate(fellows)
    ]
    told = sa.select(one.key, *flags).subquery("told")
    is_open = sa.or_(*(told.c[f"open_{place}"] == 1 for place in range(len(fellows))))
    return sa.select(told).where(is_open)
