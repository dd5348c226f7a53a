"""Decides once for all customers who are alike: same rules, same clock, same days taken.

The pure rules decide, for the first of them; the others get the same decisions. Steps that count
days make many alike: then a moment matters by its day only.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from functools import lru_cache
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from crm_mailer.model import chance, curve, windows
from crm_mailer.model.campaign import Campaign, Stream
from crm_mailer.model.moment import local_day
from crm_mailer.model.shop import Shop
from crm_mailer.model.touch import NOT_BEGUN
from crm_mailer.planning import decisions
from crm_mailer.planning.decisions import Decision
from crm_mailer.store.occasions import Occasion

DAY = timedelta(days=1)
#: Kinds of customers that are remembered.
MOST = 50_000


@dataclass(frozen=True, slots=True)
class Fate:
    """The decisions for one occasion, and the slots that were given; who is alike shares one."""

    decisions: Sequence[Decision]
    slots: Sequence[datetime]
    #: When the last mail is due, and the last that is not left out; None where nothing began.
    due_at: datetime | None
    unsent_at: datetime | None

    @classmethod
    def of(cls, made: Sequence[Decision], slots: Sequence[datetime]) -> Fate:
        """With what follows from the decisions, worked out once."""
        begun = [one for one in made if one.reason not in NOT_BEGUN]
        unsent = [one.due_at for one in begun if one.reason is None]
        due_at = max((one.due_at for one in begun), default=None)
        return cls(made, slots, due_at, max(unsent, default=None))


#: Mails leave at few moments, and many are planned for each.
_local_day = lru_cache(maxsize=65_536)(local_day)


class _Span(NamedTuple):
    """The days on which a mail could be in the way of the campaign's, near and within a month."""

    near: tuple[date, date]
    month: tuple[date, date]


class _Facts(NamedTuple):
    """What `decisions.decide` is told of an occasion beside."""

    is_superseded: bool
    is_back_too_soon: bool
    made: frozenset[str]


class Alike:
    """The decisions that were made for a campaign, by what they depend on.

    Args:
        campaign: whose steps.
        shop: its hours and caps.
        now: the clock.
        winners: step -> the arm that won its test.
    """

    def __init__(
        self, campaign: Campaign, shop: Shop, *, now: datetime, winners: Mapping[str, str]
    ) -> None:
        self._campaign, self._shop, self._now, self._winners = campaign, shop, now, winners
        #: Chance is no matter of what people are like.
        self._certain = replace(campaign, hold_out=0)
        self._is_marketing = campaign.stream is Stream.MARKETING
        self._is_by_the_day = all(curve.counts_days(step.offset) for step in campaign.at_once)
        self._has_trial = any(step.trial is not None for step in campaign.at_once)
        self._is_own = campaign.is_best_hour or bool(campaign.spread)
        self._known: dict[Any, Fate] = {}
        self._spans: dict[Any, _Span] = {}

    def decide(
        self,
        occasion: Occasion,
        taken: Sequence[datetime],
        *,
        is_superseded: bool = False,
        is_back_too_soon: bool = False,
        made: frozenset[str] = frozenset(),
    ) -> Fate:
        """The fate of each step, as `decisions.decide` has it."""
        facts = _Facts(is_superseded, is_back_too_soon, made)
        campaign, standing = self._campaign, occasion.standing
        is_out = bool(campaign.hold_out) and chance.is_held_out(
            occasion.customer_id, campaign.id, campaign.hold_out
        )
        if self._is_own or is_out or standing.snoozed_until is not None:
            return self._decide(campaign, occasion, taken, facts)
        place = decisions.zone_of(occasion, self._shop)
        when = self._when(occasion, place)
        key = (
            when, place.key, standing, occasion.is_exited, occasion.unmet, facts,
            self._days(occasion, when, place, taken) if taken else (),
        )  # fmt: skip
        fate = self._known.get(key)
        if fate is None:
            if len(self._known) >= MOST:
                self._known.clear()
            fate = self._known[key] = self._decide(self._certain, occasion, taken, facts)
        return self._with_arms(occasion, fate) if self._has_trial else fate

    def _decide(
        self,
        campaign: Campaign,
        occasion: Occasion,
        taken: Sequence[datetime],
        facts: _Facts,
    ) -> Fate:
        slots = list(taken)
        made = decisions.decide(
            campaign,
            self._shop,
            occasion,
            now=self._now,
            taken=slots,
            winners=self._winners,
            **facts._asdict(),
        )
        return Fate.of(tuple(made), tuple(slots[len(taken) :]))

    def _when(self, occasion: Occasion, place: ZoneInfo) -> Any:
        """What the steps' nominal times depend on."""
        when: Any = occasion.day or occasion.at
        wait = occasion.wait
        is_by_the_day = self._is_by_the_day if wait is None else curve.counts_days(wait)
        if occasion.day is None and is_by_the_day:
            assert occasion.at is not None
            when = _local_day(occasion.at, place)
        warmth = occasion.warmth if self._campaign.warm_first else None
        return when, wait, warmth

    def _days(
        self, occasion: Occasion, when: Any, place: ZoneInfo, taken: Sequence[datetime]
    ) -> tuple[date, ...]:
        """The days taken that can be in the way of a step, in their order."""
        if not self._is_marketing:
            return ()
        span = self._span(occasion, when, place)
        days = sorted([_local_day(at, place) for at in taken])
        first, last = span.month
        within = [day for day in days if first <= day <= last]
        if len(within) + len(self._campaign.at_once) <= self._shop.cap_month:
            first, last = span.near  # the month's cap cannot be reached
            within = [day for day in within if first <= day <= last]
        return tuple(within)

    def _span(self, occasion: Occasion, when: Any, place: ZoneInfo) -> _Span:
        key = when, place.key
        if key not in self._spans:
            campaign = self._campaign
            due = [
                decisions.nominal(campaign, self._shop, occasion, step, place)
                for step in campaign.at_once
            ]
            first = local_day(max(min(due), self._now + campaign.hold), place)
            last = local_day(max(due) + campaign.valid_for, place)
            near = (self._shop.cap_days + 1) * DAY
            month = (max(windows.MONTH, self._shop.cap_days) + 1) * DAY
            self._spans[key] = _Span((first - near, last + near), (first - month, last + month))
        return self._spans[key]

    def _with_arms(self, occasion: Occasion, fate: Fate) -> Fate:
        """The same with the arms that chance gives the customer."""
        made = []
        for one in fate.decisions:
            arm, template = decisions.variant(
                self._campaign, one.step, occasion.customer_id, self._winners
            )
            made.append(replace(one, arm=arm, template=template))
        return Fate.of(made, fate.slots)
