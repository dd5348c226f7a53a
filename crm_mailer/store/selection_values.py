"""Compares one value in SQL as a rule says, alike on each engine."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import FunctionElement

from crm_mailer.model.segment import Compare
from crm_mailer.model.segment_fields import FIELDS, FieldType, Operator

Condition = sa.ColumnElement[bool]


def present(is_known: Condition, rule: Compare, passes: Callable[[], Condition]) -> Condition:
    """Unknown values fail every test but `unknown`."""
    match Operator(rule.op):
        case Operator.KNOWN:
            return is_known
        case Operator.UNKNOWN:
            return sa.not_(is_known)
        case _:
            return sa.and_(is_known, passes())


def test(value: sa.ColumnElement[Any], rule: Compare) -> Condition:
    """Whether `value` passes the rule's comparison; NULL where it is unknown."""
    wanted = _stored(rule)
    tests: dict[Operator, Callable[[], Condition]] = {
        Operator.IS: lambda: value == sa.literal(wanted),
        Operator.IS_NOT: lambda: value != sa.literal(wanted),
        Operator.IN: lambda: value.in_(wanted),
        Operator.NOT_IN: lambda: value.not_in(wanted),
        Operator.AT_LEAST: lambda: value >= sa.literal(wanted),
        Operator.AT_MOST: lambda: value <= sa.literal(wanted),
        Operator.ABOVE: lambda: value > sa.literal(wanted),
        Operator.BELOW: lambda: value < sa.literal(wanted),
        Operator.BETWEEN: lambda: value.between(*wanted),
        Operator.CONTAINS: lambda: place_of(value, sa.literal(wanted)) > 0,
        Operator.BEGINS_WITH: lambda: place_of(value, sa.literal(wanted)) == 1,
    }
    return tests[Operator(rule.op)]()


def _stored(rule: Compare) -> Any:
    """The rule's value as the store keeps it: money in cents."""
    if FIELDS[rule.field].type is not FieldType.MONEY:
        return rule.value
    if isinstance(rule.value, tuple):
        return tuple(int(value * 100) for value in rule.value)
    return int(rule.value * 100)


class place_of(FunctionElement[int]):
    """Where in a text a piece begins, from 1; 0 when it does not occur. Case counts."""

    name = "place_of"
    type = sa.Integer()
    inherit_cache = True


@compiles(place_of)
def _place_sql(element: place_of, compiler: Any, **options: Any) -> str:
    name = "strpos" if compiler.dialect.name == "postgresql" else "instr"
    return f"{name}({compiler.process(element.clauses, **options)})"


class each_of(FunctionElement[Any]):
    """The values of a JSON list as rows: one value is bound, however long the list."""

    name = "each_of"
    type = sa.Text()
    inherit_cache = True


@compiles(each_of)
def _each_sql(element: each_of, compiler: Any, **options: Any) -> str:
    values = compiler.process(element.clauses, **options)
    if compiler.dialect.name == "postgresql":
        return f"(SELECT json_array_elements_text(CAST({values} AS json)))"
    return f"(SELECT value FROM json_each({values}))"


def is_among(column: sa.ColumnElement[str], values: Sequence[str]) -> Condition:
    """Whether the text is one of `values`, of which there may be any number."""
    found: Condition = column.op("IN", is_comparison=True)(each_of(sa.literal(json.dumps(values))))
    return found
