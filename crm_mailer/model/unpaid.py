"""Why a buyer does not pay an order that was placed."""

from __future__ import annotations

from collections.abc import Collection
from enum import StrEnum


class UnpaidReason(StrEnum):
    """What keeps them from paying."""

    CARD_TROUBLE = "card_trouble"
    WRONG_ADDRESS = "wrong_address"
    OPTION_NOT_CHOSEN = "option_not_chosen"
    PRICE = "price"
    CHANGED_MIND = "changed_mind"


#: Codes of an answer that tell of each reason, the surest reason first.
CODES: dict[UnpaidReason, tuple[str, ...]] = {
    UnpaidReason.CARD_TROUBLE: ("pay.refused", "pay.double", "ask.payment"),
    UnpaidReason.WRONG_ADDRESS: ("nr.wrong_address",),
    UnpaidReason.OPTION_NOT_CHOSEN: ("ask.change_order", "ask.change_shipping", "ask.stock"),
    UnpaidReason.PRICE: ("objection.price", "objection.money", "ask.price", "ask.free_shipping"),
    UnpaidReason.CHANGED_MIND: (
        "ask.cancel", "objection.need", "objection.time", "objection.product",
    ),
}  # fmt: skip


def reason_of(codes: Collection[str]) -> UnpaidReason | None:
    """The surest reason that the codes of an answer tell; None where they tell none."""
    return next((reason for reason, told in CODES.items() if set(told) & set(codes)), None)
