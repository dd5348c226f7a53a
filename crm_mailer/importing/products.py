"""Takes apart the one cell in which AliExpress puts all products of an order."""

from __future__ import annotations

import re

from crm_mailer.importing.cells import clean
from crm_mailer.model.order import OrderItem

#: 【1】 or 1. or [1] before each product.
NUMBERED = re.compile(r"(?:^|\n|\s)(?:【\s*\d+\s*】|\[\d+\])\s*")
SKU = re.compile(r"(?:商家编码|商品编码|SKU)\s*[:：]\s*([^\s)）;；]+)", re.I)
PIECES = re.compile(r"(?:产品数量|商品数量|数量|Quantity|Qty)\s*[:：]?\s*(\d{1,6})", re.I)
#: Where the title ends: at the first bracketed attribute or line end.
TITLE_END = re.compile(r"\n|[(（](?:产品属性|商品属性|商家编码|商品编码|产品数量|商品数量)")
MAX_ITEMS = 200


def items_in(cell: str) -> list[OrderItem]:
    """The products of a cell, without prices; one with the whole text where it cannot be parted."""
    text = cell.strip()
    if not text:
        return []
    parts = [part.strip() for part in NUMBERED.split(text) if part.strip()]
    return [_item(part) for part in parts[:MAX_ITEMS]]


def _item(part: str) -> OrderItem:
    sku, pieces = SKU.search(part), PIECES.search(part)
    title = TITLE_END.split(part, maxsplit=1)[0]
    return OrderItem(
        sku=clean(sku.group(1), 100) if sku else "",
        title=clean(title) or clean(part),
        quantity=int(pieces.group(1)) if pieces else 1,
    )
