"""The customers of a segment one by one, for a file: what marketers take elsewhere."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import sqlalchemy as sa

from crm_mailer.model.segment import Rule
from crm_mailer.store import selection_fields as fields
from crm_mailer.store import tables as t
from crm_mailer.store.look import Look
from crm_mailer.store.selection import condition

#: What a file tells of each customer. Phone and street are private and stay here.
COLUMNS = (
    "id",
    "email",
    "name",
    "given_name",
    "language",
    "country",
    "region",
    "city",
    "gender",
    "platform",
    "is_suppressed",
    "is_flagged",
    "r",
    "f",
    "m",
    "rfm_segment",
    "value_class",
    "order_count",
    "spent_usd",
    "last_order_at",
)
#: Rows that wait in memory.
_PAGE = 5_000


def each(connection: sa.Connection, rule: Rule, look: Look) -> Iterator[tuple[Any, ...]]:
    """The customers for whom `rule` holds now, in the order of `COLUMNS`, by their numbers."""
    customer, score = t.customers.c, t.scores.c
    query = (
        sa.select(
            customer.id,
            sa.func.coalesce(customer.email, ""),
            customer.name,
            customer.given_name,
            customer.language,
            customer.country,
            customer.region,
            customer.city,
            sa.func.coalesce(customer.gender, ""),
            customer.source_platform,
            sa.case((fields.FLAGS["is_suppressed"](), "yes"), else_="no"),
            sa.case((customer.is_flagged, "yes"), else_="no"),
            score.r,
            score.f,
            score.m,
            fields.SCALARS["rfm_segment"](look),
            fields.SCALARS["value_class"](look),
            sa.func.coalesce(score.order_count, 0),
            sa.func.coalesce(score.spent_usd_cents, 0),
            score.last_order_at,
        )
        .select_from(t.customers.outerjoin(t.scores, score.customer_id == customer.id))
        .where(customer.erased_at.is_(None), condition(rule, look))
        .order_by(customer.id)
    )
    for row in connection.execute(query, execution_options={"yield_per": _PAGE}):
        yield tuple(row)


def everybody(connection: sa.Connection) -> int:
    """How many customers there are; of those who were erased only numbers are left."""
    query = sa.select(sa.func.count()).where(t.customers.c.erased_at.is_(None))
    return connection.scalar(query) or 0
