"""In which language a customer gets a mail, and what is said when it is not their own."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from crm_mailer.model import language
from crm_mailer.model.customer import Customer
from crm_mailer.model.shop import Shop


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """The language of a mail and the one that was wanted."""

    code: str
    wanted: str

    @property
    def is_fallback(self) -> bool:
        """Whether the reader gets another language than their own."""
        return language.base(self.code) != language.base(self.wanted)


def wanted(customer: Customer, shop: Shop) -> str:
    """The customer's own language; else their country's; else the shop's first."""
    default = shop.languages[0] if shop.languages else "en"
    return customer.language or language.guess(customer.country, default)


def choose(customer: Customer, shop: Shop, available: Collection[str]) -> Choice | None:
    """The best of a template's languages for the customer; None when even the chain has none."""
    own = wanted(customer, shop)
    code = language.choose(own, available, shop.fallback)
    return None if code is None else Choice(code=code, wanted=own)


def chain(code: str, shop: Shop) -> tuple[str, ...]:
    """Languages to try for a text that stands beside a mail in `code`."""
    return (code, language.base(code), *shop.fallback)
