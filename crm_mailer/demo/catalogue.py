"""The demo shop's small gifts, and baskets that add up to the invoices of the data."""

from __future__ import annotations

import random
from dataclasses import dataclass

from crm_mailer.model.order import OrderItem


@dataclass(frozen=True, slots=True, kw_only=True)
class Product:
    """Something to buy; the price is in pence."""

    sku: str
    title: str
    category: str
    price_minor: int


def _shelf(category: str, *products: tuple[str, str, int]) -> tuple[Product, ...]:
    return tuple(
        Product(sku=sku, title=title, category=category, price_minor=price)
        for sku, title, price in products
    )


PRODUCTS = (
    *_shelf(
        "kitchen",
        ("KT-101", "Enamel mug, speckled", 595),
        ("KT-102", "Set of 4 spice tins", 845),
        ("KT-103", "Oak breakfast board", 1250),
        ("KT-104", "Retro cake tin, polka dot", 995),
        ("KT-105", "Tea towel, botanical print", 450),
        ("KT-106", "Wooden salad servers", 725),
        ("KT-107", "Cast-iron teapot", 2450),
        ("KT-108", "Egg cups, pack of 6", 795),
    ),
    *_shelf(
        "home",
        ("HM-201", "Hanging heart tealight holder", 295),
        ("HM-202", "Wicker storage basket", 1395),
        ("HM-203", "Wall clock, station style", 2995),
        ("HM-204", "Doormat, hedgehog", 1150),
        ("HM-205", "Set of 3 glass bottles", 1075),
        ("HM-206", "Cushion cover, linen", 895),
        ("HM-207", "Photo frame, driftwood", 675),
        ("HM-208", "Draught excluder, fox", 1595),
    ),
    *_shelf(
        "light",
        ("LT-301", "Scented candle, fig and cedar", 1195),
        ("LT-302", "Fairy lights, 40 stars", 845),
        ("LT-303", "Lantern, brass", 1875),
        ("LT-304", "Night light, moon rabbit", 1295),
        ("LT-305", "Box of 12 dinner candles", 545),
    ),
    *_shelf(
        "stationery",
        ("ST-401", "Notebook, marbled cover", 525),
        ("ST-402", "Pack of 10 greeting cards", 495),
        ("ST-403", "Wrapping paper, 5 sheets", 395),
        ("ST-404", "Fountain pen, starter", 1450),
        ("ST-405", "Desk calendar, letterpress", 875),
        ("ST-406", "Washi tape, set of 8", 425),
    ),
    *_shelf(
        "toys",
        ("TY-501", "Wooden train, 5 wagons", 1695),
        ("TY-502", "Soft bear, small", 1095),
        ("TY-503", "Skittles in a bag", 1245),
        ("TY-504", "Paint-your-own money box", 695),
        ("TY-505", "Jigsaw, 500 pieces", 1150),
        ("TY-506", "Pocket kite", 575),
    ),
    *_shelf(
        "garden",
        ("GD-601", "Seed bombs, tin of 12", 625),
        ("GD-602", "Bird feeder, copper", 1595),
        ("GD-603", "Plant labels, slate, 6", 475),
        ("GD-604", "Watering can, 2 litres", 1350),
        ("GD-605", "Garden twine in a tin", 365),
    ),
    *_shelf(
        "bag",
        ("BG-701", "Lunch bag, red retrospot", 345),
        ("BG-702", "Canvas tote, hand-printed", 795),
        ("BG-703", "Wash bag, waxed cotton", 1195),
    ),
)
POSTAGE = Product(sku="POST", title="Postage and packing", category="service", price_minor=395)
#: What an invoice is for that no product is cheap enough for.
SAMPLE = Product(sku="SAMPLE", title="Sample", category="service", price_minor=0)

_CHEAPEST = min(product.price_minor for product in PRODUCTS)
#: An order of at least so many pence pays postage.
_PAYS_POSTAGE = 1500


def basket(invoice: str, amount_minor: int, rng: random.Random) -> list[OrderItem]:
    """Items that cost exactly `amount_minor` pence together.

    Args:
        invoice: its number; only named in the error.
        amount_minor: more than 0.
        rng: decides what is bought.

    Raises:
        ValueError: the amount is not more than 0.
    """
    if amount_minor <= 0:
        raise ValueError(f"invoice {invoice} has nothing to buy for {amount_minor} pence")
    if amount_minor < _CHEAPEST:
        return [_item(SAMPLE, 1, amount_minor)]
    postage = POSTAGE.price_minor if amount_minor >= _PAYS_POSTAGE else 0
    counts, rest = _fill(amount_minor - postage, rng)
    items = [_item(product, count, product.price_minor) for product, count in counts.items()]
    if postage + rest:
        items.append(_item(POSTAGE, 1, postage + rest))
    return items


def _fill(money: int, rng: random.Random) -> tuple[dict[Product, int], int]:
    """Products for almost all of the money, and what is left of it (less than the cheapest)."""
    affordable = [product for product in PRODUCTS if product.price_minor <= money]
    wanted = rng.sample(affordable, min(len(affordable), 1 + money // 2500, 8))
    counts: dict[Product, int] = {}
    for place, product in enumerate(wanted):
        share = money // (len(wanted) - place)
        count = share // product.price_minor
        if count:
            counts[product] = count
            money -= count * product.price_minor
    while money >= _CHEAPEST:
        product = max(
            (one for one in PRODUCTS if one.price_minor <= money), key=lambda one: one.price_minor
        )
        count = money // product.price_minor
        counts[product] = counts.get(product, 0) + count
        money -= count * product.price_minor
    return counts, money


def _item(product: Product, quantity: int, price_minor: int) -> OrderItem:
    return OrderItem(
        sku=product.sku,
        title=product.title,
        quantity=quantity,
        price_minor=price_minor,
        category=product.category,
    )
