"""When and why each customer's marks changed: a row for each change, written with the change.

A customer's first marks are no change where the whole shop was scored for the first time.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from crm_mailer.model.score import ScoreReason
from crm_mailer.store import tables as t
from crm_mailer.store.engine import Instant
from crm_mailer.store.score_marks import Marks

MARKS = ("r", "f", "m", "total", "value_class")
_COLUMNS = (
    "customer_id",
    "at",
    "profile",
    "reason",
    *(f"{name}_before" for name in MARKS),
    *MARKS,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoreChange:
    """One change. `before` and `after` are R, F and M; None without a score."""

    at: datetime
    reason: str
    profile: str
    before: tuple[int, int, int] | None
    after: tuple[int, int, int] | None
    value_class_before: str
    value_class: str

    @property
    def moved(self) -> int:
        """By how much R + F + M rose, or (below 0) fell."""
        return sum(self.after or ()) - sum(self.before or ())


def log(
    connection: sa.Connection,
    changed: sa.FromClause,
    *,
    customer_id: sa.ColumnElement[Any],
    reason: sa.ColumnElement[Any],
    before: Marks | None,
    after: Marks | None,
    profile: str,
    now: datetime,
    where: sa.ColumnElement[bool],
) -> int:
    """Write a row for each customer of `changed` who fits `where`; returns how many."""
    values = [
        customer_id,
        sa.literal(now, Instant),
        sa.literal(profile, sa.Text),
        reason,
        *_values(before),
        *_values(after),
    ]
    query = sa.insert(t.score_changes).from_select(
        list(_COLUMNS), sa.select(*values).select_from(changed).where(where)
    )
    return connection.execute(query, execution_options={"preserve_rowcount": True}).rowcount


def list_changes(connection: sa.Connection, customer_id: int) -> list[ScoreChange]:
    """All changes of a customer's marks, oldest first."""
    changes = t.score_changes.c
    rows = connection.execute(
        sa.select(t.score_changes)
        .where(changes.customer_id == customer_id)
        .order_by(changes.at, changes.id)
    )
    return [
        ScoreChange(
            at=row.at,
            reason=row.reason,
            profile=row.profile,
            before=None if row.r_before is None else (row.r_before, row.f_before, row.m_before),
            after=None if row.r is None else (row.r, row.f, row.m),
            value_class_before=row.value_class_before,
            value_class=row.value_class,
        )
        for row in rows
    ]


def because(reason: ScoreReason) -> sa.ColumnElement[Any]:
    """A reason as SQL."""
    return sa.literal(reason.value, sa.Text)


def _values(marks: Marks | None) -> list[sa.ColumnElement[Any]]:
    if marks is None:
        return [*(sa.null() for _ in MARKS[:-1]), sa.literal("", sa.Text)]
    return [
        *(marks[name] for name in MARKS[:-1]),
        sa.func.coalesce(marks["value_class"], sa.literal("", sa.Text)),
    ]
