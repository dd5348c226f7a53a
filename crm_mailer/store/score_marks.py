"""The marks of a profile and the groups they make as SQL, alike for orders and for stored rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import sqlalchemy as sa

from crm_mailer.model import moment
from crm_mailer.model.score import VALUE_CLASSES, RfmProfile

Marks = Mapping[str, sa.ColumnElement[Any]]


def marks(
    *,
    last: sa.ColumnElement[Any],
    orders: sa.ColumnElement[Any],
    cents: sa.ColumnElement[Any],
    profile: RfmProfile,
    today: date,
    place: ZoneInfo,
) -> Marks:
    """r, f, m, their total and the value class, of a customer's three figures."""
    passed = (
        [last >= midnight(today, limit, place) for limit in profile.r_days],
        [orders >= limit for limit in profile.f_orders],
        [cents >= limit for limit in profile.m_usd_cents],
    )
    r, f, m = (_mark(one) for one in passed)
    are_high = [_reaches(one, high) for one, high in zip(passed, profile.high, strict=True)]
    return {"r": r, "f": f, "m": m, "total": r + f + m, "value_class": _class_of(are_high)}


def r_mark(
    last: sa.ColumnElement[Any], profile: RfmProfile, today: date, place: ZoneInfo
) -> sa.ColumnElement[int]:
    """The mark of the latest order's instant."""
    return _mark([last >= midnight(today, limit, place) for limit in profile.r_days])


def value_class(
    r: sa.ColumnElement[Any],
    f: sa.ColumnElement[Any],
    m: sa.ColumnElement[Any],
    high: tuple[int, int, int],
) -> sa.ColumnElement[str]:
    """Which of the eight groups; `high` says from which mark on each counts as high."""
    return _class_of([mark >= limit for mark, limit in zip((r, f, m), high, strict=True)])


def midnight(day: date, days_before: int, place: ZoneInfo) -> datetime:
    """The instant at which the day so many days before `day` began."""
    return moment.at_local(day - timedelta(days=days_before), 0, 0, place)


def _mark(passed: Sequence[sa.ColumnElement[bool]]) -> sa.ColumnElement[int]:
    return sa.case(*((kept, 5 - place) for place, kept in enumerate(passed)), else_=1)


def _reaches(passed: Sequence[sa.ColumnElement[bool]], high: int) -> sa.ColumnElement[bool]:
    """Whether the mark is `high` or more: the limit of that mark alone tells, quicker than all."""
    if high < 2:
        return sa.true()
    return passed[5 - high] if high <= 5 else sa.false()


def _class_of(are_high: Sequence[sa.ColumnElement[bool]]) -> sa.ColumnElement[str]:
    """The group of whether R, F and M are high."""
    code: sa.ColumnElement[int] = sa.literal(0)
    for place, is_high in enumerate(are_high):
        code = code + sa.case((is_high, 1 << place), else_=0)
    names = {
        sum(is_high << place for place, is_high in enumerate(highs)): sa.literal(
            name.value, sa.Text
        )
        for highs, name in VALUE_CLASSES.items()
    }
    return sa.case(names, value=code)
