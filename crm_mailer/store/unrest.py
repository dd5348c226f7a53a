"""How many customers complained in answer to a campaign's mails, against how many got one."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import NamedTuple

import sqlalchemy as sa

from crm_mailer.model.feedback import FeedbackKind
from crm_mailer.model.touch import TouchState
from crm_mailer.store import alerts
from crm_mailer.store.tables import feedback, replies, touches


class Unrest(NamedTuple):
    """A campaign's mails of some time that servers took, and the complaints that answer them."""

    campaign: str
    complaints: int
    accepted: int


def of_campaigns(connection: sa.Connection, since: datetime, least: int) -> list[Unrest]:
    """Campaigns with at least so many complaints in answer to mails that left since then."""
    customers = sa.func.count(sa.distinct(touches.c.customer_id))
    query = (
        sa.select(touches.c.campaign, customers.label("number"))
        .join_from(feedback, replies, replies.c.id == feedback.c.reply_id)
        .join(touches, touches.c.id == replies.c.touch_id)
        .where(
            feedback.c.at >= since,
            feedback.c.kind == FeedbackKind.COMPLAINT.value,
            touches.c.kind == "campaign",
            touches.c.settled_at >= since,
        )
        .group_by(touches.c.campaign)
        .having(customers >= least)
    )
    return [
        Unrest(row.campaign, row.number, _accepted(connection, row.campaign, since))
        for row in connection.execute(query).all()
    ]


def _accepted(connection: sa.Connection, campaign: str, since: datetime) -> int:
    query = sa.select(sa.func.count()).where(
        touches.c.campaign == campaign,
        touches.c.state == TouchState.ACCEPTED.value,
        touches.c.settled_at >= since,
    )
    return connection.scalar(query) or 0


def list_told(connection: sa.Connection, suffix: str) -> Collection[str]:
    """The campaigns of which an open alert of this kind says so."""
    return [
        alert.cause.removeprefix("campaign:").removesuffix(suffix)
        for alert in alerts.list_open(connection)
        if alert.cause.startswith("campaign:") and alert.cause.endswith(suffix)
    ]
