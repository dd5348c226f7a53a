"""Quiet hours: marketing mail waits until a customer's morning."""

from __future__ import annotations

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from crm_mailer.planning import curve


def is_quiet(hour: int, *, quiet_from: int, quiet_until: int) -> bool:
    """Whether the local hour is a quiet one; the hours may go over midnight."""
    if quiet_from <= quiet_until:
        return quiet_from <= hour < quiet_until
    return hour >= quiet_from or hour < quiet_until


def next_allowed(
    moment: datetime, *, place: ZoneInfo, quiet_from: int, quiet_until: int
) -> datetime:
    """`moment` itself, or the end of the quiet hours that it falls into."""
    local = moment.astimezone(place)
    if not is_quiet(local.hour, quiet_from=quiet_from, quiet_until=quiet_until):
        return moment
    day = local.date()
    if quiet_from > quiet_until and local.hour >= quiet_from:
        day += timedelta(days=1)
    if quiet_until == 24:
        return curve.on_day(day + timedelta(days=1), place=place, at=(0, 0))
    return curve.on_day(day, place=place, at=(quiet_until, 0))
