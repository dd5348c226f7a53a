"""Finds and lists customers, and corrects by hand what is told of them."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from crm_mailer.model.address import key, masked
from crm_mailer.model.errors import NotFound, NotPossible
from crm_mailer.model.sentence import Sentence
from crm_mailer.store import birthday_mails, case_files, reopening
from crm_mailer.store import tables as t
from crm_mailer.store.bulk import among


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A customer in one line; the phone is masked. Marks are None without a paid order."""

    id: int
    name: str
    email: str
    phone: str
    country: str
    language: str
    is_flagged: bool
    r: int | None
    f: int | None
    m: int | None
    order_count: int
    spent_usd_cents: int
    last_order_at: datetime | None


def find_customer(connection: sa.Connection, who: str) -> int:
    """The id of the customer with this number, mail address or name on a platform.

    Raises:
        NotFound: there is none.
    """
    if not who.isascii() or not who.isdigit():
        return case_files.find_by_address(connection, who)
    id_ = int(who) if len(who) < 16 else 0
    found = connection.scalar(sa.select(t.customers.c.id).where(t.customers.c.id == id_))
    if found is None:
        raise NotFound(
            Sentence("there is no customer {who}", who=who),
            hint="`crm-mailer customer list` has all",
        )
    return int(found)


def erased_of(connection: sa.Connection, numbers: Collection[int]) -> set[int]:
    """Those of these customers who were erased."""
    is_gone = t.customers.c.erased_at.is_not(None)
    query = sa.select(t.customers.c.id).where(is_gone, among(connection, t.customers.c.id, numbers))
    return set(connection.scalars(query))


def address_of(connection: sa.Connection, customer_id: int) -> str:
    """The mail address of a customer, empty where none is known."""
    query = sa.select(t.customers.c.email).where(t.customers.c.id == customer_id)
    return connection.scalar(query) or ""


def name_of(connection: sa.Connection, customer_id: int) -> str:
    """How to call a customer: by name, else address, else number."""
    customer = t.customers.c
    query = sa.select(customer.name, customer.email).where(customer.id == customer_id)
    row = connection.execute(query).one()
    return row.name or row.email or str(customer_id)


def list_customers(
    connection: sa.Connection,
    *,
    search: str = "",
    segment: str = "",
    tag: str = "",
    is_flagged: bool = False,
    among: sa.Select[Any] | None = None,
    limit: int = 50,
) -> list[Entry]:
    """Customers by their last order, the latest first.

    Args:
        connection: inside `store.read()`.
        search: a piece of the name, or the beginning of the mail address.
        segment: only its members.
        tag: only those who have it.
        is_flagged: only buyers to beware of.
        among: only those whose numbers it finds.
        limit: at most so many.
    """
    customer, score = t.customers.c, t.scores.c
    query = (
        sa.select(t.customers, t.scores)
        .outerjoin_from(t.customers, t.scores, score.customer_id == customer.id)
        .where(customer.erased_at.is_(None))
        .order_by(sa.func.coalesce(score.last_order_at, 0).desc(), customer.id)
        .limit(limit)
    )
    if among is not None:
        query = query.where(customer.id.in_(among))
    if search:
        begins = customer.email_key.startswith(key(search), autoescape=True)
        query = query.where(sa.or_(customer.name.icontains(search, autoescape=True), begins))
    if segment:
        query = query.where(
            _has(t.memberships, "segment", segment, t.memberships.c.until.is_(None))
        )
    if tag:
        query = query.where(_has(t.customer_tags, "tag", tag))
    if is_flagged:
        query = query.where(customer.is_flagged)
    return [entry_of(row) for row in connection.execute(query)]


def correct(
    connection: sa.Connection, customer_id: int, values: Mapping[str, Any], *, now: datetime
) -> None:
    """Write what a person told of a customer.

    Raises:
        NotPossible: the mail address belongs to another customer.
    """
    changes = dict(values)
    if "email" in changes:
        changes["email_key"] = key(changes["email"])
        owner = connection.scalar(
            sa.select(t.customers.c.id).where(t.customers.c.email_key == changes["email_key"])
        )
        if owner not in (None, customer_id):
            raise NotPossible(
                Sentence(
                    "{email} belongs to customer {owner} already",
                    email=changes["email"],
                    owner=owner,
                ),
                hint="two customers cannot share an address",
            )
        if changes["email_key"]:
            reopening.by_addresses(connection, [customer_id], now)
    if "birth_month" in changes:
        day = changes["birth_month"], changes["birth_day"]
        birthday_mails.follow(connection, {customer_id: day}, now=now)
    connection.execute(
        sa.update(t.customers)
        .where(t.customers.c.id == customer_id)
        .values(**changes, changed_at=now)
    )


def _has(
    table: sa.Table, column: str, value: str, *also: sa.ColumnElement[bool]
) -> sa.ColumnElement[bool]:
    return sa.exists().where(
        table.c.customer_id == t.customers.c.id, table.c[column] == value, *also
    )


def entry_of(row: Any) -> Entry:
    """A row with these columns as an entry."""
    return Entry(
        id=row.id,
        name=row.name,
        email=row.email or "",
        phone=masked(row.phone),
        country=row.country,
        language=row.language,
        is_flagged=bool(row.is_flagged),
        r=row.r,
        f=row.f,
        m=row.m,
        order_count=row.order_count or 0,
        spent_usd_cents=row.spent_usd_cents or 0,
        last_order_at=row.last_order_at,
    )
