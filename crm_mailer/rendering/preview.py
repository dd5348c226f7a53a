"""One mail as a customer would get it: made on the path that sending uses, saved nowhere."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from email import policy
from email.errors import HeaderParseError
from email.header import decode_header, make_header
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
    ReviewAnchor,
    SegmentAnchor,
    Step,
)
from crm_mailer.model.customer import Customer
from crm_mailer.model.errors import RenderError
from crm_mailer.model.moment import local_day
from crm_mailer.model.order import Order, OrderState
from crm_mailer.model.sentence import Sentence, Sentences
from crm_mailer.model.shop import Shop
from crm_mailer.model.token import KeyRing
from crm_mailer.model.zones import home_zone
from crm_mailer.rendering import languages
from crm_mailer.rendering.compose import Composed, Composer, Occasion
from crm_mailer.rendering.headers import UnsafeHeader
from crm_mailer.rendering.library import TemplateLibrary
from crm_mailer.rendering.samples import sample_benefit, sample_customer, sample_order
from crm_mailer.store import messages
from crm_mailer.store.engine import Store

#: A line break inside a header.
FOLD = re.compile(r"\r?\n(?=[ \t])")


@dataclass(frozen=True, slots=True, kw_only=True)
class Preview:
    """A mail to look at. `place` says where it stands in its campaign.

    It and the other notes are sentences, which whoever shows them says in the reader's language.
    """

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


@dataclass(frozen=True, slots=True, kw_only=True)
class Stand:
    """What a mail that is only looked at, or tried out, is about."""

    campaign: Campaign
    step: Step
    occasion: Occasion
    found: Found
    #: Empty, or what of it is made up.
    made_up: str


def take_stand(
    store: Store | None,
    library: TemplateLibrary,
    campaign: Campaign,
    step: Step,
    customer: Customer | None,
    order: Order | None,
    shop: Shop,
    now: datetime,
    *,
    wanted_language: str = "",
) -> Stand:
    """The occasion of one step as it is for this customer.

    Args:
        store: where the customer's last anchor is looked up; None makes one up.
        library: the templates.
        campaign: whose mail.
        step: which mail of it.
        customer: the reader; None makes one up.
        order: the order it is about; None looks for the customer's last that fits.
        shop: who writes.
        now: the moment of the look.
        wanted_language: another language than the customer's own.
    """
    reader = customer or sample_customer(wanted_language or _first(library, step, shop))
    if wanted_language:
        reader = reader._replace(language=wanted_language)
    found = find_occasion(store, campaign.anchor, reader, order, now - step.offset)
    occasion = Occasion(
        touch_id=0,
        customer=reader,
        order=found.order,
        stream=campaign.stream,
        template=step.template,
        campaign=campaign,
        step=step,
        place=_place(campaign, step),
        places=len(campaign.steps),
        benefit=sample_benefit(step.benefit, now) if step.benefit is not None else None,
    )
    notes = [
        "" if customer else Sentence("the customer is made up"),
        found.made_up,
        "" if step.benefit is None else Sentence("the code is made up"),
    ]
    return Stand(
        campaign=campaign,
        step=step,
        occasion=occasion,
        found=found,
        made_up=Sentences(*notes, between="; "),
    )


def preview(
    stand: Stand, library: TemplateLibrary, shop: Shop, keys: KeyRing, now: datetime
) -> Preview:
    """The mail that somebody took a stand for.

    Args:
        stand: what it is about.
        library: the templates.
        shop: who writes.
        keys: for tokens; those of a preview belong to touch 0 and do nothing.
        now: the moment of the preview.

    Raises:
        RenderError: the template is wrong or fails for this customer.
    """
    composed = composed_or_refused(Composer(library, shop, keys), stand.occasion, now)
    available = library.languages(stand.step.template)
    return shown(
        composed,
        fallback=languages.fallback_note(composed.language, available),
        place=place_note(stand.campaign, stand.step),
        anchored=_anchored_note(stand, shop),
        made_up=stand.made_up,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """The anchor that a preview stands on: a real one where there is one."""

    order: Order | None = None
    at: datetime | None = None
    what: str = ""
    made_up: str = ""


def find_occasion(
    store: Store | None, anchor: Anchor, customer: Customer, order: Order | None, since: datetime
) -> Found:
    """The customer's last anchor of this kind; a made-up one, of then, where there is none."""
    if isinstance(anchor, OrderAnchor):
        return _order_occasion(store, anchor, customer, order, since)
    if store is None or not customer.id:
        return Found()
    with store.read() as connection:
        match anchor:
            case SegmentAnchor():
                entered = messages.find_membership(connection, customer.id, anchor.segment)
                if entered is None:
                    note = Sentence(
                        "the customer was never in the segment {segment}", segment=anchor.segment
                    )
                    return Found(made_up=note)
                what = Sentence("came into the segment {segment}", segment=anchor.segment)
                return Found(at=entered, what=what)
            case FirstOrderAnchor():
                first = messages.find_first_order(connection, customer.id)
                if first is None:
                    return Found(made_up=Sentence("the customer has no counted order"))
                return Found(at=first, what=Sentence("placed the first order"))
            case _:
                return Found()


