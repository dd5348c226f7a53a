"""What makes marketing mail to a customer lawful, and until when: by the law where they live.

What a customer said holds everywhere. Where nothing was said, a country's rule tells what having
bought, or having asked, allows. The store asks the same of many customers at once
(`store.lawful`); here is what it is compared with.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import NamedTuple

from crm_mailer.model.customer import ConsentBasis

#: Further than any mail: there is no end.
FOREVER = datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)
#: Before any mail: it is not lawful.
NEVER = datetime(1970, 1, 1, tzinfo=UTC)
#: The rule of countries that have none of their own, and of customers whose country is unknown.
OTHERS = "*"


class WriteTo(StrEnum):
    """Which customers may be written to who said nothing."""

    #: Whoever did not say no, bought or not (opt-out).
    ANYBODY = "anybody"
    #: Who bought (soft opt-in).
    BUYERS = "buyers"
    #: Nobody but who said yes.
    CONSENTING = "consenting"


@dataclass(frozen=True, slots=True, kw_only=True)
class CountryRule:
    """The law of one country.

    `after_purchase`, `after_inquiry`: for how long a purchase, or a mail of the customer's, allows
    marketing; None: for ever after a purchase, not at all after an inquiry. `is_renewed`: each
    marketing mail that left begins the time after a purchase anew.
    """

    write_to: WriteTo = WriteTo.BUYERS
    after_purchase: timedelta | None = None
    after_inquiry: timedelta | None = None
    is_renewed: bool = False


@dataclass(frozen=True, slots=True)
class ConsentRules:
    """A shop's rules by country; none at all: whoever did not say no may be written to."""

    by_country: Mapping[str, CountryRule] = field(default_factory=dict)

    def __hash__(self) -> int:
        return hash(tuple(sorted(self.by_country.items(), key=lambda one: one[0])))

    def of(self, country: str) -> CountryRule:
        """The rule where a customer lives."""
        found = self.by_country.get(country) or self.by_country.get(OTHERS)
        return found or CountryRule(write_to=WriteTo.ANYBODY)


#: Only a no counts: what shops have whose `shop.yaml` says nothing of consent.
RECORDED = ConsentRules()


class Known(NamedTuple):
    """What is known of a customer that decides.

    `basis` is the record's, None where there is none; `until` when what was said ends, None: never.
    `given_at` is the moment of the first purchase where the basis is a soft opt-in: it is believed
    only where no order is known at all, for an order may be cancelled after it was noted.
    """

    country: str = ""
    basis: ConsentBasis | None = None
    given_at: datetime | None = None
    until: datetime | None = None
    #: The last order that counts, the last mail of the customer's, the last marketing mail to them.
    bought_at: datetime | None = None
    asked_at: datetime | None = None
    mailed_at: datetime | None = None
    #: Whether there is an order, be it cancelled or never paid.
    has_ordered: bool = False

    @property
    def last_purchase(self) -> datetime | None:
        """The last purchase that counts; None: never bought."""
        if self.bought_at is not None or self.has_ordered:
            return self.bought_at
        return self.given_at if self.basis is ConsentBasis.SOFT_OPT_IN else None


class Word(NamedTuple):
    """What is recorded of marketing, when and by which way; `proof` says where to see it."""

    basis: ConsentBasis
    at: datetime
    source: str
    proof: str = ""


#: The way of a yes on our page, and how the ways of people begin who wrote a word down.
PAGE = "page"
BY = "by "


def is_reported(source: str) -> bool:
    """Whether a file or another program says it: it may say the same again for years."""
    return source != PAGE and not source.startswith(BY)


def stronger(one: Word, other: Word) -> Word:
    """Which of two words about one customer stands; `one` where they weigh the same.

    What was said beats what a purchase lets assume, and later beats earlier, at the same moment the
    no. But a reported yes never beats a word of another source.
    """
    soft = ConsentBasis.SOFT_OPT_IN
    if soft in (one.basis, other.basis):
        return other if one.basis is soft and other.basis is not soft else one
    if one.source != other.source and _is_hearsay(one) != _is_hearsay(other):
        return other if _is_hearsay(one) else one
    return max(one, other, key=lambda word: (word.at, word.basis is ConsentBasis.NONE))


def _is_hearsay(word: Word) -> bool:
    return word.basis is ConsentBasis.CONSENT and is_reported(word.source)


def lawful_until(rules: ConsentRules, known: Known) -> datetime:
    """Until when marketing mail to the customer is lawful; `FOREVER` and `NEVER` are answers."""
    if known.basis is ConsentBasis.NONE:
        return NEVER
    said = NEVER
    if known.basis is ConsentBasis.CONSENT:
        if known.until is None:
            return FOREVER
        said = known.until
    return max(said, _allowed(rules.of(known.country), known))


def _allowed(rule: CountryRule, known: Known) -> datetime:
    """What the rule allows to a customer who said nothing."""
    if rule.write_to is WriteTo.ANYBODY:
        return FOREVER
    if rule.write_to is WriteTo.CONSENTING:
        return NEVER
    asked = NEVER
    if rule.after_inquiry is not None and known.asked_at is not None:
        asked = known.asked_at + rule.after_inquiry
    return max(asked, _after_purchase(rule, known))


def _after_purchase(rule: CountryRule, known: Known) -> datetime:
    began = known.last_purchase
    if began is None:
        return NEVER
    if rule.after_purchase is None:
        return FOREVER
    if rule.is_renewed and known.mailed_at is not None:
        began = max(began, known.mailed_at)
    return began + rule.after_purchase
