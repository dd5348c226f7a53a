"""A customer's fields in SQL: columns, what is worked out of them, days and birthdays."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime, timedelta
from functools import lru_cache
from typing import Any

import sqlalchemy as sa

from crm_mailer.model import birthday, moment
from crm_mailer.model.case import UNDER_WAY
from crm_mailer.model.curve import Ending, Signal
from crm_mailer.model.reply import ReplyKind
from crm_mailer.model.score import RFM_SEGMENTS
from crm_mailer.model.segment import Compare
from crm_mailer.model.segment_blocks import day_of
from crm_mailer.model.segment_fields import Operator, fits
from crm_mailer.model.zones import Overrides, home_zone
from crm_mailer.store import homes
from crm_mailer.store import tables as t
from crm_mailer.store.homes import Home
from crm_mailer.store.look import Look
from crm_mailer.store.selection_values import Condition, is_among, place_of, present, test

# ------------------------------------------------------------------ fields with one value


_A_DAY = timedelta(days=1)

#: Text columns; empty text is unknown.
TEXTS: dict[str, sa.Column[str]] = {
    "country": t.customers.c.country,
    "language": t.customers.c.language,
    "region": t.customers.c.region,
    "city": t.customers.c.city,
    "postcode": t.customers.c.postcode,
    "time_zone": t.customers.c.time_zone,
    "age_band": t.customers.c.age_band,
    "address_kind": t.customers.c.address_kind,
    "platform": t.customers.c.source_platform,
}


def _column(column: sa.ColumnElement[Any]) -> Callable[[Look], sa.ColumnElement[Any]]:
    return lambda _look: column


def _or_zero(column: sa.Column[Any]) -> Callable[[Look], sa.ColumnElement[Any]]:
    return lambda _look: sa.func.coalesce(column, 0)


def age(look: Look) -> sa.ColumnElement[Any]:
    """Full years on the shop's day; NULL without a year of birth, or with one that is to come."""
    customer, today = t.customers.c, look.today
    born = customer.birth_month * 100 + customer.birth_day
    is_ahead = sa.case((born > today.month * 100 + today.day, 1), else_=0)
    years = today.year - customer.birth_year - is_ahead
    return sa.case((years >= 0, years))


def _mail_domain(_look: Look) -> sa.ColumnElement[Any]:
    key = t.customers.c.email_key
    place = place_of(key, sa.literal("@"))
    return sa.func.nullif(sa.case((place > 0, sa.func.substr(key, place + 1))), "")


def _rfm_segment(_look: Look) -> sa.ColumnElement[Any]:
    r, f = t.scores.c.r, t.scores.c.f
    return sa.case(
        *(
            (sa.and_(r.between(low_r, high_r), f.between(low_f, high_f)), name.value)
            for name, (low_r, high_r, low_f, high_f) in RFM_SEGMENTS.items()
        ),
    )


def _value_class(_look: Look) -> sa.ColumnElement[Any]:
    """As scored: the profile says which marks are high."""
    return sa.func.nullif(t.scores.c.value_class, "")


def _of_values(name: str) -> Callable[[Look], sa.ColumnElement[Any]]:
    """What the models of buying and forgetting say; unknown without."""
    value = t.customer_values.c
    query = sa.select(value[name]).where(value.customer_id == t.customers.c.id)
    found = query.correlate(t.customers).scalar_subquery()
    return lambda _look: found


SCALARS: dict[str, Callable[[Look], sa.ColumnElement[Any]]] = {
    "mail_domain": _mail_domain,
    "gender": _column(t.customers.c.gender),
    "age": age,
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
    "churn": lambda look: sa.func.nullif(_of_values("churn")(look), ""),
    "chance_percent": _of_values("chance_percent"),
    "clv_usd": _of_values("clv_usd_cents"),
}


def _is_flagged() -> Condition:
    return t.customers.c.is_flagged


def _has_email() -> Condition:
    return sa.func.coalesce(t.customers.c.email_key, "") != ""


def _is_suppressed() -> Condition:
    return sa.exists().where(t.suppressions.c.address_key == t.customers.c.email_key)


def _has_open_case() -> Condition:
    return sa.exists().where(
        t.cases.c.customer_id == t.customers.c.id, t.cases.c.state.in_(sorted(UNDER_WAY))
    )


def left_alone(customer_id: sa.ColumnElement[Any]) -> Condition:
    """Whether a course ended after misses, and since then the customer neither bought nor wrote,
    clicked or opened a mail.
    """
    course, order, reply, signal = (
        table.c for table in (t.curve_states, t.orders, t.replies, t.signals)
    )
    heard = (
        sa.exists().where(
            order.customer_id == customer_id,
            order.is_counted,
            order.placed_at > course.ended_at,
        ),
        sa.exists().where(
            reply.customer_id == customer_id,
            reply.kind == ReplyKind.HUMAN,
            reply.received_at > course.ended_at,
        ),
        sa.exists().where(
            signal.customer_id == customer_id,
            signal.kind != Signal.MACHINE_OPEN,
            signal.at > course.ended_at,
        ),
    )
    return sa.exists().where(
        course.customer_id == customer_id,
        course.ended == Ending.PAUSED,
        *(~one.correlate_except(table) for one, table in zip(
            heard, (t.orders, t.replies, t.signals), strict=True)),
    )  # fmt: skip


