"""Why a customer gets, or does not get, the mails of a campaign: one answer in sentences."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from typing import Any
from zoneinfo import ZoneInfo

from crm_mailer import planning
from crm_mailer.app import course_fates, names, segments, standstill
from crm_mailer.app import planning as planning_verbs
from crm_mailer.app.wiring import App
from crm_mailer.model import address, standing_back
from crm_mailer.model.campaign import BirthdayAnchor, Campaign, Exit, Mode, SegmentAnchor, Stream
from crm_mailer.model.curve import Ending
from crm_mailer.model.segment import EVERYBODY, Rule
from crm_mailer.model.sentence import Sentence
from crm_mailer.model.standing import hold, refusal
from crm_mailer.model.touch import SkipReason
from crm_mailer.planning.decisions import Decision
from crm_mailer.reporting import consents, event_words
from crm_mailer.reporting.courses import CourseFate
from crm_mailer.segmenting import rules
from crm_mailer.segmenting.facts import Facts
from crm_mailer.segmenting.rules import Finding
from crm_mailer.store import (
    directory,
    events,
    lawful,
    pauses,
    stories,
    touches,
)
from crm_mailer.store.occasions import Occasion
from crm_mailer.store.pauses import Pause


@dataclass(frozen=True, slots=True, kw_only=True)
class StepFate:
    """One mail: planned already (`state`), or as it would be planned now."""

    step: str
    anchor: str
    due_at: datetime
    state: str
    reason: SkipReason | None
    #: What would hold it back, or leave it out, at this moment.
    waits: SkipReason | None = None
    #: Which exits of the campaign are met, where `reason` is that one is.
    exits: tuple[str, ...] = ()
    #: To which campaign it gave way, and from when.
    moved: str = ""
    #: What started it, in words.
    event: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class WhyNot:
    """The answer: mails that are planned, those that would be, and what stands against them."""

    customer_id: int
    customer: str
    campaign: str
    mode: Mode
    is_in_audience: bool
    audience: tuple[Finding, ...]
    #: What stands against any mail of this kind to this customer.
    refusal: SkipReason | None
    waits: SkipReason | None
    planned: tuple[StepFate, ...]
    would_be: tuple[StepFate, ...]
    #: What is known of the event that starts the campaign, where the tables do not tell it.
    event: str = ""
    #: That a dated campaign has its audience already; empty: it has not.
    taken: str = ""
    #: What is paused of all by which its mails leave.
    stops: tuple[Sentence, ...] = ()
    #: Why marketing mail to the customer is lawful, or is not.
    basis: tuple[Sentence, ...] = ()
    #: On an adaptive curve: the customer's courses, the newest first.
    courses: tuple[CourseFate, ...] = ()

    @property
    def has_event(self) -> bool:
        """Whether anything started the campaign for the customer, lately enough to count."""
        return bool(self.planned or self.would_be or self.courses)


def why_not(app: App, who: str, campaign: str) -> WhyNot:
    """Everything that decides whether the customer gets the campaign's mails.

    Raises:
        NotFound: there is no such customer or campaign.
    """
    found = names.campaign(app, campaign)
    now, consent = app.clock.now(), app.shop_or_default.consent
    with app.store.read() as connection:
        customer_id = directory.find_customer(connection, who)
        standing = touches.find_standing(connection, customer_id, consent=consent, now=now)
        ground = lawful.known(connection, customer_id)
        planned = touches.list_of_customer(connection, customer_id, found.id)
        known = stories.known(connection, customer_id)
        stopped = pauses.list_(connection)
        courses = course_fates.of_customer(app, connection, customer_id, campaign=found.id)
        last = (
            events.last_of(connection, found.anchor, customer_id, now)
            if events.are_events(found.anchor)
            else None
        )
    asked = segments.facts_of(app, known)
    rules_of = rules_of_segments(app)
    fails = partial(_fails, found, asked, rules_of)
    fates = _fates(planned, fails, app.zone), _would_be(app, found, customer_id, now)
    if any(one.reason is SkipReason.EXITED for part in fates for one in part):
        met = _exits_met(app, found, customer_id, now)
        met |= {
            one.anchor: (Exit.BOUGHT.value,) for one in courses if one.ended == Ending.CONVERTED
        }
        fates = _with_exits(fates[0], met), _with_exits(fates[1], met)
    anchors = {one.anchor for part in fates for one in part}
    with app.store.read() as connection:
        said = event_words.of_anchors(connection, anchors)
    return WhyNot(
        customer_id=customer_id,
        customer=known.customer["name"] or known.customer["email"] or str(customer_id),
        campaign=found.id,
        mode=found.mode,
        is_in_audience=rules.matches(found.audience, asked, rules_of),
        audience=tuple(rules.explain(found.audience, asked, rules_of))
        if found.audience != EVERYBODY
        else (),
        refusal=refusal(standing, found.stream, found.topic),
        waits=hold(standing, found.stream, now),
        planned=_with_events(fates[0], said),
        would_be=_with_events(fates[1], said),
        event=_event(app, found, asked, last),
        taken=standstill.taken_on(app, found),
        stops=_stops(found, known.customer["email"] or "", stopped),
        basis=consents.told(consent, ground, now, app.zone)
        if found.stream is Stream.MARKETING
        else (),
        courses=courses,
    )


def rules_of_segments(app: App) -> dict[str, Rule]:
    """Each segment's rule."""
    return {one.id: one.rule for one in app.definitions.segments.values()}


