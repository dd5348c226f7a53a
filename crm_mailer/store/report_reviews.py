"""Stars and comments of a period, by product."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from crm_mailer.model.feedback import FeedbackKind
from crm_mailer.model.period import Period
from crm_mailer.store import report_sql as sql
from crm_mailer.store import tables as t

_MOST = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Stars:
    """Reviews of one product: how many of each number of stars, how many were answered."""

    product: str
    reviews: int
    one: int
    two: int
    three: int
    four: int
    five: int
    answered: int
    answered_bad: int

    @property
    def mean(self) -> float:
        """Stars on average."""
        total = self.one + 2 * self.two + 3 * self.three + 4 * self.four + 5 * self.five
        return total / self.reviews if self.reviews else 0.0


_review = t.reviews.c


def by_product(connection: sa.Connection, period: Period, *, limit: int = _MOST) -> list[Stars]:
    """Products by the number of their reviews; a review names one, else its order's first."""
    key = sql.product_of(_review.product)
    query = (
        sa.select(key.label("product"), *_counts())
        .select_from(_with_item())
        .where(sql.within(_review.at, period))
        .group_by(key)
        .order_by(sa.func.count().desc(), key)
        .limit(limit)
    )
    return [Stars(**row._mapping) for row in connection.execute(query)]


def total(connection: sa.Connection, period: Period) -> Stars:
    """All reviews of the period."""
    row = connection.execute(sa.select(*_counts()).where(sql.within(_review.at, period))).one()
    return Stars(product="", **row._mapping)


def reasons(connection: sa.Connection, period: Period) -> list[tuple[str, str, int]]:
    """Product, reason and how often: what the words of bad reviews complain about."""
    key = sql.product_of(_review.product)
    number = sa.func.count()
    query = (
        sa.select(key.label("product"), t.feedback.c.reason, number.label("number"))
        .select_from(_with_item().join(t.feedback, t.feedback.c.review_id == _review.id))
        .where(
            sql.within(_review.at, period),
            t.feedback.c.kind == FeedbackKind.COMPLAINT.value,
            t.feedback.c.reason.not_in(("", "other")),
        )
        .group_by(key, t.feedback.c.reason)
        .order_by(number.desc(), t.feedback.c.reason)
        .limit(20_000)
    )
    return [(row.product, row.reason, row.number) for row in connection.execute(query)]


def comments(
    connection: sa.Connection, period: Period, *, limit: int
) -> list[tuple[str, int, str]]:
    """Product, stars and comment of the newest reviews that have words."""
    query = (
        sa.select(sql.product_of(_review.product).label("product"), _review.stars, _review.comment)
        .select_from(_with_item())
        .where(sql.within(_review.at, period), _review.comment != "")
        .order_by(_review.at.desc(), _review.id.desc())
        .limit(limit)
    )
    return [(row.product, row.stars, row.comment) for row in connection.execute(query)]


def _with_item() -> Any:
    item = (_review.product == "") & sql.is_first_item(_review.order_id)
    return t.reviews.outerjoin(t.order_items, item)


def _counts() -> list[Any]:
    names = ("one", "two", "three", "four", "five")
    answered = _review.answered_at.is_not(None)
    return [
        sa.func.count().label("reviews"),
        *(sql.how_many(_review.stars == stars).label(name) for stars, name in enumerate(names, 1)),
        sql.how_many(answered).label("answered"),
        sql.how_many(answered & (_review.stars <= 2)).label("answered_bad"),
    ]
