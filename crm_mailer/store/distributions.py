"""How customers spread over gender, age, country and so on; crossed with products and values."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import sqlalchemy as sa

from crm_mailer.model.segment import Rule
from crm_mailer.store import selection_fields as fields
from crm_mailer.store import tables as t
from crm_mailer.store.look import Look
from crm_mailer.store.selection import condition

#: Ages from which a band begins, as shops and platforms cut them.
AGES = (18, 25, 35, 45, 55, 65)


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """Customers of one kind; empty text is unknown. Of products: their buyers."""

    value: str
    across: str
    customers: int
    spent_usd_cents: int


def _text(column: sa.ColumnElement[Any]) -> Callable[[Look], sa.ColumnElement[Any]]:
    return lambda _look: sa.func.coalesce(column, "")


def _scalar(name: str) -> Callable[[Look], sa.ColumnElement[Any]]:
    return lambda look: sa.func.coalesce(fields.SCALARS[name](look), "")


def _age_band(look: Look) -> sa.ColumnElement[Any]:
    """As told, else by the year of birth."""
    age = fields.age(look)
    ends = [(age < top, f"{low}-{top - 1}") for low, top in pairwise(AGES)]
    own = sa.case((age < AGES[0], f"under {AGES[0]}"), *ends, (age >= AGES[-1], f"{AGES[-1]}+"))
    return sa.func.coalesce(sa.func.nullif(t.customers.c.age_band, ""), own, "")


def _product(_look: Look) -> sa.ColumnElement[Any]:
    return sa.func.coalesce(sa.func.nullif(t.order_items.c.sku, ""), t.order_items.c.title)


#: What customers are told apart by.
DIMENSIONS: dict[str, Callable[[Look], sa.ColumnElement[Any]]] = {
    "gender": _text(t.customers.c.gender),
    "age_band": _age_band,
    "country": _text(t.customers.c.country),
    "language": _text(t.customers.c.language),
    "address_kind": _text(t.customers.c.address_kind),
    "value_class": _scalar("value_class"),
    "rfm_segment": _scalar("rfm_segment"),
    "churn": _scalar("churn"),
    "region": _text(t.customers.c.region),
    "city": _text(t.customers.c.city),
    "mail_domain": _scalar("mail_domain"),
    "occupation": _text(t.customers.c.occupation),
    "shopping_age": _text(t.customers.c.shopping_age),
    "buying_behaviour": _text(t.customers.c.buying_behaviour),
    "platform": _text(t.customers.c.source_platform),
    "product": _product,
    "category": _text(t.order_items.c.category),
}
#: Told by lines of paid orders: a customer counts once for each product.
OF_LINES = frozenset({"product", "category"})


def shares(
    connection: sa.Connection, rule: Rule, look: Look, *, by: str, across: str = ""
) -> list[Share]:
    """The customers for whom `rule` holds by one dimension, or two; the largest share first.

    Money is all that those customers have spent, not only on the product.
    """
    value = DIMENSIONS[by](look).label("value")
    other = (DIMENSIONS[across](look) if across else sa.literal("")).label("across")
    source = t.customers.outerjoin(t.scores, t.scores.c.customer_id == t.customers.c.id)
    is_counted = sa.and_(t.customers.c.erased_at.is_(None), condition(rule, look))
    if {by, across} & OF_LINES:
        source = source.join(t.orders, t.orders.c.customer_id == t.customers.c.id).join(
            t.order_items, t.order_items.c.order_id == t.orders.c.id
        )
        is_counted = sa.and_(is_counted, t.orders.c.is_counted)
    spent = sa.func.coalesce(t.scores.c.spent_usd_cents, 0).label("spent")
    each = (
        sa.select(value, other, t.customers.c.id, spent)
        .select_from(source)
        .where(is_counted)
        .distinct()
        .subquery()
    )
    number = sa.func.count()
    query = (
        sa.select(each.c.value, each.c.across, number, sa.func.sum(each.c.spent))
        .group_by(each.c.value, each.c.across)
        .order_by(number.desc(), each.c.value, each.c.across)
    )
    return [
        Share(
            value=row[0] or "", across=row[1] or "", customers=row[2], spent_usd_cents=int(row[3])
        )
        for row in connection.execute(query)
    ]
