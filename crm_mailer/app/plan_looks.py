"""What is looked at beside a plan: languages of templates, fingerprints, differences."""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import dataclass, field, replace
from datetime import datetime
from zoneinfo import ZoneInfo

from crm_mailer.app.wiring import App
from crm_mailer.model.campaign import Campaign
from crm_mailer.model.touch import SkipReason
from crm_mailer.planning import CampaignPlan, PlannedRow
from crm_mailer.planning.decisions import Decision
from crm_mailer.rendering import languages
from crm_mailer.rendering.languages import Choice
from crm_mailer.store.occasions import Occasion

#: A mail as it is known for ever: customer, anchor, step.
Key = tuple[int, str, str]


@dataclass(slots=True)
class Readers:
    """Counts in which languages the planned mails would be written."""

    app: App
    languages: dict[str, Counter[str]] = field(default_factory=dict)
    fallbacks: dict[str, Counter[str]] = field(default_factory=dict)
    unreadable: dict[str, Counter[str]] = field(default_factory=dict)
    _chosen: dict[tuple[str, ...], tuple[str, Choice | None]] = field(default_factory=dict)

    def __call__(
        self, campaign: Campaign, occasion: Occasion, one: Decision, _place: ZoneInfo
    ) -> None:
        """One decision."""
        if one.reason is not None:
            return
        wanted, choice = self._choice(campaign, one.template, occasion.language, occasion.country)
        if choice is None:
            self.unreadable.setdefault(campaign.id, Counter())[wanted] += 1
            return
        self.languages.setdefault(campaign.id, Counter())[choice.code] += 1
        if choice.is_fallback:
            self.fallbacks.setdefault(campaign.id, Counter())[wanted] += 1

    def tell(self, plan: CampaignPlan) -> None:
        """Put into the plan how many mails there are in each language, and that of its examples."""
        plan.languages = dict(self.languages.get(plan.campaign, ()))
        plan.fallbacks = dict(self.fallbacks.get(plan.campaign, ()))
        plan.unreadable = dict(self.unreadable.get(plan.campaign, ()))
        plan.rows = [self._with_language(plan, row) for row in plan.rows]

    def _with_language(self, plan: CampaignPlan, row: PlannedRow) -> PlannedRow:
        campaign = self.app.definitions.campaigns[plan.campaign]
        _wanted, choice = self._choice(campaign, row.template, row.reads, row.country)
        return replace(row, language=choice.code if choice is not None else "")

    def _choice(
        self, campaign: Campaign, template: str, own: str, country: str
    ) -> tuple[str, Choice | None]:
        """The language that is wanted and the one that is written, None where there is none."""
        key = campaign.id, template, own, country
        if key not in self._chosen:
            shop, available = self.app.shop, self.app.templates.languages(template)
            choice = languages.choose(own, country, shop, available, campaign.vars)
            self._chosen[key] = languages.wanted(own, country, shop), choice
        return self._chosen[key]


@dataclass(slots=True)
class Fingerprint:
    """One number for each campaign's audience: the same mails and reasons give the same one.

    Due times do not count: what is due at once moves with the clock.
    """

    sums: dict[str, int] = field(default_factory=dict)

    def __call__(
        self, campaign: Campaign, occasion: Occasion, one: Decision, _place: ZoneInfo
    ) -> None:
        """One decision. Digests are added, so that their sequence does not matter."""
        said = f"{occasion.customer_id}/{occasion.anchor}/{one.step.id}/{one.template}/{one.arm}"
        said += f"/{occasion.email}/{one.reason or ''}"
        digest = hashlib.blake2b(said.encode(), digest_size=16).digest()
        so_far = self.sums.get(campaign.id, 0)
        self.sums[campaign.id] = (so_far + int.from_bytes(digest, "big")) % 2**128

    def of(self, campaign: str) -> str:
        """The campaign's fingerprint."""
        return f"{self.sums.get(campaign, 0):032x}"


@dataclass(frozen=True, slots=True)
class Fate:
    """What becomes of one mail."""

    due_at: datetime
    template: str
    reason: SkipReason | None
    email: str


@dataclass(slots=True)
class Fates:
    """Remembers every decision, to compare two plans."""

    known: dict[Key, Fate] = field(default_factory=dict)

    def __call__(
        self, _campaign: Campaign, occasion: Occasion, one: Decision, _place: ZoneInfo
    ) -> None:
        """One decision."""
        key = occasion.customer_id, occasion.anchor, one.step.id
        self.known[key] = Fate(one.due_at, one.template, one.reason, occasion.email)
