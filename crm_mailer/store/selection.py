"""Turns a rule into SQL that finds the customers for whom it holds, alike on each engine."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from graphlib import TopologicalSorter
from typing import Any

import sqlalchemy as sa

from crm_mailer.model.segment import AllOf, AnyOf, Compare, InSegment, Not, Rule
from crm_mailer.model.segment_blocks import Listed
from crm_mailer.model.segment_order import mentioned
from crm_mailer.store import selection_fields as fields
from crm_mailer.store import tables as t
from crm_mailer.store.look import Look
from crm_mailer.store.selection_blocks import BLOCKS
from crm_mailer.store.selection_values import Condition, present, test

__all__ = [
    "SELECTABLE",
    "Condition",
    "Look",
    "as_sql",
    "condition",
    "count",
    "customers_in",
    "select_ids",
]

#: Before the name of a column that says whether a customer is in a segment.
_FLAG = "in "
#: So many addresses of a list are written into SQL that people read.
_SHOWN = 20


def customers_in(rule: Rule, look: Look) -> sa.Select[tuple[int]]:
    """The ids of the customers for whom `rule` holds at `look`."""
    source = t.customers.outerjoin(t.scores, t.scores.c.customer_id == t.customers.c.id)
    wide = replace(look, is_of_all=True)
    is_known = t.customers.c.erased_at.is_(None)
    return sa.select(t.customers.c.id).select_from(source).where(is_known, condition(rule, wide))


def condition(rule: Rule, look: Look) -> Condition:
    """`rule` as a condition that is true or false, never NULL.

    It speaks of `customers` and of `scores` joined to it from outside. Other tables are asked row
    by row (EXISTS): an index answers, however many rows an engine would have to remember for IN.
    """
    fresh = _reached(rule, look)
    if not fresh:
        return _condition(rule, look, {})
    found = _worked_out(frozenset(fresh), look)
    is_in = {
        id_: t.customers.c.id.in_(sa.select(found.c.id).where(found.c[_flag(id_)])) for id_ in fresh
    }
    return _condition(rule, look, is_in)


def _condition(rule: Rule, look: Look, is_in: Mapping[str, Condition]) -> Condition:
    """`is_in` holds the segments that were worked out."""
    match rule:
        case AllOf(parts):
            return sa.and_(sa.true(), *(_condition(part, look, is_in) for part in parts))
        case AnyOf(parts):
            return sa.or_(sa.false(), *(_condition(part, look, is_in) for part in parts))
        case Not(part):
            return sa.not_(_condition(part, look, is_in))
        case InSegment(segment):
            return is_in[segment] if segment in is_in else _is_member(segment)
        case Compare():
            return _compare(rule, look)


def as_sql(rule: Rule, look: Look, dialect: sa.Dialect) -> str:
    """The SELECT with its values written in, for people; of long lists the first addresses."""
    shown = {id_: _shortened(one) for id_, one in look.segments.items()}
    query = customers_in(_shortened(rule), replace(look, segments=shown, parts={}))
    return str(query.compile(dialect=dialect, compile_kwargs={"literal_binds": True}))


def _shortened(rule: Rule) -> Rule:
    match rule:
        case AllOf(parts):
            return AllOf(tuple(_shortened(part) for part in parts))
        case AnyOf(parts):
            return AnyOf(tuple(_shortened(part) for part in parts))
        case Not(part):
            return Not(_shortened(part))
        case Compare(field, op, Listed() as listed) if len(listed.addresses) > _SHOWN:
            first = frozenset(sorted(listed.addresses)[:_SHOWN])
            return Compare(field, op, replace(listed, addresses=first))
        case Compare() | InSegment():
            return rule


def select_ids(connection: sa.Connection, rule: Rule, look: Look) -> list[int]:
    """The customers for whom `rule` holds, in the order of their ids."""
    return list(connection.scalars(customers_in(rule, look).order_by(t.customers.c.id)))


def count(connection: sa.Connection, rule: Rule, look: Look) -> int:
    """How many customers `rule` holds for."""
    query = sa.select(sa.func.count()).select_from(customers_in(rule, look).subquery())
    return connection.scalar(query) or 0


def _is_member(segment: str) -> Condition:
    return sa.exists().where(
        t.memberships.c.customer_id == t.customers.c.id,
        t.memberships.c.segment == segment,
        t.memberships.c.until.is_(None),
    )


# ------------------------------------------------------------------ segments worked out afresh


def _reached(rule: Rule, look: Look) -> dict[str, None]:
    """The segments that must be worked out for `rule`, each after those it speaks of."""
    found: dict[str, None] = {}
    for id_ in mentioned(rule):
        if id_ in look.segments and id_ not in found:
            found.update(_reached(look.segments[id_], look))
            found[id_] = None
    return found


def _worked_out(fresh: frozenset[str], look: Look) -> sa.CTE:
    """Who is in each of the segments `fresh`: a column for each, worked out once in a query.

    Segments that speak of none come first, then those that speak of them, and so on. Each layer
    is read once, by the next: SQLite copies what stands behind a name wherever the name stands,
    so that naming two parts twice on each of twenty layers would be a million copies.
    """
    if fresh in look.parts:
        return look.parts[fresh]
    layers = _layers(fresh, look)
    number, below = len(look.parts), None
    for height, layer in enumerate(layers):
        below = _layer(layer, below, look, f"segments_{number}_{height}")
    assert below is not None
    look.parts[fresh] = below
    return below


def _layers(fresh: frozenset[str], look: Look) -> list[list[str]]:
    sorter = TopologicalSorter(
        {id_: fresh.intersection(mentioned(look.segments[id_])) for id_ in sorted(fresh)}
    )
    sorter.prepare()
    layers = []
    while sorter.is_active():
        layer = sorted(sorter.get_ready())
        layers.append(layer)
        sorter.done(*layer)
    return layers


def _layer(layer: Sequence[str], below: sa.CTE | None, look: Look, name: str) -> sa.CTE:
    scored = t.customers.outerjoin(t.scores, t.scores.c.customer_id == t.customers.c.id)
    source: sa.FromClause = scored
    kept: list[sa.ColumnElement[Any]] = []
    if below is not None:
        source = below.join(t.customers, t.customers.c.id == below.c.id).outerjoin(
            t.scores, t.scores.c.customer_id == t.customers.c.id
        )
        kept = [column for column in below.c if column.name != "id"]
    is_in = {str(column.name).removeprefix(_FLAG): column for column in kept}
    new = [_condition(look.segments[id_], look, is_in).label(_flag(id_)) for id_ in layer]
    query = sa.select(t.customers.c.id, *kept, *new).select_from(source)
    return query.cte(name).prefix_with("MATERIALIZED")


def _flag(segment: str) -> str:
    return f"{_FLAG}{segment}"


# ------------------------------------------------------------------ one comparison


def _compare(rule: Compare, look: Look) -> Condition:
    name = rule.field
    if name in fields.TEXTS:
        column = fields.TEXTS[name]
        return present(column != "", rule, lambda: test(column, rule))
    if name in fields.SCALARS:
        value = fields.SCALARS[name](look)
        return present(value.is_not(None), rule, lambda: test(value, rule))
    if name in fields.FLAGS:
        holds = fields.FLAGS[name]()
        return holds if rule.value else sa.not_(holds)
    if name in fields.MOMENTS:
        return fields.days(fields.MOMENTS[name], rule, look)
    if name in fields.DATES:
        return fields.on_days(fields.DATES[name], rule, look)
    if name in fields.MANY:
        return fields.many(fields.MANY[name], rule)
    if name in BLOCKS:
        return BLOCKS[name](rule, look)
    if name != "birthday_in_days":
        raise KeyError(name)
    return fields.next_birthday(rule, look)


#: The names of all fields that can be selected by.
SELECTABLE = frozenset(
    (
        *fields.TEXTS,
        *fields.SCALARS,
        *fields.FLAGS,
        *fields.MOMENTS,
        *fields.DATES,
        *fields.MANY,
        *BLOCKS,
        "birthday_in_days",
    )
)
