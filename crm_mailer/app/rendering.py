"""Verbs of rendering: show one mail as its reader would get it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

from crm_mailer import logs
from crm_mailer.app import names
from crm_mailer.app.pinned import Pinned
from crm_mailer.app.wiring import App
from crm_mailer.definitions.problems import did_you_mean
from crm_mailer.model import address as addresses
from crm_mailer.model import chance
from crm_mailer.model.campaign import Campaign, Step
from crm_mailer.model.customer import Customer
from crm_mailer.model.errors import NotFound, RenderError, SettingsError
from crm_mailer.model.moment import Clock
from crm_mailer.model.order import Order
from crm_mailer.model.sentence import Sentence
from crm_mailer.planning import trials
from crm_mailer.rendering.dkim import Signer, read_key
from crm_mailer.rendering.preview import Preview, Stand, take_stand
from crm_mailer.rendering.preview import preview as look
from crm_mailer.rendering.render import StoreRenderer
from crm_mailer.settings import DkimSettings
from crm_mailer.store import directory, messages

log = logs.get()


def renderer(app: App, clock: Clock | None = None) -> StoreRenderer:
    """What delivering asks for the bytes of a touch.

    Args:
        app: the shop.
        clock: another one than the shop's, to make a mail again as of then.
    """
    return StoreRenderer(
        app.store,
        app.templates,
        app.definitions.campaigns,
        app.shop,
        app.keys,
        clock or app.clock,
        signer(app),
        Pinned(app),
    )


def signer(app: App) -> Signer | None:
    """What signs our mails; None: the relay does, or nobody.

    Raises:
        SettingsError: a key cannot be used, or one of the settings is missing.
    """
    found = _signer(app.settings.dkim, app.home)
    if found is not None:
        for sender in filter(None, (app.shop.sender, app.shop.orders_sender)):
            _warn_of_other_domain(found.domain, addresses.domain(sender))
    return found


@lru_cache(maxsize=8)
def _signer(dkim: DkimSettings, home: Path) -> Signer | None:
    """Made once for the same settings: keys are read once."""
    wanted = (("domain", dkim.domain), ("selector", dkim.selector), ("key_file", dkim.key_file))
    second = (
        ("ed25519_selector", dkim.ed25519_selector),
        ("ed25519_key_file", dkim.ed25519_key_file),
    )
    if not any(value for _name, value in (*wanted, *second)):
        return None
    _require(wanted)  # few receivers know Ed25519: it stands beside RSA, never alone
    keys = [read_key(home / dkim.key_file, dkim.selector)]
    if any(value for _name, value in second):
        _require(second)
        path = home / dkim.ed25519_key_file
        keys.append(read_key(path, dkim.ed25519_selector, is_ed25519=True))
    return Signer(dkim.domain, keys)


def _require(settings: Iterable[tuple[str, str]]) -> None:
    for name, value in settings:
        if not value:
            raise SettingsError(
                Sentence("`dkim.{name}` is missing: the mails cannot be signed", name=name),
                hint="set it in crm-mailer.toml, or remove the other `dkim` settings",
            )


@lru_cache(maxsize=8)
def _warn_of_other_domain(signing: str, sender: str) -> None:
    """DMARC counts a signature only when it is of the sender's own domain; said once."""
    if sender != signing and not sender.endswith(f".{signing}"):
        log.warning("dkim_domain_is_not_the_senders", dkim=signing, sender=sender)


def preview(
    app: App,
    campaign: str,
    *,
    step: str = "",
    customer: str = "",
    language: str = "",
    order: str = "",
    arm: str = "",
) -> Preview:
    """One mail of a campaign.

    Args:
        app: the shop.
        campaign: its id.
        step: the id of one of its steps; empty for the first.
        customer: a mail address or an id; empty makes one up.
        language: another language than the customer's own.
        order: an order's number; empty takes the customer's last that fits.
        arm: the id of an arm of the step's A/B test; empty takes the one that the customer gets,
            and the first for a made-up one.

    Raises:
        NotFound: there is no such campaign, step, arm, customer or order.
        RenderError: the template is wrong or fails for this customer.
    """
    chosen = choose(app, campaign, step=step, customer=customer, order=order, arm=arm)
    try:
        mail = look(
            stand(app, chosen, language), app.templates, app.shop, app.keys, app.clock.now()
        )
    except RenderError as error:
        error.hint = error.hint or "`crm-mailer check` knows more, such as the nearest field"
        raise
    if not chosen.arm:
        return mail
    return replace(mail, place=Sentence("{place}, arm {arm}", place=mail.place, arm=chosen.arm))