FLAGS: dict[str, Callable[[], Condition]] = {
    "is_left_alone": lambda: left_alone(t.customers.c.id),
    "is_flagged": _is_flagged,
    "has_email": _has_email,
    "is_suppressed": _is_suppressed,
    "has_open_case": _has_open_case,
}


# ------------------------------------------------------------------ days since a moment

MOMENTS: dict[str, sa.Column[Any]] = {
    "days_since_last": t.scores.c.last_order_at,
    "first_order_days_ago": t.scores.c.first_order_at,
    "known_for_days": t.customers.c.created_at,
}


def days(column: sa.Column[Any], rule: Compare, look: Look) -> Condition:
    """Whether so many days went by since the moment.

    Days are compared as moments, so that an index on the column serves.

    A moment to come counts as today: 0 days ago.
    """

    def within(least: int, most: int | None) -> Condition:
        parts: list[Condition] = [sa.true() if most is None or most >= 0 else sa.false()]
        if least > 0:
            parts.append(column < look.midnight(least - 1))
        if most is not None and most >= 0:
            parts.append(column >= look.midnight(most))
        return sa.and_(*parts)

    def passes() -> Condition:
        return sa.or_(sa.false(), *(within(*ends) for ends in _ranges(rule)))

    if rule.op in (Operator.IS_NOT, Operator.NOT_IN):
        return sa.and_(column.is_not(None), sa.not_(passes()))
    return present(column.is_not(None), rule, passes)


#: Days of the shop's calendar on which something was.
DATES: dict[str, sa.Column[Any]] = {
    "last_order_on": t.scores.c.last_order_at,
    "first_order_on": t.scores.c.first_order_at,
    "known_since": t.customers.c.created_at,
}


def on_days(column: sa.Column[Any], rule: Compare, look: Look) -> Condition:
    """Whether the moment fell on the days that the rule says, in the shop's zone."""
    wanted = rule.value if isinstance(rule.value, tuple) else (rule.value,)

    def begins(day: date) -> datetime:
        return look.begin_of(day)

    def passes() -> Condition:
        first, last = (day_of(wanted[place], look.today) for place in (0, -1))
        tests: dict[Operator, Callable[[], Condition]] = {
            Operator.BEFORE: lambda: column < begins(first),
            Operator.SINCE: lambda: column >= begins(first),
            Operator.UNTIL: lambda: column < begins(last + _A_DAY),
            Operator.AFTER: lambda: column >= begins(last + _A_DAY),
        }
        either = tests.get(Operator(rule.op))
        both = sa.and_(column >= begins(first), column < begins(last + _A_DAY))
        return either() if either else both

    return present(column.is_not(None), rule, passes)


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


def many(columns: tuple[sa.Column[Any], sa.Column[Any]], rule: Compare) -> Condition:
    """Whether one of several values passes."""
    owner, value = columns
    has_any = sa.exists().where(owner == t.customers.c.id)
    match Operator(rule.op):
        case Operator.KNOWN:
            return has_any
        case Operator.UNKNOWN:
            return sa.not_(has_any)
        case _:
            return has_any.where(test(value, rule))


def next_birthday(rule: Compare, look: Look) -> Condition:
    """Each home has its own today: the birthdays that fit are listed for each."""
    customer = t.customers.c

    def passes() -> Condition:
        home = homes.key()
        lives = {day: is_among(home, keys) for day, keys in _homes_elsewhere(look).items()}
        return sa.or_(
            sa.and_(_born_on(look.today, rule, look), *(~there for there in lives.values())),
            *(sa.and_(_born_on(day, rule, look), there) for day, there in lives.items()),
        )

    is_known = sa.and_(customer.birth_month.is_not(None), customer.birth_day.is_not(None))
    return present(is_known, rule, passes)


def _born_on(today: date, rule: Compare, look: Look) -> Condition:
    ahead = frozenset(days for days in range(birthday.FARTHEST + 1) if fits(rule, days))
    months: dict[int, list[int]] = {}
    found = birthday.birthdays_within(today, ahead, stand_in=look.leap_day)
    for month, day in sorted(found):
        months.setdefault(month, []).append(day)
    customer = t.customers.c
    return sa.or_(
        sa.false(),
        *(
            sa.and_(customer.birth_month == month, customer.birth_day.in_(days))
            for month, days in months.items()
        ),
    )


def _homes_elsewhere(look: Look) -> dict[date, list[str]]:
    """The homes whose calendar shows another day than the shop's, by that day."""
    if look.homes is None:
        raise LookupError("birthdays are counted where customers live: their homes are needed")
    days: dict[date, list[str]] = {}
    for home, day in _days_of(look.homes(), look.now, look.zone.key, look.time_zones):
        if day != look.today:
            days.setdefault(day, []).append(home.key)
    return {day: sorted(keys) for day, keys in sorted(days.items())}


@lru_cache(maxsize=4)
def _days_of(
    known: tuple[Home, ...], now: datetime, default: str, overrides: Overrides
) -> tuple[tuple[Home, date], ...]:
    return tuple(
        (
            one,
            moment.local_day(
                now,
                home_zone(
                    one.time_zone, one.country, default, region=one.region, overrides=overrides
                ),
            ),
        )
        for one in known
    )
