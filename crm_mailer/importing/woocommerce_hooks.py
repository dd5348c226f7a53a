"""What WooCommerce tells by webhooks, in the words of the importing rules.

https://woocommerce.github.io/woocommerce-rest-api-docs/#order-properties. The words for states
are those of the shipped column map.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal, InvalidOperation
from typing import Any

from crm_mailer.importing.json_orders import as_cells
from crm_mailer.importing.told import Told

#: Where the common extensions for parcels keep theirs.
_PARCELS = "_wc_shipment_tracking_items"


def order(payload: Mapping[str, Any]) -> Told:
    """An order, with its customer."""
    billing, shipping = _table(payload.get("billing")), _table(payload.get("shipping"))
    coupons = [one.get("code") for one in _tables(payload.get("coupon_lines"))]
    buyer = payload.get("customer_id")
    status = str(payload.get("status") or "").removeprefix("wc-")
    head = as_cells(
        {
            "order_number": payload.get("number") or payload.get("id"),
            "placed_at": _utc(payload, "date_created"),
            "paid_at": _utc(payload, "date_paid"),
            "received_at": _utc(payload, "date_completed") if status == "completed" else None,
            "state": status,
            "state_at": _utc(payload, "date_modified"),
            "currency": payload.get("currency"),
            "amount": payload.get("total"),
            "refunded": _refunded(_tables(payload.get("refunds"))),
            "shipping_fee": payload.get("shipping_total"),
            "payment_method": payload.get("payment_method_title"),
            "note": payload.get("customer_note"),
            "coupons": ", ".join(str(code) for code in coupons if code),
            # 0: somebody who bought without an account
            "buyer_id": buyer if buyer not in (0, "0") else None,
            "email": billing.get("email"),
            "phone": billing.get("phone") or shipping.get("phone"),
            **_parcel(payload),
            **_where(shipping if shipping.get("address_1") else billing, billing),
        }
    )
    lines = [as_cells(_line(one)) for one in _tables(payload.get("line_items"))[:500]]
    return Told(head=head, lines=lines)


def customer(payload: Mapping[str, Any]) -> dict[str, str]:
    """A customer with an account."""
    billing, shipping = _table(payload.get("billing")), _table(payload.get("shipping"))
    return as_cells(
        {
            **_where(shipping if shipping.get("address_1") else billing, payload),
            "buyer_id": payload.get("id"),
            "email": payload.get("email") or billing.get("email"),
            "phone": billing.get("phone"),
        }
    )


def _where(place: Mapping[str, Any], person: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "given_name": place.get("first_name") or person.get("first_name"),
        "family_name": place.get("last_name") or person.get("last_name"),
        "street": place.get("address_1"),
        "street_2": place.get("address_2"),
        "city": place.get("city"),
        "region": place.get("state"),
        "postcode": place.get("postcode"),
        "country": place.get("country"),
    }


def _line(item: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "sku": item.get("sku"),
        "title": item.get("name"),
        "quantity": item.get("quantity"),
        "line_total": item.get("total"),
    }


def _parcel(payload: Mapping[str, Any]) -> dict[str, Any]:
    for one in _tables(payload.get("meta_data")):
        if one.get("key") == _PARCELS and (many := _tables(one.get("value"))):
            last = many[-1]
            return {
                "carrier": last.get("tracking_provider") or last.get("custom_tracking_provider"),
                "tracking_number": last.get("tracking_number"),
                "tracking_url": last.get("custom_tracking_link"),
            }
    return {}


def _utc(payload: Mapping[str, Any], name: str) -> str | None:
    """A time with its zone: WooCommerce writes two, one of them in the shop's own."""
    at = payload.get(f"{name}_gmt")
    if isinstance(at, str) and at:
        return f"{at}+00:00"
    own = payload.get(name)
    return own if isinstance(own, str) else None


def _refunded(refunds: Sequence[Mapping[str, Any]]) -> str | None:
    amounts = list(_amounts(refunds))
    return str(sum(amounts, Decimal(0))) if amounts else None


def _amounts(refunds: Sequence[Mapping[str, Any]]) -> Iterator[Decimal]:
    for one in refunds:
        try:
            yield abs(Decimal(str(one.get("total") or one.get("amount"))))
        except InvalidOperation:
            continue


def _table(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _tables(value: Any) -> list[Mapping[str, Any]]:
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []
