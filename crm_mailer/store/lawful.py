"""Until when marketing mail to each customer is lawful, as a column: `model.consent` in SQL."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import FunctionElement

from crm_mailer.model.campaign import Stream
from crm_mailer.model.consent import (
    FOREVER,
    OTHERS,
    ConsentRules,
    CountryRule,
    Known,
    WriteTo,
)
from crm_mailer.model.customer import ConsentBasis
from crm_mailer.model.reply import ReplyKind
from crm_mailer.model.touch import TouchState
from crm_mailer.store import tables as t
from crm_mailer.store.engine import Instant

#: The one purpose that wants a basis of its own: mail about an order follows from the order.
MARKETING = "marketing"
#: Mails that a person wrote; robots ask for nothing.
ASKING = (ReplyKind.HUMAN.value,)

_person = t.customers.c
_EVER = sa.literal_column(str(int(FOREVER.timestamp())), sa.BigInteger)
_NOT = sa.literal_column("0", sa.BigInteger)


class _Latest(FunctionElement[int]):
    """The greatest of a few numbers, none of which is NULL."""

    type = sa.BigInteger()
    inherit_cache = True


@compiles(_Latest)
def _greatest(element: Any, compiler: Any, **more: Any) -> str:
    return f"greatest({compiler.process(element.clauses, **more)})"


@compiles(_Latest, "sqlite")
def _max(element: Any, compiler: Any, **more: Any) -> str:
    return f"max({compiler.process(element.clauses, **more)})"


@cache
def column(rules: ConsentRules) -> sa.ColumnElement[Any]:
    """`lawful_until` in seconds, to be selected beside `customers`.

    Of nearly all customers the record alone tells; orders, mails and letters are read only where
    the country's rule asks for them.
    """
    said, record = t.consents.c, ConsentBasis
    recorded = (
        sa.select(
            sa.case(
                (said.basis == record.NONE.value, _NOT),
                (sa.and_(said.basis == record.CONSENT.value, said.until.is_(None)), _EVER),
                (
                    said.basis == record.CONSENT.value,
                    _Latest(_seconds(said.until), _by_country(rules, has_record=True)),
                ),
                else_=_by_country(rules, has_record=True),
            )
        )
        .where(said.customer_id == _person.id, said.purpose == MARKETING)
        .correlate(t.customers)
        .scalar_subquery()
    )
    return sa.func.coalesce(
        recorded, _by_country(rules, has_record=False), type_=sa.BigInteger
    ).label("lawful_until")


def _by_country(rules: ConsentRules, *, has_record: bool) -> sa.ColumnElement[Any]:
    """What each country's rule allows to a customer who said nothing."""
    places: dict[CountryRule, list[str]] = {}
    for country, rule in sorted(rules.by_country.items()):
        if country != OTHERS:
            places.setdefault(rule, []).append(country)
    others = rules.of("")
    cases = [
        (_person.country.in_(countries), _allowed(rule, has_record=has_record))
        for rule, countries in places.items()
        if rule != others
    ]
    elsewhere = _allowed(others, has_record=has_record)
    return sa.case(*cases, else_=elsewhere) if cases else elsewhere


def _allowed(rule: CountryRule, *, has_record: bool) -> sa.ColumnElement[Any]:
    match rule.write_to:
        case WriteTo.ANYBODY:
            return _EVER
        case WriteTo.CONSENTING:
            return _NOT
        case WriteTo.BUYERS:
            ends = list(_ends(rule, has_record=has_record))
            return ends[0] if len(ends) == 1 else _Latest(*ends)


def _ends(rule: CountryRule, *, has_record: bool) -> Iterator[sa.ColumnElement[Any]]:
    """When that ends which a purchase, and an inquiry, allow."""
    # an order that was cancelled since may stand behind the record: orders are asked first
    is_soft = sa.and_(t.consents.c.basis == ConsentBasis.SOFT_OPT_IN.value, ~_has_ordered())
    if rule.after_purchase is None:
        cases = [(is_soft, _EVER)] if has_record else []
        yield sa.case((_has_bought(), _EVER), *cases, else_=_NOT)
    else:
        length = int(rule.after_purchase.total_seconds())
        order, touch = t.orders.c, t.touches.c
        yield _after(order.placed_at, length, order.customer_id == _person.id, order.is_counted)
        if has_record:
            yield sa.case((is_soft, _seconds(t.consents.c.given_at) + length), else_=_NOT)
        if rule.is_renewed:
            is_buyer = sa.or_(_has_bought(), is_soft) if has_record else _has_bought()
            mailed = _after(
                touch.settled_at,
                length,
                touch.customer_id == _person.id,
                touch.stream == Stream.MARKETING.value,
                touch.state == TouchState.ACCEPTED.value,
            )
            yield sa.case((is_buyer, mailed), else_=_NOT)
    if rule.after_inquiry is not None:
        letter = t.replies.c
        yield _after(
            letter.received_at,
            int(rule.after_inquiry.total_seconds()),
            letter.customer_id == _person.id,
            letter.kind.in_(ASKING),
        )


def _has_bought() -> sa.ColumnElement[bool]:
    order = t.orders.c
    found = sa.exists().where(order.customer_id == _person.id, order.is_counted)
    return found.correlate(t.customers)


def _has_ordered() -> sa.ColumnElement[bool]:
    return sa.exists().where(t.orders.c.customer_id == _person.id).correlate(t.customers)


def _after(
    at: sa.ColumnElement[Any], length: int, *where: sa.ColumnElement[bool]
) -> sa.ColumnElement[Any]:
    """So many seconds after the last of these rows; 0 where there is none."""
    last = sa.select(sa.func.max(sa.type_coerce(at, sa.BigInteger)) + length).where(*where)
    return sa.func.coalesce(last.correlate(t.customers).scalar_subquery(), _NOT)


def _seconds(at: sa.ColumnElement[Any]) -> sa.ColumnElement[Any]:
    return sa.func.coalesce(sa.type_coerce(at, sa.BigInteger), _NOT)


# ------------------------------------------------------------------ one customer


def known(connection: sa.Connection, customer_id: int) -> Known:
    """What decides about one customer, as facts that can be told."""
    said, order, letter, touch = t.consents.c, t.orders.c, t.replies.c, t.touches.c
    query = (
        sa.select(
            _person.country,
            said.basis,
            said.given_at,
            said.until,
            _last(order.placed_at, order.customer_id == customer_id, order.is_counted),
            _last(letter.received_at, letter.customer_id == customer_id, letter.kind.in_(ASKING)),
            _last(
                touch.settled_at,
                touch.customer_id == customer_id,
                touch.stream == Stream.MARKETING.value,
                touch.state == TouchState.ACCEPTED.value,
            ),
            sa.exists().where(order.customer_id == customer_id),
        )
        .select_from(
            t.customers.outerjoin(
                t.consents, sa.and_(said.customer_id == _person.id, said.purpose == MARKETING)
            )
        )
        .where(_person.id == customer_id)
    )
    country, basis, *rest = connection.execute(query).one()
    return Known(country, ConsentBasis(basis) if basis else None, *rest)


def _last(at: sa.ColumnElement[Any], *where: sa.ColumnElement[bool]) -> sa.ColumnElement[Any]:
    return sa.select(sa.func.max(at, type_=Instant)).where(*where).scalar_subquery()
