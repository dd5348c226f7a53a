"""From customers and orders to the texts that templates name, cleaned and localised."""

from __future__ import annotations

from typing import Any
from zoneinfo import ZoneInfo

from babel import Locale

from crm_mailer.model.customer import Customer
from crm_mailer.model.order import Order
from crm_mailer.model.shop import Shop
from crm_mailer.rendering import clean, formats
from crm_mailer.rendering.context import (
    CustomerFields,
    ItemFields,
    OrderFields,
    ShopFields,
)


def customer_fields(customer: Customer, code: str, locale: Locale) -> CustomerFields:
    """The reader's own data."""
    line = clean.line
    return CustomerFields(
        name=clean.name(customer.name),
        given_name=clean.name(customer.given_name),
        family_name=clean.name(customer.family_name),
        patronymic=clean.name(customer.patronymic),
        email=line(customer.email or ""),
        language=code,
        country=customer.country,
        country_name=formats.country_name(customer.country, locale),
        city=line(customer.city),
        street=line(customer.street),
        postcode=line(customer.postcode),
        region=line(customer.region),
        phone=line(customer.phone),
    )


def order_fields(order: Order, locale: Locale, place: ZoneInfo) -> OrderFields:
    """The order's facts; days in the reader's zone."""
    line = clean.line
    return OrderFields(
        number=line(order.number),
        placed_on=formats.day(order.placed_at, locale, place),
        paid_on=formats.day(order.paid_at, locale, place),
        amount=formats.amount(order.amount_minor, order.currency, locale),
        payment_method=line(order.payment_method),
        carrier=line(order.carrier),
        tracking_number=line(order.tracking_number),
        tracking_url=clean.url(order.tracking_url),
        expected_on=formats.day(order.expected_at, locale, place),
        promised_on=formats.day(order.promised_ship_at, locale, place),
        note=line(order.note),
        items=tuple(
            ItemFields(
                title=line(item.title),
                sku=line(item.sku),
                quantity=item.quantity,
                price=formats.amount(item.price_minor, order.currency, locale),
            )
            for item in order.items
        ),
    )


def shop_fields(shop: Shop) -> ShopFields:
    """What the shop says of itself."""
    return ShopFields(
        name=clean.line(shop.name),
        url=shop.url,
        postal_address=clean.line(shop.postal_address),
        color=shop.color,
        logo_url=shop.logo_url,
        phone=shop.phone,
        agent=clean.line(shop.agent),
        reply_to=shop.reply_to,
        static_url=shop.static_url,
    )


def snapshot(values: dict[str, Any], used: frozenset[str]) -> dict[str, Any]:
    """Of the fields in `values`, those about the customer and the occasion that a mail used.

    What the shop and the campaign say is pinned by the template's and the campaign's versions.
    """
    kept: dict[str, Any] = {}
    for path in sorted(used):
        root, _dot, name = path.partition(".")
        if root in ("shop", "vars") or root not in values:
            continue
        if name:
            value = getattr(values[root], name)
            kept[path] = [_items(item) for item in value] if name == "items" else value
        elif isinstance(values[root], str | int):
            kept[path] = values[root]
    return kept


def _items(item: ItemFields) -> list[Any]:
    return [item.title, item.sku, item.quantity, item.price]
