"""What is looked at beside a plan: languages of templates, fingerprints, differences."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from dataclasses import dataclass, field, replace
from datetime import datetime
from zoneinfo import ZoneInfo

from crm_mailer.app.wiring import App
from crm_mailer.model.campaign import Campaign, Mode
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
    """Two numbers for each campaign, of its audience and of its times.

    The same mails and reasons give the same first one. The second one tells when mails are wanted,
    and the time of those that caps, quiet hours or pauses put off; what is due at once moves with
    the clock, so that it does not count.
    """

    now: datetime
    sums: dict[str, int] = field(default_factory=dict)
    times: dict[str, int] = field(default_factory=dict)

    def __call__(
        self, campaign: Campaign, occasion: Occasion, one: Decision, _place: ZoneInfo
    ) -> None:
        """One decision. Digests are added, so that their sequence does not matter."""
        said = f"{occasion.customer_id}/{occasion.anchor}/{one.step.id}/{one.template}/{one.arm}"
        said += f"/{occasion.email}/{one.reason or ''}"
        _add(self.sums, campaign.id, said)
        if one.reason is None:
            wanted = one.expires_at - campaign.valid_for
            is_put_off = one.due_at > max(wanted, self.now + campaign.hold)
            slot = one.due_at if is_put_off else ""
            _add(self.times, campaign.id, f"{said}/{wanted}/{slot}")

    def of(self, campaign: str) -> str:
        """The fingerprint of the campaign's audience."""
        return f"{self.sums.get(campaign, 0):032x}"

    def times_of(self, campaign: str) -> str:
        """The fingerprint of the campaign's times."""
        return f"{self.times.get(campaign, 0):032x}"


def _add(sums: dict[str, int], key: str, said: str) -> None:
    digest = hashlib.blake2b(said.encode(), digest_size=16).digest()
    sums[key] = (sums.get(key, 0) + int.from_bytes(digest, "big")) % 2**128


@dataclass(frozen=True, slots=True)
class Fate:
    """What becomes of one mail; `local` is when it is due where the customer lives."""

    due_at: datetime
    local: str
    template: str
    #: A digest of its template, subject, values and benefit.
    words: str
    mode: Mode
    reason: SkipReason | None
    email: str


@dataclass(slots=True)
class Fates:
    """Remembers every decision, to compare two plans."""

    known: dict[Key, Fate] = field(default_factory=dict)
    _words: dict[tuple[str, str, str], str] = field(default_factory=dict)

    def __call__(
        self, campaign: Campaign, occasion: Occasion, one: Decision, place: ZoneInfo
    ) -> None:
        """One decision."""
        key = occasion.customer_id, occasion.anchor, one.step.id
        self.known[key] = Fate(
            one.due_at,
            shown_at(one.due_at, place),
            one.template,
            self._words_of(campaign, one),
            campaign.mode,
            one.reason,
            occasion.email,
        )

    def _words_of(self, campaign: Campaign, one: Decision) -> str:
        key = one.step.id, one.arm, one.template
        if key not in self._words:
            step = one.step.of_arm(one.arm)
            benefit = step.benefit.id if step.benefit is not None else ""
            said = [one.template, step.subject, benefit, campaign.vars]
            text = json.dumps(said, sort_keys=True, default=str)
            self._words[key] = hashlib.blake2b(text.encode(), digest_size=8).hexdigest()
        return self._words[key]


def shown_at(at: datetime, place: ZoneInfo) -> str:
    """A moment as the clocks there show it, with the name of the zone."""
    return f"{at.astimezone(place):%Y-%m-%d %H:%M} {place}"
