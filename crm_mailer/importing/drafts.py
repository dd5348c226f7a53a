"""What a file tells of one order or one customer, before it is compared with what is known."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from crm_mailer.importing.identity import PHONE, PLACE, Address, phone_key, place_key
from crm_mailer.model.order import OrderItem, OrderState


@dataclass(slots=True, kw_only=True)
class Person:
    """What rows tell of a customer. `fields`: names of `model.Customer` with a value."""

    platform: str
    address: Address | None = None
    buyer_id: str = ""
    fields: dict[str, str | int] = field(default_factory=dict)
    #: What the customer said to marketing mail; None where nothing is told.
    accepts_marketing: bool | None = None
    evidence: str = ""
    _traces: list[tuple[str, str]] | None = None

    def account(self) -> tuple[str, str] | None:
        """The platform's name for the customer."""
        return (self.platform, self.buyer_id) if self.buyer_id else None

    def traces(self) -> list[tuple[str, str]]:
        """Weaker names: the phone, and the name at an address. Ask when all rows are read."""
        if self._traces is None:
            text = {name: str(self.fields.get(name, "")) for name in _TRACED}
            phone = phone_key(text["phone"], text["country"]) if text["phone"] else ""
            place = place_key(text["name"], text["postcode"], text["street"])
            self._traces = [(kind, key) for kind, key in ((PHONE, phone), (PLACE, place)) if key]
        return self._traces

    def is_nobody(self) -> bool:
        """Whether nothing tells who the customer is."""
        return not (self.address or self.buyer_id or "name" in self.fields or self.traces())


_TRACED = ("phone", "country", "name", "postcode", "street")


@dataclass(slots=True, kw_only=True)
class OrderDraft:
    """What rows tell of an order. Amounts in minor units of `currency`.

    `total`: as the file states it, else None and the lines count. `times`: states with a time;
    `claimed`: states that a word names.
    """

    row: int
    platform: str
    number: str
    head: tuple[str, ...]
    person: Person
    currency: str
    placed_at: datetime | None = None
    total: int | None = None
    line_sum: int = 0
    has_line_amounts: bool = False
    #: None where the file does not tell it.
    shipping_fee: int | None = None
    refunded: int | None = None
    line_refunds: int = 0
    times: dict[OrderState, datetime] = field(default_factory=dict)
    claimed: set[OrderState] = field(default_factory=set)
    line_states: set[OrderState] = field(default_factory=set)
    state_at: datetime | None = None
    texts: dict[str, str] = field(default_factory=dict)
    promised_ship_at: datetime | None = None
    expected_at: datetime | None = None
    items: list[OrderItem] = field(default_factory=list)
    stars: int | None = None
    review: str = ""
    #: The state of an order of which the file tells neither a state nor a time.
    default_state: OrderState | None = None
    is_broken: bool = False

    @property
    def key(self) -> tuple[str, str]:
        """Platform and order number: unique."""
        return self.platform, self.number

    @property
    def tells_amount(self) -> bool:
        """Whether the file says what the order is worth."""
        return self.total is not None or self.has_line_amounts

    @property
    def tells_refund(self) -> bool:
        """Whether the file says what the buyer has back."""
        return self.refunded is not None or bool(self.line_refunds)

    def amount(self) -> int:
        """What the order is worth."""
        return self.total if self.total is not None else self.line_sum + (self.shipping_fee or 0)

    def refund(self) -> int:
        """What the buyer has back."""
        return self.refunded if self.refunded is not None else self.line_refunds

    def words(self) -> set[OrderState]:
        """The states that words name; of the lines' states the furthest that is not cancelled."""
        if not self.line_states:
            return set(self.claimed)
        alive = self.line_states - {OrderState.CANCELLED}
        return self.claimed | (alive or self.line_states)
