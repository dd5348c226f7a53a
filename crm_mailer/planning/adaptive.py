"""Plans the next touch of each course on an adaptive curve, one at a time, from what was heard."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from crm_mailer.model import curve, windows
from crm_mailer.model.campaign import Campaign, Stream
from crm_mailer.model.curve import Adaptive, Ending, Memory
from crm_mailer.model.score import ValueClass
from crm_mailer.model.shop import Shop
from crm_mailer.model.standing import hold, refusal
from crm_mailer.model.touch import SkipReason
from crm_mailer.planning import giving_way, hours, saving, trials
from crm_mailer.planning.decisions import Decision, variant, zone_of
from crm_mailer.planning.giving_way import Move, Scales
from crm_mailer.store import courses_to_plan, curve_states, first_waits, pasts, touches
from crm_mailer.store.bulk import TURN
from crm_mailer.store.courses_to_plan import OpenCourse
from crm_mailer.store.engine import Store
from crm_mailer.store.occasions import Occasion
from crm_mailer.store.pasts import Slot

DAY = timedelta(days=1)
#: A touch that the cap does not let through in its time may move so far.
FARTHEST = timedelta(days=30)


@dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    """One look at the courses of a campaign.

    `longest` is the longest validity of any mail; `is_new`: first touches have just been planned.
    """

    store: Store
    shop: Shop
    campaign: Campaign
    now: datetime
    longest: timedelta
    scales: Scales
    is_new: bool = True
    #: What has given way to the campaign's mails.
    moves: list[Move] = field(default_factory=list)


def resolved(store: Store, adaptive: Adaptive) -> Adaptive:
    """The curve with the shop's own half-life in it, where it asks for that."""
    if adaptive.share_of_shop is None:
        return adaptive
    with store.read() as connection:
        return adaptive.of_shop(first_waits.half_life_of_shop(connection))


def waiting(
    store: Store, campaign: Campaign, pages: Iterable[list[Occasion]]
) -> Iterator[list[Occasion]]:
    """The occasions, each with the time from the anchor to its first touch.

    Whoever was attentive before is no stranger any more, and a class of value may have a retention
    of its own. Campaigns on ladders stay as they are.
    """
    if campaign.adaptive is None:
        yield from pages
        return
    adaptive = resolved(store, campaign.adaptive)
    for page in pages:
        people = sorted({one.customer_id for one in page})
        with store.read() as connection:
            known = first_waits.of_customers(connection, campaign, people)
        yield [
            replace(one, wait=_first(adaptive, *known.get(one.customer_id, (None, ""))))
            for one in page
        ]


def _first(adaptive: Adaptive, half_life: float | None, value_class: str) -> timedelta:
    memory = Memory(half_life=max(adaptive.first_half_life, half_life or 0.0))
    aim = _retention(adaptive, value_class)
    return curve.whole_days(curve.wait(memory, adaptive, retention=aim))


def _retention(adaptive: Adaptive, value_class: str) -> float:
    known = {one.value: one for one in ValueClass}
    if value_class not in known:
        return adaptive.retention
    return adaptive.retention_by_value.get(known[value_class], adaptive.retention)


def go_on(act: Round) -> int:
    """Hear, judge and plan the courses of a campaign. How many touches are new or have moved.

    Doing it twice changes nothing: each touch has one key, and a signal counts once.
    """
    if not _hear(act):
        return 0
    winners = trials.winners(act.store, act.campaign, act.now, may_decide=False)
    done = 0
    while True:
        with act.store.read() as connection:
            page = courses_to_plan.page(
                connection, act.campaign, size=TURN, consent=act.shop.consent, now=act.now
            )
        done += _plan_page(act, page, winners)
        if len(page) < TURN:
            break
    _end(act, winners)
    return done


