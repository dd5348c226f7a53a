"""Drafts of answers: canned replies filled with an order's facts, for an agent to look over."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from babel import Locale

from crm_mailer.model.campaign import Campaign, DateAnchor, Kind, Mode, Step, Stream
from crm_mailer.model.customer import Customer
from crm_mailer.model.moment import zone
from crm_mailer.model.order import Order, OrderState
from crm_mailer.model.shop import Shop
from crm_mailer.model.token import KeyRing
from crm_mailer.model.zones import home_zone
from crm_mailer.rendering import clean, formats, languages
from crm_mailer.rendering.compose import Composer, Occasion
from crm_mailer.rendering.languages import Choice
from crm_mailer.rendering.library import TemplateLibrary

FOLDER = "replies/"
#: What the agent must fill in before it may leave, such as `[[new ship date]]`.
BLANK = re.compile(r"\[\[([^\[\]\n]{1,200})\]\]")
#: "Re:" as mail programs of our customers write it.
ANSWERED = re.compile(
    r"\s*(?:(?:re|aw|sv|vs|rv|res|ответ|отв|odp|ynt|回复|答复|转发|fw|fwd|wg|tr|enc)"
    r"\s*(?:\[\d+\])?\s*[:：]\s*)+",
    re.IGNORECASE,
)
#: The values beside the order's own fields, as `vars` of a canned reply. All are texts.
VARS = ("shipped_on", "arrived_on", "refunded_on", "product", "asks")
_NOBODY = "nobody@example.invalid"
_LONG_AGO = datetime(2000, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What a canned reply may tell of: the order, when it reached which state, what is wanted."""

    order: Order | None = None
    states: Mapping[OrderState, datetime] | None = None
    #: refund, resend, answer or nothing.
    asks: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Filled:
    """A canned reply with its fields filled in. `subject` is for a thread without one."""

    subject: str
    text: str
    language: Choice


def fill(
    library: TemplateLibrary,
    shop: Shop,
    keys: KeyRing,
    template: str,
    customer: Customer,
    known: Known,
    now: datetime,
) -> Filled:
    """The words of a canned reply for this customer, as plain text.

    Args:
        library: the templates.
        shop: who writes; its `agent` signs.
        keys: for tokens, which a draft has none of.
        template: its name, such as `replies/nad-damaged`.
        customer: the reader, in the language that is wanted.
        known: facts.
        now: the present instant.

    Raises:
        NoLanguage: the template speaks no language of the chain.
        RenderError: there is no such template, or it failed for this customer.
    """
    available = library.languages(template)
    language = languages.choose(customer.language, customer.country, shop, available)
    code = language.code if language else ""
    place = home_zone(
        customer.time_zone,
        customer.country,
        shop.time_zone,
        region=customer.region,
        overrides=shop.time_zones,
    )
    locale = formats.locale_for(code, customer.country)
    shown = Composer(library, shop, keys).show(
        Occasion(
            touch_id=0,
            customer=customer._replace(email=customer.email or _NOBODY),
            order=known.order or _unknown_order(customer),
            stream=Stream.TRANSACTIONAL,
            template=template,
            campaign=_campaign(template, _vars(known, locale, place, zone(shop.time_zone))),
        ),
        now,
    )
    return Filled(subject=shown.subject, text=shown.text, language=shown.language)


def blanks(text: str) -> tuple[str, ...]:
    """What is still to be filled in, each once, in the order of the text."""
    return tuple(dict.fromkeys(name.strip() for name in BLANK.findall(text)))


def with_values(text: str, values: Mapping[str, str]) -> str:
    """The text with blanks filled in; the key is a blank's name or its number from 1."""
    names = blanks(text)
    by_name = {
        names[int(key) - 1] if key.isdigit() and 0 < int(key) <= len(names) else key: value
        for key, value in values.items()
    }
    return BLANK.sub(lambda blank: by_name.get(blank[1].strip(), blank[0]), text)


def answer_subject(subject: str, otherwise: str) -> str:
    """`Re: ...` of the customer's subject, however often it was answered; else `otherwise`."""
    bare = clean.line(ANSWERED.sub("", subject, count=1), 240)
    return f"Re: {bare}" if bare else otherwise


def signed_by(shop: Shop, agent: str) -> Shop:
    """The shop, with the name of the agent who writes."""
    name = clean.name(agent)
    return replace(shop, agent=name) if name else shop


def trial_vars(names: Iterable[str]) -> dict[str, dict[str, Any]]:
    """For trying canned replies: each with values that a full case would give."""
    values = dict.fromkeys(VARS, "2026-11-02") | {"product": "Teapot", "asks": "refund"}
    return {name: values for name in names if name.startswith(FOLDER)}


def _vars(known: Known, locale: Locale, place: ZoneInfo, home: ZoneInfo) -> dict[str, str]:
    """The values of `VARS`."""
    states = known.states or {}

    def day(*which: OrderState) -> str:
        at = next((states[state] for state in which if state in states), None)
        return formats.stated_day(at, locale, place, home)

    return {
        "shipped_on": day(OrderState.SHIPPED),
        "arrived_on": day(OrderState.ARRIVED, OrderState.RECEIVED),
        "refunded_on": day(OrderState.REFUNDED),
        "product": _product(known.order),
        "asks": known.asks,
    }


def _product(order: Order | None) -> str:
    """What the order is about, where it is one thing."""
    titles = {clean.line(item.title, 120) for item in order.items} if order else set()
    return titles.pop() if len(titles) == 1 else ""


def _unknown_order(customer: Customer) -> Order:
    """Stands in where no order is known: templates leave out or ask for what is empty."""
    return Order(
        id=0,
        platform="",
        number="",
        customer_id=customer.id,
        state=OrderState.PLACED,
        placed_at=_LONG_AGO,
    )


def _campaign(template: str, vars: Mapping[str, str]) -> Campaign:
    """A template's `vars` come from a campaign; a draft is one of its own."""
    return Campaign(
        id="case",
        name="case",
        kind=Kind.EDM,
        stream=Stream.TRANSACTIONAL,
        mode=Mode.DRAFT,
        anchor=DateAnchor(day=_LONG_AGO.date()),
        steps=(Step(id="reply", template=template, offset=timedelta(0)),),
        vars=dict(vars),
        version=template,
    )
