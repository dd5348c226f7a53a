"""When exactly a step's mail is due: its day, the customer's hour, and a place within it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from crm_mailer.model import curve, send_hours
from crm_mailer.model.campaign import GRACE, Campaign, CatchUp, Step, Stream
from crm_mailer.model.send_hours import Hours
from crm_mailer.model.send_window import SendWindow
from crm_mailer.model.shop import Shop
from crm_mailer.store.occasions import Occasion

#: `send_at: best` without a `spread` of its own uses the whole hour.
AN_HOUR = timedelta(hours=1)


def due_at(
    campaign: Campaign, shop: Shop, occasion: Occasion, step: Step, place: ZoneInfo
) -> datetime:
    """When the step is due, caps and quiet hours left aside.

    Steps that count days leave at an hour of the customer's day: the campaign's, the shop's, or
    with `send_at: best` the customer's own; all of them within `spread` after it. Steps that count
    minutes or hours are exact.
    """
    is_exact = not _is_by_the_day(occasion, step)
    send_at = campaign.send_at or shop.send_at
    spread = campaign.spread
    if campaign.is_best_hour and not is_exact and campaign.stream is Stream.MARKETING:
        send_at = _own_hour(campaign, shop, occasion, step) or send_at
        spread = spread or AN_HOUR
    if occasion.day is not None:
        due = curve.after_day(occasion.day, step.offset, place=place, send_at=send_at)
    else:
        assert occasion.at is not None
        due = curve.after_moment(occasion.at, step.offset, place=place, send_at=send_at)
    if is_exact or not spread:
        return due
    return due + send_hours.delay(spread, customer_id=occasion.customer_id, name=campaign.id)


def is_late(campaign: Campaign, due: datetime, later: Sequence[datetime], *, now: datetime) -> bool:
    """Whether a step's time is over: too late, or a later step of `later` is due as well.

    Nobody gets two mails of one occasion in one minute, unless the campaign wants to `catch_up`
    with all of them.

    Args:
        campaign: its `valid_for` and `catch_up`.
        due: when the step was to leave.
        later: when the steps after it are due.
        now: the soonest moment at which a mail can leave.
    """
    if due + campaign.valid_for < now:
        return True
    if campaign.catch_up is CatchUp.ALL:
        return False
    if campaign.catch_up is CatchUp.SKIP and due + GRACE < now:
        return True
    return any(moment <= now for moment in later)


def _is_by_the_day(occasion: Occasion, step: Step) -> bool:
    if curve.counts_days(step.offset):
        return True
    return occasion.day is not None and not step.offset


def _own_hour(
    campaign: Campaign, shop: Shop, occasion: Occasion, step: Step
) -> tuple[int, int] | None:
    """The hour that was learnt; None where nothing is known of anybody."""
    if occasion.best_hour is None:
        return None
    allowed = _allowed(shop.quiet_from, shop.quiet_until, campaign.window)
    hours = Hours(best=_nearest(occasion.best_hour, allowed), allowed=allowed)
    name = f"{campaign.id}:{step.id}:{occasion.anchor}"
    return send_hours.chosen(hours, customer_id=occasion.customer_id, name=name), 0


@lru_cache(maxsize=64)
def _allowed(quiet_from: int, quiet_until: int, window: SendWindow | None) -> tuple[int, ...]:
    allowed = send_hours.allowed(quiet_from, quiet_until)
    return tuple(hour for hour in allowed if window is None or window.has_hour(hour)) or allowed


def _nearest(hour: int, allowed: Sequence[int]) -> int:
    """The hour itself, or of those that the campaign's window leaves the nearest one."""
    return min(allowed, key=lambda one: (abs(one - hour), one))
