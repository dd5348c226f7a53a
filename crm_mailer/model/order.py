"""An order, its states and what each state means for the customer's history."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum


class OrderState(StrEnum):
    """Where an order stands. An order has one present state and keeps the time of each past one."""

    #: Placed, not paid.
    PLACED = "placed"
    #: Paid, but the funds are not cleared.
    FUNDS_PENDING = "funds_pending"
    #: Paid, to be confirmed and shipped.
    PAID = "paid"
    #: Past the promised ship date.
    DELAYED = "delayed"
    OUT_OF_STOCK = "out_of_stock"
    RESTOCKED = "restocked"
    SHIPPED = "shipped"
    IN_TRANSIT_LONG = "in_transit_long"
    ARRIVED = "arrived"
    #: The buyer confirmed the receipt.
    RECEIVED = "received"
    REVIEWED = "reviewed"
    CANCEL_REQUESTED = "cancel_requested"
    CANCELLED = "cancelled"
    DISPUTED = "disputed"
    ARBITRATION = "arbitration"
    DISPUTE_DECIDED = "dispute_decided"
    PARTLY_REFUNDED = "partly_refunded"
    REFUNDED = "refunded"
    #: Never paid in time.
    EXPIRED = "expired"


#: A state that tells of another one, where an export leaves that out: what the buyer confirmed has
#: arrived.
TOLD_BY = {OrderState.ARRIVED: OrderState.RECEIVED}
#: States of an order that the buyer never paid or has wholly back: they count for no score.
UNCOUNTED = frozenset(
    {
        OrderState.PLACED,
        OrderState.FUNDS_PENDING,
        OrderState.CANCELLED,
        OrderState.EXPIRED,
        OrderState.REFUNDED,
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderItem:
    """One line of an order. `price_minor` is for one piece, in the order's currency."""

    sku: str = ""
    title: str = ""
    quantity: int = 1
    price_minor: int = 0
    category: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """One purchase. Amounts in minor units of `currency`; USD value at the order's date."""

    id: int
    platform: str
    number: str
    customer_id: int | None
    state: OrderState
    placed_at: datetime
    paid_at: datetime | None = None
    currency: str = "USD"
    amount_minor: int = 0
    refunded_minor: int = 0
    amount_usd_cents: int | None = None
    payment_method: str = ""
    promised_ship_at: datetime | None = None
    carrier: str = ""
    tracking_number: str = ""
    tracking_url: str = ""
    expected_at: datetime | None = None
    note: str = ""
    items: tuple[OrderItem, ...] = field(default=())
