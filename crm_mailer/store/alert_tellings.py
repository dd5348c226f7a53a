"""Which alerts were told outside the program, by way (`mail`, `webhook`)."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

import sqlalchemy as sa

from crm_mailer.model import sentence
from crm_mailer.model.alert_news import Cause, Change, News, Told
from crm_mailer.store.engine import upsert
from crm_mailer.store.tables import alert_tellings, alerts

#: What was told to be over is forgotten after so long.
KEPT = timedelta(days=7)


def list_causes(connection: sa.Connection, way: str) -> list[Cause]:
    """What is open, and what is over while the last word by this way was that it is open."""
    is_told = sa.exists().where(
        alert_tellings.c.cause == alerts.c.cause,
        alert_tellings.c.way == way,
        ~alert_tellings.c.is_over,
    )
    query = sa.select(alerts).where(sa.or_(alerts.c.ended_at.is_(None), is_told))
    return [
        Cause(
            cause=row.cause,
            message=sentence.unpack(row.said.get("message", row.message)),
            hint=sentence.unpack(row.said.get("hint", row.hint)),
            first_at=row.first_at,
            times=row.times,
            is_over=row.ended_at is not None,
        )
        for row in connection.execute(query.order_by(alerts.c.first_at, alerts.c.cause))
    ]


def told(connection: sa.Connection, way: str) -> dict[str, Told]:
    """What was last told of each cause."""
    query = sa.select(alert_tellings).where(alert_tellings.c.way == way)
    return {
        row.cause: Told(row.first_at, row.told_at, row.is_over) for row in connection.execute(query)
    }


def note(connection: sa.Connection, way: str, news: Iterable[News], now: datetime) -> None:
    """These were told."""
    for one in news:
        statement = upsert(connection, alert_tellings).values(
            cause=one.cause.cause,
            way=way,
            first_at=one.cause.first_at,
            told_at=now,
            is_over=one.change is Change.OVER,
        )
        new = statement.excluded
        connection.execute(
            statement.on_conflict_do_update(
                index_elements=["cause", "way"],
                set_={"first_at": new.first_at, "told_at": new.told_at, "is_over": new.is_over},
            )
        )
    connection.execute(
        sa.delete(alert_tellings).where(
            alert_tellings.c.is_over, alert_tellings.c.told_at < now - KEPT
        )
    )
