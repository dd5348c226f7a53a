"""How much marketing mail one customer may get, over all campaigns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from crm_mailer.planning import curve, windows


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """The shop's rules for marketing mail, in the customer's own time."""

    place: ZoneInfo
    quiet_from: int
    quiet_until: int
    #: When a mail leaves that had to wait for another day.
    send_at: tuple[int, int]
    cap_count: int
    cap_days: int


def fits(moment: datetime, taken: Sequence[datetime], limits: Limits) -> bool:
    """Whether one more mail at `moment` keeps the cap.

    No two mails on one local day, and no `cap_count` + 1 mails within `cap_days` days: neither
    counted backwards from `moment` nor with those that are planned after it.
    """
    if not taken:
        return True
    day = _day(moment, limits.place)
    days = [_day(other, limits.place) for other in taken]
    if day in days:
        return False
    near = sorted(other for other in days if abs((other - day).days) < limits.cap_days)
    if len(near) < limits.cap_count:
        return True
    near = sorted([*near, day])
    return all(
        (last - first).days >= limits.cap_days
        for first, last in zip(near, near[limits.cap_count :], strict=False)
    )


def first_slot(
    moment: datetime, taken: Sequence[datetime], limits: Limits, *, until: datetime
) -> datetime | None:
    """The first moment from `moment` on that may be used; None if there is none up to `until`.

    Quiet hours are waited out; a day that is full is passed over for the next day's `send_at`.
    """
    slot = _allowed(moment, limits)
    while slot <= until:
        if fits(slot, taken, limits):
            return slot
        tomorrow = _day(slot, limits.place) + timedelta(days=1)
        slot = _allowed(curve.on_day(tomorrow, place=limits.place, at=limits.send_at), limits)
    return None


def _allowed(moment: datetime, limits: Limits) -> datetime:
    return windows.next_allowed(
        moment,
        place=limits.place,
        quiet_from=limits.quiet_from,
        quiet_until=limits.quiet_until,
    )


def _day(moment: datetime, place: ZoneInfo) -> date:
    return moment.astimezone(place).date()
