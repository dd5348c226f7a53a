"""What Shopify tells by webhooks, in the words of the importing rules.

https://shopify.dev/docs/api/webhooks. An order is named as in Shopify's own export (`#1001`), so
that an order is the same whether it comes by webhook or in a file.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal, InvalidOperation
from typing import Any

from crm_mailer.importing.json_orders import as_cells
from crm_mailer.importing.told import Told

#: A fulfilment is named after its order: #1001.1
_FULFILMENT = re.compile(r"(.+)\.[0-9]{1,4}")
#: States of a parcel that are states of an order.
_ARRIVED = "delivered"


def order(payload: Mapping[str, Any]) -> Told:
    """An order, with its customer, parcels and refunds."""
    customer = _table(payload.get("customer"))
    address = _table(payload.get("shipping_address")) or _table(payload.get("billing_address"))
    fees = _table(_table(payload.get("total_shipping_price_set")).get("shop_money"))
    coupons = [one.get("code") for one in _tables(payload.get("discount_codes"))]
    head = as_cells(
        {
            "order_number": payload.get("name") or payload.get("order_number"),
            "placed_at": payload.get("created_at"),
            "cancelled_at": payload.get("cancelled_at"),
            "state_at": payload.get("updated_at"),
            "payment_state": payload.get("financial_status"),
            "shipping_state": payload.get("fulfillment_status"),
            "currency": payload.get("currency"),
            "amount": payload.get("total_price"),
            "refunded": _refunded(_tables(payload.get("refunds"))),
            "shipping_fee": fees.get("amount"),
            "payment_method": ", ".join(map(_text, _list(payload.get("payment_gateway_names")))),
            "note": payload.get("note"),
            "coupons": ", ".join(_text(code) for code in coupons if code),
            "language": _language(payload.get("customer_locale")),
            **_place(address),
            **_parcel(_tables(payload.get("fulfillments"))),
            **_when_refunded(payload),
        }
    )
    return Told(
        head={**head, **_person(customer, payload)},
        lines=[as_cells(_line(one)) for one in _tables(payload.get("line_items"))[:500]],
    )


def fulfilment(payload: Mapping[str, Any], placed_at: str) -> Told:
    """A parcel of an order that is known, placed at `placed_at`."""
    head = as_cells(
        {
            "order_number": order_name(payload),
            "placed_at": placed_at,
            "email": payload.get("email"),
            **_parcel([payload]),
        }
    )
    return Told(head=head)


def order_name(payload: Mapping[str, Any]) -> str:
    """The order's name in that of its fulfilment."""
    found = _FULFILMENT.fullmatch(_text(payload.get("name")))
    return found[1] if found else ""


def customer(payload: Mapping[str, Any]) -> dict[str, str]:
    """A customer, as the rules for customer files know one."""
    address = _table(payload.get("default_address"))
    found = as_cells({**_place(address), "language": _language(payload.get("locale"))})
    return {**found, **_person(payload, payload)}


def tags(payload: Mapping[str, Any]) -> list[str]:
    """The tags that the shop's people gave a customer."""
    words = _text(payload.get("tags")).split(",")
    return [word for one in words if (word := " ".join(one.split())[:60])][:50]


def has_unsubscribed(payload: Mapping[str, Any]) -> bool:
    """Whether the customer has taken the consent back; never having given one is not that."""
    return _consent(payload) == "unsubscribed"


def _person(customer: Mapping[str, Any], order: Mapping[str, Any]) -> dict[str, str]:
    """Who bought. What the order itself says of consent is the older way to tell it."""
    address = _table(order.get("shipping_address")) or _table(customer.get("default_address"))
    said = {"subscribed": True, "unsubscribed": False, "not_subscribed": False}
    accepts = said.get(_consent(customer))
    if accepts is None and isinstance(order.get("buyer_accepts_marketing"), bool):
        accepts = order["buyer_accepts_marketing"]
    return as_cells(
        {
            "buyer_id": customer.get("id"),
            "email": order.get("email") or order.get("contact_email") or customer.get("email"),
            "given_name": customer.get("first_name") or address.get("first_name"),
            "family_name": customer.get("last_name") or address.get("last_name"),
            "phone": order.get("phone") or customer.get("phone") or address.get("phone"),
            "accepts_marketing": accepts,
        }
    )


def _consent(customer: Mapping[str, Any]) -> str:
    return _text(_table(customer.get("email_marketing_consent")).get("state")).lower()


def _place(address: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "street": address.get("address1"),
        "street_2": address.get("address2"),
        "city": address.get("city"),
        "region": address.get("province"),
        "postcode": address.get("zip"),
        "country": address.get("country_code") or address.get("country"),
    }


def _parcel(fulfilments: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """When the first parcel left, and how to follow the latest one."""
    sent = [one for one in fulfilments if _text(one.get("status")) in ("success", "open", "")]
    if not sent:
        return {}
    first, last = sent[0], sent[-1]
    arrived = [one for one in sent if _text(one.get("shipment_status")) == _ARRIVED]
    return {
        "shipped_at": first.get("created_at"),
        "arrived_at": arrived[-1].get("updated_at") if len(arrived) == len(sent) else None,
        "carrier": last.get("tracking_company"),
        "tracking_number": last.get("tracking_number"),
        "tracking_url": last.get("tracking_url"),
    }


def _line(item: Mapping[str, Any]) -> dict[str, Any]:
    title = _text(item.get("name")) or _text(item.get("title"))
    return {
        "sku": item.get("sku"),
        "title": title,
        "category": item.get("product_type"),
        "quantity": item.get("quantity"),
        "price": item.get("price"),
        "line_discount": item.get("total_discount"),
    }


def _refunded(refunds: Sequence[Mapping[str, Any]]) -> str | None:
    """The sum of what was given back; None where nothing was."""
    amounts = list(_paid_back(refunds))
    return str(sum(amounts, Decimal(0))) if amounts else None


def _when_refunded(payload: Mapping[str, Any]) -> dict[str, Any]:
    """The time at which the latest refund made the order what its state says."""
    names = {"partially_refunded": "partly_refunded_at", "refunded": "refunded_at"}
    name = names.get(_text(payload.get("financial_status")))
    refunds = _tables(payload.get("refunds"))
    return {name: refunds[-1].get("created_at")} if name and refunds else {}


def _paid_back(refunds: Sequence[Mapping[str, Any]]) -> Iterator[Decimal]:
    for refund in refunds:
        for one in _tables(refund.get("transactions")):
            if _text(one.get("kind")) == "refund" and _text(one.get("status")) == "success":
                try:
                    yield Decimal(_text(one.get("amount")))
                except InvalidOperation:
                    continue


def _language(locale: Any) -> str:
    return _text(locale).replace("_", "-").partition("-")[0].lower()


def _table(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _tables(value: Any) -> list[Mapping[str, Any]]:
    return [one for one in _list(value) if isinstance(one, dict)]


def _text(value: Any) -> str:
    return str(value) if isinstance(value, str | int) and not isinstance(value, bool) else ""
