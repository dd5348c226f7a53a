"""Turns a rule into SQL that finds the customers for whom it holds, alike on each engine."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from functools import cache, lru_cache
from typing import Any
from zoneinfo import ZoneInfo, available_timezones

import sqlalchemy as sa
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import FunctionElement

from crm_mailer.model import birthday, moment
from crm_mailer.model.case import UNDER_WAY
from crm_mailer.model.score import HIGH, RFM_SEGMENTS, VALUE_CLASSES
from crm_mailer.model.segment import AllOf, AnyOf, Compare, InSegment, Not, Rule
from crm_mailer.model.segment_fields import FIELDS, FieldType, Operator, Purchase, fits
from crm_mailer.model.zones import BY_COUNTRY
from crm_mailer.store import tables as t

Condition = sa.ColumnElement[bool]

#: No shop has older facts: keeps days in the calendar, however large a rule's number.
_MOST_DAYS = 150_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """When and from where a rule is looked at.

    `zone` is the shop's: days are counted there. `segments` holds the rules of segments that are
    worked out afresh; others are looked up in the memberships. `zones` are the customers' zones
    worth telling apart for birthdays; None means all there are.
    """

    now: datetime
    zone: ZoneInfo
    segments: Mapping[str, Rule] = field(default_factory=dict)
    zones: frozenset[str] | None = None

    @property
    def today(self) -> date:
        """The shop's day."""
        return moment.local_day(self.now, self.zone)

    def midnight(self, days_ago: int) -> datetime:
        """The instant at which the shop's day that many days ago began."""
        days = max(-_MOST_DAYS, min(days_ago, _MOST_DAYS))
        return moment.at_local(self.today - timedelta(days=days), 0, 0, self.zone)


def customers_in(rule: Rule, look: Look) -> sa.Select[tuple[int]]:
    """The ids of the customers for whom `rule` holds at `look`."""
    source = t.customers.outerjoin(t.scores, t.scores.c.customer_id == t.customers.c.id)
    return sa.select(t.customers.c.id).select_from(source).where(condition(rule, look))


def condition(rule: Rule, look: Look) -> Condition:
    """`rule` as a condition that is true or false, never NULL.

    It speaks of `customers` and of `scores` joined to it from outside. Other tables are asked row
    by row (EXISTS): an index answers, however many rows an engine would have to remember for IN.
    """
    match rule:
        case AllOf(parts):
            return sa.and_(sa.true(), *(condition(part, look) for part in parts))
        case AnyOf(parts):
            return sa.or_(sa.false(), *(condition(part, look) for part in parts))
        case Not(part):
            return sa.not_(condition(part, look))
        case InSegment(segment):
            return _in_segment(segment, look)
        case Compare():
            return _compare(rule, look)


def as_sql(rule: Rule, look: Look, dialect: sa.Dialect) -> str:
    """The SELECT with its values written in, for people."""
    compiled = customers_in(rule, look).compile(
        dialect=dialect, compile_kwargs={"literal_binds": True}
    )
    return str(compiled)


def zones_of(connection: sa.Connection) -> frozenset[str]:
    """The zones that customers live in."""
    return frozenset(connection.scalars(sa.select(t.customers.c.time_zone).distinct()))


def select_ids(connection: sa.Connection, rule: Rule, look: Look) -> list[int]:
    """The customers for whom `rule` holds, in the order of their ids."""
    return list(connection.scalars(customers_in(rule, look).order_by(t.customers.c.id)))


def count(connection: sa.Connection, rule: Rule, look: Look) -> int:
    """How many customers `rule` holds for."""
    query = sa.select(sa.func.count()).select_from(customers_in(rule, look).subquery())
    return connection.scalar(query) or 0


def _in_segment(segment: str, look: Look) -> Condition:
    if segment in look.segments:
        return condition(look.segments[segment], look)
    return sa.exists().where(
        t.memberships.c.customer_id == t.customers.c.id,
        t.memberships.c.segment == segment,
        t.memberships.c.until.is_(None),
    )


# ------------------------------------------------------------------ one comparison


def _compare(rule: Compare, look: Look) -> Condition:
    if rule.field in TEXTS:
        column = TEXTS[rule.field]
        return _present(column != "", rule, lambda: _test(column, rule))
    if rule.field in SCALARS:
        value = SCALARS[rule.field](look)
        return _present(value.is_not(None), rule, lambda: _test(value, rule))
    if rule.field in FLAGS:
        holds = FLAGS[rule.field]()
        return holds if rule.value else sa.not_(holds)
    if rule.field in MOMENTS:
        return _days(MOMENTS[rule.field], rule, look)
    if rule.field in MANY:
        return _many(MANY[rule.field], rule)
    return SPECIAL[rule.field](rule, look)


