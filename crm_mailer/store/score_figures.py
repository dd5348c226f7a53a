"""Looks over the figures of all customers: limits that come from them, counts by mark."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from zoneinfo import ZoneInfo

import sqlalchemy as sa

from crm_mailer.model import moment
from crm_mailer.store import score_marks, scores
from crm_mailer.store import tables as t
from crm_mailer.store.scores import Scoring


@dataclass(frozen=True, slots=True, kw_only=True)
class Counted:
    """So many customers have these three marks and have spent so much."""

    r: int
    f: int
    m: int
    value_class: str
    customers: int
    spent_usd_cents: int


#: One row per customer: last_order_at, orders, cents.
Figures = sa.Subquery


@dataclass(frozen=True, slots=True, kw_only=True)
class Cuts:
    """For each share (percent) of the best customers, the figures where it ends.

    So many have ordered at most `days` ago; all others have at most so many `orders`, `cents`.
    """

    days: tuple[int, ...]
    orders: tuple[int, ...]
    cents: tuple[int, ...]


def stored() -> Figures:
    """The figures as they are in the scores."""
    scores_ = t.scores.c
    return sa.select(
        scores_.last_order_at,
        sa.func.coalesce(scores_.window_orders, scores_.order_count).label("orders"),
        sa.func.coalesce(scores_.window_usd_cents, scores_.spent_usd_cents).label("cents"),
    ).subquery("figures")


def as_of(scoring: Scoring) -> Figures:
    """The figures as they were at the end of `scoring`'s day, from the orders until then."""
    end = score_marks.midnight(scoring.today, -1, scoring.place)
    found = scores.sums(scoring, until=end).c
    is_windowed = scoring.profile.window_days is not None
    return sa.select(
        found.last_order_at,
        (found.window_orders if is_windowed else found.order_count).label("orders"),
        (found.window_usd_cents if is_windowed else found.spent_usd_cents).label("cents"),
    ).subquery("figures")


def cuts(
    connection: sa.Connection, figures: Figures, best: Sequence[int], scoring: Scoring
) -> Cuts | None:
    """Where each share of the `best` customers (percent) ends; None without any customer."""
    number = connection.scalar(sa.select(sa.func.count()).select_from(figures)) or 0
    if not number:
        return None
    # A late last order is few days ago: the best come last in each of the three sorts.
    latest = [number + 1 - max(1, math.ceil(number * share / 100)) for share in best]
    others = [max(1, math.ceil(number * (100 - share) / 100)) for share in best]
    days = _at_ranks(connection, figures.c.last_order_at, latest)
    return Cuts(
        days=tuple(_days(last, scoring.today, scoring.place) for last in days),
        orders=tuple(_at_ranks(connection, figures.c.orders, others)),
        cents=tuple(_at_ranks(connection, figures.c.cents, others)),
    )


def mean_marks(
    connection: sa.Connection, figures: Figures, scoring: Scoring
) -> tuple[float, float, float] | None:
    """The mean R, F and M of all customers; None without any."""
    marks = _marks(figures, scoring)
    means = [sa.func.avg(sa.cast(marks[name], sa.Float)) for name in ("r", "f", "m")]
    row = connection.execute(sa.select(*means)).one()
    return None if row[0] is None else (float(row[0]), float(row[1]), float(row[2]))


def counts(connection: sa.Connection, figures: Figures, scoring: Scoring) -> list[Counted]:
    """How many customers have which marks, given afresh."""
    marks = _marks(figures, scoring)
    marked = sa.select(
        *(marks[name].label(name) for name in ("r", "f", "m", "value_class")), figures.c.cents
    ).subquery("marked")
    return _counted(connection, marked, marked.c.cents)


def counts_stored(connection: sa.Connection) -> list[Counted]:
    """How many customers have which marks, as they were last given."""
    return _counted(connection, t.scores, t.scores.c.spent_usd_cents)


def _counted(
    connection: sa.Connection, table: sa.FromClause, cents: sa.ColumnElement[Any]
) -> list[Counted]:
    by = [table.c[name] for name in ("r", "f", "m", "value_class")]
    money = sa.cast(sa.func.sum(cents), sa.BigInteger)
    rows = connection.execute(
        sa.select(*by, sa.func.count().label("customers"), money.label("spent"))
        .group_by(*by)
        .order_by(*by)
    )
    return [
        Counted(
            r=row.r,
            f=row.f,
            m=row.m,
            value_class=row.value_class,
            customers=row.customers,
            spent_usd_cents=row.spent,
        )
        for row in rows
    ]


def _marks(figures: Figures, scoring: Scoring) -> score_marks.Marks:
    return score_marks.marks(
        last=figures.c.last_order_at,
        orders=figures.c.orders,
        cents=figures.c.cents,
        profile=scoring.profile,
        today=scoring.today,
        place=scoring.place,
    )


def _at_ranks(
    connection: sa.Connection, column: sa.ColumnElement[Any], ranks: Iterable[int]
) -> list[Any]:
    """The values at these places (from 1) when all are sorted; one sort for all."""
    wanted = list(ranks)
    rank = sa.func.row_number().over(order_by=column).label("place")
    sorted_ = sa.select(column.label("value"), rank).subquery("sorted")
    query = sa.select(sorted_.c.place, sorted_.c.value).where(sorted_.c.place.in_(set(wanted)))
    found: dict[int, Any] = {row.place: row.value for row in connection.execute(query)}
    return [found[place] for place in wanted]


def _days(last: datetime, today: date, place: ZoneInfo) -> int:
    return max(0, (today - moment.local_day(last, place)).days)
