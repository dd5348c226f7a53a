"""Decides for one occasion which mails there will be, when, and which not and why."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from crm_mailer.model import chance, windows
from crm_mailer.model.campaign import Campaign, Step, Stream
from crm_mailer.model.moment import at_local
from crm_mailer.model.shop import Shop
from crm_mailer.model.standing import hold, refusal
from crm_mailer.model.touch import SkipReason
from crm_mailer.model.zones import home_zone
from crm_mailer.planning import hours
from crm_mailer.store.homes import Home
from crm_mailer.store.occasions import Occasion


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """The fate of one step. `reason` None: it is planned for `due_at`.

    `waits` names what would hold it back if it left now.
    """

    step: Step
    place: int
    due_at: datetime
    expires_at: datetime
    reason: SkipReason | None = None
    waits: SkipReason | None = None
    #: The arm of the step's test that the customer gets.
    arm: str = ""
    template: str = ""


def zone_of(whose: Occasion | Home, shop: Shop) -> ZoneInfo:
    """Where the customer's clock hangs."""
    return home_zone(
        whose.time_zone,
        whose.country,
        shop.time_zone,
        region=whose.region,
        overrides=shop.time_zones,
    )


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
    is_back_too_soon: bool = False,
    winners: Mapping[str, str] | None = None,
    made: frozenset[str] = frozenset(),
) -> Iterator[Decision]:
    """The fate of each step, in their order. Slots that are given are added to `taken`.

    Args:
        campaign: whose steps.
        shop: its hours and caps.
        occasion: the customer and the event.
        now: the clock.
        taken: when the customer has, or will have, other marketing mail.
        is_superseded: a newer event has started the campaign afresh.
        is_back_too_soon: the customer has been through it, and `reentry` has not passed.
        winners: step -> the arm that won its test.
        made: steps of the occasion that were decided before, and stay as they are.
    """
    place = zone_of(occasion, shop)
    reason = _reason(campaign, occasion, is_superseded=is_superseded)
    if reason is None and is_back_too_soon:
        reason = SkipReason.REENTRY
    if reason is None and chance.is_held_out(occasion.customer_id, campaign.id, campaign.hold_out):
        reason = SkipReason.HOLD_OUT
    waits = hold(occasion.standing, campaign.stream, now)
    limits = windows.limits_for(shop, campaign, place, wants_fewer=occasion.standing.wants_fewer)
    # the undo window: nothing leaves sooner
    earliest = now + campaign.hold
    moments = [nominal(campaign, shop, occasion, step, place) for step in campaign.at_once]
    for number, (step, wanted) in enumerate(zip(campaign.at_once, moments, strict=True), start=1):
        if step.id in made:
            continue
        expires_at, due_at, why = wanted + campaign.valid_for, wanted, reason
        if hours.is_late(campaign, wanted, moments[number:], now=earliest):
            why = SkipReason.LATE
        elif why is None and campaign.stream is Stream.MARKETING:
            found = _slot(occasion, limits, taken, max(wanted, earliest), until=expires_at)
            if isinstance(found, SkipReason):
                why = found
            else:
                due_at, waits = found, None if waits is SkipReason.SNOOZED else waits
        arm, template = variant(campaign, step, occasion.customer_id, winners or {})
        unmet = SkipReason.CONDITION if step.id in occasion.unmet else None
        yield Decision(
            step=step,
            place=number,
            due_at=due_at,
            expires_at=expires_at,
            reason=why,
            waits=None if why is not None else waits or unmet,
            arm=arm,
            template=template,
        )


def _reason(campaign: Campaign, occasion: Occasion, *, is_superseded: bool) -> SkipReason | None:
    """Why there is no mail for this occasion at all."""
    if occasion.is_exited:
        return SkipReason.EXITED
    reason = refusal(occasion.standing, campaign.stream, campaign.topic)
    if reason is None and is_superseded:
        return SkipReason.NEW_ANCHOR
    return reason


def _slot(
    occasion: Occasion,
    limits: windows.Limits,
    taken: list[datetime],
    earliest: datetime,
    *,
    until: datetime,
) -> datetime | SkipReason:
    """When a mail of marketing leaves, or why not: not in quiet hours, not too much, not while the
    customer wants a pause. The slot is added to `taken`.
    """
    pause = occasion.standing.snoozed_until
    if pause is not None and pause > earliest:
        earliest = pause
        if pause > until:
            return SkipReason.SNOOZED
    slot = windows.first_slot(earliest, taken, limits, until=until)
    if slot is None:
        is_shut = windows.opening(earliest, limits) > until
        return SkipReason.QUIET_HOURS if is_shut else SkipReason.CAP
    taken.append(slot)
    return slot


def variant(
    campaign: Campaign, step: Step, customer_id: int, winners: Mapping[str, str]
) -> tuple[str, str]:
    """The arm of the step's test and the template that follows from it."""
    if step.trial is None:
        return "", step.template
    won = [arm for arm in step.trial.arms if arm.id == winners.get(step.id)]
    arm = (
        won[0]
        if won
        else chance.arm_of(customer_id, step.trial.arms, campaign=campaign.id, step=step.id)
    )
    return arm.id, arm.template or step.template


def coolness(warmth: int | None) -> float:
    """How far back in a queue of warm ones first: 0 for R 5, 1 for R 1 and who never bought."""
    return 1.0 if warmth is None else (5 - warmth) / 4


def nominal(
    campaign: Campaign, shop: Shop, occasion: Occasion, step: Step, place: ZoneInfo
) -> datetime:
    """When the step is due, caps, quiet hours and pauses left aside."""
    if occasion.wait is not None:
        step = replace(step, offset=occasion.wait)
    queue = _place_in_queue(campaign, occasion)
    return queue + hours.due_at(campaign, shop, occasion, step, place)


def _place_in_queue(campaign: Campaign, occasion: Occasion) -> timedelta:
    """How much later the customer comes than the warmest ones, in whole minutes."""
    if not campaign.warm_first:
        return timedelta(0)
    minutes = campaign.warm_first.total_seconds() * coolness(occasion.warmth) // 60
    return timedelta(minutes=minutes)
