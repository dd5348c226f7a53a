"""Mails that wait to leave, for whoever asks what an edited file or a saved plan means for them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from crm_mailer.model.touch import TouchState
from crm_mailer.store.homes import Home
from crm_mailer.store.tables import customers, touches
from crm_mailer.store.touches import UNSENT, list_unsent, of_campaign


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """One mail that waits."""

    id: int
    step: str
    email: str
    due_at: datetime
    template: str
    home: Home


def rows(connection: sa.Connection, ids: Sequence[int]) -> list[Waiting]:
    """These few mails, the first due first."""
    touch, person = touches.c, customers.c
    query = (
        sa.select(
            touch.id,
            touch.step,
            person.email,
            touch.due_at,
            touch.template,
            person.time_zone,
            person.country,
            person.region,
        )
        .join(customers, person.id == touch.customer_id)
        .where(touch.id.in_(ids))
        .order_by(touch.due_at, touch.id)
    )
    return [
        Waiting(
            id=row.id,
            step=row.step,
            email=row.email or "",
            due_at=row.due_at,
            template=row.template,
            home=Home(row.time_zone, row.country, row.region),
        )
        for row in connection.execute(query)
    ]


def list_of_steps(connection: sa.Connection, campaign: str, steps: Sequence[str]) -> Sequence[int]:
    """What of these steps waits."""
    return list_unsent(connection, campaign, touches.c.step.in_(steps)) if steps else ()


def count_planned(
    connection: sa.Connection, campaign: str, version: str, since: datetime
) -> tuple[int, datetime | None]:
    """How many mails of a version were planned from then on, and when the last one was.

    Those that were left out as they were planned were none; what ended later was one.
    """
    touch = touches.c
    query = sa.select(sa.func.count(), sa.func.max(touch.planned_at)).where(
        of_campaign(campaign),
        touch.campaign_version == version,
        touch.planned_at >= since,
        sa.or_(touch.state != TouchState.SKIPPED, touch.settled_at != touch.planned_at),
    )
    number, last = connection.execute(query).one()
    return number, last


def count_unsent(connection: sa.Connection, campaign: str) -> int:
    """How many of the campaign's mails wait."""
    query = sa.select(sa.func.count()).where(of_campaign(campaign), touches.c.state.in_(UNSENT))
    return connection.scalar(query) or 0
