"""When marketing mail may reach a customer: outside quiet hours, and not more than the cap.

Asked when a mail is planned, and again when it leaves: an outage, a retry or a hold moves a mail
out of the time that was chosen for it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from crm_mailer.model.campaign import Campaign
from crm_mailer.model.moment import at_local, local_day
from crm_mailer.model.send_window import SendWindow
from crm_mailer.model.shop import Shop

DAY = timedelta(days=1)
#: The days of `cap_month`.
MONTH = 30
#: A week of nights and closed days: a window that the night covers is refused when it is read.
_TRIES = 20


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
    #: Mails in 30 days at most.
    cap_month: int = 8
    #: The campaign's own hours and weekdays.
    window: SendWindow | None = None


def limits_for(
    shop: Shop, campaign: Campaign | None, place: ZoneInfo, *, wants_fewer: bool = False
) -> Limits:
    """What holds for a campaign's mails to a customer whose clock hangs in `place`.

    Who wants fewer mails gets half of what the cap allows, and at least one.
    """
    own = campaign.send_at if campaign is not None else None
    share = 2 if wants_fewer else 1
    return Limits(
        place=place,
        quiet_from=shop.quiet_from,
        quiet_until=shop.quiet_until,
        send_at=own or shop.send_at,
        cap_count=max(1, shop.cap_count // share),
        cap_days=shop.cap_days,
        cap_month=max(1, shop.cap_month // share),
        window=campaign.window if campaign is not None else None,
    )


def is_quiet(hour: int, *, quiet_from: int, quiet_until: int) -> bool:
    """Whether the local hour is a quiet one; the hours may go over midnight."""
    if quiet_from <= quiet_until:
        return quiet_from <= hour < quiet_until
    return hour >= quiet_from or hour < quiet_until


@lru_cache(maxsize=16_384)
def opening(moment: datetime, limits: Limits) -> datetime:
    """`moment` itself if a mail may leave then, else the first one after: the end of the quiet
    hours, the next hour and weekday of the campaign's window.
    """
    for _ in range(_TRIES):
        opened = _window_opening(_morning(moment, limits), limits)
        if opened == moment:
            break
        moment = opened
    return moment


def _window_opening(moment: datetime, limits: Limits) -> datetime:
    window = limits.window
    local = moment.astimezone(limits.place)
    if window is None or window.is_open(local):
        return moment
    day = local.date()
    if day.weekday() in window.weekdays:
        later = (hour for hour in range(local.hour + 1, 24) if window.has_hour(hour))
        hour = next(later, None)
        if hour is not None:
            return at_local(day, hour, 0, limits.place)
    day += DAY
    while day.weekday() not in window.weekdays:
        day += DAY
    first = next(hour for hour in range(24) if window.has_hour(hour))
    return at_local(day, first, 0, limits.place)


def _morning(moment: datetime, limits: Limits) -> datetime:
    """`moment` itself, or the end of the quiet hours that it falls into."""
    local = moment.astimezone(limits.place)
    start, end = limits.quiet_from, limits.quiet_until
    if not is_quiet(local.hour, quiet_from=start, quiet_until=end):
        return moment
    day = local.date()
    if end == 24 or (start > end and local.hour >= start):
        day += DAY
    return at_local(day, end % 24, 0, limits.place)


def fits(moment: datetime, taken: Sequence[datetime], limits: Limits) -> bool:
    """Whether one more mail at `moment` keeps the cap.

    No two mails on one local day, and no `cap_count` + 1 mails within `cap_days` days, nor
    `cap_month` + 1 within 30: neither counted backwards from `moment` nor with those that are
    planned after it.
    """
    if not taken:
        return True
    day = local_day(moment, limits.place)
    days = [local_day(other, limits.place) for other in taken]
    if day in days:
        return False
    return _keeps(day, days, count=limits.cap_count, within=limits.cap_days) and _keeps(
        day, days, count=limits.cap_month, within=MONTH
    )


def _keeps(day: date, days: Sequence[date], *, count: int, within: int) -> bool:
    """Whether no `count` + 1 mails lie within so many days when `day` is one more."""
    near = [other for other in days if abs((other - day).days) < within]
    if len(near) < count:
        return True
    near = sorted([*near, day])
    return all(
        (last - first).days >= within for first, last in zip(near, near[count:], strict=False)
    )


def look_back(shop: Shop) -> timedelta:
    """Marketing mail before this, counted back from a moment, is in no mail's way at it."""
    return timedelta(days=max(shop.cap_days, MONTH) + 1)


def first_slot(
    moment: datetime, taken: Sequence[datetime], limits: Limits, *, until: datetime
) -> datetime | None:
    """The first moment from `moment` on that may be used; None if there is none up to `until`.

    Quiet hours are waited out; a day that is full is passed over for the next day's `send_at`.
    """
    slot = opening(moment, limits)
    while slot <= until:
        if fits(slot, taken, limits):
            return slot
        tomorrow = local_day(slot, limits.place) + DAY
        slot = opening(at_local(tomorrow, *limits.send_at, limits.place), limits)
    return None
