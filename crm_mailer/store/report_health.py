"""The counts behind a shop's health: orders and what became of them, reviews, ratings, cases."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from crm_mailer.model.case import CaseState
from crm_mailer.model.period import Period
from crm_mailer.model.sla import Level
from crm_mailer.store import report_sql as sql
from crm_mailer.store import tables as t
from crm_mailer.store.report_sql import NO_SPREAD, Spread

#: A case of these reasons is one of goods that are not as described.
_NOT_AS_DESCRIBED = "nad.%"
_RATINGS = ("item_as_described", "communication", "shipping_speed")


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderCounts:
    """Paid orders of the period, by what went wrong with them."""

    paid: int
    defective: int
    disputed: int
    seller_cancelled: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseCounts:
    """Cases of the period: how they ended, and which went before a judge."""

    ended: int
    ended_quietly: int
    arbitration_raised: int
    arbitration_lost: int
    response: Spread


@dataclass(frozen=True, slots=True, kw_only=True)
class Rating:
    """A detailed rating: the sum of all stars given, in hundredths, and how many gave them."""

    hundredths: int
    ratings: int


def orders(connection: sa.Connection, period: Period) -> OrderCounts:
    """Orders placed in the period and paid; each counts once in each figure."""
    placed = sql.within(t.orders.c.placed_at, period)
    troubled = _troubled(placed).subquery()
    row = connection.execute(
        sa.select(
            sa.func.count().label("defective"),
            sql.how_many(troubled.c.disputed > 0).label("disputed"),
            sql.how_many(troubled.c.cancelled > 0).label("seller_cancelled"),
        )
    ).one()
    paid = connection.scalar(sa.select(sa.func.count()).where(placed, sql.is_paid()))
    return OrderCounts(paid=paid or 0, **row._mapping)


def reviews(connection: sa.Connection, period: Period) -> tuple[int, int]:
    """Good and bad reviews of the period (4 and 5 stars; 1 and 2)."""
    stars = t.reviews.c.stars
    row = connection.execute(
        sa.select(sql.how_many(stars >= 4).label("good"), sql.how_many(stars <= 2).label("bad"))
        .where(sql.within(t.reviews.c.at, period))
    ).one()  # fmt: skip
    return row.good, row.bad


def ratings(connection: sa.Connection, period: Period) -> dict[str, Rating]:
    """Detailed ratings of the shop, over all platforms and the periods that lie within this one.

    Where no such period does, the latest one that reaches into it speaks for it.
    """
    inside = (t.shop_ratings.c.from_on >= period.first) & (t.shop_ratings.c.until_on <= period.last)
    found = _ratings(connection, inside)
    if any(one.ratings for one in found.values()):
        return found
    touching = (t.shop_ratings.c.from_on <= period.last) & (
        t.shop_ratings.c.until_on >= period.first
    )
    latest = sa.select(sa.func.max(t.shop_ratings.c.until_on)).where(touching).scalar_subquery()
    return _ratings(connection, touching & (t.shop_ratings.c.until_on == latest))


def cases(connection: sa.Connection, period: Period) -> CaseCounts:
    """Cases opened in the period; those that were merged into another are not cases of their own.

    Escalated is what became late by its clock, and what went to the marketplace.
    """
    case = t.cases.c
    opened = sql.within(case.opened_at, period) & case.merged_into_id.is_(None)
    ended = case.state.in_((CaseState.RESOLVED.value, CaseState.CLOSED.value))
    late = case.id.in_(
        sa.select(t.case_escalations.c.case_id).where(
            t.case_escalations.c.level == Level.BREACH.value
        )
    )
    quiet = sa.not_(late) & (case.arbitration == "") & (case.dispute_number == "")
    raised = case.reason.like(_NOT_AS_DESCRIBED) & (case.arbitration != "")
    row = connection.execute(
        sa.select(
            sql.how_many(ended).label("ended"),
            sql.how_many(ended & quiet).label("ended_quietly"),
            sql.how_many(raised).label("arbitration_raised"),
            sql.how_many(raised & case.is_liable.is_(True)).label("arbitration_lost"),
        ).where(opened)
    ).one()
    taken = sql.seconds(case.first_response_at) - sql.seconds(case.opened_at)
    everything = sa.func.coalesce(sa.func.nullif(case.state, case.state), "all")
    spread = sql.spreads(connection, key=everything, value=taken, source=t.cases, where=opened)
    return CaseCounts(**row._mapping, response=spread.get("all", NO_SPREAD))


def _troubled(placed: sql.Condition) -> Any:
    """Order -> whether it was disputed, cancelled by us, or badly reviewed.

    It begins at the few rows that tell of trouble, so that healthy orders need not be read.
    """
    zero: Any = sa.literal_column("0")
    one: Any = sa.literal_column("1")

    def rows(source: Any, order_id: Any, disputed: Any, cancelled: Any, *conditions: Any) -> Any:
        return (
            sa.select(
                order_id.label("order_id"), disputed.label("disputed"), cancelled.label("cancelled")
            )
            .select_from(source)
            .where(placed, sql.is_paid(), *conditions)
        )

    event, review, case = t.order_events, t.reviews, t.cases
    by_event = event.join(t.orders, t.orders.c.id == event.c.order_id)
    by_review = review.join(t.orders, t.orders.c.id == review.c.order_id)
    by_case = case.join(t.orders, t.orders.c.id == case.c.order_id)
    number = case.c.dispute_number
    found = sa.union_all(
        rows(by_event, event.c.order_id, one, zero,
             event.c.state.in_(("disputed", "arbitration", "dispute_decided"))),
        rows(by_event, event.c.order_id, zero, one, event.c.state == "cancelled",
             ~sql.has_event("cancel_requested")),
        rows(by_review, review.c.order_id, zero, zero, review.c.stars <= 2),
        rows(by_case, case.c.order_id, one, zero, (number != "") | (case.c.arbitration != "")),
    ).subquery()  # fmt: skip
    return sa.select(
        found.c.order_id,
        sa.func.max(found.c.disputed).label("disputed"),
        sa.func.max(found.c.cancelled).label("cancelled"),
    ).group_by(found.c.order_id)


def _ratings(connection: sa.Connection, condition: sql.Condition) -> dict[str, Rating]:
    found = {}
    for name in _RATINGS:
        column = t.shop_ratings.c[name]
        # A row without a number of ratings counts as one.
        weight = sa.case((t.shop_ratings.c.ratings > 0, t.shop_ratings.c.ratings), else_=1)
        row = connection.execute(
            sa.select(
                sa.func.coalesce(sa.func.sum(column * weight), 0).label("hundredths"),
                sa.func.coalesce(sa.func.sum(weight), 0).label("ratings"),
            ).where(condition, column.is_not(None))
        ).one()
        found[name] = Rating(hundredths=int(row.hundredths), ratings=int(row.ratings))
    return found
