"""Alerts: one row for each cause, told once, open until it is over.

A cause begins with the scope that it is about: `campaign:spring-sale/bounces`, `account:main/auth`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from crm_mailer.model import sentence
from crm_mailer.store.engine import upsert
from crm_mailer.store.tables import alerts


@dataclass(frozen=True, slots=True, kw_only=True)
class Alert:
    """What a person should look at. `times` counts how often it was met.

    Message and hint are sentences, said in the reader's language where they are shown.
    """

    cause: str
    message: str
    hint: str
    first_at: datetime
    last_at: datetime
    times: int


def raise_(
    connection: sa.Connection, cause: str, message: str, *, hint: str = "", now: datetime
) -> bool:
    """Note that `cause` was met; True where it is new, or had ended: then it is to be told."""
    is_open = connection.scalar(
        sa.select(sa.func.count()).where(alerts.c.cause == cause, alerts.c.ended_at.is_(None))
    )
    insert = upsert(connection, alerts).values(
        cause=cause,
        message=message,
        hint=hint,
        first_at=now,
        last_at=now,
        times=1,
        said={"message": sentence.pack(message), "hint": sentence.pack(hint)},
    )
    new = insert.excluded
    goes_on = alerts.c.ended_at.is_(None)
    connection.execute(
        insert.on_conflict_do_update(
            index_elements=["cause"],
            set_={
                "message": new.message,
                "hint": new.hint,
                "said": new.said,
                "first_at": sa.case((goes_on, alerts.c.first_at), else_=new.first_at),
                "last_at": new.last_at,
                "times": sa.case((goes_on, alerts.c.times + 1), else_=1),
                "ended_at": None,
            },
        )
    )
    return not is_open


def end(connection: sa.Connection, cause: str, now: datetime) -> bool:
    """`cause` is over; False where it was not open."""
    return _end(connection, alerts.c.cause == cause, now)


def end_of(connection: sa.Connection, scope: str, now: datetime) -> bool:
    """All causes of a scope such as `account:main` are over; False where none was open."""
    is_about = alerts.c.cause.startswith(scope + "/", autoescape=True)
    return _end(connection, sa.or_(alerts.c.cause == scope, is_about), now)


def last_ended(connection: sa.Connection, scope: str) -> datetime | None:
    """When a cause of a scope such as `lane:gmail/marketing` was last over; None where none was."""
    is_about = alerts.c.cause.startswith(scope + "/", autoescape=True)
    query = sa.select(sa.func.max(alerts.c.ended_at)).where(is_about)
    found: datetime | None = connection.scalar(query)
    return found


def list_open(connection: sa.Connection) -> list[Alert]:
    """What is not over, the oldest first."""
    query = sa.select(alerts).where(alerts.c.ended_at.is_(None))
    return [
        Alert(
            cause=row.cause,
            message=sentence.unpack(row.said.get("message", row.message)),
            hint=sentence.unpack(row.said.get("hint", row.hint)),
            first_at=row.first_at,
            last_at=row.last_at,
            times=row.times,
        )
        for row in connection.execute(query.order_by(alerts.c.first_at, alerts.c.cause))
    ]


def _end(connection: sa.Connection, condition: sa.ColumnElement[bool], now: datetime) -> bool:
    statement = sa.update(alerts).where(condition, alerts.c.ended_at.is_(None))
    return connection.execute(statement.values(ended_at=now)).rowcount > 0
