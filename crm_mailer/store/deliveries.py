"""Attempts to hand mails over, with the servers' words."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from crm_mailer.model.delivery import Blame, Outcome, OutcomeKind, Phase
from crm_mailer.store import bulk
from crm_mailer.store.bulk import every, seconds
from crm_mailer.store.prepared import Prepared
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
    values = [_values(*row) for row in rows]
    if connection.dialect.name == "postgresql":
        _adding().run(connection, {"rows": json.dumps(values)})
    else:  # it takes values as they are twice as quickly as out of JSON
        bulk.insert(connection, deliveries, tuple(_COLUMNS), values, conflict=_IN_PLACE_OF_DOUBT)


def history(connection: sa.Connection, touch_ids: Sequence[int]) -> dict[int, History]:
    """What was tried for each of these touches; those never tried are not in the answer."""
    doubts = sa.func.sum(sa.case((deliveries.c.outcome == OutcomeKind.UNKNOWN.value, 1), else_=0))
    rows = every(
        connection,
        sa.select(
            deliveries.c.touch_id,
            sa.func.count().label("tries"),
            doubts.label("doubts"),
            sa.func.min(deliveries.c.at).label("first_at"),
        )
        .where(deliveries.c.touch_id.in_(touch_ids))
        .group_by(deliveries.c.touch_id),
    )
    return {row.touch_id: History(row.tries, row.doubts, row.first_at) for row in rows}


def list_(connection: sa.Connection, touch_id: int) -> list[Delivery]:
    """All attempts for one touch, oldest first."""
    query = sa.select(deliveries).where(deliveries.c.touch_id == touch_id)
    rows = every(connection, query.order_by(deliveries.c.attempt))
    return [Delivery(row.attempt, row.at, _outcome(row)) for row in rows]


@lru_cache(maxsize=1)
def _adding() -> Prepared:
    """INSERT ... SELECT of many attempts, for PostgreSQL; making it is slow, so it is kept."""
    given = bulk.as_rows("postgresql", _COLUMNS)
    insert = postgresql.insert(deliveries)
    insert = insert.from_select(list(_COLUMNS), sa.select(*(given.c[name] for name in _COLUMNS)))
    return Prepared(
        insert.on_conflict_do_update(
            index_elements=_KEY,
            set_={name: insert.excluded[name] for name in _CHANGED},
            where=deliveries.c.outcome == OutcomeKind.UNKNOWN.value,
        )
    )


_COLUMNS: dict[str, Any] = {
    "touch_id": sa.BigInteger(),
    "attempt": sa.Integer(),
    "outcome": sa.Text(),
    "phase": sa.Text(),
    "code": sa.Integer(),
    "status": sa.Text(),
    "text": sa.Text(),
    "blame": sa.Text(),
    "host": sa.Text(),
    "took_ms": sa.Integer(),
    "at": sa.BigInteger(),
}
_KEY = ["touch_id", "attempt"]
_CHANGED = [name for name in _COLUMNS if name not in _KEY]
_IN_PLACE_OF_DOUBT = (
    f"ON CONFLICT ({', '.join(_KEY)}) DO UPDATE SET "
    f"{', '.join(f'{name} = excluded.{name}' for name in _CHANGED)} "
    f"WHERE deliveries.outcome = '{OutcomeKind.UNKNOWN.value}'"
)


def _values(touch_id: int, attempt: int, outcome: Outcome, at: datetime) -> tuple[object, ...]:
    """The values of `_COLUMNS`."""
    return (
        touch_id,
        attempt,
        outcome.kind._value_,
        outcome.phase._value_,
        outcome.code,
        outcome.status,
        outcome.text,
        outcome.blame._value_,
        outcome.host,
        outcome.took_ms,
        seconds(at),
    )


def _outcome(row: Any) -> Outcome:
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
