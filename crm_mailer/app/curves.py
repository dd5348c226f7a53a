"""Verbs about memory curves: ladders, adaptive ones, and what is known of a customer's memory."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta

from crm_mailer.app import names
from crm_mailer.app.wiring import App
from crm_mailer.definitions.written import spelled
from crm_mailer.model import curve, recollection
from crm_mailer.model.campaign import Campaign, Curve
from crm_mailer.model.curve import Adaptive, Course, Ending, Signal
from crm_mailer.model.errors import NotFound
from crm_mailer.model.moment import at_local
from crm_mailer.model.recollection import Recollection
from crm_mailer.model.sentence import Sentence
from crm_mailer.planning.signals import Hit, Network, judge
from crm_mailer.reporting import event_words
from crm_mailer.store import course_stories, directory, first_waits, signals
from crm_mailer.store.course_stories import CourseRow
from crm_mailer.store.signals import Heard

#: A ladder that is written out: a campaign on a curve that is gone is told with the defaults.
USUAL = Adaptive()


@dataclass(frozen=True, slots=True, kw_only=True)
class CurvePlace:
    """One place of a curve: `after` as written, and when that is."""

    place: int
    after: str
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class CurveView:
    """A curve with its dates after an anchor.

    Of an adaptive curve, `places` are those of a customer who stays silent, up to the pause, and
    `attentive` those of one who clicks in every mail.
    """

    name: str
    note: str
    start: datetime
    places: tuple[CurvePlace, ...]
    adaptive: Adaptive | None = None
    attentive: tuple[CurvePlace, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Played:
    """A history played through, with what was known after each touch."""

    course: Course
    touches: tuple[Recollection, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class CourseView:
    """One course of a customer; `next_at` is when its next mail is due, where there is one."""

    campaign: str
    anchor: str
    #: What started it, in words.
    event: str
    anchored_at: datetime
    first_half_life: float
    half_life: float
    misses: float
    decay: float
    touches: tuple[Recollection, ...]
    next_at: datetime | None
    ended: str
    why: str
    ended_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class MemoryView:
    """What is known of a customer's memory; `half_life_of_shop` None: not learnt yet."""

    customer_id: int
    customer: str
    now: datetime
    half_life_of_shop: float | None
    courses: tuple[CourseView, ...]


def curves(app: App) -> list[Curve]:
    """The shop's memory curves."""
    return list(app.definitions.curves.values())


def curve_view(app: App, name: str, *, anchor: date | None = None) -> CurveView:
    """A curve with its dates, counted from `anchor` (now when none is given) in the shop's zone.

    Raises:
        NotFound: there is no curve by this name.
    """
    found = names.curve(app, name)
    start = app.clock.now() if anchor is None else at_local(anchor, *app.shop.send_at, app.zone)
    if found.adaptive is None:
        places = _places(app, start, found.offsets)
        return CurveView(name=name, note=found.note, start=start, places=places)
    adaptive = _of_shop(app, found.adaptive)
    lives = [
        _places(app, start, _whole(curve.play([signal] * adaptive.touches, adaptive)))
        for signal in (Signal.NOTHING, Signal.CLICK)
    ]
    return CurveView(
        name=name,
        note=found.note,
        start=start,
        places=lives[0],
        adaptive=adaptive,
        attentive=lives[1],
    )


def adaptive_of(app: App, name: str) -> Adaptive:
    """The parameters of an adaptive curve.

    Raises:
        NotFound: there is no curve by this name, or it is a ladder.
    """
    found = names.curve(app, name)
    if found.adaptive is None:
        known = [one.name for one in curves(app) if one.adaptive is not None]
        raise NotFound(
            Sentence(
                "the curve `{name}` is a ladder: what customers do does not change it", name=name
            ),
            hint=Sentence("adaptive ones are: {names}", names=", ".join(known)) if known else "",
        )
    return _of_shop(app, found.adaptive)


def play(signals_: Sequence[Signal], adaptive: Adaptive) -> Played:
    """Play a history through: nothing is asked of the shop."""
    course = curve.play(signals_, adaptive)
    start = datetime(2000, 1, 1).astimezone()
    left = [start + timedelta(days=offset) for offset in course.offsets]
    heard = [
        (at + timedelta(minutes=1), signal)
        for at, signal in zip(left, signals_, strict=False)
        if signal is not Signal.NOTHING
    ]
    told = recollection.tell(
        start,
        left,
        heard,
        adaptive,
        first_half_life=adaptive.first_half_life,
        retention=adaptive.retention,
        now=left[-1] + timedelta(days=1) if left else start,
    )
    return Played(course=course, touches=tuple(told))


