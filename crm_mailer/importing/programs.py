"""Load, decide, save: what shop programs sent, each request once and in one transaction."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from crm_mailer.importing import json_orders, shopify_hooks, woocommerce_hooks
from crm_mailer.importing.told import WRONG, Manner, Outcome, Told, take_customer, take_orders
from crm_mailer.model import address as addresses
from crm_mailer.model.hook import HookKind, NotJson, read_json
from crm_mailer.model.order import OrderState
from crm_mailer.model.suppression import SuppressionReason
from crm_mailer.model.task import NewTask, TaskKind
from crm_mailer.store import customers, orders, suppressions, tags, tasks
from crm_mailer.store.engine import Connection
from crm_mailer.store.hooks import HookRequest

#: Who sends must be served within the law's time; the first look comes much sooner.
PRIVACY_WITHIN = timedelta(days=10)
#: Topics by which Shopify hands on what the law grants a customer.
PRIVACY = {
    "customers/data_request": "a customer asks which data we have",
    "customers/redact": "a customer's data is to be erased",
    "shop/redact": "the shop has left: its customers' data is to be erased",
}


class Unreadable(ValueError):
    """The body is not what this sender sends."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What became of a request, as it is kept and told."""

    rows: tuple[Outcome, ...] = ()
    notes: tuple[str, ...] = ()
    done: str = ""

    def as_answer(self) -> dict[str, Any]:
        """As JSON."""
        counts = Counter(one.became for one in self.rows)
        return {
            "counts": {name: counts[name] for name in sorted(counts)},
            "rows": [
                {
                    "number": one.number,
                    "outcome": one.became,
                    "faults": [asdict(fault) for fault in one.faults],
                }
                for one in self.rows
            ],
            "notes": list(self.notes),
            "done": self.done,
        }


def digest(connection: Connection, request: HookRequest, manner: Manner) -> Answer:
    """Write what a request tells.

    Args:
        connection: a write turn; the caller marks the request as done in it.
        request: of a shop's program, with its body.
        manner: the shop's rules; platform and evidence as the settings have them.

    Raises:
        Unreadable: the body is not what this sender sends.
    """
    try:
        payload = read_json(request.body or b"")
        if request.kind == HookKind.ORDERS:
            return _own(connection, payload, manner)
    except (NotJson, ValueError) as error:
        raise Unreadable(str(error)) from error
    if not isinstance(payload, dict):
        raise Unreadable("the body is no JSON object")
    by_kind = {HookKind.SHOPIFY: _shopify, HookKind.WOOCOMMERCE: _woocommerce}
    return by_kind[HookKind(request.kind)](connection, request, payload, manner)


def look(payload: Any) -> Answer | None:
    """What is wrong with a request before it is kept; None where any of its orders is well formed.

    Raises:
        ValueError: it holds no orders, or too many.
    """
    checked = [json_orders.check(one) for one in json_orders.orders_in(payload)]
    wrong = [one for one in checked if isinstance(one, Outcome)]
    return Answer(rows=tuple(wrong)) if len(wrong) == len(checked) else None


def _own(connection: Connection, payload: Any, manner: Manner) -> Answer:
    checked = [json_orders.check(one) for one in json_orders.orders_in(payload)]
    good = [one for one in checked if not isinstance(one, Outcome)]
    own = replace(manner, names=json_orders.NAMES)
    taken, notes = take_orders(connection, [one.told() for one in good], own)
    results = iter([_hinted(one) for one in taken])
    rows = tuple(one if isinstance(one, Outcome) else next(results) for one in checked)
    return Answer(rows=rows, notes=notes)


def _hinted(outcome: Outcome) -> Outcome:
    """Every fault says what to do."""
    faults = (replace(one, hint=one.hint or "see /openapi.json") for one in outcome.faults)
    return replace(outcome, faults=tuple(faults))


# ------------------------------------------------------------------ Shopify