def _order_occasion(
    store: Store | None,
    anchor: OrderAnchor,
    customer: Customer,
    order: Order | None,
    since: datetime,
) -> Found:
    if store is not None and customer.id:
        with store.read() as connection:
            event = messages.find_order_event(
                connection, customer.id, anchor.state, order.id if order else None
            )
            if event is not None:
                real = messages.find_orders(connection, [event[0]])[event[0]]
                happened = STATES.get(anchor.state) or Sentence(
                    "reached the state `{state}`", state=anchor.state.value
                )
                what = Sentence("order {number} {happened}", number=real.number, happened=happened)
                return Found(order=real, at=event[1], what=what)
    if order is not None and order.id:
        note = Sentence(
            "order {number} has not reached the state `{state}`",
            number=order.number,
            state=anchor.state.value,
        )
        return Found(order=order, made_up=note)
    made_up = order or sample_order(customer, since, anchor.state)
    return Found(order=made_up, made_up=Sentence("the order is made up"))


def _place(campaign: Campaign, step: Step) -> int:
    """By its id: the mail of a test's arm is no longer equal to the step in the file."""
    return [one.id for one in campaign.steps].index(step.id) + 1


def place_note(campaign: Campaign, step: Step) -> Sentence:
    """Where a mail stands, such as "step 3 of 5, day 4 after arrival, curve textbook5"."""
    where = Sentence("step {number} of {steps}", number=_place(campaign, step),
                     steps=len(campaign.steps))  # fmt: skip
    when = _when(campaign.anchor, step)
    if campaign.curve:
        return Sentence("{where}, {when}, curve {curve}", where=where, when=when,
                        curve=campaign.curve)  # fmt: skip
    return Sentence("{where}, {when}", where=where, when=when)