def _hear(act: Round) -> bool:
    """Bring the courses up to date; false where there was nothing to do at all.

    Every half hour it is thorough: it also finds first touches that a crash left without a course.
    """
    campaign, now = act.campaign, act.now
    assert campaign.adaptive is not None
    with act.store.read() as connection:
        last = curve_states.last_hearing(connection, campaign)
        # a clock that was set back hears all again
        since = None if last is None or last > now else last - curve_states.OVERLAP
        is_thorough = since is None or now - since >= curve_states.OVERLAP * 1.5
        may_rest = since is not None and not is_thorough and not act.is_new
        if may_rest and not curve_states.has_work(connection, campaign, since=since, now=now):
            return False
    adaptive = resolved(act.store, campaign.adaptive)
    with act.store.write() as connection:
        if act.is_new or is_thorough:
            curve_states.begin(connection, campaign, adaptive)
        if is_thorough:
            curve_states.note_hearing(connection, campaign, now)
        curve_states.hear(connection, campaign, since=since, now=now)
        curve_states.judge(connection, campaign, adaptive, now=now)
        if curve_states.move_on(connection, campaign, adaptive, now=now):
            curve_states.hear(connection, campaign, since=since, now=now)
            curve_states.judge(connection, campaign, adaptive, now=now)
    return True


def _end(act: Round, winners: Mapping[str, str]) -> None:
    """What courses that have ended do not get has its reason: the touch that was planned for them,
    else the one that would have come next.
    """
    while True:
        with act.store.read() as connection:
            page = courses_to_plan.page(
                connection,
                act.campaign,
                size=TURN,
                consent=act.shop.consent,
                now=act.now,
                todo=curve_states.TO_END,
            )
        _end_page(act, page, winners)
        if len(page) < TURN:
            return


def _end_page(act: Round, courses: Sequence[OpenCourse], winners: Mapping[str, str]) -> None:
    if not courses:
        return
    writer, rows = saving.Rows(act.campaign, act.now), list[saving.Row]()
    ends: dict[SkipReason, list[int]] = {}
    for course in courses:
        if course.touch_id is not None:
            ends.setdefault(_reason(course), []).append(course.touch_id)
        elif course.ended is not Ending.DONE and course.place < len(act.campaign.steps):
            assert course.occasion.at is not None
            one = left_out(course, act.campaign, winners)
            rows += writer.of(course.occasion, [one], course.occasion.at)
    with act.store.write() as connection:
        for reason, ids in ends.items():
            touches.end(connection, ids, reason, act.now)
        touches.add(connection, saving.COLUMNS, rows)
        courses_to_plan.rest(connection, act.campaign, courses)


def _reason(course: OpenCourse) -> SkipReason:
    """Why a course that has ended gets no further mail."""
    if course.ended is Ending.PAUSED:
        return SkipReason.SILENT
    if course.ended is Ending.STOPPED and course.why in set(SkipReason):
        return SkipReason(course.why)
    return SkipReason.EXITED


def left_out(course: OpenCourse, campaign: Campaign, winners: Mapping[str, str]) -> Decision:
    """The touch that would have come next, had the course not ended."""
    step = campaign.steps[course.place]
    arm, template = variant(campaign, step, course.occasion.customer_id, winners)
    return Decision(
        step=step,
        place=course.place + 1,
        due_at=course.wanted_at,
        expires_at=course.wanted_at + campaign.valid_for,
        reason=_reason(course),
        arm=arm,
        template=template,
    )


@dataclass(slots=True, kw_only=True)
class _Page:
    """What is to be written about one page of courses."""

    #: Step -> the arm that won its test.
    winners: Mapping[str, str]
    rows: list[saving.Row] = field(default_factory=list)
    planned: list[tuple[OpenCourse, str, datetime]] = field(default_factory=list)
    moved: list[tuple[int, datetime, datetime]] = field(default_factory=list)
    stopped: list[tuple[OpenCourse, Ending, str]] = field(default_factory=list)
    gave_way: list[Move] = field(default_factory=list)


def _plan_page(act: Round, courses: Sequence[OpenCourse], winners: Mapping[str, str]) -> int:
    if not courses:
        return 0
    people = sorted({course.occasion.customer_id for course in courses})
    since = act.now - windows.look_back(act.shop) - act.longest
    with act.store.read() as connection:
        known = pasts.Reader().of_customers(connection, people, since)
    page = _Page(winners=winners)
    for course in courses:
        _plan_course(act, course, known[course.occasion.customer_id].slots, page)
    act.moves.extend(page.gave_way)
    with act.store.write() as connection:
        saving.make_way(connection, act.campaign, page.gave_way, act.now)
        saved = touches.add(connection, saving.COLUMNS, page.rows)
        courses_to_plan.move(connection, page.moved)
        courses_to_plan.planned(connection, act.campaign, page.planned)
        courses_to_plan.stopped(connection, act.campaign, page.stopped, now=act.now)
    return saved + len(page.moved)


