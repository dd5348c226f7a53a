"""One customer's story: who they are, what we conclude, and all that happened, in order."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from zoneinfo import ZoneInfo

from crm_mailer.learning import sayings
from crm_mailer.model import address, standing_back
from crm_mailer.model.case import CaseEventKind
from crm_mailer.model.consent import RECORDED, ConsentRules
from crm_mailer.model.customer_notes import heard
from crm_mailer.model.flag import Flag
from crm_mailer.model.money import Money
from crm_mailer.model.reply import REASONS
from crm_mailer.model.score import Score
from crm_mailer.model.sentence import Sentence, Sentences
from crm_mailer.model.touch import SKIP_SENTENCES, SkipReason, TouchState
from crm_mailer.reporting import consents, customer_wishes
from crm_mailer.reporting.courses import CourseFate
from crm_mailer.segmenting import rfm, valuing
from crm_mailer.store import (
    benefit_figures,
    flags,
    lawful,
    memberships,
    score_standing,
    scores,
    stories,
    tags,
    values,
)
from crm_mailer.store.benefit_figures import GrantLine
from crm_mailer.store.engine import Store
from crm_mailer.store.memberships import Stay
from crm_mailer.store.stories import Known, Past, Row
from crm_mailer.store.tags import Tag

#: Letters of a reply, a note or a list of goods that one line of the story shows.
_LINE = 160


class EventKind(StrEnum):
    """Which part of the shop's memory an event comes from."""

    CUSTOMER = "customer"
    ORDER = "order"
    MAIL = "mail"
    SIGNAL = "signal"
    COURSE = "course"
    REPLY = "reply"
    BOUNCE = "bounce"
    CASE = "case"
    REVIEW = "review"
    SEGMENT = "segment"
    SUPPRESSION = "suppression"
    NOTE = "note"


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One thing that happened, or will (a planned mail)."""

    at: datetime
    kind: EventKind
    text: str
    #: What has more about it: "mail:7", "reply:3", "case:12"; empty where nothing has.
    ref: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class CustomerStory:
    """All that is known of a customer. Empty text means unknown; the phone is masked."""

    id: int
    name: str
    email: str
    phone: str
    place: str
    language: str
    time_zone: str
    gender: str
    birthday: str
    known_as: tuple[str, ...]
    #: What was concluded: kind of address, occupation, behaviour and so on, by name.
    classes: Mapping[str, str]
    tags: tuple[Tag, ...]
    flag_reason: str
    is_flagged: bool
    #: The blacklist's history, oldest first; those taken off, too.
    flags: tuple[Flag, ...]
    #: Whether marketing mail is lawful, and why.
    consents: tuple[Sentence, ...]
    suppressed: tuple[str, ...]
    has_open_case: bool
    score: Score | None
    score_words: tuple[str, ...]
    value_words: tuple[str, ...]
    rfm_segment: str
    value_class: str
    stays: tuple[Stay, ...]
    events: tuple[Event, ...]
    #: Coupons, free shipping and gifts, the latest first.
    benefits: tuple[GrantLine, ...] = ()
    #: What the customer chose on their own page.
    wishes: tuple[Sentence, ...] = ()
    #: Courses on adaptive memory curves, the newest first.
    courses: tuple[CourseFate, ...] = ()
    #: No score, and paid orders: marks were not worked out since.
    is_score_waiting: bool = False


def customer_story(
    store: Store,
    customer_id: int,
    *,
    now: datetime,
    place: ZoneInfo,
    consent: ConsentRules = RECORDED,
) -> CustomerStory:
    """The story of one customer; days are counted in the shop's zone `place`.

    `consent` tells what makes marketing mail lawful.
    """
    with store.read() as connection:
        known = stories.known(connection, customer_id)
        past = stories.past(connection, customer_id)
        ground = lawful.known(connection, customer_id)
        score = scores.find(connection, customer_id, now=now, place=place)
        is_waiting = score is None and scores.has_paid(connection, customer_id)
        profile = score_standing.profile_in_force(connection)
        valued = values.find(connection, customer_id)
        stays = tuple(memberships.list_stays(connection, customer_id))
        own_tags = tuple(tags.list_tags(connection, customer_id))
        own_flags = tuple(flags.list_of(connection, customer_id))
        own_benefits = tuple(benefit_figures.each_grant(connection, customer_id=customer_id))
    events = (
        *_own(known, past), *_orders(past), *_mails(past, place), *_seen(known), *_answers(past),
        *_stays(stays),
    )  # fmt: skip
    row = known.customer
    return CustomerStory(
        id=customer_id,
        name=row["name"],
        email=row["email"] or "",
        phone=address.masked(row["phone"]),
        place=", ".join(filter(None, (row["street"], row["city"], row["region"], row["country"]))),
        language=row["language"],
        time_zone=row["time_zone"],
        gender=_gender(row),
        birthday=_birthday(row),
        known_as=tuple(
            f"{one['platform']}: {one['buyer_id']}"
            for one in past.identities
            if not one["platform"].startswith("#")  # traces of ours, by which orders are joined
        ),
        classes=_classes(row),
        tags=own_tags,
        flag_reason=row["flag_reason"],
        is_flagged=bool(row["is_flagged"]),
        flags=own_flags,
        consents=consents.told(consent, ground, now, place),
        suppressed=tuple(f"{one['reason']} ({one['scope']})" for one in past.suppressions),
        has_open_case=known.has_open_case,
        score=score,
        score_words=rfm.in_words(score, profile) if score else (),
        value_words=valuing.words_of(store, valued, score),
        rfm_segment=rfm.segment(score.r, score.f).value if score else "",
        value_class=score.value_class if score else "",
        stays=stays,
        events=tuple(sorted(events, key=lambda event: event.at)),
        benefits=own_benefits,
        wishes=tuple(customer_wishes.wishes(row, now, place)),
        is_score_waiting=is_waiting,
    )


# ------------------------------------------------------------------ facts


def _gender(row: Row) -> str:
    if not row["gender"]:
        return ""
    return f"{row['gender']} (a guess)" if row["is_gender_guessed"] else str(row["gender"])


def _birthday(row: Row) -> str:
    if row["birth_month"] is None or row["birth_day"] is None:
        return ""
    year = f"{row['birth_year']}-" if row["birth_year"] else ""
    return f"{year}{row['birth_month']:02}-{row['birth_day']:02}"


def _classes(row: Row) -> dict[str, str]:
    names = (
        "address_kind",
        "occupation",
        "personality",
        "buying_behaviour",
        "shopping_age",
        "age_band",
    )
    return {name: row[name] for name in names if row[name]}


# ------------------------------------------------------------------ events


def _own(known: Known, past: Past) -> Iterator[Event]:
    row = known.customer
    origin = row["source_platform"]
    text = Sentence("became known to the shop")
    if origin:
        text = Sentence("became known to the shop through {platform}", platform=origin)
    yield Event(at=row["created_at"], kind=EventKind.CUSTOMER, text=text)
    for note in past.notes:
        words = heard(_short(note["text"]))
        noted = Sentence("note: {text}", text=words)
        if note["by"]:
            noted = Sentence("note ({by}): {text}", by=note["by"], text=words)
        yield Event(at=note["at"], kind=EventKind.NOTE, text=noted)
    for one in past.suppressions:
        text = Sentence(
            "no more mail to this address: {reason} ({scope})",
            reason=_word(one["reason"]),
            scope=_word(one["scope"]),
        )
        yield Event(at=one["at"], kind=EventKind.SUPPRESSION, text=text)


def _orders(past: Past) -> Iterator[Event]:
    goods: dict[int, list[str]] = {}
    for item in past.items:
        piece = item["title"] or item["sku"] or "?"
        goods.setdefault(item["order_id"], []).append(f"{item['quantity']} x {piece}")
    by_id = {order["id"]: order for order in past.orders}
    told: set[int] = set()
    for event in past.order_events:
        order = by_id[event["order_id"]]
        text = _order_words(order, event["state"], goods, is_first=order["id"] not in told)
        told.add(order["id"])
        yield Event(at=event["at"], kind=EventKind.ORDER, text=text)
    for order in past.orders:
        if order["id"] not in told:
            text = _order_words(order, order["state"], goods, is_first=True)
            yield Event(at=order["placed_at"], kind=EventKind.ORDER, text=text)


def _order_words(
    order: Row, state: str, goods: Mapping[int, list[str]], *, is_first: bool
) -> Sentence:
    words = Sentence("order {number} {state}", number=order["number"], state=_word(state))
    if is_first:
        money = Money(minor=order["amount_minor"], currency=order["currency"])
        items = _short(", ".join(goods.get(order["id"], [])))
        amount = f"{money.amount} {money.currency}"
        return Sentences(words, ", ".join(filter(None, (amount, items))), between=": ")
    if state == "shipped" and order["tracking_number"]:
        parcel = f"{order['carrier']} {order['tracking_number']}".strip()
        return Sentences(words, f"({parcel})")
    return words


def _mails(past: Past, place: ZoneInfo) -> Iterator[Event]:
    for touch in past.touches:
        ref = f"mail:{touch['id']}" if touch["message_id"] else ""
        yield Event(
            at=_touch_time(touch), kind=EventKind.MAIL, text=_touch_words(touch, place), ref=ref
        )
    for bounce in past.bounces:
        said = _short(bounce["diagnostic"] or bounce["status"])
        kind = Sentence("{kind} bounce", kind=_word(bounce["kind"]))
        text = Sentences(Sentences(kind, bounce["reason"]), said, between=": ")
        ref = f"mail:{bounce['touch_id']}"
        yield Event(at=bounce["at"], kind=EventKind.BOUNCE, text=text, ref=ref)


def _seen(known: Known) -> Iterator[Event]:
    """What was seen of mails: the first of each kind."""
    for row in known.seen:
        match row["kind"]:
            case "click":
                text = Sentence("clicked in a mail of {campaign}", campaign=row["campaign"])
            case "human_open":
                text = Sentence("opened a mail of {campaign}", campaign=row["campaign"])
            case _:
                text = Sentence("a program opened a mail of {campaign}", campaign=row["campaign"])
        yield Event(at=row["at"], kind=EventKind.SIGNAL, text=text)


def _touch_time(touch: Row) -> datetime:
    moment: datetime = touch["settled_at"] or touch["next_at"] or touch["due_at"]
    return moment


def _touch_words(touch: Row, shop: ZoneInfo) -> Sentence:
    back = standing_back.read(touch["reason"], touch["detail"])
    moved = standing_back.words(back, shop) if back is not None else ""
    name: str = f"{touch['campaign']} / {touch['step']}"
    if touch["places"] > 1:
        place = Sentence("({place} of {places})", place=touch["place"], places=touch["places"])
        name = Sentences(name, place)
    if touch["state"] == TouchState.SKIPPED:
        why = _reason_words(touch["reason"])
        return Sentences(Sentence("no mail {name}: {why}", name=name, why=why), moved, between=": ")
    is_ahead = touch["state"] in (TouchState.PLANNED, TouchState.HELD)
    subject = "" if is_ahead or not touch["subject"] else _quoted(touch["subject"])
    state = Sentence(f"mail {touch['state'].replace('_', ' ')}")
    return Sentences(state, name, subject, moved, between=": ")


def _reason_words(reason: str) -> Sentence:
    known = reason in SkipReason.__members__.values()
    sentence = SKIP_SENTENCES.get(SkipReason(reason), reason) if known else reason
    return Sentence(sentence or "not sent")


def _answers(past: Past) -> Iterator[Event]:
    for reply in past.replies:
        text, ref = _reply_words(reply), f"reply:{reply['id']}"
        yield Event(at=reply["received_at"], kind=EventKind.REPLY, text=text, ref=ref)
    for review in past.reviews:
        text = Sentence("review: {stars} of 5 stars", stars=review["stars"])
        comment = _quoted(review["comment"]) if review["comment"] else ""
        yield Event(at=review["at"], kind=EventKind.REVIEW, text=Sentences(text, comment))
    for case in past.cases:
        meaning = Sentence(REASONS[case["reason"]][1]) if case["reason"] in REASONS else ""
        text = Sentence(
            "case {number} opened: {reason}, {severity}, now {state}",
            number=case["id"],
            reason=Sentences(case["reason"], meaning),
            severity=case["severity"],
            state=_word(case["state"]),
        )
        yield Event(at=case["opened_at"], kind=EventKind.CASE, text=text, ref=f"case:{case['id']}")
    for event in past.case_events:
        if event["kind"] != "opened":
            ref = f"case:{event['case_id']}"
            yield Event(at=event["at"], kind=EventKind.CASE, text=_case_words(event), ref=ref)


def _reply_words(reply: Row) -> Sentence:
    said = reply["own_text"] or reply["subject"]
    quoted = _quoted(said) if said else ""
    if reply["kind"] != "human":
        return Sentences(_word(reply["kind"]), quoted)
    what = [_word(reply["intent"]) if reply["intent"] else "", *(reply["reasons"] or ())]
    head = Sentence(
        "wrote by {channel}: {what}",
        channel=_word(reply["channel"]),
        what=Sentences(*what, between=", ") or _word(reply["kind"]),
    )
    return Sentences(head, quoted)


def _case_words(event: Row) -> Sentence:
    number, kind = event["case_id"], _word(event["kind"])
    head = Sentence("case {number} {kind}", number=number, kind=kind)
    if event["by"]:
        head = Sentence("case {number} {kind} by {by}", number=number, kind=kind, by=event["by"])
    noted = _short(event["text"] or "")
    is_ours = not (event["by"] and event["kind"] == CaseEventKind.NOTE)
    return Sentences(head, sayings.heard(noted) if is_ours else noted, between=": ")


def _stays(stays: tuple[Stay, ...]) -> Iterator[Event]:
    for stay in stays:
        came = Sentence("came into {segment}", segment=stay.segment)
        yield Event(at=stay.since, kind=EventKind.SEGMENT, text=came)
        if stay.until is not None:
            left = Sentence("left {segment}", segment=stay.segment)
            yield Event(at=stay.until, kind=EventKind.SEGMENT, text=left)


def _word(code: str) -> Sentence:
    """A code as a word, which every catalogue has."""
    return Sentence(code.replace("_", " "))


def _quoted(text: str) -> str:
    return f'"{_short(text)}"'


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _LINE else line[: _LINE - 1] + "…"
