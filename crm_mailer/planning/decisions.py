"""Decides for one occasion which mails there will be, when, and which not and why."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from crm_mailer.model import curve, windows
from crm_mailer.model.campaign import Campaign, Step, Stream
from crm_mailer.model.moment import at_local
from crm_mailer.model.shop import Shop
from crm_mailer.model.standing import hold, refusal
from crm_mailer.model.touch import SkipReason
from crm_mailer.model.zones import home_zone
from crm_mailer.store.occasions import Occasion


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """The fate of one step. `reason` None: it is planned for `due_at`.

    `is_final` is false where the same step may still be planned later, so nothing is saved.
    `waits` names what would hold it back if it left now.
    """

    step: Step
    place: int
    due_at: datetime
    expires_at: datetime
    reason: SkipReason | None = None
    is_final: bool = True
    waits: SkipReason | None = None


def zone_of(occasion: Occasion, shop: Shop) -> ZoneInfo:
    """Where the customer's clock hangs."""
    return home_zone(occasion.time_zone, occasion.country, shop.time_zone)


def anchored_at(occasion: Occasion, place: ZoneInfo) -> datetime:
    """The moment of the event; the local midnight of one that is a day."""
    if occasion.day is not None:
        return at_local(occasion.day, 0, 0, place)
    assert occasion.at is not None
    return occasion.at


def decide(
    campaign: Campaign,
    shop: Shop,
    occasion: Occasion,
    *,
    now: datetime,
    taken: list[datetime],
    is_superseded: bool = False,
) -> Iterator[Decision]:
    """The fate of each step, in their order. Slots that are given are added to `taken`.

    Args:
        campaign: whose steps.
        shop: its hours and caps.
        occasion: the customer and the event.
        now: the clock.
        taken: when the customer has, or will have, other marketing mail.
        is_superseded: a newer event has started the campaign afresh.
    """
    place = zone_of(occasion, shop)
    reason, is_final = _reason(campaign, occasion, is_superseded=is_superseded)
    waits = hold(occasion.standing, campaign.stream, now)
    limits = windows.limits_for(shop, campaign, place)
    # the undo window: nothing leaves sooner
    earliest = now + campaign.hold
    moments = [_nominal(campaign, shop, occasion, step, place) for step in campaign.steps]
    for number, (step, nominal) in enumerate(zip(campaign.steps, moments, strict=True), start=1):
        expires = nominal + campaign.valid_for
        one = Decision(step=step, place=number, due_at=nominal, expires_at=expires, waits=waits)
        if expires < earliest or any(later <= earliest for later in moments[number:]):
            # late for good, or a later step is due as well: nobody gets two in one minute
            yield _left_out(one, SkipReason.LATE, is_final=False)
        elif reason is not None:
            yield _left_out(one, reason, is_final=is_final)
        elif campaign.stream is Stream.TRANSACTIONAL:
            yield one
        else:
            yield _in_a_slot(one, occasion, limits, taken, earliest)


def _reason(
    campaign: Campaign, occasion: Occasion, *, is_superseded: bool
) -> tuple[SkipReason | None, bool]:
    """Why there is no mail for this occasion at all, and whether that is the last word."""
    if occasion.is_exited:
        return SkipReason.EXITED, False
    reason = refusal(occasion.standing, campaign.stream)
    if reason is SkipReason.NO_ADDRESS:
        return reason, False
    if reason is None and is_superseded:
        return SkipReason.NEW_ANCHOR, True
    return reason, True


def _in_a_slot(
    one: Decision,
    occasion: Occasion,
    limits: windows.Limits,
    taken: list[datetime],
    earliest: datetime,
) -> Decision:
    """Marketing: not in quiet hours, not too much, not while the customer wants a pause."""
    earliest = max(one.due_at, earliest)
    pause = occasion.standing.snoozed_until
    if pause is not None and pause > earliest:
        earliest = pause
        if pause > one.expires_at:
            return _left_out(one, SkipReason.SNOOZED)
    slot = windows.first_slot(earliest, taken, limits, until=one.expires_at)
    if slot is None:
        return _left_out(one, SkipReason.CAP)
    taken.append(slot)
    waits = one.waits if one.waits is not SkipReason.SNOOZED else None
    return Decision(
        step=one.step, place=one.place, due_at=slot, expires_at=one.expires_at, waits=waits
    )


def _left_out(one: Decision, reason: SkipReason, *, is_final: bool = True) -> Decision:
    return Decision(
        step=one.step,
        place=one.place,
        due_at=one.due_at,
        expires_at=one.expires_at,
        reason=reason,
        is_final=is_final,
    )


def _nominal(
    campaign: Campaign, shop: Shop, occasion: Occasion, step: Step, place: ZoneInfo
) -> datetime:
    send_at = campaign.send_at or shop.send_at
    if occasion.day is not None:
        return curve.after_day(occasion.day, step.offset, place=place, send_at=send_at)
    assert occasion.at is not None
    return curve.after_moment(occasion.at, step.offset, place=place, send_at=send_at)