def _plan_course(act: Round, course: OpenCourse, slots: list[Slot], page: _Page) -> None:
    if course.is_leaving and course.due_at is not None:
        page.planned.append((course, course.step, course.due_at))
        return
    ending = fate(course, act.campaign)
    if ending is not None:
        page.stopped.append((course, *ending))
        return
    if course.touch_id is not None:
        slots[:] = [slot for slot in slots if slot.touch_id != course.touch_id]
    if act.campaign.stream is not Stream.MARKETING:
        slots = []  # order mail takes no day, and none is in its way
    weight = act.campaign.priority
    waiting = [slot for slot in slots if act.scales.gives_way(slot, weight)]
    taken = [slot.at for slot in slots if not act.scales.gives_way(slot, weight)]
    one = next_touch(course, act.campaign, act.shop, now=act.now, taken=taken, winners=page.winners)
    _make_way(act, course, one.due_at, taken, waiting, slots, page)
    page.planned.append((course, one.step.id, one.due_at))
    if course.touch_id is None:
        assert course.occasion.at is not None
        page.rows += saving.Rows(act.campaign, act.now).of(
            course.occasion, [one], course.occasion.at
        )
    elif one.due_at != course.due_at:
        page.moved.append((course.touch_id, one.due_at, one.expires_at))


def _make_way(
    act: Round,
    course: OpenCourse,
    due_at: datetime,
    taken: Sequence[datetime],
    waiting: Sequence[Slot],
    slots: list[Slot],
    page: _Page,
) -> None:
    """Give the touch its day among the customer's `slots`."""
    one = course.occasion
    if waiting:
        moves = act.scales.moves(
            waiting,
            taken=taken,
            given=[due_at],
            place=zone_of(one, act.shop),
            standing=one.standing,
        )
        giving_way.carry_out(moves, slots)
        page.gave_way.extend(moves)
    slots.append(Slot(due_at, act.campaign.id, (course.last_at, one.anchor), True))


def fate(course: OpenCourse, campaign: Campaign) -> tuple[Ending, str] | None:
    """Why the course ends before its next touch; None when it goes on."""
    if course.is_exited:
        return Ending.STOPPED, SkipReason.EXITED.value
    if course.is_superseded:
        return Ending.STOPPED, SkipReason.NEW_ANCHOR.value
    reason = refusal(course.occasion.standing, campaign.stream, campaign.topic)
    if reason is not None:
        return Ending.STOPPED, reason.value
    if course.place >= len(campaign.steps):
        return Ending.DONE, ""
    return None


def next_touch(
    course: OpenCourse,
    campaign: Campaign,
    shop: Shop,
    *,
    now: datetime,
    taken: list[datetime],
    winners: Mapping[str, str],
) -> Decision:
    """When the next touch of a course leaves: as the curve wants it, in the first free slot."""
    place = zone_of(course.occasion, shop)
    limits = windows.limits_for(
        shop, campaign, place, wants_fewer=course.occasion.standing.wants_fewer
    )
    step = campaign.steps[course.place]
    days = curve.whole_days((course.wanted_at - course.last_at) / DAY)
    since_last = replace(course.occasion, at=course.last_at)
    wanted = hours.due_at(campaign, shop, since_last, replace(step, offset=days), place)
    earliest = max(wanted, now + campaign.hold)
    pause = course.occasion.standing.snoozed_until
    if pause is not None and pause > earliest:
        earliest = pause
    slot = windows.first_slot(earliest, taken, limits, until=earliest + FARTHEST)
    due_at = slot if slot is not None else earliest + FARTHEST
    waits = hold(course.occasion.standing, campaign.stream, now)
    arm, template = variant(campaign, step, course.occasion.customer_id, winners)
    return Decision(
        step=step,
        place=course.place + 1,
        due_at=due_at,
        expires_at=due_at + campaign.valid_for,
        waits=waits if waits is not SkipReason.SNOOZED else None,
        arm=arm,
        template=template,
    )
