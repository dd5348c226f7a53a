"""Verbs of marketers: check what is written, plan and apply it, look at curves and campaigns."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime

from crm_mailer import planning
from crm_mailer.app import names
from crm_mailer.app.wiring import App
from crm_mailer.definitions import problems as definition_problems
from crm_mailer.definitions.column_maps import read_maps
from crm_mailer.definitions.problems import Problem, did_you_mean
from crm_mailer.definitions.rates import read_rates
from crm_mailer.definitions.words_reader import read_words
from crm_mailer.definitions.written import spelled
from crm_mailer.model import curve
from crm_mailer.model.campaign import (
    Anchor,
    BirthdayAnchor,
    Campaign,
    Curve,
    DateAnchor,
    FirstOrderAnchor,
    OrderAnchor,
    ReplyAnchor,
    SegmentAnchor,
)
from crm_mailer.model.errors import DefinitionError, NotFound
from crm_mailer.model.moment import at_local
from crm_mailer.model.segment import EVERYBODY, Rule
from crm_mailer.planning import PlanReport
from crm_mailer.rendering import check_templates, lint, uses
from crm_mailer.segmenting import rules
from crm_mailer.store import touches


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckReport:
    """All faults in what marketers wrote, and how much was read."""

    problems: tuple[Problem, ...]
    campaigns: int
    segments: int
    curves: int

    @property
    def errors(self) -> int:
        """Faults that keep a file from being used."""
        return sum(problem.is_error for problem in self.problems)

    @property
    def warnings(self) -> int:
        """Faults that do not."""
        return len(self.problems) - self.errors


@dataclass(frozen=True, slots=True, kw_only=True)
class CurvePlace:
    """One place of a curve: `after` as written, and when that is."""

    place: int
    after: str
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class CurveView:
    """A curve with its dates after an anchor."""

    name: str
    note: str
    start: datetime
    places: tuple[CurvePlace, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class CampaignLine:
    """One campaign with the number of its touches by state."""

    id: str
    name: str
    kind: str
    stream: str
    mode: str
    anchor: str
    steps: int
    path: str
    touches: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class CampaignView:
    """One campaign in full: (step id, offset, template), what ends it, who was left out and why.

    `audience` has each part of the rule with its depth, in words; empty means everybody.
    """

    line: CampaignLine
    audience: tuple[tuple[int, str], ...]
    send_at: str
    curve: str
    valid_for: str
    hold: str
    stop_when: tuple[str, ...]
    priority: int
    steps: tuple[tuple[str, str, str], ...]
    skips: dict[str, int]


def check(app: App) -> CheckReport:
    """Read everything anew and name every fault in what people wrote, templates too."""
    app.reload()
    found = app.definitions
    wanted = uses(found.campaigns.values())
    faults = {
        *found.problems,
        *check_templates(app.templates_folder, wanted),
        *_faults_of(lambda: read_maps(app.home / "maps")),
        *_faults_of(lambda: read_rates(app.home / "rates.csv")),
        *_faults_of(lambda: read_words(app.home / "words")),
    }
    return CheckReport(
        problems=tuple(sorted(faults, key=lambda one: (one.file, one.line, one.column, one.code))),
        campaigns=len(found.campaigns),
        segments=len(found.segments),
        curves=len(found.curves),
    )


def _faults_of(read: Callable[[], object]) -> tuple[Problem, ...]:
    """What is wrong with files that the shop need not have: column maps, rates, words."""
    try:
        read()
    except DefinitionError as error:
        return error.problems
    return ()


def explain(code: str) -> str:
    """What a problem's code means and what to do.

    Raises:
        NotFound: there is no such code.
    """
    known = {**definition_problems.EXPLAINED, **lint.EXPLAINED}
    text = known.get(code.upper())
    if text is None:
        raise NotFound(f"there is no code `{code}`", hint=did_you_mean(code.upper(), known))
    return text


def plan(app: App, campaigns: Sequence[str] = (), *, on: date | None = None) -> PlanReport:
    """Who would get what and when, and who not and why. Nothing is written.

    Args:
        app: the shop.
        campaigns: ids; none means all.
        on: look as if it were this day, at the present hour of the shop.
    """
    now = app.clock.now()
    if on is not None:
        here = now.astimezone(app.zone)
        now = at_local(on, here.hour, here.minute, app.zone)
    _know(app, campaigns)
    return planning.plan(
        app.store, app.definitions, now=now, campaigns=campaigns or None, is_saved=False
    )


def apply(app: App, campaigns: Sequence[str] = (), *, is_by_hand: bool = False) -> PlanReport:
    """Plan and save: live campaigns' touches leave when due, manual ones' wait for `release`.

    Args:
        app: the shop.
        campaigns: ids; none means all.
        is_by_hand: a person wants it: look at everything, however short ago that was done.
    """
    _know(app, campaigns)
    return planning.plan(
        app.store,
        app.definitions,
        now=app.clock.now(),
        campaigns=campaigns or None,
        is_saved=True,
        is_quick=not is_by_hand,
    )


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
    places = tuple(
        CurvePlace(
            place=number,
            after=spelled(offset),
            at=curve.after_moment(start, offset, place=app.zone, send_at=app.shop.send_at),
        )
        for number, offset in enumerate(found.offsets, start=1)
    )
    return CurveView(name=name, note=found.note, start=start, places=places)


def campaign_list(app: App) -> list[CampaignLine]:
    """All campaigns with the numbers of their touches."""
    with app.store.read() as connection:
        counts = touches.counts_by_campaign(connection)
    return [_line(one, counts.get(one.id, {})) for one in app.definitions.campaigns.values()]


def campaign_view(app: App, campaign: str) -> CampaignView:
    """One campaign in full.

    Raises:
        NotFound: there is no such campaign.
    """
    found = names.campaign(app, campaign)
    with app.store.read() as connection:
        counts = touches.counts_by_campaign(connection).get(found.id, {})
        skips = touches.skips_of_campaign(connection, found.id)
    return CampaignView(
        line=_line(found, counts),
        audience=_audience(found.audience),
        send_at="{:02d}:{:02d}".format(*found.send_at) if found.send_at else "",
        curve=found.curve,
        valid_for=spelled(found.valid_for),
        hold=spelled(found.hold) if found.hold else "",
        stop_when=tuple(sorted(found.exits)),
        priority=found.priority,
        steps=tuple((step.id, spelled(step.offset), step.template) for step in found.steps),
        skips=skips,
    )


def _audience(rule: Rule) -> tuple[tuple[int, str], ...]:
    if rule == EVERYBODY:
        return ()
    return tuple((depth, rules.in_words(part)) for depth, part in rules.parts(rule))


def _know(app: App, campaigns: Sequence[str]) -> None:
    for name in campaigns:
        names.campaign(app, name)


def _line(campaign: Campaign, counts: dict[str, int]) -> CampaignLine:
    return CampaignLine(
        id=campaign.id,
        name=campaign.name,
        kind=campaign.kind,
        stream=campaign.stream,
        mode=campaign.mode,
        anchor=_anchor(campaign.anchor),
        steps=len(campaign.steps),
        path=campaign.path,
        touches=counts,
    )


def _anchor(anchor: Anchor) -> str:
    """The anchor in a few words."""
    match anchor:
        case OrderAnchor(state=state):
            return f"order {state}"
        case SegmentAnchor(segment=segment):
            return f"segment {segment}"
        case BirthdayAnchor(days_before=0):
            return "birthday"
        case BirthdayAnchor(days_before=days):
            return f"{days} days before the birthday"
        case FirstOrderAnchor(is_yearly=is_yearly):
            return "first order, yearly" if is_yearly else "first order"
        case ReplyAnchor(kind=kind):
            return f"reply ({kind})"
        case DateAnchor(day=day):
            return day.isoformat()
