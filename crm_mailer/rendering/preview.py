"""One mail as a customer would get it: made on the path that sending uses, saved nowhere."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from email import policy
from email.parser import BytesParser

from crm_mailer.model import curve
from crm_mailer.model.campaign import (
    Anchor,
    BirthdayAnchor,
    Campaign,
    DateAnchor,
    FestivalAnchor,
    FirstOrderAnchor,
    MonthlyAnchor,
    OrderAnchor,
    ReplyAnchor,
    SegmentAnchor,
    Step,
)
from crm_mailer.model.customer import Customer
from crm_mailer.model.errors import RenderError
from crm_mailer.model.moment import local_day
from crm_mailer.model.order import Order, OrderState
from crm_mailer.model.shop import Shop
from crm_mailer.model.token import KeyRing
from crm_mailer.model.zones import home_zone
from crm_mailer.rendering.compose import Composed, Composer, Occasion
from crm_mailer.rendering.headers import UnsafeHeader
from crm_mailer.rendering.languages import Choice
from crm_mailer.rendering.library import TemplateLibrary
from crm_mailer.rendering.samples import sample_customer, sample_order
from crm_mailer.store import messages
from crm_mailer.store.engine import Store


@dataclass(frozen=True, slots=True, kw_only=True)
class Preview:
    """A mail to look at. `place` says where it stands in its campaign."""

    subject: str
    sender: str
    recipient: str
    language: str
    #: Empty, or that the reader would get another language than their own.
    fallback: str
    place: str
    #: The real event it stands on and when it is due; empty for a made-up one.
    anchored: str
    #: Empty, or what about this preview is made up.
    made_up: str
    headers: tuple[tuple[str, str], ...]
    text: str
    html: str
    content: bytes


def preview(
    store: Store | None,
    library: TemplateLibrary,
    campaign: Campaign,
    step: Step,
    customer: Customer | None,
    order: Order | None,
    shop: Shop,
    keys: KeyRing,
    now: datetime,
    *,
    wanted_language: str = "",
) -> Preview:
    """The mail of one step.

    Args:
        store: where the customer's last anchor is looked up; None makes one up.
        library: the templates.
        campaign: whose mail.
        step: which mail of it.
        customer: the reader; None makes one up.
        order: the order it is about; None looks for the customer's last that fits.
        shop: who writes.
        keys: for tokens; those of a preview belong to touch 0 and do nothing.
        now: the moment of the preview.
        wanted_language: another language than the customer's own.

    Raises:
        RenderError: the template is wrong or fails for this customer.
    """
    reader = customer or sample_customer(wanted_language or _first(library, step, shop))
    if wanted_language:
        reader = reader._replace(language=wanted_language)
    found = find_occasion(store, campaign.anchor, reader, order, now)
    occasion = Occasion(
        touch_id=0,
        customer=reader,
        order=found.order,
        stream=campaign.stream,
        template=step.template,
        campaign=campaign,
        step=step,
        place=campaign.steps.index(step) + 1,
        places=len(campaign.steps),
    )
    composed = _composed(Composer(library, shop, keys), occasion, now)
    notes = ["" if customer else "the customer is made up", found.made_up]
    return _preview(
        composed,
        fallback=_fallback_note(composed.language, library.languages(step.template)),
        place=place_note(campaign, step),
        anchored=_anchored_note(found, campaign, step, reader, shop),
        made_up="; ".join(note for note in notes if note),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """The anchor that a preview stands on: a real one where there is one."""

    order: Order | None = None
    at: datetime | None = None
    what: str = ""
    made_up: str = ""


def find_occasion(
    store: Store | None, anchor: Anchor, customer: Customer, order: Order | None, now: datetime
) -> Found:
    """The customer's last anchor of this kind; a made-up one where there is none."""
    if isinstance(anchor, OrderAnchor):
        return _order_occasion(store, anchor, customer, order, now)
    if store is None or not customer.id:
        return Found()
    with store.read() as connection:
        match anchor:
            case SegmentAnchor():
                since = messages.find_membership(connection, customer.id, anchor.segment)
                what = f"came into the segment {anchor.segment}"
                return Found(at=since, what=what) if since else Found(
                    made_up=f"the customer was never in the segment {anchor.segment}")  # fmt: skip
            case FirstOrderAnchor():
                first = messages.find_first_order(connection, customer.id)
                return Found(at=first, what="placed the first order") if first else Found(
                    made_up="the customer has no counted order")  # fmt: skip
            case _:
                return Found()


def _order_occasion(
    store: Store | None,
    anchor: OrderAnchor,
    customer: Customer,
    order: Order | None,
    now: datetime,
) -> Found:
    what = f"order {{}} {STATES.get(anchor.state, anchor.state.value)}"
    if store is not None and customer.id:
        with store.read() as connection:
            event = messages.find_order_event(
                connection, customer.id, anchor.state, order.id if order else None
            )
            if event is not None:
                real = messages.find_orders(connection, [event[0]])[event[0]]
                return Found(order=real, at=event[1], what=what.format(real.number))
    if order is not None:
        note = f"order {order.number} has not reached the state `{anchor.state.value}`"
        return Found(order=order, made_up=note)
    return Found(order=sample_order(customer, now), made_up="the order is made up")


