"""What an order becomes when a file tells of it: pure decisions, nothing is read or written."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from crm_mailer.importing import states
from crm_mailer.importing.drafts import OrderDraft
from crm_mailer.model.order import OrderItem, OrderState
from crm_mailer.store import orders as store

#: Facts in words and times that a later file may fill or change.
WORDS = (
    "buyer_id payment_method promised_ship_at carrier tracking_number tracking_url expected_at "
    "note coupons"
).split()
InDollars = Callable[[int, str, date], int | None]


@dataclass(frozen=True, slots=True)
class Decided:
    """What becomes of an order. `items` None: they stay as they are."""

    facts: store.OrderFacts
    times: dict[OrderState, datetime]
    items: tuple[OrderItem, ...] | None


def decide(
    draft: OrderDraft,
    customer_id: int | None,
    old: store.StoredOrder | None,
    *,
    now: datetime,
    in_dollars: InDollars,
    is_continued: bool = False,
) -> Decided:
    """What an order is after this file: its facts, the times of its states, its items.

    Args:
        draft: what the file tells.
        customer_id: whose order it is; None where the file does not tell.
        old: what is stored of it; None for a new one.
        now: the present instant.
        in_dollars: minor units, currency and day to US cents; None where no rate is known.
        is_continued: more lines of an order that the same file told of before.
    """
    assert draft.placed_at is not None
    currency, amount, refund = _amounts(draft, old, is_continued=is_continued)
    life = _life(draft, old, amount, refund, now)
    placed_at = draft.placed_at
    if old is not None:
        placed_at = min(placed_at, old.facts.placed_at)
        if life.is_older:
            amount, refund = old.facts.amount_minor, old.facts.refunded_minor
            currency = old.facts.currency
    facts = store.OrderFacts(
        platform=draft.platform,
        number=draft.number,
        customer_id=customer_id or (old.facts.customer_id if old else None),
        state=life.state,
        is_counted=states.is_counted(life, amount_minor=amount, refunded_minor=refund),
        placed_at=placed_at,
        paid_at=states.paid_at(life),
        currency=currency,
        amount_minor=amount,
        refunded_minor=refund,
        net_usd_cents=in_dollars(max(0, amount - refund), currency, placed_at.date()),
        shipping_minor=_shipping(draft, old),
        **_words(draft, old, life),
    )
    return Decided(facts, life.times, _items(draft, old, life, is_continued=is_continued))


def _amounts(
    draft: OrderDraft, old: store.StoredOrder | None, *, is_continued: bool
) -> tuple[str, int, int]:
    """Currency, amount and refund; what the file does not tell stays as it is stored."""
    if old is None:
        return draft.currency, draft.amount(), draft.refund()
    refund = draft.refund() if draft.tells_refund else old.facts.refunded_minor
    if not draft.tells_amount:
        return old.facts.currency, old.facts.amount_minor, refund
    amount = draft.amount()
    if is_continued and draft.total is None:
        amount += old.facts.amount_minor
        refund = old.facts.refunded_minor + draft.line_refunds
    return draft.currency, amount, refund


def _shipping(draft: OrderDraft, old: store.StoredOrder | None) -> int | None:
    """What the buyer pays for shipping; what the file does not tell stays as it is stored."""
    if draft.shipping_fee is None and old is not None:
        return old.facts.shipping_minor
    return draft.shipping_fee


def _words(draft: OrderDraft, old: store.StoredOrder | None, life: states.Life) -> dict[str, Any]:
    """What is told replaces what is stored, but emptiness replaces nothing.

    Of an older export only what is missing is taken. A note stays: agents write into it.
    """
    told: dict[str, Any] = {
        "buyer_id": draft.person.buyer_id,
        "promised_ship_at": draft.promised_ship_at,
        "expected_at": draft.expected_at,
        **draft.texts,
    }
    if old is None:
        return told
    for name in WORDS:
        stored = getattr(old.facts, name)
        if stored and (life.is_older or name == "note" or not told.get(name)):
            told[name] = stored
    return told


def _items(
    draft: OrderDraft, old: store.StoredOrder | None, life: states.Life, *, is_continued: bool
) -> tuple[OrderItem, ...] | None:
    """The order's items now; None where they stay as they are."""
    told = tuple(draft.items) or None
    if old is None or told is None:
        return told
    if is_continued:
        return (*old.items, *told)
    knows_more = life.is_older or not draft.tells_amount
    return None if knows_more and old.items else told


def _life(
    draft: OrderDraft, old: store.StoredOrder | None, amount: int, refund: int, now: datetime
) -> states.Life:
    assert draft.placed_at is not None
    times, claimed = draft.times, draft.words()
    if not claimed and not times.keys() - {OrderState.PLACED} and draft.default_state:
        claimed.add(draft.default_state)
    if draft.state_at and len(claimed) == 1:
        times = {next(iter(claimed)): draft.state_at, **times}
    if refund > 0 and not claimed & {OrderState.REFUNDED, OrderState.PARTLY_REFUNDED}:
        claimed.add(OrderState.REFUNDED if refund >= amount else OrderState.PARTLY_REFUNDED)
    if old is None:
        return states.first_life(draft.placed_at, times, claimed)
    known = states.Life(old.facts.state, old.times)
    return states.next_life(known, times, claimed, now)
