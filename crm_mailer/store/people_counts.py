"""How many persons of each country are held, and of how many something was done in a year."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

import sqlalchemy as sa

from crm_mailer.model.touch import TouchState
from crm_mailer.store.tables import customers, orders, touches


class CountryCount(NamedTuple):
    """Persons of one country; an empty one is not known.

    `fresh` came in the year, `worked_on` came, ordered or got a mail in it.
    """

    country: str
    held: int
    fresh: int
    worked_on: int


def by_country(
    connection: sa.Connection, since: datetime, until: datetime
) -> Sequence[CountryCount]:
    """The countries with the most persons first; the year is from `since` up to `until`."""
    person = customers.c
    is_fresh = sa.and_(person.created_at >= since, person.created_at < until)
    ordered = sa.exists().where(
        orders.c.customer_id == person.id, orders.c.placed_at >= since, orders.c.placed_at < until
    )
    mailed = sa.exists().where(
        touches.c.customer_id == person.id,
        touches.c.state == TouchState.ACCEPTED.value,
        touches.c.settled_at >= since,
        touches.c.settled_at < until,
    )
    held = sa.func.count().label("held")
    query = (
        sa.select(
            person.country,
            held,
            _count(is_fresh),
            _count(sa.or_(is_fresh, ordered, mailed)),
        )
        .where(person.erased_at.is_(None))
        .group_by(person.country)
        .order_by(held.desc(), person.country)
    )
    return [CountryCount(*row) for row in connection.execute(query)]


def _count(condition: sa.ColumnElement[bool]) -> sa.ColumnElement[int]:
    return sa.func.sum(sa.case((condition, 1), else_=0))