def place_note(campaign: Campaign, step: Step) -> str:
    """Where a mail stands, such as "step 3 of 5, day 4 after arrival, curve textbook5"."""
    place = campaign.steps.index(step) + 1
    parts = [f"step {place} of {len(campaign.steps)}", _when(campaign.anchor, step)]
    if campaign.curve:
        parts.append(f"curve {campaign.curve}")
    return ", ".join(parts)


def _when(anchor: Anchor, step: Step) -> str:
    seconds = int(step.offset.total_seconds())
    if isinstance(anchor, (BirthdayAnchor, FestivalAnchor)):
        what = "the birthday" if isinstance(anchor, BirthdayAnchor) else anchor.festival.id
        return _around(anchor.days_before - step.offset.days, what)
    after = _after(anchor)
    if seconds >= 86_400:
        return f"day {step.offset.days} {after}"
    if seconds >= 3600:
        return f"{seconds // 3600} h {after}"
    return f"{seconds // 60} min {after}" if seconds else f"at once {after}"


def _around(days_before: int, what: str) -> str:
    if not days_before:
        return f"on {what}"
    return f"{abs(days_before)} days {'before' if days_before > 0 else 'after'} {what}"


def _after(anchor: Anchor) -> str:
    match anchor:
        case OrderAnchor():
            return f"after {AFTER.get(anchor.state, anchor.state.value.replace('_', ' '))}"
        case SegmentAnchor():
            return f"after coming into the segment {anchor.segment}"
        case FirstOrderAnchor():
            return "after the first order" + (", each year" if anchor.is_yearly else "")
        case ReplyAnchor():
            return "after a reply" if anchor.kind == "any" else f"after {anchor.kind} in a reply"
        case DateAnchor():
            return f"from {anchor.day:%Y-%m-%d} on"
        case FestivalAnchor():
            return f"after {anchor.festival.id}"
        case MonthlyAnchor():
            return f"after day {anchor.day} of the month"
        case BirthdayAnchor():
            return "after the birthday"


#: What the customer's side calls a state: "day 4 after ...".
AFTER = {
    OrderState.PLACED: "the order",
    OrderState.PAID: "payment",
    OrderState.SHIPPED: "shipping",
    OrderState.ARRIVED: "arrival",
    OrderState.RECEIVED: "the buyer confirmed the receipt",
    OrderState.REVIEWED: "the review",
    OrderState.DELAYED: "the promised ship date",
    OrderState.CANCELLED: "the cancellation",
}
STATES = {
    OrderState.PLACED: "was placed",
    OrderState.PAID: "was paid",
    OrderState.SHIPPED: "was shipped",
    OrderState.ARRIVED: "arrived",
    OrderState.RECEIVED: "was received",
    OrderState.REVIEWED: "was reviewed",
}


def _composed(composer: Composer, occasion: Occasion, now: datetime) -> Composed:
    try:
        return composer.compose(occasion, now)
    except UnsafeHeader as error:
        raise RenderError(f"no mail can be made: {error}") from error


def _preview(
    composed: Composed, *, fallback: str, place: str, anchored: str, made_up: str
) -> Preview:
    parsed = BytesParser(policy=policy.default).parsebytes(composed.message.content)
    head = tuple((name, str(value)) for name, value in parsed.items())
    shown = dict(head)
    return Preview(
        subject=composed.subject,
        sender=shown.get("From", ""),
        recipient=shown.get("To", ""),
        language=composed.language.code,
        fallback=fallback,
        place=place,
        anchored=anchored,
        made_up=made_up,
        headers=head,
        text=composed.text,
        html=composed.html,
        content=composed.message.content,
    )


def _anchored_note(
    found: Found, campaign: Campaign, step: Step, reader: Customer, shop: Shop
) -> str:
    """The real event and the day on which the mail is due, as days are counted where they live."""
    if found.at is None:
        return ""
    place = home_zone(
        reader.time_zone,
        reader.country,
        shop.time_zone,
        region=reader.region,
        overrides=shop.time_zones,
    )
    send_at = campaign.send_at or shop.send_at
    due = curve.after_moment(found.at, step.offset, place=place, send_at=send_at)
    days = (local_day(at, place) for at in (found.at, due))
    return "{} on {}: due {}".format(found.what, *days)


def _fallback_note(choice: Choice, available: Sequence[str]) -> str:
    if not choice.is_fallback:
        return ""
    return (
        f"the customer reads {choice.wanted}, the template has {', '.join(available)}: "
        f"{choice.code} was taken"
    )


def _first(library: TemplateLibrary, step: Step, shop: Shop) -> str:
    """The language of a made-up reader: the shop's first that the template has."""
    available = library.languages(step.template)
    return next((code for code in shop.languages if code in available), "en")
