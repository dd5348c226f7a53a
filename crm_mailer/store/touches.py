"""Touches: planned mails, each with a key that is unique for ever."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from crm_mailer.model.campaign import Stream
from crm_mailer.model.case import UNDER_WAY
from crm_mailer.model.customer import ConsentBasis
from crm_mailer.model.standing import Standing, hold, refusal
from crm_mailer.model.suppression import Scope, SuppressionReason
from crm_mailer.model.touch import SkipReason, TouchState
from crm_mailer.store.tables import cases, consents, customers, suppressions, touches

#: Rows that one statement may name by id; SQLite takes at most 32,766 values.
SLICE = 5_000
UNSENT = (TouchState.PLANNED, TouchState.HELD, TouchState.DEFERRED)


def standing_columns() -> list[sa.ColumnElement[Any]]:
    """What decides whether a customer may be mailed, to be selected beside `customers`."""
    worst = (
        sa.select(sa.func.min(suppressions.c.scope + ":" + suppressions.c.reason))
        .where(suppressions.c.address_key == customers.c.email_key)
        .scalar_subquery()
    )
    basis = (
        sa.select(sa.func.min(consents.c.basis))
        .where(consents.c.customer_id == customers.c.id, consents.c.purpose == "marketing")
        .scalar_subquery()
    )
    open_case = sa.exists().where(
        cases.c.customer_id == customers.c.id, cases.c.state.in_(sorted(UNDER_WAY))
    )
    return [
        customers.c.email_key,
        customers.c.address_kind,
        customers.c.is_flagged,
        customers.c.snoozed_until,
        worst.label("suppression"),
        basis.label("basis"),
        open_case.label("has_open_case"),
    ]


def standing_of(row: Any) -> Standing:
    """The standing in a row with `standing_columns`."""
    suppression = None
    if row.suppression:
        scope, _, reason = row.suppression.partition(":")
        suppression = (Scope(scope), SuppressionReason(reason))
    return Standing(
        has_address=bool(row.email_key),
        suppression=suppression,
        is_flagged=bool(row.is_flagged),
        is_relay=row.address_kind == "relay",
        has_basis=row.basis != ConsentBasis.NONE,
        has_open_case=bool(row.has_open_case),
        snoozed_until=row.snoozed_until,
    )


def recheck(
    connection: sa.Connection, touch_ids: Sequence[int], now: datetime
) -> dict[int, SkipReason]:
    """Which of these touches must not leave now, and why; those that may are not in the answer.

    Asked at the last moment before hand-over: an opt-out, a bounce or a case since planning
    counts. `model.standing.PASSING` tells which reasons may pass by themselves.
    """
    answer: dict[int, SkipReason] = {}
    for ids in sliced(touch_ids):
        query = (
            sa.select(touches.c.id, touches.c.stream, touches.c.expires_at, *standing_columns())
            .join_from(touches, customers, customers.c.id == touches.c.customer_id)
            .where(touches.c.id.in_(ids))
        )
        for row in connection.execute(query):
            reason = _why_not(row, now)
            if reason is not None:
                answer[row.id] = reason
    return answer


def _why_not(row: Any, now: datetime) -> SkipReason | None:
    standing, stream = standing_of(row), Stream(row.stream)
    if row.expires_at is not None and row.expires_at < now:
        return SkipReason.LATE
    return refusal(standing, stream) or hold(standing, stream, now)


def sliced(ids: Sequence[int]) -> Iterable[Sequence[int]]:
    """`ids` in slices that one statement can name."""
    return (ids[start : start + SLICE] for start in range(0, len(ids), SLICE))
