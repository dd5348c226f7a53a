"""Verbs of marketers: plan what is written and apply it, look at campaigns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import date

from crm_mailer import planning
from crm_mailer.app import (
    campaign_texts,
    giving,
    names,
    preferences,
    privacy,
    segmenting,
    segments,
)
from crm_mailer.app.plan_looks import Readers
from crm_mailer.app.wiring import App
from crm_mailer.definitions.written import spelled
from crm_mailer.model.campaign import (
    Anchor,
    BirthdayAnchor,
    Campaign,
    DateAnchor,
    ExitRule,
    FestivalAnchor,
    FirstOrderAnchor,
    Mode,
    MonthlyAnchor,
    OrderAnchor,
    ReplyAnchor,
    ReviewAnchor,
    SegmentAnchor,
)
from crm_mailer.model.moment import at_local
from crm_mailer.model.segment import EVERYBODY, AllOf, AnyOf, Not, Rule
from crm_mailer.model.sentence import Sentence, Sentences
from crm_mailer.planning import PlanReport, Results, trials
from crm_mailer.segmenting import rules
from crm_mailer.store import bells, course_stories, touches

#: What a campaign is for that names no goal.
USUAL_GOAL = trials.USUAL


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
    goal: str = ""
    exit: str = ""
    #: Empty: at once.
    reentry: str = ""
    #: Percent.
    hold_out: int = 0
    warm_first: str = ""
    #: For each step the parts of its condition in words, and the arms of its test.
    conditions: tuple[str, ...] = ()
    tests: tuple[str, ...] = ()
    #: Step -> the arm that won its test, and those that won tests which it had before.
    winners: dict[str, str] = field(default_factory=dict)
    earlier_winners: dict[str, tuple[str, ...]] = field(default_factory=dict)
    #: On an adaptive curve: how many courses go on (empty text), are paused, done and so on.
    courses: dict[str, int] = field(default_factory=dict)


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
    readers = Readers(app)
    report = planning.plan(
        app.store,
        app.definitions,
        now=now,
        campaigns=campaigns or None,
        is_saved=False,
        watch=readers,
        segments=segments.edited(app),
    )
    for one in report.campaigns:
        readers.tell(one)
        one.winners = decided(app, one.campaign)
    return replace(report, loads=planning.loads(report.campaigns, app.settings.limits))


def count_new(app: App, campaigns: Sequence[str] = ()) -> int:
    """How many mails `apply` would plan now; drafts plan none."""
    _know(app, campaigns)
    found = planning.plan(
        app.store,
        app.definitions,
        now=app.clock.now(),
        campaigns=campaigns or None,
        is_saved=False,
        segments=segments.edited(app),
    )
    return sum(one.planned for one in found.campaigns if one.mode is not Mode.DRAFT)


def results(app: App, campaign: str) -> Results:
    """What followed a campaign's mails, by arm and beside those who were held out.

    Raises:
        NotFound: there is no such campaign.
    """
    return planning.results_of(app.store, names.campaign(app, campaign), app.clock.now())


def apply(app: App, campaigns: Sequence[str] = (), *, is_by_hand: bool = False) -> PlanReport:
    """Plan and save: live campaigns' touches leave when due, manual ones' wait for `release`.

    Args:
        app: the shop.
        campaigns: ids; none means all.
        is_by_hand: a person wants it: look at everything, however short ago that was done.
    """
    _know(app, campaigns)
    campaign_texts.keep(app)
    preferences.take_in(app)
    privacy.sweep(app)
    segmenting.catch_up(app)
    report = planning.plan(
        app.store,
        app.definitions,
        now=app.clock.now(),
        campaigns=campaigns or None,
        is_saved=True,
        is_quick=not is_by_hand,
    )
    giving.attend(app)
    if any(one.saved for one in report.campaigns):
        bells.ring(app.store)
    return report


def campaign_list(app: App) -> list[CampaignLine]:
    """All campaigns with the numbers of their touches."""
    with app.store.read() as connection:
        counts = touches.counts_by_campaign(connection)
    return [_line(one, counts.get(one.id, {})) for one in app.definitions.campaigns.values()]


def line_of(campaign: Campaign) -> CampaignLine:
    """One campaign without the numbers of its touches, which take time to count."""
    return _line(campaign, {})


def campaign_view(app: App, campaign: str) -> CampaignView:
    """One campaign in full.

    Raises:
        NotFound: there is no such campaign.
    """
    found = names.campaign(app, campaign)
    with app.store.read() as connection:
        counts = touches.counts_by_campaign(connection).get(found.id, {})
        skips = touches.skips_of_campaign(connection, found.id)
        courses = course_stories.count_of(connection, found.id) if found.adaptive else {}
    return replace(
        view_of(found),
        line=_line(found, counts),
        skips=skips,
        winners=decided(app, found.id),
        earlier_winners=trials.earlier(app.store, found),
        courses=courses,
    )


def decided(app: App, campaign: str) -> dict[str, str]:
    """Step -> the arm that won its test: whoever comes now gets it.

    Raises:
        NotFound: there is no such campaign.
    """
    found = names.campaign(app, campaign)
    return trials.winners(app.store, found, app.clock.now(), may_decide=False)


def view_of(found: Campaign) -> CampaignView:
    """One campaign as its file says it, without numbers, which take time to count."""
    return CampaignView(
        line=line_of(found),
        audience=rule_words(found.audience),
        send_at=_send_at(found),
        curve=found.curve,
        valid_for=spelled(found.valid_for),
        hold=spelled(found.hold) if found.hold else "",
        stop_when=tuple(sorted(found.exits)),
        priority=found.priority,
        steps=tuple((step.id, spelled(step.offset), step.template) for step in found.steps),
        skips={},
        goal=f"{found.goal.when} ({spelled(found.goal.within)})" if found.goal else "",
        exit=found.exit_rule.value if found.exit_rule is not ExitRule.NEVER else "",
        reentry=_reentry(found),
        hold_out=found.hold_out,
        warm_first=spelled(found.warm_first) if found.warm_first else "",
        conditions=tuple(_condition(step.condition) for step in found.steps),
        tests=tuple(
            ", ".join(arm.id for arm in step.trial.arms) if step.trial else ""
            for step in found.steps
        ),
    )


def _reentry(campaign: Campaign) -> str:
    if campaign.reentry is None:
        return "never"
    return spelled(campaign.reentry) if campaign.reentry else ""


def _condition(rule: Rule) -> Sentence:
    """A condition in one line; empty for everybody."""
    match rule:
        case AllOf(inner):
            return Sentences(*map(_within, inner), between=", ")
        case AnyOf(inner):
            row = Sentences(*map(_within, inner), between=", ")
            return Sentences(rules.in_words(rule), row)
        case Not(inner):
            return Sentences(rules.in_words(rule), _within(inner))
        case _:
            return rules.in_words(rule)


def _within(part: Rule) -> Sentence:
    """A part of a condition, in brackets where it has parts of its own."""
    line = _condition(part)
    is_row = isinstance(part, AllOf | AnyOf) and len(part.parts) > 1
    return Sentences("(", line, ")", between="") if is_row else line


def rule_words(rule: Rule) -> tuple[tuple[int, str], ...]:
    """Each part of a rule with its depth, in words; nothing for everybody."""
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
        anchor=anchor_words(campaign.anchor),
        steps=len(campaign.steps),
        path=campaign.path,
        touches=counts,
    )


def anchor_words(anchor: Anchor) -> Sentence:
    """The anchor in a few words."""
    match anchor:
        case OrderAnchor(state=state):
            return Sentence("order {state}", state=Sentence(state.replace("_", " ")))
        case SegmentAnchor(segment=segment):
            return Sentence("segment {segment}", segment=segment)
        case BirthdayAnchor(days_before=days):
            return _shift(Sentence("birthday"), days)
        case FirstOrderAnchor(is_yearly=is_yearly):
            return Sentence("first order, yearly") if is_yearly else Sentence("first order")
        case ReplyAnchor(kind=kind):
            return Sentence("reply ({kind})", kind=Sentence(kind))
        case ReviewAnchor(kind=kind):
            return Sentence("review ({kind})", kind=Sentence(kind))
        case DateAnchor(day=day):
            return Sentences(day.isoformat())
        case FestivalAnchor(festival=festival, days_before=days):
            return _shift(Sentence("festival {name}", name=festival.id), days)
        case MonthlyAnchor(day=number):
            return Sentence("day {number} of each month", number=number)


def _send_at(campaign: Campaign) -> str:
    """When mails that count days leave, as the file says it."""
    if campaign.is_best_hour:
        at = Sentence("best")
    else:
        at = Sentences("{:02d}:{:02d}".format(*campaign.send_at) if campaign.send_at else "")
    if not campaign.spread:
        return at
    return Sentence(
        "{time}, spread over {span}",
        time=at or Sentence("the usual time"),
        span=spelled(campaign.spread),
    )


def _shift(what: Sentence, days_before: int) -> Sentence:
    match days_before:
        case 0:
            return what
        case 1:
            return Sentence("{what}, 1 day before", what=what)
        case -1:
            return Sentence("{what}, 1 day after", what=what)
        case days if days > 0:
            return Sentence("{what}, {days} days before", what=what, days=days)
        case days:
            return Sentence("{what}, {days} days after", what=what, days=-days)
