"""What an account that warms up holds back until its next day."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from crm_mailer.delivering.pacing import warm_up_limit
from crm_mailer.delivering.routing import Lane, Outlet, Ways
from crm_mailer.model.campaign import Stream
from crm_mailer.store.paces import Pace


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldBack:
    """Mails that are due and wait for the next day of warming up."""

    account: str
    number: int
    #: When that day begins: midnight in UTC.
    until: datetime


def held_back(
    ways: Ways,
    due: Mapping[Lane, int],
    paces: Mapping[str, Pace],
    now: datetime,
    away: Collection[str] = (),
) -> list[HeldBack]:
    """What each account holds back, by name; order mail never waits for it.

    Args:
        ways: the accounts.
        due: how many mails could leave now but for this.
        paces: what has left today, as the rows of the database tell.
        now: when.
        away: accounts that are not used at present.
    """
    found: dict[str, int] = {}
    for lane, number in due.items():
        outlet = next((one for one in ways.routes(lane) if one.name not in away), None)
        if outlet is not None and lane.stream is not Stream.TRANSACTIONAL:
            left = _left(outlet, lane, paces, now)
            if left is not None and number > left:
                found[outlet.name] = found.get(outlet.name, 0) + number - left
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1)
    return [
        HeldBack(account=name, number=number, until=midnight)
        for name, number in sorted(found.items())
    ]


def _left(outlet: Outlet, lane: Lane, paces: Mapping[str, Pace], now: datetime) -> int | None:
    """How many may still leave today; None: as many as there are."""
    limit = warm_up_limit(outlet.warm_since, now.date())
    if limit is None:
        return None
    row = paces.get(f"warm:{outlet.name}:{lane.provider}")
    used = row.used if row is not None and row.day == now.date().isoformat() else 0
    return max(0, limit - used)
