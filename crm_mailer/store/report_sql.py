"""What the queries of reports have in common: periods, months, medians, products."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from crm_mailer.model.period import Period
from crm_mailer.store import tables as t

Condition = sa.ColumnElement[bool]
Number = sa.ColumnElement[int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Spread:
    """How many values there are, the middle one, and what nine in ten do not exceed."""

    count: int = 0
    median: float | None = None
    p90: float | None = None


#: Bytes of the file at most: address space, not memory.
_MAPPED = 1 << 33
#: Of no values at all.
NO_SPREAD = Spread()


@contextmanager
def mapped(connection: sa.Connection) -> Iterator[None]:
    """While a report looks at whole tables, SQLite reads its file in place.

    To copy each page takes as long as to count what is on it. PostgreSQL does as it likes.
    """
    if connection.dialect.name != "sqlite":
        yield
        return
    connection.exec_driver_sql(f"PRAGMA mmap_size={_MAPPED}")
    try:
        yield
    finally:
        connection.exec_driver_sql("PRAGMA mmap_size=0")


def seconds(column: Any) -> Number:
    """An instant as the whole number that is stored."""
    return sa.type_coerce(column, sa.BigInteger)


def within(column: Any, period: Period) -> Condition:
    """Whether an instant falls into the period."""
    return sa.and_(column >= period.since, column < period.before)


def at_most(column: Any, period: Period) -> Condition:
    """Whether an instant is known and not after the period."""
    return sa.and_(column.is_not(None), column < period.before)


def how_many(condition: Any) -> Number:
    """Rows of a group for which the condition holds."""
    return sa.func.coalesce(sa.func.sum(sa.case((condition, 1), else_=0)), 0)


def month_of(column: Any, starts: Sequence[datetime]) -> Number:
    """The place in `starts` of the month in which an instant falls."""
    later = list(enumerate(starts))[1:]
    if not later:
        return sa.literal(0)
    return sa.case(*((column >= start, place) for place, start in reversed(later)), else_=0)


def spreads(
    connection: sa.Connection, *, key: Any, value: Any, source: Any, where: Condition
) -> dict[Any, Spread]:
    """Key -> how the values that are known are spread.

    The median is that of a textbook (the mean of the middle two); of p90 the nearest rank.
    """
    rows = (
        sa.select(key.label("key"), seconds(value).label("value"))
        .select_from(source)
        .where(where, value.is_not(None))
        .subquery()
    )
    place = sa.func.row_number().over(partition_by=rows.c.key, order_by=rows.c.value)
    many = sa.func.count().over(partition_by=rows.c.key)
    ranked = sa.select(
        rows.c.key, rows.c.value, place.label("place"), many.label("many")
    ).subquery()
    n, at = ranked.c.many, ranked.c.place
    middle = sa.or_(at == (n + 1) // 2, at == (n + 2) // 2)
    query = sa.select(
        ranked.c.key,
        sa.func.max(n).label("many"),
        sa.func.avg(sa.case((middle, ranked.c.value))).label("median"),
        sa.func.max(sa.case((at == (n * 9 + 9) // 10, ranked.c.value))).label("p90"),
    ).group_by(ranked.c.key)
    return {
        row.key: Spread(count=row.many, median=float(row.median), p90=float(row.p90))
        for row in connection.execute(query)
    }


def spread(values: list[int]) -> Spread:
    """The same for values at hand."""
    if not values:
        return NO_SPREAD
    values.sort()
    many = len(values)
    middle = values[(many - 1) // 2] + values[many // 2]
    return Spread(count=many, median=middle / 2, p90=float(values[(many * 9 + 9) // 10 - 1]))


def is_paid() -> Condition:
    """Whether an order was ever paid: so it says, or its state does."""
    return sa.or_(t.orders.c.paid_at.is_not(None), t.orders.c.is_counted)


def has_event(state: str) -> Condition:
    """Whether an order of the query came through a state."""
    return sa.exists(
        sa.select(1).where(
            t.order_events.c.order_id == t.orders.c.id, t.order_events.c.state == state
        )
    ).correlate(t.orders)


def product_of(named: Any) -> sa.ColumnElement[str]:
    """The product that a row names, else that of the joined line of its order."""
    item = t.order_items.c
    return sa.func.coalesce(
        sa.func.nullif(named, ""), sa.func.nullif(item.sku, ""), sa.func.nullif(item.title, ""), ""
    )


def is_first_item(order_id: Any) -> Condition:
    """Joins to an order the first of its lines alone."""
    line = t.order_items.alias()
    first = sa.select(sa.func.min(line.c.line)).where(line.c.order_id == order_id)
    return sa.and_(
        t.order_items.c.order_id == order_id, t.order_items.c.line == first.scalar_subquery()
    )


def titles(connection: sa.Connection, products: Sequence[str]) -> dict[str, str]:
    """Sku -> a title under which it was sold; what is no sku is its own title."""
    found = {}
    for product in products:
        query = sa.select(t.order_items.c.title).where(t.order_items.c.sku == product).limit(1)
        found[product] = (connection.scalar(query) if product else "") or product
    return found
