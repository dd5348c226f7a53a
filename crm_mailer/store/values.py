"""What customers are likely to bring: the figures that models ask for, and what they answer."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any
from zoneinfo import ZoneInfo

import sqlalchemy as sa

from crm_mailer.model.case import UNDER_WAY
from crm_mailer.model.suppression import SuppressionReason
from crm_mailer.store import bulk
from crm_mailer.store import tables as t
from crm_mailer.store.engine import upsert
from crm_mailer.store.local_days import days_ago

#: Why mail ended that says nothing of whether the customer wants to buy.
_INVOLUNTARY = (
    SuppressionReason.HARD_BOUNCE,
    SuppressionReason.SPAM_REPORT,
    SuppressionReason.BY_HAND,
)


@dataclass(frozen=True, slots=True)
class Figures:
    """A customer's purchases, days with several orders taken as one.

    `repeats` after the first, for `repeat_usd_cents` in all; the first was `age` days ago, the
    last `days_since_last`.
    """

    customer_id: int
    repeats: int
    repeat_usd_cents: int
    age: int
    days_since_last: int


@dataclass(frozen=True, slots=True)
class Valued:
    """What is to be expected of a customer; None while the shop has too few orders to say.

    `chance_percent` of an order in the next 90 days, `clv_usd_cents` of the next twelve months.
    """

    churn: str
    chance_percent: int | None
    clv_usd_cents: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class InChurn:
    """So many customers have gone so far; `involuntary` of them may not be mailed or are in
    dispute, so that their silence says nothing of their wish.
    """

    churn: str
    customers: int
    involuntary: int
    #: The mean of those of whom it is known.
    chance_percent: float | None
    clv_usd_cents: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Due:
    """Whose value may be another than yesterday, while the models stay as they are.

    The `changed`; those whose age is a whole number of `weeks_of` days; those who have been away
    for just one of the days `away_for`; and who was never valued.
    """

    changed: sa.Select[Any]
    weeks_of: int
    away_for: Collection[int]


def count_repeats(
    connection: sa.Connection, *, changed: sa.Select[Any] | None, today: date, place: ZoneInfo
) -> None:
    """Count the purchases of the `changed` customers (None: all) anew, in the zone `place`."""
    scores = t.scores.c
    # Always a buyer: SQLite needs a WHERE before ON CONFLICT.
    buyers = sa.select(scores.customer_id, sa.literal(0), sa.literal(0)).where(
        scores.order_count > 0
    )
    gone = ~sa.exists().where(scores.customer_id == t.customer_values.c.customer_id)
    if changed is not None:
        buyers = buyers.where(scores.customer_id.in_(changed))
        gone = sa.and_(gone, t.customer_values.c.customer_id.in_(changed))
    connection.execute(sa.delete(t.customer_values).where(gone))
    _put(connection, buyers)
    _put(connection, _repeats(changed, today, place))


def list_figures(
    connection: sa.Connection,
    *,
    today: date,
    place: ZoneInfo,
    after: int = 0,
    limit: int | None = None,
    every: int = 1,
    due: Due | None = None,
) -> list[tuple[Figures, Valued]]:
    """Customers by id, the next `limit` after id `after`, with what they were valued last.

    With `every` 20, only each twentieth id: a sample. With `due`, only those.
    """
    values, scores = t.customer_values.c, t.scores.c
    age = days_ago(scores.first_order_at, today, place)
    away = days_ago(scores.last_order_at, today, place)
    query = (
        sa.select(
            values.customer_id,
            values.repeats,
            values.repeat_usd_cents,
            age,
            away,
            values.churn,
            values.chance_percent,
            values.clv_usd_cents,
        )
        .join_from(t.customer_values, t.scores, scores.customer_id == values.customer_id)
        .where(values.customer_id > after)
        .order_by(values.customer_id)
    )
    if every > 1:
        query = query.where(values.customer_id % every == 0)
    if due is not None:
        query = query.where(
            sa.or_(
                age % due.weeks_of == 0,
                away.in_(sorted(due.away_for)),
                values.churn == "",
                values.customer_id.in_(due.changed),
            )
        )
    rows = connection.execute(query.limit(limit) if limit else query)
    return [(Figures(*row[:5]), Valued(*row[5:])) for row in rows]


def purchase_days(
    connection: sa.Connection, *, today: date, place: ZoneInfo, every: int
) -> Iterator[tuple[int, int]]:
    """(customer, days ago) of the paid orders of each `every`th customer."""
    orders = t.orders.c
    query = sa.select(orders.customer_id, days_ago(orders.placed_at, today, place)).where(
        orders.is_counted, orders.customer_id.is_not(None), orders.customer_id % every == 0
    )
    for row in connection.execute(query):
        yield row[0], row[1]


def count(connection: sa.Connection) -> int:
    """How many customers have a paid order."""
    return connection.scalar(sa.select(sa.func.count()).select_from(t.scores)) or 0


def put(connection: sa.Connection, valued: Sequence[tuple[int, Valued]]) -> None:
    """Write what is to be expected of these customers."""
    bulk.insert(
        connection,
        t.customer_values,
        ("customer_id", "repeats", "repeat_usd_cents", "churn", "chance_percent", "clv_usd_cents"),
        [(id_, 0, 0, one.churn, one.chance_percent, one.clv_usd_cents) for id_, one in valued],
        conflict="ON CONFLICT (customer_id) DO UPDATE SET churn = excluded.churn, "
        "chance_percent = excluded.chance_percent, clv_usd_cents = excluded.clv_usd_cents",
    )


def find(connection: sa.Connection, customer_id: int) -> Valued | None:
    """What is to be expected of a customer; None before the first look, or without an order."""
    values = t.customer_values.c
    row = connection.execute(
        sa.select(values.churn, values.chance_percent, values.clv_usd_cents).where(
            values.customer_id == customer_id, values.churn != ""
        )
    ).first()
    return None if row is None else Valued(*row)


def by_churn(connection: sa.Connection) -> list[InChurn]:
    """How many customers have gone how far."""
    values, customer = t.customer_values.c, t.customers.c
    is_stopped = sa.exists().where(
        t.suppressions.c.address_key == customer.email_key,
        t.suppressions.c.reason.in_([one.value for one in _INVOLUNTARY]),
    )
    has_case = sa.exists().where(
        t.cases.c.customer_id == customer.id, t.cases.c.state.in_(sorted(UNDER_WAY))
    )
    is_involuntary = sa.or_(customer.is_flagged, is_stopped, has_case)
    rows = connection.execute(
        sa.select(
            values.churn,
            sa.func.count().label("customers"),
            sa.func.count(sa.case((is_involuntary, 1))).label("involuntary"),
            sa.func.avg(sa.cast(values.chance_percent, sa.Float)).label("chance"),
            sa.cast(sa.func.sum(values.clv_usd_cents), sa.BigInteger).label("clv"),
        )
        .join_from(t.customer_values, t.customers, customer.id == values.customer_id)
        .where(values.churn != "")
        .group_by(values.churn)
    )
    return [
        InChurn(
            churn=row.churn,
            customers=row.customers,
            involuntary=row.involuntary,
            chance_percent=None if row.chance is None else float(row.chance),
            clv_usd_cents=row.clv,
        )
        for row in rows
    ]


def _repeats(changed: sa.Select[Any] | None, today: date, place: ZoneInfo) -> sa.Select[Any]:
    """Of who has more orders than one: days with an order but the first, and their money."""
    orders, scores = t.orders.c, t.scores.c
    day = days_ago(orders.placed_at, today, place)
    cents = sa.case((day != days_ago(scores.first_order_at, today, place), orders.net_usd_cents))
    query = (
        sa.select(
            scores.customer_id,
            sa.func.count(sa.distinct(day)) - 1,
            sa.cast(sa.func.coalesce(sa.func.sum(cents), 0), sa.BigInteger),
        )
        .join_from(t.scores, t.orders, orders.customer_id == scores.customer_id)
        .where(orders.is_counted, scores.order_count > 1)
    )
    if changed is not None:
        query = query.where(scores.customer_id.in_(changed))
    return query.group_by(scores.customer_id)


def _put(connection: sa.Connection, rows: sa.Select[Any]) -> None:
    values = upsert(connection, t.customer_values).from_select(
        ["customer_id", "repeats", "repeat_usd_cents"], rows
    )
    connection.execute(
        values.on_conflict_do_update(
            index_elements=["customer_id"],
            set_={
                "repeats": values.excluded.repeats,
                "repeat_usd_cents": values.excluded.repeat_usd_cents,
            },
        )
    )
