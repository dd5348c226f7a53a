"""What is looked at beside a plan: languages of templates, fingerprints, differences."""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime
from zoneinfo import ZoneInfo

from crm_mailer.app.wiring import App
from crm_mailer.model import language
from crm_mailer.model.campaign import Campaign
from crm_mailer.model.touch import SkipReason
from crm_mailer.planning.decisions import Decision
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
    _chosen: dict[tuple[str, str, str], tuple[str, str | None]] = field(default_factory=dict)

    def __call__(
        self, campaign: Campaign, occasion: Occasion, one: Decision, _place: ZoneInfo
    ) -> None:
        """One decision."""
        if one.reason is not None:
            return
        wanted, code = self._choice(one.template, occasion.language, occasion.country)
        if code is None:
            self.unreadable.setdefault(campaign.id, Counter())[wanted] += 1
            return
        self.languages.setdefault(campaign.id, Counter())[code] += 1
        if language.base(code) != language.base(wanted):
            self.fallbacks.setdefault(campaign.id, Counter())[wanted] += 1

    def _choice(self, template: str, own: str, country: str) -> tuple[str, str | None]:
        """The language that is wanted and the one that is written, None where there is none."""
        key = template, own, country
        if key not in self._chosen:
            shop = self.app.shop
            wanted = own or language.guess(country, (shop.languages or ("en",))[0])
            available = self.app.templates.languages(template)
            self._chosen[key] = wanted, language.choose(wanted, available, shop.fallback)
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
