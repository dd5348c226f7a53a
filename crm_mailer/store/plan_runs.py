"""Acts of planning: what was planned for a campaign, and how many were left out and why."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import sqlalchemy as sa

from crm_mailer.store.tables import plan_runs


def add(connection: sa.Connection, campaign: str, at: datetime, counts: dict[str, Any]) -> None:
    """Note one act of planning."""
    connection.execute(plan_runs.insert().values(campaign=campaign, at=at, counts=counts))


def find_last(connection: sa.Connection, campaign: str) -> dict[str, Any] | None:
    """The counts of the latest act for the campaign; None before the first."""
    query = (
        sa.select(plan_runs.c.counts)
        .where(plan_runs.c.campaign == campaign)
        .order_by(plan_runs.c.id.desc())
        .limit(1)
    )
    counts: dict[str, Any] | None = connection.scalar(query)
    return counts