def preview_all(
    app: App,
    campaign: str,
    *,
    step: str = "",
    customer: str = "",
    language: str = "",
    order: str = "",
    arm: str = "",
) -> list[Preview]:
    """The mail in every language that its template has; arguments and errors as for `preview`.

    A `language` that is named is the only one.
    """
    chosen = choose(app, campaign, step=step, customer=customer, order=order, arm=arm)
    codes = [language] if language else app.templates.languages(chosen.step.template)
    app.templates.prepare([chosen.step.template])
    return [
        preview(app, campaign, step=step, customer=customer, language=code, order=order, arm=arm)
        for code in codes
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class Chosen:
    """What people mean by the names they give; `step` is as its test's arm writes it."""

    campaign: Campaign
    step: Step
    #: None: made up.
    reader: Customer | None
    order: Order | None
    arm: str


def choose(
    app: App, campaign: str, *, step: str = "", customer: str = "", order: str = "", arm: str = ""
) -> Chosen:
    """The mail that is meant; arguments as for `preview`.

    Raises:
        NotFound: there is no such campaign, step, arm, customer or order.
    """
    found = names.campaign(app, campaign)
    reader = find_customer(app, customer) if customer else None
    about = _order(app, order, reader) if order else None
    if about is not None and reader is None and about.customer_id is not None:
        reader = _by_id(app, about.customer_id)
    steps = [one.id for one in found.steps]
    if step and step not in steps:
        raise NotFound(
            Sentence("the campaign `{name}` has no step `{step}`", name=found.id, step=step),
            hint=did_you_mean(step, steps),
        )
    written = found.steps[steps.index(step) if step else 0]
    shown = _arm(app, found, written, reader, arm)
    return Chosen(campaign=found, step=written.of_arm(shown), reader=reader, order=about, arm=shown)


def stand(app: App, chosen: Chosen, language: str = "") -> Stand:
    """What the chosen mail is about, for its reader or in another `language` than theirs."""
    return take_stand(
        app.store if chosen.reader is not None else None,
        app.templates,
        chosen.campaign,
        chosen.step,
        chosen.reader,
        chosen.order,
        app.shop,
        app.clock.now(),
        wanted_language=language,
    )


def _arm(app: App, campaign: Campaign, step: Step, reader: Customer | None, arm: str) -> str:
    """The wanted arm of the step's test, or the one that this reader gets; empty: no test."""
    arms = step.trial.arms if step.trial is not None else ()
    ids = [one.id for one in arms]
    if arm and not ids:
        raise NotFound(
            Sentence(
                "the step `{step}` of `{campaign}` has no A/B test, so no `{arm}`",
                step=step.id,
                campaign=campaign.id,
                arm=arm,
            )
        )
    if arm and arm not in ids:
        raise NotFound(
            Sentence(
                "the test of `{campaign}`, step `{step}`, has no arm `{arm}`",
                campaign=campaign.id,
                step=step.id,
                arm=arm,
            ),
            hint=did_you_mean(arm, ids),
        )
    if not arm and ids and reader is not None:
        won = trials.winners(app.store, campaign, app.clock.now(), may_decide=False)
        own = chance.arm_of(reader.id, arms, campaign=campaign.id, step=step.id)
        arm = next((one for one in ids if one == won.get(step.id)), own.id)
    return arm or next(iter(ids), "")


def find_customer(app: App, name: str) -> Customer:
    """The customer that an address or a number names.

    Raises:
        NotFound: there is none.
    """
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
            raise NotFound(
                Sentence(
                    "there is no order `{number}` of {who}",
                    number=number,
                    who=reader.email or f"#{reader.id}",
                )
                if reader
                else Sentence("there is no order `{number}`", number=number),
                hint="without --order the preview takes the last one that fits",
            )
        return messages.find_orders(connection, [found])[found]
