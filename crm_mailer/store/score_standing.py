"""How the scores stand: up to when they were made, and by which profile."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, fields
from datetime import date, datetime, timedelta
from typing import Any

import sqlalchemy as sa

from crm_mailer.model.score import DEFAULT_PROFILE, RfmProfile
from crm_mailer.store import facts
from crm_mailer.store.tables import import_runs, orders, scores

FACT = "scores"
#: The daemon works marks out every few minutes; so old ones are nobody's wish.
A_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """How the scores were last brought up to date.

    `limits` is the profile in force, `written` the one that the shop wrote; `cut_on` is the day
    on which limits were last taken from the customers themselves.
    """

    seen_at: datetime
    day: date
    zone: str
    limits: str
    written: str = ""
    cut_on: date | None = None

    @property
    def profile(self) -> RfmProfile:
        """The profile in force."""
        return profile_of(self.limits)


def standing(connection: sa.Connection) -> Standing | None:
    """How things stand; None where scores were never made."""
    value = facts.find(connection, FACT)
    if value is None:
        return None
    cut_on = value.get("cut_on")
    return Standing(
        seen_at=datetime.fromisoformat(value["seen_at"]),
        day=date.fromisoformat(value["day"]),
        zone=value["zone"],
        limits=value["limits"],
        written=value.get("written", ""),
        cut_on=date.fromisoformat(cut_on) if cut_on else None,
    )


def stand(connection: sa.Connection, standing: Standing, now: datetime) -> None:
    """Remember how things stand."""
    value = {
        "seen_at": standing.seen_at.isoformat(),
        "day": standing.day.isoformat(),
        "zone": standing.zone,
        "limits": standing.limits,
        "written": standing.written,
        "cut_on": standing.cut_on.isoformat() if standing.cut_on else None,
    }
    facts.put(connection, FACT, value, now)


def are_missing(connection: sa.Connection) -> bool:
    """Whether nobody has marks, though there are customers with paid orders.

    The last run may have been before the first orders came.
    """
    if connection.scalar(sa.select(scores.c.customer_id).limit(1)) is not None:
        return False
    paid = sa.select(orders.c.id).where(orders.c.is_counted, orders.c.customer_id.is_not(None))
    return connection.scalar(paid.limit(1)) is not None


def newer_orders(connection: sa.Connection) -> datetime | None:
    """When orders were imported that the marks are a day behind of; None: there are none."""
    known = standing(connection)
    last: datetime | None = connection.scalar(
        sa.select(sa.func.max(import_runs.c.at)).where(import_runs.c.kind == "orders")
    )
    if known is None or last is None:
        return None
    return last if last - known.seen_at > A_DAY else None


def limits(profile: RfmProfile) -> str:
    """What a profile says, to tell when it was changed and to have it again."""
    return json.dumps(asdict(profile), sort_keys=True)


def profile_of(limits: str) -> RfmProfile:
    """The profile that `limits` says; the default one where an older program wrote it."""
    try:
        told: dict[str, Any] = json.loads(limits)
        known = {field.name for field in fields(RfmProfile)}
        values: dict[str, Any] = {
            name: tuple(value) if isinstance(value, list) else value
            for name, value in told.items()
            if name in known
        }
        return RfmProfile(**values)
    except (ValueError, AttributeError):
        return DEFAULT_PROFILE


def profile_in_force(connection: sa.Connection) -> RfmProfile:
    """By which the stored marks were given."""
    found = standing(connection)
    return found.profile if found else DEFAULT_PROFILE


def profile_written(connection: sa.Connection) -> RfmProfile:
    """What the shop's file said when the stored marks were given."""
    found = standing(connection)
    return profile_of(found.written) if found and found.written else DEFAULT_PROFILE
