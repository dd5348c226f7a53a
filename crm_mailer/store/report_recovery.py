"""Orders that were reminded of payment, and which of them were paid."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from crm_mailer.model import unpaid
from crm_mailer.model.period import Period
from crm_mailer.store import report_sql as sql
from crm_mailer.store import tables as t
from crm_mailer.store.report_cases import RECOVERY_WINDOW


@dataclass(frozen=True, slots=True, kw_only=True)
class Recovered:
    """Orders of one kind: reminded, paid within the window, and still without an answer.

    `usd_cents` is what the recovered ones brought, as far as rates are known.
    """

    key: str
    reminded: int
    recovered: int
    waiting: int
    usd_cents: int


#: What the orders are told apart by.
DIMENSIONS = ("reason", "reminders", "payment_method", "month")


def recovered(
    connection: sa.Connection, period: Period, campaigns: Sequence[str], now: datetime
) -> dict[str, list[Recovered]]:
    """Dimension -> its values; months are all told and in order, else the most reminded first.

    The reason is empty where nobody knows; the month is that of the first reminder.
    """
    names = [name for name, _start in period.months()]
    counts: dict[str, Counter[tuple[str, str]]] = {name: Counter() for name in DIMENSIONS}
    for row in connection.execute(_counts(period, campaigns, now)):
        for name in DIMENSIONS:
            key = names[row.month] if name == "month" else str(row._mapping[name])
            for what in ("reminded", "recovered", "waiting", "usd_cents"):
                counts[name][key, what] += int(row._mapping[what])
    found = {name: _rows(counts[name]) for name in DIMENSIONS}
    by_month = {row.key: row for row in found["month"]}
    found["month"] = [by_month.get(name) or _row(name, Counter()) for name in names]
    return found


def _rows(counts: Counter[tuple[str, str]]) -> list[Recovered]:
    rows = [_row(key, counts) for key in {key for key, _what in counts}]
    return sorted(rows, key=lambda row: (-row.reminded, row.key))


def _row(key: str, counts: Counter[tuple[str, str]]) -> Recovered:
    return Recovered(
        key=key,
        reminded=counts[key, "reminded"],
        recovered=counts[key, "recovered"],
        waiting=counts[key, "waiting"],
        usd_cents=counts[key, "usd_cents"],
    )


def _counts(period: Period, campaigns: Sequence[str], now: datetime) -> Any:
    one = _reminded(period, campaigns).subquery()
    window = int(RECOVERY_WINDOW.total_seconds())
    last = sql.seconds(one.c.last_at)
    is_recovered = one.c.paid_at.is_not(None) & (one.c.paid_at <= last + window)
    is_waiting = one.c.paid_at.is_(None) & (last + window > int(now.timestamp()))
    worth = sa.func.sum(sa.case((is_recovered, one.c.net_usd_cents), else_=0))
    kinds = [one.c[name] for name in DIMENSIONS]
    return sa.select(
        *kinds,
        sa.func.count().label("reminded"),
        sql.how_many(is_recovered).label("recovered"),
        sql.how_many(is_waiting).label("waiting"),
        sa.func.coalesce(worth, 0).label("usd_cents"),
    ).group_by(*kinds)


def _reminded(period: Period, campaigns: Sequence[str]) -> Any:
    """Order -> its reminders of the period that left before it was paid, and when it was."""
    touch, order = t.touches.c, t.orders.c
    paid_at = sql.seconds(sa.func.coalesce(sql.seconds(order.paid_at), _paid_event()))
    answers = _answers(campaigns).subquery()
    month = sql.month_of(sa.func.min(touch.settled_at), [at for _name, at in period.months()])
    return (
        sa.select(
            order.id,
            sa.func.max(touch.settled_at).label("last_at"),
            sa.func.count().label("reminders"),
            month.label("month"),
            sa.func.max(paid_at).label("paid_at"),
            sa.func.max(order.net_usd_cents).label("net_usd_cents"),
            sa.func.max(order.payment_method).label("payment_method"),
            sa.func.coalesce(
                sa.func.nullif(sa.func.max(order.unpaid_reason), ""),
                sa.func.max(answers.c.reason),
                "",
            ).label("reason"),
        )
        .select_from(
            t.touches.join(t.orders, order.id == touch.order_id).outerjoin(
                answers, answers.c.order_id == order.id
            )
        )
        .where(
            touch.campaign.in_(campaigns),
            touch.state == "accepted",
            sql.within(touch.settled_at, period),
            sa.or_(paid_at.is_(None), paid_at > sql.seconds(touch.settled_at)),
        )
        .group_by(order.id)
    )


def _paid_event() -> Any:
    """When an order that names no time of payment came into a state of paid orders."""
    event = t.order_events.c
    return (
        sa.select(sa.func.min(sql.seconds(event.at)))
        .where(event.order_id == t.orders.c.id, event.state.in_(("paid", "funds_pending")))
        .correlate(t.orders)
        .scalar_subquery()
    )


def _answers(campaigns: Sequence[str]) -> Any:
    """Order -> the reason that an answer to its reminder tells."""
    told = t.replies.c
    words = sa.type_coerce(told.reasons, sa.Text)
    reason = sa.case(
        *(
            (sa.or_(*(words.like(f'%"{code}"%') for code in codes)), name.value)
            for name, codes in unpaid.CODES.items()
        )
    )
    return (
        sa.select(t.touches.c.order_id, sa.func.max(reason).label("reason"))
        .join_from(t.touches, t.replies, told.touch_id == t.touches.c.id)
        .where(
            t.touches.c.campaign.in_(campaigns), t.touches.c.state == "accepted",
            told.kind == "human",
        )
        .group_by(t.touches.c.order_id)
    )  # fmt: skip
