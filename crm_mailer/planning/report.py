"""What an act of planning did, or would do: numbers by reason, local times, examples."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from crm_mailer.model import address
from crm_mailer.model.campaign import BirthdayAnchor, Campaign, DateAnchor, Mode
from crm_mailer.model.touch import SkipReason
from crm_mailer.planning.decisions import Decision
from crm_mailer.store.occasions import Occasion

#: Rows shown as examples, of the planned and of those left out.
SAMPLES = 20


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
    first: PlannedRow | None = None
    last: PlannedRow | None = None
    rows: list[PlannedRow] = field(default_factory=list)
    left_out_rows: list[PlannedRow] = field(default_factory=list)
    #: New rows, when the plan was saved.
    saved: int = 0

    @property
    def asked(self) -> int:
        """Mails that were thought of."""
        return self.planned + sum(self.left_out.values())


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanReport:
    """The plans of all campaigns asked for."""

    at: datetime
    is_saved: bool
    campaigns: tuple[CampaignPlan, ...]
    #: Unsent touches ended because an exit condition was met.
    ended: int = 0

    @property
    def planned(self) -> int:
        """Mails over all campaigns."""
        return sum(one.planned for one in self.campaigns)

    @property
    def saved(self) -> int:
        """New touches over all campaigns."""
        return sum(one.saved for one in self.campaigns)


class Tally:
    """Adds decisions to a campaign's plan."""

    def __init__(self, campaign: Campaign) -> None:
        self.plan = CampaignPlan(
            campaign=campaign.id,
            name=campaign.name,
            mode=campaign.mode,
            steps=len(campaign.steps),
            hold=campaign.hold,
        )
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
        self._keep(occasion, one, place)

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
        waits=one.waits,
        reason=one.reason,
    )
