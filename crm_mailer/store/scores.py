"""Keeps each customer's figures and marks: afresh after new orders, rolled over as days pass."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import sqlalchemy as sa

from crm_mailer.model import moment
from crm_mailer.model.score import RfmProfile, Score
from crm_mailer.store import tables as t
from crm_mailer.store.engine import upsert
from crm_mailer.store.local_days import days_ago

FACT = "scores"


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """How the scores were last brought up to date."""

    seen_at: datetime
    day: date
    zone: str
    limits: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """How many customers have one pair of R and F, and what they have spent."""

    r: int
    f: int
    customers: int
    spent_usd_cents: int


def standing(connection: sa.Connection) -> Standing | None:
    """How things stand; None where scores were never made."""
    value = connection.scalar(sa.select(t.facts.c.value).where(t.facts.c.name == FACT))
    if value is None:
        return None
    return Standing(
        seen_at=datetime.fromisoformat(value["seen_at"]),
        day=date.fromisoformat(value["day"]),
        zone=value["zone"],
        limits=value["limits"],
    )


def stand(connection: sa.Connection, standing: Standing, now: datetime) -> None:
    """Remember how things stand."""
    value = {
        "seen_at": standing.seen_at.isoformat(),
        "day": standing.day.isoformat(),
        "zone": standing.zone,
        "limits": standing.limits,
    }
    query = upsert(connection, t.facts).values(name=FACT, value=value, changed_at=now)
    connection.execute(
        query.on_conflict_do_update(
            index_elements=["name"], set_={"value": value, "changed_at": now}
        )
    )


def limits(profile: RfmProfile) -> str:
    """What a profile says, to tell when it was changed."""
    return f"{profile.name} {profile.r_days} {profile.f_orders} {profile.m_usd_cents}"


def changed_since(since: datetime) -> sa.Select[Any]:
    """The customers who, or whose orders, changed at `since` or later."""
    by_order = sa.select(t.orders.c.customer_id.label("id")).where(
        t.orders.c.changed_at >= since, t.orders.c.customer_id.is_not(None)
    )
    by_self = sa.select(t.customers.c.id).where(t.customers.c.changed_at >= since)
    return sa.select(sa.union(by_order, by_self).subquery().c.id)


def refresh(
    connection: sa.Connection,
    *,
    changed: sa.Select[Any] | None,
    profile: RfmProfile,
    today: date,
    place: ZoneInfo,
) -> int:
    """Score the `changed` customers (None: all) from their orders.

    Returns how many rows are new or other than before. Orders without a known USD value count
    as orders and bring no money. An order of the future counts as one of today.
    """
    sums = _sums(changed)
    marks = _marks(sums.c, profile, today, place)
    values = {
        "customer_id": sums.c.customer_id,
        "first_order_at": sums.c.first_order_at,
        "last_order_at": sums.c.last_order_at,
        "order_count": sums.c.order_count,
        "spent_usd_cents": sums.c.spent_usd_cents,
        "days_since_last": days_ago(sums.c.last_order_at, today, place),
        **marks,
        "total": marks["r"] + marks["f"] + marks["m"],
        "profile": sa.literal(profile.name),
        "scored_on": sa.literal(today, sa.Date),
    }
    query = upsert(connection, t.scores).from_select(
        list(values), sa.select(*values.values()).where(sums.c.order_count > 0)
    )
    new = {name: query.excluded[name] for name in values if name != "customer_id"}
    watched = [name for name in new if name not in ("days_since_last", "scored_on")]
    done = connection.execute(
        query.on_conflict_do_update(
            index_elements=["customer_id"],
            set_=new,
            where=sa.or_(*(t.scores.c[name] != new[name] for name in watched)),
        ),
        execution_options={"preserve_rowcount": True},
    )
    return done.rowcount


def remove_unpaid(connection: sa.Connection, *, changed: sa.Select[Any] | None) -> int:
    """Take the score from `changed` customers (None: all) who have no counted order left."""
    is_buyer = sa.exists().where(
        t.orders.c.customer_id == t.scores.c.customer_id, t.orders.c.is_counted
    )
    query = sa.delete(t.scores).where(~is_buyer)
    if changed is not None:
        query = query.where(t.scores.c.customer_id.in_(changed))
    return connection.execute(query).rowcount


def roll(
    connection: sa.Connection, *, before: date, today: date, profile: RfmProfile, place: ZoneInfo
) -> int:
    """Move R of those who passed a limit between the two days; returns how many.

    Only the index on `last_order_at` is read, a slice for each limit.
    """
    early, late = sorted((before, today))
    last = t.scores.c.last_order_at
    slices = [
        sa.and_(last >= _midnight(early, limit, place), last < _midnight(late, limit, place))
        for limit in profile.r_days
    ]
    r = _r_mark(last, profile, today, place)
    query = (
        sa.update(t.scores)
        .where(sa.or_(*slices))
        .values(
            r=r,
            total=r + t.scores.c.f + t.scores.c.m,
            days_since_last=days_ago(last, today, place),
            scored_on=today,
        )
    )
    return connection.execute(query).rowcount


def find(
    connection: sa.Connection, customer_id: int, *, now: datetime, place: ZoneInfo
) -> Score | None:
    """The marks of a customer, with the days counted to `now`; None without a paid order."""
    row = connection.execute(
        sa.select(t.scores).where(t.scores.c.customer_id == customer_id)
    ).first()
    if row is None:
        return None
    return Score(
        days_since_last=max(0, moment.days_between(row.last_order_at, now, place)),
        order_count=row.order_count,
        spent_usd_cents=row.spent_usd_cents,
        r=row.r,
        f=row.f,
        m=row.m,
        scored_on=row.scored_on,
    )


def cells(connection: sa.Connection) -> list[Cell]:
    """The pairs of R and F that occur."""
    scores = t.scores.c
    spent = sa.cast(sa.func.sum(scores.spent_usd_cents), sa.BigInteger)
    rows = connection.execute(
        sa.select(scores.r, scores.f, sa.func.count().label("number"), spent.label("spent"))
        .group_by(scores.r, scores.f)
        .order_by(scores.r, scores.f)
    )
    return [Cell(r=row.r, f=row.f, customers=row.number, spent_usd_cents=row.spent) for row in rows]


def _sums(changed: sa.Select[Any] | None) -> sa.Subquery:
    orders = t.orders.c
    query = sa.select(
        orders.customer_id,
        sa.func.min(orders.placed_at).label("first_order_at"),
        sa.func.max(orders.placed_at).label("last_order_at"),
        sa.func.count().label("order_count"),
        sa.cast(sa.func.coalesce(sa.func.sum(orders.net_usd_cents), 0), sa.BigInteger).label(
            "spent_usd_cents"
        ),
    ).where(orders.is_counted, orders.customer_id.is_not(None))
    if changed is not None:
        query = query.where(orders.customer_id.in_(changed))
    return query.group_by(orders.customer_id).subquery("sums")


def _marks(
    columns: Any, profile: RfmProfile, today: date, place: ZoneInfo
) -> dict[str, sa.ColumnElement[int]]:
    return {
        "r": _r_mark(columns.last_order_at, profile, today, place),
        "f": _mark([columns.order_count >= limit for limit in profile.f_orders]),
        "m": _mark([columns.spent_usd_cents >= limit for limit in profile.m_usd_cents]),
    }


def _r_mark(
    last: sa.ColumnElement[Any], profile: RfmProfile, today: date, place: ZoneInfo
) -> sa.ColumnElement[int]:
    return _mark([last >= _midnight(today, limit, place) for limit in profile.r_days])


def _mark(passed: Sequence[sa.ColumnElement[bool]]) -> sa.ColumnElement[int]:
    return sa.case(*((kept, 5 - place) for place, kept in enumerate(passed)), else_=1)


def _midnight(day: date, days_before: int, place: ZoneInfo) -> datetime:
    return moment.at_local(day - timedelta(days=days_before), 0, 0, place)