def _present(is_known: Condition, rule: Compare, test: Callable[[], Condition]) -> Condition:
    """Unknown values fail every test but `unknown`."""
    match Operator(rule.op):
        case Operator.KNOWN:
            return is_known
        case Operator.UNKNOWN:
            return sa.not_(is_known)
        case _:
            return sa.and_(is_known, test())


def _test(value: sa.ColumnElement[Any], rule: Compare) -> Condition:
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


# ------------------------------------------------------------------ fields with one value


#: Text columns; empty text is unknown.
TEXTS: dict[str, sa.Column[str]] = {
    "country": t.customers.c.country,
    "language": t.customers.c.language,
    "region": t.customers.c.region,
    "city": t.customers.c.city,
    "age_band": t.customers.c.age_band,
    "address_kind": t.customers.c.address_kind,
    "platform": t.customers.c.source_platform,
}


def _column(column: sa.ColumnElement[Any]) -> Callable[[Look], sa.ColumnElement[Any]]:
    return lambda _look: column


def _or_zero(column: sa.Column[Any]) -> Callable[[Look], sa.ColumnElement[Any]]:
    return lambda _look: sa.func.coalesce(column, 0)


def _age(look: Look) -> sa.ColumnElement[Any]:
    customer, today = t.customers.c, look.today
    born = customer.birth_month * 100 + customer.birth_day
    is_ahead = sa.case((born > today.month * 100 + today.day, 1), else_=0)
    return today.year - customer.birth_year - is_ahead


def _rfm_segment(_look: Look) -> sa.ColumnElement[Any]:
    r, f = t.scores.c.r, t.scores.c.f
    return sa.case(
        *(
            (sa.and_(r.between(low_r, high_r), f.between(low_f, high_f)), name.value)
            for name, (low_r, high_r, low_f, high_f) in RFM_SEGMENTS.items()
        ),
    )


def _value_class(_look: Look) -> sa.ColumnElement[Any]:
    marks = (t.scores.c.r, t.scores.c.f, t.scores.c.m)
    return sa.case(
        *(
            (
                sa.and_(
                    *(
                        mark >= HIGH if is_high else mark < HIGH
                        for mark, is_high in zip(marks, highs, strict=True)
                    )
                ),
                name.value,
            )
            for highs, name in VALUE_CLASSES.items()
        ),
    )


SCALARS: dict[str, Callable[[Look], sa.ColumnElement[Any]]] = {
    "gender": _column(t.customers.c.gender),
    "age": _age,
    "occupation": _column(t.customers.c.occupation),
    "personality": _column(t.customers.c.personality),
    "buying_behaviour": _column(t.customers.c.buying_behaviour),
    "shopping_age": _column(t.customers.c.shopping_age),
    "r": _column(t.scores.c.r),
    "f": _column(t.scores.c.f),
    "m": _column(t.scores.c.m),
    "rfm_total": _column(t.scores.c.total),
    "rfm_segment": _rfm_segment,
    "value_class": _value_class,
    "order_count": _or_zero(t.scores.c.order_count),
    "spent_usd": _or_zero(t.scores.c.spent_usd_cents),
}


def _is_flagged() -> Condition:
    return t.customers.c.is_flagged


def _has_open_case() -> Condition:
    return sa.exists().where(
        t.cases.c.customer_id == t.customers.c.id, t.cases.c.state.in_(sorted(UNDER_WAY))
    )


FLAGS: dict[str, Callable[[], Condition]] = {
    "is_flagged": _is_flagged,
    "has_open_case": _has_open_case,
}


# ------------------------------------------------------------------ days since a moment

MOMENTS: dict[str, sa.Column[Any]] = {
    "days_since_last": t.scores.c.last_order_at,
    "first_order_days_ago": t.scores.c.first_order_at,
    "known_for_days": t.customers.c.created_at,
}


def _days(column: sa.Column[Any], rule: Compare, look: Look) -> Condition:
    """Days are compared as moments, so that an index on the column serves.

    A moment to come counts as today: 0 days ago.
    """

    def within(least: int, most: int | None) -> Condition:
        parts: list[Condition] = [sa.true() if most is None or most >= 0 else sa.false()]
        if least > 0:
            parts.append(column < look.midnight(least - 1))
        if most is not None and most >= 0:
            parts.append(column >= look.midnight(most))
        return sa.and_(*parts)

    def test() -> Condition:
        return sa.or_(sa.false(), *(within(*ends) for ends in _ranges(rule)))

    if rule.op in (Operator.IS_NOT, Operator.NOT_IN):
        return sa.and_(column.is_not(None), sa.not_(test()))
    return _present(column.is_not(None), rule, test)


def _ranges(rule: Compare) -> list[tuple[int, int | None]]:
    """The numbers that pass (or, with `is_not` and `not_in`, fail): least and most of each run."""
    wanted = rule.value
    match Operator(rule.op):
        case Operator.AT_LEAST:
            return [(wanted, None)]
        case Operator.ABOVE:
            return [(wanted + 1, None)]
        case Operator.AT_MOST:
            return [(0, wanted)]
        case Operator.BELOW:
            return [(0, wanted - 1)]
        case Operator.BETWEEN:
            return [wanted]
        case _:
            days = wanted if isinstance(wanted, tuple) else (wanted,)
            return [(day, day) for day in days]