def memory(app: App, who: str, *, campaign: str = "") -> MemoryView:
    """What is known of a customer's memory: each course with its touches and signals, newest first.

    Raises:
        NotFound: there is no such customer, or campaign.
    """
    if campaign:
        names.campaign(app, campaign)
    with app.store.read() as connection:
        customer_id = directory.find_customer(connection, who)
        name = directory.address_of(connection, customer_id) or str(customer_id)
        rows = course_stories.of_customer(connection, customer_id, campaign=campaign)
        heard = signals.of_customer(connection, customer_id)
        of_shop = first_waits.half_life_of_shop(connection)
        events = event_words.of_anchors(connection, [row.anchor for row in rows])
    now = app.clock.now()
    return MemoryView(
        customer_id=customer_id,
        customer=name,
        now=now,
        half_life_of_shop=of_shop,
        courses=tuple(_course(app, row, heard, events[row.anchor], now) for row in rows),
    )


def note_hits(
    app: App,
    touch_id: int,
    hits: Sequence[Hit],
    *,
    links: int,
    prefetchers: Collection[Network] = (),
) -> tuple[Signal, ...]:
    """Judge what was clicked and opened of one mail and keep it; what is known already stays.

    Args:
        app: the shop.
        touch_id: the mail.
        hits: all hits of it, the old ones as well: machines are known by what they do together.
        links: how many links it has.
        prefetchers: networks from which mail programs load pictures ahead of time.

    Returns:
        The kinds that are new.

    Raises:
        NotFound: no such mail has left.
    """
    now = app.clock.now()
    with app.store.write() as connection:
        mail = signals.find_mail(connection, touch_id)
        if mail is None:
            raise NotFound(
                Sentence("no mail {number} has left", number=touch_id),
                hint="`crm-mailer outbox list`",
            )
        found = judge(
            hits,
            delivered_at=mail.left_at,
            links=links,
            ordered_at=mail.ordered_at,
            prefetchers=prefetchers,
        )
        return tuple(
            one.kind
            for one in found
            if signals.add(connection, touch_id, one.kind, one.at, now=now, detail=one.detail)
        )


def _course(
    app: App, row: CourseRow, heard: Sequence[Heard], event: str, now: datetime
) -> CourseView:
    found = app.definitions.campaigns.get(row.campaign)
    adaptive = _curve_of(found)
    told = recollection.tell(
        row.anchored_at,
        row.left,
        [(one.at, one.kind) for one in heard if _is_of(row, one)],
        adaptive,
        first_half_life=row.first_half_life,
        retention=row.retention,
        now=now,
    )
    return CourseView(
        campaign=row.campaign,
        anchor=row.anchor,
        event=event,
        anchored_at=row.anchored_at,
        first_half_life=row.first_half_life,
        half_life=told[-1].half_life if told else row.first_half_life,
        misses=told[-1].misses if told else 0.0,
        decay=adaptive.decay,
        touches=tuple(told),
        next_at=row.next_at,
        ended=row.ended,
        why=row.why if row.ended == Ending.STOPPED else "",
        ended_at=row.ended_at,
    )


def _is_of(row: CourseRow, one: Heard) -> bool:
    """Whether the course hears it: its own mails, or what the customer wrote or bought."""
    if one.kind in (*signals.SEEN, Signal.BOUNCED):
        return (one.campaign, one.anchor) == (row.campaign, row.anchor)
    return one.order_id is None or one.order_id != row.order_id


def _curve_of(campaign: Campaign | None) -> Adaptive:
    return campaign.adaptive if campaign is not None and campaign.adaptive is not None else USUAL


def _of_shop(app: App, adaptive: Adaptive) -> Adaptive:
    if adaptive.share_of_shop is None:
        return adaptive
    with app.store.read() as connection:
        return replace(
            adaptive.of_shop(first_waits.half_life_of_shop(connection)),
            share_of_shop=adaptive.share_of_shop,
        )


def _whole(course: Course) -> list[timedelta]:
    """Its places, each gap in whole days, as planning takes them."""
    places, place = [], timedelta(0)
    for gap in course.gaps:
        place += curve.whole_days(gap)
        places.append(place)
    return places


def _places(app: App, start: datetime, offsets: Sequence[timedelta]) -> tuple[CurvePlace, ...]:
    return tuple(
        CurvePlace(
            place=number,
            after=spelled(offset),
            at=curve.after_moment(start, offset, place=app.zone, send_at=app.shop.send_at),
        )
        for number, offset in enumerate(offsets, start=1)
    )
