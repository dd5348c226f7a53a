"""From customers and orders to the texts that templates name, cleaned and localised."""

from __future__ import annotations

import json
import zlib
from collections.abc import Collection, Iterable, Mapping
from json.encoder import encode_basestring
from typing import Any
from zoneinfo import ZoneInfo

from babel import Locale

from crm_mailer.model.benefit import Given
from crm_mailer.model.customer import Customer
from crm_mailer.model.order import Order, OrderItem
from crm_mailer.model.shop import Shop
from crm_mailer.rendering import clean, formats
from crm_mailer.rendering.context import (
    FIELDS,
    SUBJECT,
    BenefitFields,
    CustomerFields,
    ItemFields,
    OrderFields,
    ShopFields,
)

JSON = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))
EVERY_FIELD = FIELDS[CustomerFields]
EVERY_ORDER_FIELD = FIELDS[OrderFields]
#: Fields that hold a person's name, and others that come from the customer as they are.
NAMES = ("name", "given_name", "family_name", "patronymic")
LINES = ("email", "country", "city", "street", "postcode", "region", "phone")
#: Fields of an order that are as they are, and those that are days, each with the fact behind it.
ORDER_LINES = ("number", "payment_method", "carrier", "tracking_number", "note")
ORDER_DAYS = (
    ("placed_on", "placed_at"),
    ("paid_on", "paid_at"),
    ("expected_on", "expected_at"),
    ("promised_on", "promised_ship_at"),
)
#: Not kept with each mail.
PINNED = ("shop", "vars")
#: From so many bytes on, a snapshot is packed; below, that would save a fourth of them.
WORTH_PACKING = 400


def customer_fields(
    customer: Customer, code: str, locale: Locale, used: Collection[str] = EVERY_FIELD
) -> CustomerFields:
    """The reader's own data; what is not `used` is left out, which saves half of the time."""
    values = {one: clean.name(getattr(customer, one)) for one in NAMES if one in used}
    for one in LINES:
        if one in used:
            values[one] = clean.line(getattr(customer, one) or "")
    if "language" in used:
        values["language"] = code
    if "country_name" in used:
        values["country_name"] = formats.country_name(customer.country, locale)
    return CustomerFields(**values)


def order_fields(
    order: Order,
    locale: Locale,
    place: ZoneInfo,
    home: ZoneInfo,
    used: Collection[str] = EVERY_ORDER_FIELD,
) -> OrderFields:
    """The order's facts, days in the reader's zone; what is not `used` is left out.

    `home`: the shop's zone, in which days without an hour were read.
    """
    values: dict[str, Any] = {
        one: clean.line(getattr(order, one)) for one in ORDER_LINES if one in used
    }
    for name, fact in ORDER_DAYS:
        if name in used:
            values[name] = formats.stated_day(getattr(order, fact), locale, place, home)
    if "amount" in used:
        values["amount"] = formats.amount(order.amount_minor, order.currency, locale)
    if "refunded" in used and order.refunded_minor > 0:
        values["refunded"] = formats.amount(order.refunded_minor, order.currency, locale)
    if "tracking_url" in used:
        values["tracking_url"] = clean.url(order.tracking_url)
    if "items" in used:
        values["items"] = tuple([_item(one, order.currency, locale) for one in order.items])
    return OrderFields(**values)


def _item(item: OrderItem, currency: str, locale: Locale) -> ItemFields:
    return ItemFields(
        title=clean.line(item.title),
        sku=clean.line(item.sku),
        quantity=item.quantity,
        price=formats.amount(item.price_minor, currency, locale),
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
        public_url=shop.public_url if shop.public_url.startswith("https://") else "",
    )


def benefit_fields(
    given: Given, chain: Iterable[str], locale: Locale, place: ZoneInfo
) -> BenefitFields:
    """What is given, its title in the first language of the chain that it has."""
    titles = given.title
    best = next((titles[code] for code in chain if code in titles), None)
    return BenefitFields(
        title=clean.line(best if best is not None else next(iter(titles.values()), "")),
        code=clean.line(given.code),
        kind=given.kind.value,
        valid_until=formats.day(given.valid_until, locale, place),
    )


class Snapshot:
    """Writes down the fields about the customer and the occasion that mails of a template used.

    What the shop and the campaign say is pinned by the template's and the campaign's versions.

    Args:
        used: names such as `customer.city`.
    """

    def __init__(self, used: Iterable[str]) -> None:
        paths = [path for path in sorted({*used, SUBJECT}) if not path.startswith(PINNED)]
        self._paths = [(f'"{path}":', *path.partition(".")[::2]) for path in paths]

    def of(self, values: Mapping[str, Any]) -> bytes:
        """The fields of one mail: JSON of name and value in the form of zlib."""
        kept: list[str] = []
        for key, root, name in self._paths:
            value = values.get(root)
            if name and value is not None:
                value = getattr(value, name)
            if isinstance(value, str):
                kept.append(key + encode_basestring(value))
            elif isinstance(value, int):
                kept.append(f"{key}{value}")
            elif isinstance(value, tuple):
                kept.append(key + JSON.encode([_items(item) for item in value]))
        written = f"{{{','.join(kept)}}}".encode("utf-8", "replace")
        if len(written) < WORTH_PACKING:
            return _stored(written)
        # a small window is quicker to set up than the usual
        deflate = zlib.compressobj(1, zlib.DEFLATED, 10, 2)
        return deflate.compress(written) + deflate.flush()


def _stored(raw: bytes) -> bytes:
    """A few bytes in the form of zlib (RFC 1950), as one block that is not packed."""
    size = len(raw)
    return b"\x78\x01\x01%b%b%b%b" % (
        size.to_bytes(2, "little"),
        (size ^ 0xFFFF).to_bytes(2, "little"),
        raw,
        zlib.adler32(raw).to_bytes(4, "big"),
    )


def _items(item: ItemFields) -> list[Any]:
    return [item.title, item.sku, item.quantity, item.price]
