"""Writes what is concluded about customers: by orders and tags in SQL, by address in batches."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from crm_mailer.model.customer import (
    EXPERIENCED_FOR,
    EXPERIENCED_ORDERS,
    BuyingBehaviour,
    Personality,
    ShoppingAge,
)
from crm_mailer.model.score import ValueClass
from crm_mailer.store import tables as t


@dataclass(frozen=True, slots=True)
class Described:
    """What an address says about a customer. Empty and None mean unknown."""

    address_kind: str
    occupation: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """A customer's mail and delivery address, and what was concluded from them so far."""

    id: int
    email: str | None
    street: str
    described: Described


def list_addresses(
    connection: sa.Connection, *, since: datetime | None, after: int, limit: int
) -> list[Address]:
    """The next `limit` customers after id `after` who changed at `since` or later (None: all)."""
    customer = t.customers.c
    query = sa.select(
        customer.id, customer.email, customer.street, customer.address_kind, customer.occupation
    ).where(customer.id > after)
    if since is not None:
        query = query.where(customer.changed_at >= since)
    rows = connection.execute(query.order_by(customer.id).limit(limit))
    return [
        Address(
            id=row.id,
            email=row.email,
            street=row.street,
            described=Described(row.address_kind, row.occupation),
        )
        for row in rows
    ]


def describe(connection: sa.Connection, changes: Mapping[Described, Sequence[int]]) -> int:
    """Write each conclusion to its customers; returns how many customers."""
    for described, ids in changes.items():
        connection.execute(
            sa.update(t.customers)
            .where(t.customers.c.id.in_(ids))
            .values(address_kind=described.address_kind, occupation=described.occupation)
        )
    return sum(len(ids) for ids in changes.values())


def set_shopping_ages(connection: sa.Connection, *, changed: sa.Select[Any] | None) -> int:
    """Set the shopping age of the `changed` customers (None: all) by their orders."""
    scores = t.scores.c
    bought_for = sa.type_coerce(scores.last_order_at, sa.BigInteger) - sa.type_coerce(
        scores.first_order_at, sa.BigInteger
    )
    is_experienced = sa.and_(
        scores.order_count >= EXPERIENCED_ORDERS,
        bought_for >= int(EXPERIENCED_FOR.total_seconds()),
    )
    age = (
        sa.select(
            sa.case(
                (scores.order_count == 1, ShoppingAge.NOVICE.value),
                (is_experienced, ShoppingAge.EXPERIENCED.value),
                else_=ShoppingAge.INTERMEDIATE.value,
            )
        )
        .where(scores.customer_id == t.customers.c.id)
        .scalar_subquery()
    )
    query = sa.update(t.customers).values(shopping_age=age)
    if changed is not None:
        query = query.where(t.customers.c.id.in_(changed))
    return connection.execute(
        query.where(t.customers.c.shopping_age.is_distinct_from(age))
    ).rowcount


def set_behaviours(connection: sa.Connection, customer_id: int | None = None) -> int:
    """Set buying behaviour: a pinned tag first, then VIP by RFM, then a tag."""
    names = [behaviour.value for behaviour in BuyingBehaviour]
    scores, customer = t.scores.c, t.customers.c
    is_high = scores.value_class == ValueClass.KEY_VALUE.value
    is_vip = customer.id.in_(sa.select(scores.customer_id).where(is_high))
    is_tagged = customer.id.in_(
        sa.select(t.customer_tags.c.customer_id).where(t.customer_tags.c.tag.in_(names))
    )
    wanted = sa.func.coalesce(
        _newest_tag(names, t.customer_tags.c.is_pinned),
        sa.case((is_vip, BuyingBehaviour.VIP.value)),
        _newest_tag(names, sa.true()),
    )
    may_differ = sa.or_(customer.buying_behaviour.is_not(None), is_vip, is_tagged)
    return _set(connection, customer.buying_behaviour, wanted, may_differ, customer_id)


def set_personalities(connection: sa.Connection, customer_id: int | None = None) -> int:
    """Set personality: only ever by an agent's tag."""
    names = [personality.value for personality in Personality]
    customer = t.customers.c
    is_tagged = customer.id.in_(
        sa.select(t.customer_tags.c.customer_id).where(t.customer_tags.c.tag.in_(names))
    )
    may_differ = sa.or_(customer.personality.is_not(None), is_tagged)
    wanted = _newest_tag(names, sa.true())
    return _set(connection, customer.personality, wanted, may_differ, customer_id)


def _newest_tag(names: Sequence[str], only: sa.ColumnElement[bool]) -> sa.ScalarSelect[Any]:
    tags = t.customer_tags.c
    return (
        sa.select(tags.tag)
        .where(tags.customer_id == t.customers.c.id, tags.tag.in_(names), only)
        .order_by(tags.at.desc(), tags.id.desc())
        .limit(1)
        .scalar_subquery()
    )


def _set(
    connection: sa.Connection,
    column: sa.Column[Any],
    wanted: sa.ColumnElement[Any],
    may_differ: sa.ColumnElement[bool],
    customer_id: int | None,
) -> int:
    query = sa.update(t.customers).where(may_differ, column.is_distinct_from(wanted))
    if customer_id is not None:
        query = query.where(t.customers.c.id == customer_id)
    return connection.execute(query.values({column.name: wanted})).rowcount
