"""Acts of planning: what was planned for a campaign, and how many were left out and why."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa

from crm_mailer.store import facts
from crm_mailer.store.news import News
from crm_mailer.store.tables import plan_runs

_LOOK = "look:"


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """When a campaign's occasions were last looked at, in which version of it.

    `at` is the last look at all that was open (`size` events), `heard_at` the last one at all;
    `news` was new then.
    """

    version: str
    at: datetime
    size: int
    heard_at: datetime
    news: News


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


def looks(connection: sa.Connection) -> dict[str, Look]:
    """The last look at each campaign."""
    return {
        campaign: Look(
            version=value["version"],
            at=_instant(value["at"]),
            size=value["size"],
            heard_at=_instant(value["heard_at"]),
            news=News(**value["news"]),
        )
        for campaign, value in facts.find_all(connection, _LOOK).items()
    }


def set_looks(connection: sa.Connection, looks: Mapping[str, Look], now: datetime) -> None:
    """Note the looks of one act, by campaign."""
    values = {
        _LOOK + campaign: {
            "version": look.version,
            "at": int(look.at.timestamp()),
            "size": look.size,
            "heard_at": int(look.heard_at.timestamp()),
            "news": asdict(look.news),
        }
        for campaign, look in looks.items()
    }
    facts.put_all(connection, values, now)


def _instant(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
