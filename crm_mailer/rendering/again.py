"""A mail's HTML once more, from the fields that were kept: the customer may have changed since."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from crm_mailer.model.campaign import Campaign
from crm_mailer.model.shop import Shop
from crm_mailer.rendering import fields, formats, languages, plurals
from crm_mailer.rendering.context import (
    FIELDS,
    KNOWN,
    OWN_LINKS,
    BenefitFields,
    CustomerFields,
    ItemFields,
    OrderFields,
    Record,
    StepFields,
    localised,
)
from crm_mailer.rendering.library import CompiledTemplate


def html(
    template: CompiledTemplate, kept: Mapping[str, Any], campaign: Campaign | None, shop: Shop
) -> str:
    """What a reader saw, without the links that act for them.

    Args:
        template: in the version and the language of the mail.
        kept: the snapshot's fields, such as `customer.city`.
        campaign: for its own values; None where the mail has none.
        shop: who wrote.

    Raises:
        RenderError: something that the template needs was not kept.
    """
    code = template.language
    locale = formats.locale_for(code, str(kept.get("customer.country", "")))
    chain = languages.chain(code, shop)
    own = campaign.vars if campaign is not None else {}
    values: dict[str, Any] = {name: kept.get(name, "") for name, kind in KNOWN.items() if not kind}
    values |= dict.fromkeys(OWN_LINKS, "")
    values |= {
        "customer": CustomerFields(**_of("customer", CustomerFields, kept)),
        "step": StepFields(**_of("step", StepFields, kept)),
        "benefit": _benefit(kept),
        "shop": fields.shop_fields(replace(shop, public_url="")),
        "vars": Record({name: localised(value, chain) for name, value in own.items()}),
        plurals.NAME: plurals.of(locale),
        "subject": kept.get("subject", ""),
    }
    order = _of("order", OrderFields, kept)
    if order:
        order["items"] = tuple(_item(one) for one in order.get("items", ()))
        values["order"] = OrderFields(**order)
    return template.html.render(values)


def _of(root: str, record: type, kept: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of one record."""
    return {name: kept[f"{root}.{name}"] for name in FIELDS[record] if f"{root}.{name}" in kept}


def _benefit(kept: Mapping[str, Any]) -> BenefitFields | None:
    found = _of("benefit", BenefitFields, kept)
    return BenefitFields(**found) if found else None


def _item(values: list[Any]) -> ItemFields:
    title, sku, quantity, price = values
    return ItemFields(title=title, sku=sku, quantity=quantity, price=price)
