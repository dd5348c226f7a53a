"""Verbs of rendering: show one mail as its reader would get it."""

from __future__ import annotations

from crm_mailer.app import names
from crm_mailer.app.wiring import App
from crm_mailer.definitions.problems import did_you_mean
from crm_mailer.model.customer import Customer
from crm_mailer.model.errors import NotFound, RenderError
from crm_mailer.model.order import Order
from crm_mailer.rendering import Preview, StoreRenderer
from crm_mailer.rendering import preview as make_preview
from crm_mailer.store import directory, messages


def renderer(app: App) -> StoreRenderer:
    """What delivering asks for the bytes of a touch."""
    return StoreRenderer(
        app.store,
        app.templates,
        app.definitions.campaigns,
        app.shop,
        app.keys,
        app.clock,
    )


def preview(
    app: App,
    campaign: str,
    *,
    step: str = "",
    customer: str = "",
    language: str = "",
    order: str = "",
) -> Preview:
    """One mail of a campaign.

    Args:
        app: the shop.
        campaign: its id.
        step: the id of one of its steps; empty for the first.
        customer: a mail address or an id; empty makes one up.
        language: another language than the customer's own.
        order: an order's number; empty takes the customer's last that fits.

    Raises:
        NotFound: there is no such campaign, step, customer or order.
        RenderError: the template is wrong or fails for this customer.
    """
    found = names.campaign(app, campaign)
    reader = _customer(app, customer) if customer else None
    about = _order(app, order, reader) if order else None
    if about is not None and reader is None and about.customer_id is not None:
        reader = _by_id(app, about.customer_id)
    steps = [one.id for one in found.steps]
    if step and step not in steps:
        raise NotFound(
            f"the campaign `{found.id}` has no step `{step}`", hint=did_you_mean(step, steps)
        )
    try:
        return make_preview(
            app.store if reader is not None else None,
            app.templates,
            found,
            found.steps[steps.index(step) if step else 0],
            reader,
            about,
            app.shop,
            app.keys,
            app.clock.now(),
            wanted_language=language,
        )
    except RenderError as error:
        error.hint = error.hint or "`crm-mailer check` knows more, such as the nearest field"
        raise


def _customer(app: App, name: str) -> Customer:
    with app.store.read() as connection:
        found = directory.find_customer(connection, name)
    return _by_id(app, found)


def _by_id(app: App, customer_id: int) -> Customer:
    with app.store.read() as connection:
        return messages.find_customers(connection, [customer_id])[customer_id]


def _order(app: App, number: str, reader: Customer | None) -> Order:
    with app.store.read() as connection:
        found = messages.find_order_id(connection, number, reader.id if reader else None)
        if found is None:
            whose = f" of {reader.email}" if reader else ""
            raise NotFound(
                f"there is no order `{number}`{whose}",
                hint="without --order the preview takes the last one that fits",
            )
        return messages.find_orders(connection, [found])[found]