# ------------------------------------------------------------------ fields with many values


#: Field -> whose it is, and the value.
MANY: dict[str, tuple[sa.Column[Any], sa.Column[Any]]] = {
    "tag": (t.customer_tags.c.customer_id, t.customer_tags.c.tag),
    "order_state": (t.orders.c.customer_id, t.orders.c.state),
    "reviewed_stars": (t.reviews.c.customer_id, t.reviews.c.stars),
}


def _many(columns: tuple[sa.Column[Any], sa.Column[Any]], rule: Compare) -> Condition:
    owner, value = columns
    has_any = sa.exists().where(owner == t.customers.c.id)
    match Operator(rule.op):
        case Operator.KNOWN:
            return has_any
        case Operator.UNKNOWN:
            return sa.not_(has_any)
        case _:
            return has_any.where(_test(value, rule))


def _bought(rule: Compare, look: Look) -> Condition:
    """Who has a paid order with a line that fits."""
    wanted: Purchase = rule.value
    orders, items = t.orders.c, t.order_items.c
    query = (
        sa.exists()
        .select_from(t.orders.join(t.order_items, items.order_id == orders.id))
        .where(orders.customer_id == t.customers.c.id, orders.is_counted)
    )
    if wanted.sku:
        query = query.where(items.sku == wanted.sku)
    if wanted.category:
        query = query.where(items.category == wanted.category)
    if wanted.title:
        query = query.where(place_of(items.title, sa.literal(wanted.title)) > 0)
    if wanted.within_days is not None:
        query = query.where(orders.placed_at >= look.midnight(wanted.within_days))
    return query


def _birthday(rule: Compare, look: Look) -> Condition:
    """Each zone has its own today: the birthdays that fit are listed for each."""
    customer = t.customers.c

    def test() -> Condition:
        elsewhere = {day: _lives_in(homes) for day, homes in _homes_by_day(look).items()}
        here = sa.not_(sa.or_(*elsewhere.values())) if elsewhere else sa.true()
        return sa.or_(
            sa.and_(here, _born_on(look.today, rule)),
            *(sa.and_(home, _born_on(day, rule)) for day, home in elsewhere.items()),
        )

    is_known = sa.and_(customer.birth_month.is_not(None), customer.birth_day.is_not(None))
    return _present(is_known, rule, test)


def _born_on(today: date, rule: Compare) -> Condition:
    ahead = frozenset(days for days in range(birthday.FARTHEST + 1) if fits(rule, days))
    months: dict[int, list[int]] = {}
    for month, day in sorted(birthday.birthdays_within(today, ahead)):
        months.setdefault(month, []).append(day)
    customer = t.customers.c
    return sa.or_(
        sa.false(),
        *(
            sa.and_(customer.birth_month == month, customer.birth_day.in_(days))
            for month, days in months.items()
        ),
    )


SPECIAL: dict[str, Callable[[Compare, Look], Condition]] = {
    "bought": _bought,
    "birthday_in_days": _birthday,
}

#: The names of all fields that can be selected by.
SELECTABLE = frozenset((*TEXTS, *SCALARS, *FLAGS, *MOMENTS, *MANY, *SPECIAL))


@dataclass(frozen=True, slots=True)
class _Homes:
    """Zones, and countries whose people live in such a zone unless another is told."""

    zones: frozenset[str]
    countries: frozenset[str]


def _lives_in(homes: _Homes) -> Condition:
    customer = t.customers.c
    by_zone = customer.time_zone.in_(sorted(homes.zones))
    by_country = sa.and_(customer.time_zone == "", customer.country.in_(sorted(homes.countries)))
    if not homes.countries:
        return by_zone
    return sa.or_(by_zone, by_country) if homes.zones else by_country


def _homes_by_day(look: Look) -> dict[date, _Homes]:
    """Where the calendar shows another day than the shop's, by that day."""
    days = _days_of_zones(look.now, look.zones)
    main = _days_of_zones(look.now, frozenset(BY_COUNTRY.values()))
    return {
        day: _Homes(
            frozenset(name for name, one in days.items() if one == day),
            frozenset(country for country, name in BY_COUNTRY.items() if main[name] == day),
        )
        for day in sorted({*days.values(), *main.values()} - {look.today})
    }


@lru_cache(maxsize=8)
def _days_of_zones(now: datetime, zones: frozenset[str] | None) -> dict[str, date]:
    known = _zone_names()
    names = known if zones is None else known & zones
    return {name: moment.local_day(now, ZoneInfo(name)) for name in names}


@cache
def _zone_names() -> frozenset[str]:
    """Every zone that there is: looking through the folders takes 10 ms."""
    return frozenset(available_timezones())
