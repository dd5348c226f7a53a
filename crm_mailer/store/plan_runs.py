"""Acts of planning: what was planned for a campaign, and how many were left out and why."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

import sqlalchemy as sa

from crm_mailer.store import bulk, facts
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


def taken_at(connection: sa.Connection, campaign: str, version: str) -> datetime | None:
    """When the latest act for the campaign was, if it was for this version of it."""
    query = (
        sa.select(plan_runs.c.at, plan_runs.c.counts)
        .where(plan_runs.c.campaign == campaign)
        .order_by(plan_runs.c.id.desc())
        .limit(1)
    )
    row = connection.execute(query).first()
    return row.at if row is not None and row.counts.get("version") == version else None


def list_taken(connection: sa.Connection, versions: Mapping[str, str]) -> frozenset[str]:
    """Of these campaigns, those whose latest act was for the version that is given here."""
    if not versions:
        return frozenset()
    given = {"names": json.dumps([[campaign] for campaign in versions])}
    found = connection.execute(_latest(connection.dialect.name), given)
    return frozenset(
        row.campaign for row in found if row.counts.get("version") == versions[row.campaign]
    )


@lru_cache(maxsize=2)
def _latest(dialect: str) -> sa.Select[Any]:
    """The latest act for each campaign of `names`."""
    run, own = plan_runs.c, plan_runs.alias("own").c
    named = bulk.as_rows(dialect, {"name": sa.Text()}, "names")
    of_one = sa.select(sa.func.max(own.id)).where(own.campaign == named.c.name)
    last = sa.select(of_one.correlate(named).scalar_subquery()).select_from(named)
    return sa.select(run.campaign, run.counts).where(run.id.in_(last))


def looks(connection: sa.Connection) -> dict[str, Look]:
    """The last look at each campaign."""
    return {campaign: _look(text) for campaign, text in facts.find_texts(connection, _LOOK).items()}


@lru_cache(maxsize=4_096)
def _look(text: str) -> Look:
    """A look as it is kept: read once, for each tick asks for all of them."""
    value = json.loads(text)
    return Look(
        version=value["version"],
        at=_instant(value["at"]),
        size=value["size"],
        heard_at=_instant(value["heard_at"]),
        news=News(**value["news"]),
    )


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
