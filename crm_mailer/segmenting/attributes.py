"""What a customer's addresses tell: the kind of mail address, and an occupation."""

from __future__ import annotations

from datetime import timedelta

from crm_mailer.model import address
from crm_mailer.model.customer import (
    EXPERIENCED_FOR,
    EXPERIENCED_ORDERS,
    BuyingBehaviour,
    ShoppingAge,
)
from crm_mailer.model.score import ValueClass
from crm_mailer.segmenting.occupations import occupation
from crm_mailer.store.attributes import Described


def describe(email: str | None, street: str) -> Described:
    """The kind of the mail address and the occupation that the street suggests."""
    found = occupation(street)
    return Described(
        address_kind=address.kind(email).value if email else "",
        occupation=found.value if found else None,
    )


def shopping_age(order_count: int, bought_for: timedelta) -> ShoppingAge | None:
    """By paid orders and the time between the first and the last; None without one."""
    if order_count < 1:
        return None
    if order_count == 1:
        return ShoppingAge.NOVICE
    if order_count >= EXPERIENCED_ORDERS and bought_for >= EXPERIENCED_FOR:
        return ShoppingAge.EXPERIENCED
    return ShoppingAge.INTERMEDIATE


def buying_behaviour(
    *, value_class: ValueClass | None, tag: str | None, pinned_tag: str | None
) -> BuyingBehaviour | None:
    """A pinned tag first, then VIP by RFM (recent, frequent and dear), then a tag."""
    if pinned_tag is not None:
        return BuyingBehaviour(pinned_tag)
    if value_class is ValueClass.KEY_VALUE:
        return BuyingBehaviour.VIP
    return BuyingBehaviour(tag) if tag is not None else None
