"""Learns at which hour of their own day customers answer and buy, in SQL, for everybody at once."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import sqlalchemy as sa

from crm_mailer.model import send_hours as rules
from crm_mailer.store import local_days
from crm_mailer.store import tables as t
from crm_mailer.store.bulk import as_rows, given_ids

#: What is older says little about somebody's day.
MEMORY = timedelta(days=730)
#: So many customers are enough to know everybody's habit.
CROWD = 50_000
_DAY = 86_400
_SPANS: dict[str, sa.types.TypeEngine[Any]] = {
    "time_zone": sa.Text(),
    "country": sa.Text(),
    "since": sa.BigInteger(),
    "until": sa.BigInteger(),
    "shift": sa.BigInteger(),
}
_WEIGHTS: dict[str, sa.types.TypeEngine[Any]] = {
    "observed": sa.Integer(),
    "hour": sa.Integer(),
    "weight": sa.Integer(),
}
_HABITS: dict[str, sa.types.TypeEngine[Any]] = {
    "country": sa.Text(),
    "hour": sa.Integer(),
    "bonus": sa.Float(),
    "is_usual": sa.Integer(),
}

#: A customer's zone and country as they are written -> where their clock hangs.
Places = Mapping[tuple[str, str], ZoneInfo]


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What was learnt of all, when all were counted, and up to when customers were learnt."""

    counted_at: datetime
    learnt_at: datetime
    allowed: tuple[int, ...]
    #: Country ("" is the shop) -> how often customers were seen at each hour.
    counts: dict[str, list[int]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Lesson:
    """From what is learnt: `now`, where clocks hang, and the shop's own zone.

    Orders at midnight sharp of the shop or of UTC are days without a time, and say nothing.
    """

    now: datetime
    places: Places
    shop: ZoneInfo


def best_hour() -> sa.ColumnElement[Any]:
    """A customer's hour, else their country's, else the shop's; to be selected with `customers`."""
    own, of_country = t.send_hours.c, t.country_hours.c
    asked = (
        sa.select(own.hour).where(own.customer_id == t.customers.c.id),
        sa.select(of_country.hour).where(
            of_country.country == t.customers.c.country, of_country.country != ""
        ),
        sa.select(of_country.hour).where(of_country.country == ""),
    )
    return sa.func.coalesce(*(query.scalar_subquery() for query in asked))


def known(connection: sa.Connection) -> Known | None:
    """What was learnt last; None before the first time."""
    rows = connection.execute(sa.select(t.country_hours)).all()
    shop = next((row for row in rows if row.country == ""), None)
    if shop is None:
        return None
    return Known(
        counted_at=shop.counted_at,
        learnt_at=shop.learnt_at,
        allowed=tuple(shop.allowed),
        counts={row.country: row.counts for row in rows},
    )


def homes(connection: sa.Connection) -> list[tuple[str, str]]:
    """Each pair of zone and country that customers have."""
    person = t.customers.c
    query = sa.select(person.time_zone, person.country).distinct()
    return [(row[0], row[1]) for row in connection.execute(query)]


def counts_by_country(connection: sa.Connection, lesson: Lesson) -> dict[str, list[int]]:
    """How often the customers of each country were seen at each hour of their own day.

    Of a crowd every so manieth customer is asked: a habit shows in some ten thousands.
    """
    found: dict[str, list[int]] = {}
    last = connection.scalar(sa.select(sa.func.max(t.customers.c.id))) or 0
    step = max(1, last // CROWD)
    # one kind of observation after the other: together, millions of them would be kept aside
    for observed in _observations(lesson):
        asked = observed.where(observed.selected_columns.customer_id % step == 0)
        seen = _local(connection, asked.subquery("observed"), is_outer=True)
        query = sa.select(seen.c.country, seen.c.hour, sa.func.count())
        grouped = query.group_by(seen.c.country, seen.c.hour)
        for country, hour, number in connection.execute(grouped, _spans(lesson)):
            if hour is not None:
                found.setdefault(country, [0] * rules.HOURS)[hour] += number
    return found


def set_countries(
    connection: sa.Connection,
    counts: Mapping[str, Sequence[int]],
    lesson: Lesson,
    allowed: Sequence[int],
) -> None:
    """Keep the hour of each country that is known well enough, and the shop's under \"\"."""
    connection.execute(t.country_hours.delete())
    rows = [
        {
            "country": country,
            "hour": rules.popular_hour(numbers, allowed),
            "counts": list(numbers),
            "counted_at": lesson.now,
            "learnt_at": lesson.now,
            "allowed": list(allowed),
        }
        for country, numbers in sorted(counts.items())
    ]
    if rows:
        connection.execute(t.country_hours.insert(), rows)


def note(connection: sa.Connection, now: datetime) -> None:
    """Customers were learnt up to now."""
    connection.execute(t.country_hours.update().values(learnt_at=now))


def of_customer(connection: sa.Connection, customer_id: int) -> tuple[int, int] | None:
    """A customer's own hour, and how often they were seen; None where that is too seldom."""
    own = t.send_hours.c
    query = sa.select(own.hour, own.seen).where(own.customer_id == customer_id)
    row = connection.execute(query).first()
    return None if row is None else (row.hour, row.seen)


def count(connection: sa.Connection) -> int:
    """How many customers have an hour of their own."""
    return int(connection.scalar(sa.select(sa.func.count()).select_from(t.send_hours)) or 0)


def seen_since(connection: sa.Connection, since: datetime) -> Sequence[int]:
    """The customers of whom something was learnt since then."""
    asked = (
        sa.select(t.orders.c.customer_id).where(
            t.orders.c.changed_at >= since, t.orders.c.customer_id.is_not(None)
        ),
        sa.select(t.replies.c.customer_id).where(
            t.replies.c.received_at >= since, t.replies.c.customer_id.is_not(None)
        ),
        sa.select(t.signals.c.customer_id).where(t.signals.c.learnt_at >= since),
    )
    return sorted(connection.execute(sa.union(*asked)).scalars())


def learn(
    connection: sa.Connection,
    customer_ids: Sequence[int],
    counts: Mapping[str, Sequence[int]],
    lesson: Lesson,
    allowed: Sequence[int],
) -> int:
    """Work out the hour of these customers anew; those seen too seldom have none. How many have.

    The same choice as `model.send_hours.best_hour`, for all of them in one statement.
    """
    given = {"ids": json.dumps(list(customer_ids))}
    dialect = connection.dialect.name
    gone = t.send_hours.delete().where(t.send_hours.c.customer_id.in_(given_ids(dialect)))
    connection.execute(gone, given)
    statement = t.send_hours.insert().from_select(
        ["customer_id", "hour", "seen"], _choice(connection, lesson)
    )
    rows = {
        "weights": json.dumps(_weights(allowed)),
        "habits": json.dumps(_habits(counts, allowed)),
    }
    connection.execute(statement, {**given, **rows, **_spans(lesson)})
    own = t.send_hours.c.customer_id
    counted = sa.select(sa.func.count()).where(own.in_(given_ids(dialect)))
    return int(connection.scalar(counted, given) or 0)


def _choice(connection: sa.Connection, lesson: Lesson) -> sa.Select[Any]:
    """The best hour of each of the customers in `ids`, with how often they were seen."""
    ids = given_ids(connection.dialect.name)
    asked = (one.where(one.selected_columns.customer_id.in_(ids)) for one in _observations(lesson))
    each = _local(connection, sa.union_all(*asked).subquery("observed"))
    seen = (
        sa.select(each.c.customer_id, each.c.hour, sa.func.count().label("number"))
        .group_by(each.c.customer_id, each.c.hour)
        .cte("seen")
    )
    totals = (
        sa.select(seen.c.customer_id, sa.func.sum(seen.c.number).label("seen"))
        .group_by(seen.c.customer_id)
        .having(sa.func.sum(seen.c.number) >= rules.ENOUGH)
        .cte("totals")
    )
    habits = _given(connection, _HABITS, "habits")
    ranked = _ranked(_scored(connection, seen, totals, habits), totals, habits)
    return sa.select(ranked.c.customer_id, ranked.c.hour, ranked.c.seen).where(ranked.c.rank == 1)


def _scored(connection: sa.Connection, seen: sa.CTE, totals: sa.CTE, habits: sa.CTE) -> sa.Subquery:
    """What a customer's own observations count for each hour, in quarters."""
    weights = _given(connection, _WEIGHTS, "weights")
    near = sa.select(
        seen.c.customer_id, weights.c.hour, (seen.c.number * weights.c.weight).label("quarters")
    ).join_from(seen, weights, weights.c.observed == seen.c.hour)
    person = t.customers.c
    # of the hours that nobody was seen near, only the usual one can be the best
    usual = (
        sa.select(totals.c.customer_id, habits.c.hour, sa.literal(0).label("quarters"))
        .join_from(totals, t.customers, person.id == totals.c.customer_id)
        .join(habits, sa.and_(habits.c.country == person.country, habits.c.is_usual == 1))
    )
    both = sa.union_all(near, usual).subquery("both")
    return (
        sa.select(both.c.customer_id, both.c.hour, sa.func.sum(both.c.quarters).label("own"))
        .group_by(both.c.customer_id, both.c.hour)
        .subquery("scored")
    )


def _ranked(scored: sa.Subquery, totals: sa.CTE, habits: sa.CTE) -> sa.Subquery:
    """The hours of each customer from the best on, everybody's habit added."""
    person = t.customers.c
    rank = sa.func.row_number().over(
        partition_by=scored.c.customer_id,
        order_by=((scored.c.own + habits.c.bonus).desc(), scored.c.hour),
    )
    return (
        sa.select(scored.c.customer_id, scored.c.hour, totals.c.seen, rank.label("rank"))
        .join_from(scored, totals, totals.c.customer_id == scored.c.customer_id)
        .join(t.customers, person.id == scored.c.customer_id)
        .join(habits, sa.and_(habits.c.country == person.country, habits.c.hour == scored.c.hour))
        .subquery("ranked")
    )


def _observations(lesson: Lesson) -> list[sa.Select[Any]]:
    """When customers bought, wrote and clicked."""
    since = lesson.now - MEMORY
    order, reply, click = t.orders.c, t.replies.c, t.signals.c
    today = lesson.now.astimezone(lesson.shop).date()
    has_time = sa.and_(
        *(
            local_days.wall_seconds(order.placed_at, today, place) % _DAY != 0
            for place in dict.fromkeys((lesson.shop, ZoneInfo("UTC")))
        )
    )
    asked = (
        (order, order.placed_at, has_time),
        (reply, reply.received_at, sa.and_(reply.kind == "human", reply.is_copy.is_(sa.false()))),
        (click, click.at, click.kind == "click"),
    )
    return [
        sa.select(table.customer_id, sa.type_coerce(at, sa.BigInteger).label("at")).where(
            condition, at.between(since, lesson.now), table.customer_id.is_not(None)
        )
        for table, at, condition in asked
    ]


def _local(connection: sa.Connection, observed: Any, *, is_outer: bool = False) -> Any:
    """Each observation with its country, and the hour of the customer's own day.

    There always is a span; with an inner join SQLite would read all orders for each of them.
    """
    spans = _given(connection, _SPANS, "spans")
    person = t.customers.c
    hour = (observed.c.at + spans.c.shift) // 3600 % rules.HOURS
    return (
        sa.select(observed.c.customer_id, person.country, hour.label("hour"))
        .join_from(observed, t.customers, person.id == observed.c.customer_id)
        .join(
            spans,
            sa.and_(
                spans.c.time_zone == person.time_zone,
                spans.c.country == person.country,
                observed.c.at >= spans.c.since,
                observed.c.at < spans.c.until,
            ),
            isouter=is_outer,
        )
        .subquery("each_one")
    )


def _given(
    connection: sa.Connection, columns: dict[str, sa.types.TypeEngine[Any]], name: str
) -> sa.CTE:
    """Rows that travel as one parameter. Kept aside and with their types said, so that SQLite makes
    an index of them: without it each order would read them all.
    """
    rows = as_rows(connection.dialect.name, columns, name)
    typed = (sa.cast(rows.c[column], type_).label(column) for column, type_ in columns.items())
    return sa.select(*typed).cte(f"kept_{name}").prefix_with("MATERIALIZED")


def _spans(lesson: Lesson) -> dict[str, str]:
    """For each zone and country of customers: from when until when which offset from UTC holds."""
    end = int(lesson.now.timestamp()) + _DAY
    since = int((lesson.now - MEMORY).timestamp())
    today = lesson.now.astimezone(UTC).date()
    rows = []
    for (time_zone, country), place in sorted(lesson.places.items()):
        changes = local_days.offsets(place, today)
        for number, (at, offset) in enumerate(changes):
            until = changes[number + 1][0] if number + 1 < len(changes) else end
            if until > since:
                rows.append([time_zone, country, at, until, offset])
    return {"spans": json.dumps(rows)}


def _weights(allowed: Sequence[int]) -> list[list[int]]:
    return [
        [observed, hour, rules.weight(observed, hour)]
        for observed in range(rules.HOURS)
        for hour in allowed
        if rules.weight(observed, hour)
    ]


def _habits(counts: Mapping[str, Sequence[int]], allowed: Sequence[int]) -> list[list[Any]]:
    rows: list[list[Any]] = []
    for country, numbers in sorted(counts.items()):
        everybody = rules.habit(numbers)
        usual = max(allowed, key=lambda hour: (everybody[hour], -hour))
        rows += [[country, hour, everybody[hour], int(hour == usual)] for hour in allowed]
    return rows
