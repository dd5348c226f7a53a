"""The last look before a mail leaves: may it go now, must it wait, or is it not wanted any more?

Whatever planning decided was right then. An outage, a retry, a hold or a release can bring a mail
into the night, next to others, or behind an opt-out, an order or a change of its campaign.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from crm_mailer.model import windows
from crm_mailer.model.campaign import GRACE, Campaign, CatchUp, Mode, Stream
from crm_mailer.model.shop import Shop
from crm_mailer.model.standing import PASSING, hold, refusal
from crm_mailer.model.touch import SkipReason, Touch, TouchKind
from crm_mailer.model.windows import Limits
from crm_mailer.model.zones import home_zone
from crm_mailer.store.departures import Departure
from crm_mailer.store.engine import Connection
from crm_mailer.store.witnesses import Gap

#: How long a touch waits before it is asked again, when nobody knows how long its reason lasts.
HOLD_WAIT = timedelta(hours=6)
#: Near its end it is asked every few minutes, and a campaign's file may be mended soon.
SOON = timedelta(minutes=10)
#: How far ahead a place is sought for a mail that never expires.
FAR = timedelta(days=30)


#: In the write turn of the last look: the mails that are about to leave, and the clock.
Giving = Callable[[Connection, Sequence[Touch], datetime], Mapping[int, SkipReason]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """What the shop allows."""

    #: Its quiet hours and caps; None: there are none.
    shop: Shop | None = None
    #: The campaigns that can be read, by id; None: whatever was planned may leave.
    campaigns: Mapping[str, Campaign] | None = None
    #: Gives what mails that leave now tell of: touch -> why it cannot; None: no mail tells of any.
    give: Giving | None = None
    #: The time that a restored database does not know; None: it knows all.
    gap: Gap | None = None

    def campaign(self, touch: Touch) -> Campaign | None:
        """The campaign of a touch; None where it has none that can be read."""
        is_planned = touch.kind is TouchKind.CAMPAIGN
        return (self.campaigns or {}).get(touch.campaign) if is_planned else None


#: No quiet hours, no cap, every campaign may send.
FREE = Rules()


@dataclass(frozen=True, slots=True, kw_only=True)
class Obstacle:
    """Why a touch must not leave now. `until` is set where it may leave then.

    What `is_held` waits until a person lets it go.
    """

    reason: SkipReason
    until: datetime | None = None
    is_held: bool = False


def waiting(
    touch: Touch, reason: SkipReason, now: datetime, *, until: datetime | None = None
) -> Obstacle:
    """Ask again later where the reason may pass, the sooner the nearer the end; then it is final.

    Args:
        until: when the reason passes, where that is known.
    """
    if reason not in PASSING:
        return Obstacle(reason=reason)
    end = touch.expires_at
    if until is None:
        wait = SOON if reason is SkipReason.NO_CAMPAIGN else HOLD_WAIT
        if end is not None:
            wait = max(min(wait, (end - now) / 2), SOON)
        until = now + wait
    if end is None or until < end:
        return Obstacle(reason=reason, until=until)
    return Obstacle(reason=reason, until=end if end > now else None)


@dataclass(slots=True, kw_only=True)
class Look:
    """One look at a few touches. Mails that may leave are added to `taken`."""

    rules: Rules
    now: datetime
    #: Touches whose campaign's exit condition is met.
    exited: frozenset[int]
    #: Touches whose customer left the audience, or for whom a condition fails.
    unwanted: Mapping[int, SkipReason] = field(default_factory=dict)
    #: Customer -> when marketing mail left to them lately.
    taken: dict[int, list[datetime]] = field(default_factory=dict)
    #: Customer -> when other mails are to leave, and their campaigns' priority.
    ahead: Mapping[int, Sequence[tuple[datetime, int]]] = field(default_factory=dict)
    _windows: dict[tuple[str, str, str, str, bool], tuple[Limits, datetime]] = field(
        default_factory=dict
    )

    def obstacle(self, touch: Touch, facts: Departure) -> Obstacle | None:
        """What stands against the hand-over of `touch` now; None when nothing does."""
        return self._for_good(touch, facts) or self._for_now(touch, facts)

    def _for_good(self, touch: Touch, facts: Departure) -> Obstacle | None:
        if touch.expires_at is not None and touch.expires_at < self.now:
            # what waited in vain until its time was over did not leave for what it waited for
            waited = touch.reason in PASSING
            return Obstacle(reason=SkipReason(touch.reason) if waited else SkipReason.LATE)
        if touch.kind is TouchKind.TEST:
            return None  # whoever asked for it was told what there is to say of the address
        campaign = self.rules.campaign(touch)
        topic = campaign.topic if campaign is not None else ""
        reason = refusal(facts.standing, touch.stream, topic)
        if reason is not None:
            return waiting(touch, reason, self.now)
        if touch.id in self.exited:
            return Obstacle(reason=SkipReason.EXITED)
        if touch.id in self.unwanted:
            return Obstacle(reason=self.unwanted[touch.id])
        return None

    def _for_now(self, touch: Touch, facts: Departure) -> Obstacle | None:
        if touch.kind is TouchKind.TEST:
            return None
        if self._is_off(touch):
            return waiting(touch, SkipReason.NO_CAMPAIGN, self.now)
        reason = hold(facts.standing, touch.stream, self.now)
        if reason is not None:
            snooze = facts.standing.snoozed_until if reason is SkipReason.SNOOZED else None
            return waiting(touch, reason, self.now, until=snooze)
        if self._is_past(touch, facts):
            return Obstacle(reason=SkipReason.LATE)
        return self._out_of_window(touch, facts) if touch.stream is Stream.MARKETING else None

    def _is_past(self, touch: Touch, facts: Departure) -> bool:
        """Whether the campaign gives up what waited so long, or what a later step has overtaken."""
        campaign = self.rules.campaign(touch)
        how = campaign.catch_up if campaign is not None else CatchUp.LATEST
        if how is CatchUp.SKIP and touch.due_at + GRACE < self.now:
            return True
        return facts.is_overtaken and how is not CatchUp.ALL

    def _out_of_window(self, touch: Touch, facts: Departure) -> Obstacle | None:
        """Night where the customer lives, or enough marketing mail lately."""
        if self.rules.shop is None:
            return None
        assert touch.customer_id is not None  # tests, which are nobody's, never come here
        limits, morning = self._window(touch, facts)
        taken, ahead = self.taken.get(touch.customer_id), self._weightier(touch)
        if morning == self.now and not taken and not ahead:
            self.taken[touch.customer_id] = [morning]
            return None
        until = touch.expires_at or self.now + FAR
        if morning > until:
            return Obstacle(reason=SkipReason.LATE)
        taken = self.taken.setdefault(touch.customer_id, [])
        slot = windows.first_slot(self.now, [*taken, *ahead], limits, until=until)
        if slot == self.now:
            taken.append(slot)
            return None
        if ahead and windows.fits(morning, taken, limits):
            return Obstacle(reason=SkipReason.OUTRANKED, until=slot)
        is_night = slot is not None and morning > self.now
        return Obstacle(reason=SkipReason.QUIET_HOURS if is_night else SkipReason.CAP, until=slot)

    def _weightier(self, touch: Touch) -> list[datetime]:
        """When mails of campaigns with a higher priority are to leave to the same customer."""
        assert touch.customer_id is not None
        found = self.ahead.get(touch.customer_id)
        if not found:
            return []
        campaign = self.rules.campaign(touch)
        own = campaign.priority if campaign is not None else 0
        return [at for at, priority in found if priority > own]

    def _window(self, touch: Touch, facts: Departure) -> tuple[Limits, datetime]:
        """The rules where the customer lives, and when the quiet hours end: many share them."""
        assert self.rules.shop is not None
        zones = self.rules.shop.time_zones
        region = facts.region if zones or not facts.time_zone else ""
        wants_fewer = facts.standing.wants_fewer
        key = facts.time_zone, facts.country, region, touch.campaign, wants_fewer
        found = self._windows.get(key)
        if found is None:
            place = home_zone(
                facts.time_zone,
                facts.country,
                self.rules.shop.time_zone,
                region=region,
                overrides=zones,
            )
            limits = windows.limits_for(
                self.rules.shop, self.rules.campaign(touch), place, wants_fewer=wants_fewer
            )
            found = self._windows[key] = limits, windows.opening(self.now, limits)
        return found

    def _is_off(self, touch: Touch) -> bool:
        if self.rules.campaigns is None or touch.kind is not TouchKind.CAMPAIGN:
            return False
        campaign = self.rules.campaign(touch)
        return campaign is None or campaign.mode is Mode.DRAFT
