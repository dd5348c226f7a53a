"""Acts of planning: what was planned for a campaign, and how many were left out and why."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa

from crm_mailer.store import facts
from crm_mailer.store.tables import plan_runs

_LOOK = "look:"


@dataclass(frozen=True, slots=True, kw_only=True)
class FullLook:
    """When all open occasions of a campaign were last looked at, in which version of it."""

    at: datetime
    version: str


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


def full_looks(connection: sa.Connection) -> dict[str, FullLook]:
    """The last full look at each campaign."""
    return {
        campaign: FullLook(at=datetime.fromtimestamp(value["at"], UTC), version=value["version"])
        for campaign, value in facts.find_all(connection, _LOOK).items()
    }


def set_full_look(connection: sa.Connection, campaign: str, look: FullLook) -> None:
    """Note a full look."""
    value = {"at": int(look.at.timestamp()), "version": look.version}
    facts.put(connection, _LOOK + campaign, value, look.at)