def _fates(
    planned: Sequence[Any], fails: Callable[[str], bool], shop: ZoneInfo
) -> tuple[StepFate, ...]:
    return tuple(
        StepFate(
            step=row.step,
            anchor=row.anchor,
            due_at=row.due_at,
            state=row.state,
            reason=SkipReason(row.reason) if row.reason in set(SkipReason) else None,
            waits=SkipReason.CONDITION if row.state in touches.UNSENT and fails(row.step) else None,
            moved=_moved(row, shop),
        )
        for row in planned
    )


def _moved(row: Any, shop: ZoneInfo) -> str:
    back = standing_back.read(row.reason, row.detail)
    return standing_back.words(back, shop) if back is not None else ""


def _fails(campaign: Campaign, asked: Facts, rules_of: Mapping[str, Rule], step: str) -> bool:
    """Whether the step's own condition does not hold for the customer now."""
    condition = next((one.condition for one in campaign.steps if one.id == step), EVERYBODY)
    return not rules.matches(condition, asked, rules_of)


def _stops(campaign: Campaign, email: str, stopped: Sequence[Pause]) -> tuple[Sentence, ...]:
    """The pauses that keep the campaign's mails to this address from leaving."""
    own = {str(campaign.stream), address.provider(email)}
    found = []
    for one in stopped:
        kind, _colon, name = one.scope.partition(":")
        if one.scope == pauses.ALL:
            found.append(Sentence("all sending is paused"))
        elif f"{kind}:" == pauses.CAMPAIGN and name == campaign.id:
            found.append(Sentence("the campaign is paused"))
        elif f"{kind}:" == pauses.LANE and own.issuperset(name.split("/")):
            found.append(Sentence("sending to {lane} is paused", lane=name))
    return tuple(found)


def _event(app: App, campaign: Campaign, asked: Facts, last: datetime | None) -> Sentence:
    """What is known of the event that starts the campaign, and when the last one was."""
    match campaign.anchor:
        case BirthdayAnchor():
            days = asked.values["birthday_in_days"]
            if days is None:
                return Sentence("the customer's birthday is not known")
            return Sentence("the next birthday is in {days} days", days=days)
        case SegmentAnchor(segment=segment):
            since = [first for one, first, last in asked.stays if one == segment and last is None]
            if not since:
                return Sentence("the customer is not in the segment {segment}", segment=segment)
            return Sentence(
                "the customer is in the segment {segment} since {day}",
                segment=segment,
                day=since[0],
            )
        case _ if events.are_events(campaign.anchor):
            what = planning_verbs.anchor_words(campaign.anchor)
            if last is None:
                return Sentence("it waits for: {event}; there was none", event=what)
            return Sentence(
                "it waits for: {event}; the last one was on {time}",
                event=what,
                time=f"{last.astimezone(app.zone):%Y-%m-%d %H:%M}",
            )
        case _:
            return standstill.reason(app, campaign)


def _exits_met(
    app: App, campaign: Campaign, customer_id: int, now: datetime
) -> dict[str, tuple[str, ...]]:
    """For each event of the customer, which exits of the campaign are met now."""
    found: dict[str, list[str]] = {}
    for exit_ in sorted(campaign.exits - {Exit.AUDIENCE_LEFT}):
        alone = replace(campaign, exits=frozenset({exit_}))
        for anchor in _exited(app, alone, customer_id, now):
            found.setdefault(anchor, []).append(exit_.value)
    return {anchor: tuple(names) for anchor, names in found.items()}


def _exited(app: App, campaign: Campaign, customer_id: int, now: datetime) -> set[str]:
    """The customer's events for which the campaign's exits are met."""
    seen: set[str] = set()

    def watch(_campaign: Campaign, occasion: Occasion, _one: Decision, _place: ZoneInfo) -> None:
        if occasion.is_exited:
            seen.add(occasion.anchor)

    found = app.definitions
    planning.plan(
        app.store,
        replace(found, campaigns={**found.campaigns, campaign.id: campaign}),
        now=now,
        campaigns=[campaign.id],
        is_saved=False,
        segments=segments.edited(app),
        watch=watch,
        customer_id=customer_id,
        is_planned_too=True,
    )
    return seen


def _with_exits(
    fates: tuple[StepFate, ...], met: Mapping[str, tuple[str, ...]]
) -> tuple[StepFate, ...]:
    return tuple(
        replace(one, exits=met.get(one.anchor, ())) if one.reason is SkipReason.EXITED else one
        for one in fates
    )


def _with_events(fates: tuple[StepFate, ...], said: Mapping[str, str]) -> tuple[StepFate, ...]:
    return tuple(replace(one, event=said[one.anchor]) for one in fates)


def _would_be(
    app: App, campaign: Campaign, customer_id: int, now: datetime
) -> tuple[StepFate, ...]:
    """What an act of planning would decide for this customer at this moment."""
    seen: list[StepFate] = []

    def watch(_campaign: Campaign, occasion: Occasion, one: Decision, _place: ZoneInfo) -> None:
        seen.append(
            StepFate(
                step=one.step.id,
                anchor=occasion.anchor,
                due_at=one.due_at,
                state="",
                reason=one.reason,
                waits=one.waits,
            )
        )

    planning.plan(
        app.store,
        app.definitions,
        now=now,
        campaigns=[campaign.id],
        is_saved=False,
        segments=segments.edited(app),
        watch=watch,
        customer_id=customer_id,
    )
    return tuple(seen)
