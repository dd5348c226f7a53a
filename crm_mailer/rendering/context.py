"""What a template may name: frozen records of plain texts, without methods."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from crm_mailer.model import language


@dataclass(frozen=True, slots=True, kw_only=True)
class CustomerFields:
    """The reader. Empty text means unknown."""

    name: str = ""
    given_name: str = ""
    family_name: str = ""
    patronymic: str = ""
    email: str = ""
    language: str = ""
    country: str = ""
    country_name: str = ""
    city: str = ""
    street: str = ""
    postcode: str = ""
    region: str = ""
    phone: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemFields:
    """One line of the order; `price` is for one piece, written as the reader writes money."""

    title: str = ""
    sku: str = ""
    quantity: int = 1
    price: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderFields:
    """The order that the mail is about. Days and amounts are written as the reader writes them."""

    number: str = ""
    placed_on: str = ""
    paid_on: str = ""
    amount: str = ""
    #: What went back so far; empty where nothing did, or nobody told how much.
    refunded: str = ""
    payment_method: str = ""
    carrier: str = ""
    tracking_number: str = ""
    tracking_url: str = ""
    expected_on: str = ""
    promised_on: str = ""
    note: str = ""
    items: tuple[ItemFields, ...] = field(default=())


@dataclass(frozen=True, slots=True, kw_only=True)
class ShopFields:
    """Who writes."""

    name: str = ""
    url: str = ""
    postal_address: str = ""
    color: str = ""
    logo_url: str = ""
    phone: str = ""
    agent: str = ""
    reply_to: str = ""
    static_url: str = ""
    #: Empty while the shop has no pages of its own over https.
    public_url: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class StepFields:
    """Which mail of how many this is."""

    number: int = 1
    of: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class BenefitFields:
    """What the reader is given; a mail that gives nothing has none of it."""

    title: str = ""
    #: Empty where it is given without one.
    code: str = ""
    #: coupon, free_shipping or gift.
    kind: str = ""
    #: The last day, as the reader writes days.
    valid_until: str = ""


class Record:
    """The campaign's own values, already in the reader's language."""

    __slots__ = ("_values",)

    def __init__(self, values: Mapping[str, Any]) -> None:
        self._values = dict(values)

    def __getitem__(self, name: str) -> Any:
        return self._values[name]

    def __contains__(self, name: object) -> bool:
        return name in self._values

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __bool__(self) -> bool:
        return bool(self._values)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Record) and self._values == other._values

    def __hash__(self) -> int:
        return hash(tuple(self._values))


#: Which fields each record has: all that the template engine lets through.
FIELDS: dict[type, frozenset[str]] = {
    record: frozenset(one.name for one in fields(record))
    for record in (
        CustomerFields,
        ItemFields,
        OrderFields,
        ShopFields,
        StepFields,
        BenefitFields,
    )
}
#: Name in the template -> record, or None for a plain value.
KNOWN: dict[str, type | None] = {
    "customer": CustomerFields,
    "greeting": None,
    "order": OrderFields,
    #: None in a mail that gives nothing.
    "benefit": BenefitFields,
    "shop": ShopFields,
    "unsubscribe_url": None,
    #: Pages of the mail itself; empty while the shop has no public address.
    "preferences_url": None,
    "web_url": None,
    "confirm_url": None,
    "step": StepFields,
    "vars": Record,
    "now_year": None,
}
#: Links that act or open for this reader alone.
OWN_LINKS = ("unsubscribe_url", "preferences_url", "web_url", "confirm_url")
#: The final subject, known to the body only.
SUBJECT = "subject"


def localised(value: Any, chain: tuple[str, ...]) -> Any:
    """`value` of a campaign for one reader: texts by language are resolved, the rest is frozen.

    Args:
        value: what the campaign file says.
        chain: languages to try, best first.
    """
    if isinstance(value, Mapping):
        if language.has_texts(value):
            best = next((code for code in chain if code in value), next(iter(value)))
            return localised(value[best], chain)
        return Record({str(key): localised(one, chain) for key, one in value.items()})
    if isinstance(value, list | tuple):
        return tuple(localised(one, chain) for one in value)
    return "" if value is None else value
