"""When to come back to a customer before the shop is forgotten: moments on a memory curve."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from crm_mailer.model import moment

DAY = timedelta(days=1)


def counts_days(offset: timedelta) -> bool:
    """Whether an offset means calendar days (4d) rather than a span of time (12h, 36h)."""
    return offset >= DAY and offset % DAY == timedelta(0)


def after_moment(
    anchor: datetime, offset: timedelta, *, place: ZoneInfo, send_at: tuple[int, int]
) -> datetime:
    """When a step comes after an event at `anchor`.

    Whole days are counted in the customer's calendar and the mail leaves at `send_at` there: a
    parcel that arrived on Monday at 23:50 has its "one day after" on Tuesday. Spans are exact.
    """
    if not counts_days(offset):
        return anchor + offset
    return moment.at_local(moment.local_day(anchor, place) + offset, *send_at, place)


def after_day(
    day: date, offset: timedelta, *, place: ZoneInfo, send_at: tuple[int, int]
) -> datetime:
    """When a step comes that counts from a day of the customer's calendar (a birthday)."""
    if offset and not counts_days(offset):
        return moment.at_local(day, 0, 0, place) + offset
    return moment.at_local(day + offset, *send_at, place)