def _shopify(
    connection: Connection, request: HookRequest, payload: Mapping[str, Any], manner: Manner
) -> Answer:
    own = replace(manner, words_of="shopify", default_state=OrderState.PLACED)
    if request.topic in PRIVACY:
        return _privacy(connection, request, payload, manner.now)
    if request.topic.startswith("orders/"):
        if request.topic == "orders/delete":
            return Answer(done="an order was deleted there; what it was is kept")
        found = _orders(connection, [shopify_hooks.order(payload)], own)
        _note_consent(connection, request, _customer_of(payload), payload, manner)
        return found
    if request.topic.startswith("fulfillments/"):
        return _fulfilment(connection, payload, own)
    if request.topic in ("customers/create", "customers/update"):
        take_customer(connection, shopify_hooks.customer(payload), own)
        _note_consent(connection, request, payload, payload, manner)
        return Answer(done="the customer is noted")
    return Answer(done=f"nothing is done for {request.topic or 'a request without a topic'}")


def _orders(connection: Connection, told: Sequence[Told], manner: Manner) -> Answer:
    rows, notes = take_orders(connection, told, manner)
    return Answer(rows=tuple(rows), notes=notes)


def _fulfilment(connection: Connection, payload: Mapping[str, Any], manner: Manner) -> Answer:
    """A parcel of a known order; the order's own webhook tells the same of one to come."""
    number = shopify_hooks.order_name(payload)
    known = orders.find_by_numbers(connection, manner.platform, [number]).get(number)
    if known is None:
        return Answer(done=f"the order {number or 'of the parcel'} is not known yet")
    told = shopify_hooks.fulfilment(payload, known.facts.placed_at.isoformat())
    if known.facts.buyer_id:
        told = Told(head={**told.head, "buyer_id": known.facts.buyer_id})
    return _orders(connection, [told], manner)


def _customer_of(payload: Mapping[str, Any]) -> Mapping[str, Any]:
    found = payload.get("customer")
    return found if isinstance(found, dict) else {}


def _note_consent(
    connection: Connection,
    request: HookRequest,
    customer: Mapping[str, Any],
    payload: Mapping[str, Any],
    manner: Manner,
) -> None:
    """A consent that was taken back in the shop stops marketing; tags go with the customer."""
    email = payload.get("email") or customer.get("email")
    if not isinstance(email, str) or "@" not in email:
        return
    if shopify_hooks.has_unsubscribed(customer):
        suppressions.add(
            connection,
            email,
            SuppressionReason.UNSUBSCRIBED,
            source=f"webhook {request.source}",
            evidence=f"request {request.id}",
            at=manner.now,
        )
    words = shopify_hooks.tags(customer)
    found = customers.find_by_emails(connection, [addresses.key(email)]) if words else {}
    for known in found.values():
        there = {one.tag for one in tags.list_tags(connection, known.id)}
        for word in words:
            if word not in there:
                tags.add(connection, known.id, word, now=manner.now, by=request.source)


def _privacy(
    connection: Connection, request: HookRequest, payload: Mapping[str, Any], now: datetime
) -> Answer:
    """What the law grants a customer is done by a person, who is reminded of it."""
    about = _customer_of(payload)
    who = str(about.get("email") or about.get("id") or payload.get("shop_domain") or "")[:200]
    task = NewTask(
        kind=TaskKind.ADMIN,
        key=f"hook:{request.source}:{request.key}",
        text=f"{request.source}: {request.topic}: {PRIVACY[request.topic]}: {who}",
        due_at=now + PRIVACY_WITHIN,
    )
    tasks.add(connection, task, now)
    return Answer(done="a task for the shop's administrator")


# ------------------------------------------------------------------ WooCommerce


def _woocommerce(
    connection: Connection, request: HookRequest, payload: Mapping[str, Any], manner: Manner
) -> Answer:
    own = replace(manner, words_of="woocommerce", default_state=OrderState.PLACED)
    if request.topic in ("order.created", "order.updated", "order.restored"):
        return _orders(connection, [woocommerce_hooks.order(payload)], own)
    if request.topic in ("customer.created", "customer.updated"):
        take_customer(connection, woocommerce_hooks.customer(payload), own)
        return Answer(done="the customer is noted")
    return Answer(done=f"nothing is done for {request.topic or 'a request without a topic'}")


def is_wrong(answer: Answer) -> bool:
    """Whether none of the orders could be taken."""
    return bool(answer.rows) and all(one.became == WRONG for one in answer.rows)