def _when(anchor: Anchor, step: Step) -> Sentence:
    seconds = int(step.offset.total_seconds())
    if isinstance(anchor, (BirthdayAnchor, FestivalAnchor)):
        what = (
            Sentence("the birthday") if isinstance(anchor, BirthdayAnchor) else anchor.festival.id
        )
        return _around(anchor.days_before - step.offset.days, what)
    after = _after(anchor)
    if seconds >= 86_400:
        return Sentence("day {number} {after}", number=step.offset.days, after=after)
    if seconds >= 3600:
        return Sentence("{number} h {after}", number=seconds // 3600, after=after)
    if seconds:
        return Sentence("{number} min {after}", number=seconds // 60, after=after)
    return Sentence("at once {after}", after=after)


def _around(days_before: int, what: str) -> Sentence:
    if not days_before:
        return Sentence("on {what}", what=what)
    if days_before > 0:
        return Sentence("{number} days before {what}", number=days_before, what=what)
    return Sentence("{number} days after {what}", number=-days_before, what=what)


def _after(anchor: Anchor) -> Sentence:
    match anchor:
        case OrderAnchor():
            return AFTER.get(anchor.state) or Sentence(
                "after the state `{state}`", state=anchor.state.value
            )
        case SegmentAnchor():
            return Sentence("after coming into the segment {segment}", segment=anchor.segment)
        case FirstOrderAnchor():
            if anchor.is_yearly:
                return Sentence("after the first order, each year")
            return Sentence("after the first order")
        case DateAnchor():
            return Sentence("from {day} on", day=f"{anchor.day:%Y-%m-%d}")
        case FestivalAnchor():
            return Sentence("after {what}", what=anchor.festival.id)
        case MonthlyAnchor():
            return Sentence("after day {day} of the month", day=anchor.day)
        case BirthdayAnchor():
            return Sentence("after {what}", what=Sentence("the birthday"))
        case ReplyAnchor() | ReviewAnchor():
            return _after_words(anchor)


def _after_words(anchor: ReplyAnchor | ReviewAnchor) -> Sentence:
    """After what a customer wrote."""
    if anchor.kind == "any":
        is_reply = isinstance(anchor, ReplyAnchor)
        return Sentence("after a reply") if is_reply else Sentence("after a review")
    kind = KINDS.get(anchor.kind, anchor.kind)
    if isinstance(anchor, ReplyAnchor):
        return Sentence("after {kind} in a reply", kind=kind)
    return Sentence("after a {kind} review", kind=kind)


#: What the customer's side calls a state: "day 4 after ...".
AFTER = {
    OrderState.PLACED: Sentence("after the order"),
    OrderState.PAID: Sentence("after payment"),
    OrderState.SHIPPED: Sentence("after shipping"),
    OrderState.ARRIVED: Sentence("after arrival"),
    OrderState.RECEIVED: Sentence("after the buyer confirmed the receipt"),
    OrderState.REVIEWED: Sentence("after the review"),
    OrderState.DELAYED: Sentence("after the promised ship date"),
    OrderState.CANCELLED: Sentence("after the cancellation"),
}
#: What a reply or a review must be: "after praise in a reply", "after a bad review".
KINDS = {
    "praise": Sentence("praise"),
    "question": Sentence("question"),
    "complaint": Sentence("complaint"),
    "bad": Sentence("bad"),
    "middling": Sentence("middling"),
    "good": Sentence("good"),
}
STATES = {
    OrderState.PLACED: Sentence("was placed"),
    OrderState.PAID: Sentence("was paid"),
    OrderState.SHIPPED: Sentence("was shipped"),
    OrderState.ARRIVED: Sentence("arrived"),
    OrderState.RECEIVED: Sentence("was received"),
    OrderState.REVIEWED: Sentence("was reviewed"),
}


def composed_or_refused(composer: Composer, occasion: Occasion, now: datetime) -> Composed:
    """The mail in all its forms.

    Raises:
        RenderError: the template is wrong, or no safe mail can be made.
    """
    try:
        return composer.compose(occasion, now)
    except UnsafeHeader as error:
        raise RenderError(Sentence("no mail can be made: {error}", error=error)) from error


def shown(composed: Composed, *, fallback: str, place: str, anchored: str, made_up: str) -> Preview:
    """A mail as people look at it: its headers are read from its bytes."""
    parsed = BytesParser(policy=policy.compat32).parsebytes(composed.message.content)
    head = tuple((name, readable(value)) for name, value in parsed.items())
    named = dict(head)
    return Preview(
        subject=composed.subject,
        sender=named.get("From", ""),
        recipient=named.get("To", ""),
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


def readable(value: str) -> str:
    """A header's words, as mail programs show them; one that cannot be read stays as it is.

    Python's own addresses keep a blank between the encoded parts of a long name ("Петро ва").
    """
    try:
        return str(make_header(decode_header(FOLD.sub("", value))))
    except (HeaderParseError, LookupError, ValueError):
        return value


def _anchored_note(stand: Stand, shop: Shop) -> str:
    """The real event and the day on which the mail is due, as days are counted where they live."""
    found, reader = stand.found, stand.occasion.customer
    if found.at is None:
        return ""
    place = home_zone(
        reader.time_zone,
        reader.country,
        shop.time_zone,
        region=reader.region,
        overrides=shop.time_zones,
    )
    send_at = stand.campaign.send_at or shop.send_at
    due = curve.after_moment(found.at, stand.step.offset, place=place, send_at=send_at)
    days = (local_day(at, place) for at in (found.at, due))
    at, on = days
    return Sentence("{what} on {at}: due {due}", what=found.what, at=at, due=on)


def _first(library: TemplateLibrary, step: Step, shop: Shop) -> str:
    """The language of a made-up reader: the shop's first that the template has."""
    available = library.languages(step.template)
    return next((code for code in shop.languages if code in available), "en")
