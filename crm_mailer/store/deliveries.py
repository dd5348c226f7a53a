"""Attempts to hand mails over, with the servers' words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from crm_mailer.model.delivery import Blame, Outcome, OutcomeKind, Phase
from crm_mailer.store.engine import upsert
from crm_mailer.store.tables import deliveries


@dataclass(frozen=True, slots=True)
class History:
    """What was tried for one touch: attempts, how many ended in doubt, when the first was."""

    tries: int
    doubts: int
    first_at: datetime | None


NO_HISTORY = History(0, 0, None)


@dataclass(frozen=True, slots=True)
class Delivery:
    """One attempt."""

    attempt: int
    at: datetime
    outcome: Outcome


def add(connection: sa.Connection, rows: Sequence[tuple[int, int, Outcome, datetime]]) -> None:
    """Keep attempts as (touch id, attempt, outcome, when). What is known better wins over doubt."""
    if not rows:
        return
    insert = upsert(connection, deliveries)
    columns = ("outcome", "phase", "code", "status", "text", "blame", "host", "took_ms", "at")
    statement = insert.on_conflict_do_update(
        index_elements=["touch_id", "attempt"],
        set_={name: insert.excluded[name] for name in columns},
        where=deliveries.c.outcome == OutcomeKind.UNKNOWN.value,
    )
    connection.execute(statement, [_values(*row) for row in rows])


def history(connection: sa.Connection, touch_ids: Sequence[int]) -> dict[int, History]:
    """What was tried for each of these touches; those never tried are not in the answer."""
    doubts = sa.func.sum(sa.case((deliveries.c.outcome == OutcomeKind.UNKNOWN.value, 1), else_=0))
    rows = connection.execute(
        sa.select(
            deliveries.c.touch_id,
            sa.func.count().label("tries"),
            doubts.label("doubts"),
            sa.func.min(deliveries.c.at).label("first_at"),
        )
        .where(deliveries.c.touch_id.in_(touch_ids))
        .group_by(deliveries.c.touch_id)
    )
    return {row.touch_id: History(row.tries, row.doubts, row.first_at) for row in rows}


def list_(connection: sa.Connection, touch_id: int) -> list[Delivery]:
    """All attempts for one touch, oldest first."""
    rows = connection.execute(
        sa.select(deliveries)
        .where(deliveries.c.touch_id == touch_id)
        .order_by(deliveries.c.attempt)
    )
    return [Delivery(row.attempt, row.at, _outcome(row)) for row in rows]


def _values(touch_id: int, attempt: int, outcome: Outcome, at: datetime) -> dict[str, object]:
    return {
        "touch_id": touch_id,
        "attempt": attempt,
        "outcome": outcome.kind.value,
        "phase": outcome.phase.value,
        "code": outcome.code,
        "status": outcome.status,
        "text": outcome.text,
        "blame": outcome.blame.value,
        "host": outcome.host,
        "took_ms": outcome.took_ms,
        "at": at,
    }


def _outcome(row: sa.Row[tuple[object, ...]]) -> Outcome:
    return Outcome(
        kind=OutcomeKind(row.outcome),
        phase=Phase(row.phase),
        code=row.code,
        status=row.status,
        text=row.text,
        blame=Blame(row.blame),
        host=row.host,
        took_ms=row.took_ms,
    )
