"""What a shop gives to a customer: a coupon, free shipping, a gift, under rules and limits."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import NamedTuple


class BenefitKind(StrEnum):
    """What is given."""

    COUPON = "coupon"
    FREE_SHIPPING = "free_shipping"
    GIFT = "gift"


class CodeSource(StrEnum):
    """Where the codes come from."""

    #: Codes that the shop's own system knows, loaded from a file, each given once.
    POOL = "pool"
    #: One code that is the same for all.
    SHARED = "shared"
    #: Made for each customer by a pattern; the shop's system must be told of them.
    PATTERN = "pattern"
    #: None: it is given without a code, to whom the shop knows.
    NONE = "none"


class Proof(StrEnum):
    """How an order shows that a benefit was used."""

    #: The export's column of coupon or discount codes names it.
    CODE = "code"
    #: The order's note contains it.
    NOTE = "note"
    #: The order cost no shipping.
    FREE_SHIPPING = "free_shipping"
    #: A person says so.
    HAND = "hand"


class OnEmpty(StrEnum):
    """What becomes of the mail when there is nothing left to give."""

    SKIP = "skip"
    SEND_WITHOUT = "send_without"


class GrantState(StrEnum):
    """Where a grant stands. Used and run out are told by its order and its day."""

    #: Waits for a person's word.
    ASKED = "asked"
    #: Allowed; the code is chosen when the mail leaves.
    APPROVED = "approved"
    DENIED = "denied"
    GRANTED = "granted"
    #: Its mail never left: the code is free again.
    RETURNED = "returned"


class Use(StrEnum):
    """What an order with a known code is to the grant that it belongs to."""

    REDEEMED = "redeemed"
    #: The code was used before, by another order.
    AGAIN = "again"
    #: After its last day.
    EXPIRED = "expired"
    #: By somebody else than the customer to whom it was given.
    OTHER_CUSTOMER = "other_customer"
    #: The code is in the pool and was given to nobody.
    NOT_GIVEN = "not_given"


@dataclass(frozen=True, slots=True, kw_only=True)
class Benefit:
    """One of `campaigns/benefits.yaml`. `total`, `per_customer`: at most so many; None: any.

    `per_customer` counts grants within `per`, or for ever where that is None. `cost_cents` is what
    one use costs the shop in USD cents, as far as it says.
    """

    id: str
    kind: BenefitKind
    title: Mapping[str, str]
    source: CodeSource = CodeSource.NONE
    #: The one code of all, or the pattern of made ones, such as `BDAY-{8}`.
    code: str = ""
    valid_for: timedelta = timedelta(days=30)
    total: int | None = None
    per_customer: int | None = None
    per: timedelta | None = None
    needs_approval: bool = False
    on_empty: OnEmpty = OnEmpty.SKIP
    proofs: frozenset[Proof] = frozenset({Proof.CODE})
    cost_cents: int | None = None
    path: str = field(default="", compare=False)


class Given(NamedTuple):
    """What a mail says of a benefit; the titles by language."""

    title: Mapping[str, str]
    kind: BenefitKind
    code: str
    valid_until: datetime | None


#: Letters and digits that nobody mistakes for one another on paper.
ALPHABET = "ABCDEFGHJKMNPQRSTUVWXYZ23456789"
#: `{8}` in a pattern: so many letters by chance.
PLACE = re.compile(r"\{(\d{1,2})\}")
#: Fewer could be guessed: 6 of 31 are 887 million.
LEAST_CHANCE = 6


def code_key(code: str) -> str:
    """A code as it is compared: exports, people and shops write it in any case."""
    return "".join(code.split()).upper()


def pattern_chance(pattern: str) -> int:
    """How many letters of a pattern are left to chance."""
    return sum(int(found[1]) for found in PLACE.finditer(pattern))


def code_from(pattern: str, letters: str) -> str:
    """The code of a pattern with these letters, as many as `pattern_chance` says."""
    rest = iter(letters)
    return PLACE.sub(lambda found: "".join(next(rest) for _ in range(int(found[1]))), pattern)


def codes_in(text: str) -> tuple[str, ...]:
    """The codes in a cell of an export: divided by commas, semicolons or bars, in their order.

    WooCommerce writes `code:SAVE10|amount:5.00;code:...`; of such a cell the codes alone.
    """
    parts = [part.strip() for part in re.split(r"[,;|\n]", text)]
    if any(part.lower().startswith("code:") for part in parts):
        parts = [part[5:].strip() for part in parts if part.lower().startswith("code:")]
    keys = [code_key(part) for part in parts]
    return tuple(dict.fromkeys(key for key in keys if key))


class Held(NamedTuple):
    """A grant as an order that names it finds it."""

    customer_id: int
    granted_at: datetime
    valid_until: datetime | None
    #: The order that used it; None while none did.
    redeemed_order_id: int | None


def use_of(held: Held, *, order_id: int, customer_id: int | None, placed_at: datetime) -> Use:
    """What an order is to a grant of which it shows the code.

    An order without a customer is taken for the customer's own: its export does not tell better.
    """
    if customer_id is not None and customer_id != held.customer_id:
        return Use.OTHER_CUSTOMER
    if held.redeemed_order_id not in (None, order_id):
        return Use.AGAIN
    if held.valid_until is not None and placed_at > held.valid_until:
        return Use.EXPIRED
    return Use.REDEEMED


def best_of(grants: Sequence[Held], customer_id: int | None, placed_at: datetime) -> Held:
    """Of several grants that share a code, the one that an order used: the customer's own, not
    used yet, still valid; of those the oldest.
    """

    def rank(one: Held) -> tuple[bool, bool, bool, datetime]:
        is_over = one.valid_until is not None and placed_at > one.valid_until
        is_others = customer_id is not None and one.customer_id != customer_id
        return is_others, one.redeemed_order_id is not None, is_over, one.granted_at

    return min(grants, key=rank)
