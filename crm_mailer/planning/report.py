"""What an act of planning did, or would do: numbers by reason, local times, examples."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

from crm_mailer.model import address
from crm_mailer.model.campaign import BirthdayAnchor, Campaign, DateAnchor, Mode
from crm_mailer.model.touch import SkipReason
from crm_mailer.planning import giving_way
from crm_mailer.planning.decisions import Decision
from crm_mailer.planning.giving_way import GaveWay, Move
from crm_mailer.store.occasions import Occasion

#: Rows shown as examples, of the planned and of those left out.
SAMPLES = 20
#: Hours shown of a plan, the fullest first.
BUSIEST = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedRow:
    """One mail as the plan shows it; `local` is the customer's own time, with its zone."""

    customer_id: int
    email: str
    step: str
    place: int
    anchor: str
    due_at: datetime
    local: datetime
    zone: str
    template: str = ""
    #: What the customer reads, and where they live: by these the mail's language is chosen.
    reads: str = ""
    country: str = ""
    #: In which language the mail is; told where templates can be asked, empty: in none.
    language: str = ""
    #: What would hold the mail back if it left now.
    waits: SkipReason | None = None
    #: Set for a mail that will not be.
    reason: SkipReason | None = None


@dataclass(slots=True, kw_only=True)
class CampaignPlan:
    """The plan of one campaign. `left_out` and `planned` count mails, `people` persons."""

    campaign: str
    name: str
    mode: Mode
    steps: int
    #: The undo window: until the first mail's time, `outbox cancel` still ends them all.
    hold: timedelta = timedelta(0)
    occasions: int = 0
    people: int = 0
    planned: int = 0
    left_out: dict[SkipReason, int] = field(default_factory=dict)
    waiting: dict[SkipReason, int] = field(default_factory=dict)
    providers: dict[str, int] = field(default_factory=dict)
    #: Full hour -> provider group -> mails.
    hours: dict[datetime, dict[str, int]] = field(default_factory=dict)
    #: Arm of a test -> mails.
    arms: dict[str, int] = field(default_factory=dict)
    #: Step -> the arm that won its test; told of a plan that is only looked at.
    winners: dict[str, str] = field(default_factory=dict)
    #: Language of the mail -> mails; told where templates can be asked.
    languages: dict[str, int] = field(default_factory=dict)
    #: Language that the template lacks -> mails that leave in another one.
    fallbacks: dict[str, int] = field(default_factory=dict)
    #: Language that nothing can stand in for -> mails that will not be.
    unreadable: dict[str, int] = field(default_factory=dict)
    first: PlannedRow | None = None
    last: PlannedRow | None = None
    rows: list[PlannedRow] = field(default_factory=list)
    left_out_rows: list[PlannedRow] = field(default_factory=list)
    #: What waits of other campaigns and gives way to these mails.
    gave_way: tuple[GaveWay, ...] = ()
    #: New rows, when the plan was saved.
    saved: int = 0

    @property
    def asked(self) -> int:
        """Mails that were thought of."""
        return self.planned + sum(self.left_out.values())


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """What is planned for one hour and provider; `room` is what may leave, None: no limit."""

    hour: datetime
    provider: str
    mails: int
    room: int | None

    @property
    def is_too_much(self) -> bool:
        """Whether a part of them leaves later."""
        return self.room is not None and self.mails > self.room


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanReport:
    """The plans of all campaigns asked for."""

    at: datetime
    is_saved: bool
    campaigns: tuple[CampaignPlan, ...]
    #: Unsent touches ended because an exit condition was met.
    ended: int = 0
    #: The hours with most mails, and those in which more are planned than may leave.
    loads: tuple[Load, ...] = ()

    @property
    def planned(self) -> int:
        """Mails over all campaigns."""
        return sum(one.planned for one in self.campaigns)

    @property
    def saved(self) -> int:
        """New touches over all campaigns."""
        return sum(one.saved for one in self.campaigns)


def loads(plans: Sequence[CampaignPlan], limits: Mapping[str, int]) -> tuple[Load, ...]:
    """The busiest hours over all plans, and every hour in which a limit holds mails up.

    Args:
        plans: of the campaigns.
        limits: provider group -> mails a minute.
    """
    sums: dict[tuple[datetime, str], int] = {}
    for one in plans:
        for hour, groups in one.hours.items():
            for group, mails in groups.items():
                sums[hour, group] = sums.get((hour, group), 0) + mails
    found = [
        Load(hour=hour, provider=group, mails=mails,
             room=limits[group] * 60 if group in limits else None)
        for (hour, group), mails in sums.items()
    ]  # fmt: skip
    busiest = sorted(found, key=lambda one: (-one.mails, one.hour, one.provider))[:BUSIEST]
    wanted = {*busiest, *(one for one in found if one.is_too_much)}
    return tuple(sorted(wanted, key=lambda one: (one.hour, one.provider)))


def empty(campaign: Campaign) -> CampaignPlan:
    """The plan of a campaign that was not looked at. Nobody may change it: a tick with nothing new
    tells of a hundred of them, and making them would take half of its time.
    """
    return _kept(*_heading(campaign))


def _heading(campaign: Campaign) -> tuple[str, str, Mode, int, timedelta]:
    return campaign.id, campaign.name, campaign.mode, len(campaign.steps), campaign.hold


def _new(id_: str, name: str, mode: Mode, steps: int, hold: timedelta) -> CampaignPlan:
    return CampaignPlan(campaign=id_, name=name, mode=mode, steps=steps, hold=hold)


_kept = lru_cache(maxsize=1_024)(_new)


class Tally:
    """Adds decisions to a campaign's plan."""

    def __init__(self, campaign: Campaign) -> None:
        self.plan = _new(*_heading(campaign))
        #: These come in the order of customers, so that nobody has to be remembered.
        self._is_sorted = isinstance(campaign.anchor, (DateAnchor, BirthdayAnchor))
        self._people: set[int] = set()
        self._latest = 0

    def decision(self, occasion: Occasion, one: Decision, place: ZoneInfo) -> None:
        """One mail was planned or left out."""
        plan = self.plan
        if one.reason is not None:
            plan.left_out[one.reason] = plan.left_out.get(one.reason, 0) + 1
            if len(plan.left_out_rows) < SAMPLES:
                plan.left_out_rows.append(_row(occasion, one, place))
            return
        plan.planned += 1
        self._count_person(occasion.customer_id)
        if one.waits is not None:
            plan.waiting[one.waits] = plan.waiting.get(one.waits, 0) + 1
        group = address.provider(occasion.email)
        plan.providers[group] = plan.providers.get(group, 0) + 1
        hour = plan.hours.setdefault(_hour(one.due_at), {})
        hour[group] = hour.get(group, 0) + 1
        if one.arm:
            name = f"{one.step.id}: {one.arm}"
            plan.arms[name] = plan.arms.get(name, 0) + 1
        self._keep(occasion, one, place)

    def gave_way(self, moves: Sequence[Move]) -> None:
        """Mails that were planned before give way to those of this plan."""
        self.plan.gave_way = giving_way.added(self.plan.gave_way, moves)

    def crowd(
        self, found: Iterable[Any], saved: int, people: Mapping[int, tuple[str, ZoneInfo]]
    ) -> None:
        """Many mails were planned or left out at once.

        Args:
            found: as `touches.planned_at` has it.
            saved: how many of them are new.
            people: address and zone of the first and the last who get one.
        """
        plan = self.plan
        plan.saved += saved
        first_place = 0
        for row in found:
            first_place += row.mails if row.place == 1 else 0
            if row.reason:
                reason = SkipReason(row.reason)
                plan.left_out[reason] = plan.left_out.get(reason, 0) + row.mails
                continue
            plan.planned += row.mails
            plan.people += row.mails if row.place == 1 else 0
            plan.providers[row.provider] = plan.providers.get(row.provider, 0) + row.mails
            hour = plan.hours.setdefault(_hour(row.due_at), {})
            hour[row.provider] = hour.get(row.provider, 0) + row.mails
            if row.arm:
                name = f"{row.step}: {row.arm}"
                plan.arms[name] = plan.arms.get(name, 0) + row.mails
            if row.customer_id in people:
                plan.last = _example(row, *people[row.customer_id])
                plan.first = plan.first or plan.last
        plan.occasions += first_place

    def _count_person(self, customer_id: int) -> None:
        if self._is_sorted:
            self.plan.people += customer_id != self._latest
            self._latest = customer_id
        else:
            self._people.add(customer_id)
            self.plan.people = len(self._people)

    def _keep(self, occasion: Occasion, one: Decision, place: ZoneInfo) -> None:
        """Samples, and the first and the last mail."""
        plan = self.plan
        is_first = plan.first is None or one.due_at < plan.first.due_at
        is_last = plan.last is None or one.due_at > plan.last.due_at
        is_sample = len(plan.rows) < SAMPLES
        if not (is_first or is_last or is_sample):
            return
        row = _row(occasion, one, place)
        if is_first:
            plan.first = row
        if is_last:
            plan.last = row
        if is_sample:
            plan.rows.append(row)


def _hour(moment: datetime) -> datetime:
    return moment.replace(minute=0, second=0, microsecond=0)


def _example(row: Any, email: str, place: ZoneInfo) -> PlannedRow:
    """One of a crowd."""
    return PlannedRow(
        customer_id=row.customer_id,
        email=email,
        step=row.step,
        place=row.place,
        anchor=row.anchor,
        due_at=row.due_at,
        local=row.due_at.astimezone(place),
        zone=place.key,
    )


def _row(occasion: Occasion, one: Decision, place: ZoneInfo) -> PlannedRow:
    return PlannedRow(
        customer_id=occasion.customer_id,
        email=occasion.email,
        step=one.step.id,
        place=one.place,
        anchor=occasion.anchor,
        due_at=one.due_at,
        local=one.due_at.astimezone(place),
        zone=place.key,
        template=one.template,
        reads=occasion.language,
        country=occasion.country,
        waits=one.waits,
        reason=one.reason,
    )
