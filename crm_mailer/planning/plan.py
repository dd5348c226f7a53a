"""Load occasions, decide which mails they call for, save them as touches."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from crm_mailer.definitions.library import Definitions
from crm_mailer.definitions.problems import did_you_mean
from crm_mailer.model import windows
from crm_mailer.model.campaign import (
    Campaign,
    DateAnchor,
    FestivalAnchor,
    Mode,
    MonthlyAnchor,
    Stream,
)
from crm_mailer.model.errors import DefinitionError, NotFound, StoreError
from crm_mailer.model.segment import Rule
from crm_mailer.model.sentence import Sentence
from crm_mailer.model.shop import Shop
from crm_mailer.planning import (
    adaptive,
    alike,
    crowd,
    decisions,
    endings,
    giving_back,
    giving_way,
    occasions,
    reentry,
    reopening,
    saving,
    trials,
)
from crm_mailer.planning.decisions import Decision
from crm_mailer.planning.gathered import Gathered
from crm_mailer.planning.giving_way import Scales
from crm_mailer.planning.looks import Looks, is_calendar
from crm_mailer.planning.openings import Openings
from crm_mailer.planning.past import Pasts
from crm_mailer.planning.report import CampaignPlan, PlanReport, Tally, empty
from crm_mailer.store import crowds, plan_runs, touches, unplanned
from crm_mailer.store.engine import Store
from crm_mailer.store.occasions import NONE, Occasion
from crm_mailer.store.touches import Event

DAY = timedelta(days=1)
#: How far a plan that is only looked at sees.
FAR = timedelta(days=366)
#: Told of each decision, with the customer's zone.
Watch = Callable[[Campaign, Occasion, Decision, ZoneInfo], None]


def plan(
    store: Store,
    definitions: Definitions,
    *,
    now: datetime,
    campaigns: Sequence[str] | None = None,
    is_saved: bool,
    is_quick: bool = False,
    watch: Watch | None = None,
    customer_id: int | None = None,
    is_planned_too: bool = False,
    segments: Mapping[str, Rule] | None = None,
) -> PlanReport:
    """Plan the campaigns: which customers get which mail when, and which do not and why.

    A campaign that cannot be planned does not keep the others from it; its error comes last.

    Args:
        store: the shop's database.
        definitions: what marketers wrote.
        now: the clock.
        campaigns: ids; None means all.
        is_saved: write touches; otherwise nothing is written and drafts are shown as if live.
        is_quick: for a tick: everything is looked at every half hour, in between only news.
        watch: told of each decision.
        customer_id: look at this customer only; for looking, never for saving.
        is_planned_too: look at occasions again that have their touches; never for saving.
        segments: rules to be looked at afresh, since their members are those of older ones; never
            for saving.

    Raises:
        NotFound: there is no campaign by one of these ids.
        DefinitionError: the shop's own file is wrong.
    """
    chosen = _chosen(definitions, campaigns)
    if is_saved:
        endings.follow_files(store, definitions, now)
    looks = Looks(store, chosen, now=now) if is_saved else None
    known = looks.known(chosen) if looks is not None and is_quick else frozenset()
    quiet = looks.quiet(one for one in chosen if one.id in known) if looks is not None else known
    taken = _taken(store, chosen)
    busy = [one for one in chosen if one.id not in quiet]
    longest = max((one.valid_for for one in definitions.campaigns.values()), default=DAY)
    near = _near(definitions.shop, now, longest)
    scales = Scales(definitions.shop, definitions.campaigns, now)
    act = _Act(
        store=store,
        shop=definitions.shop,
        now=now,
        is_saved=is_saved,
        longest=longest,
        pasts=Pasts(
            store,
            since=min(near, occasions.earliest_of(busy, now)),
            is_remembering=not is_saved and _may_meet_twice(chosen),
            scales=scales,
        ),
        scales=scales,
        gathered=Gathered(now),
        known=known,
        quiet=quiet,
        taken=taken,
        gone=_gone(store, [one for one in busy if one.id not in taken]),
        looks=looks,
        watch=watch,
        customer_id=customer_id,
        is_planned_too=is_planned_too,
        segments=segments,
    )
    ended = 0
    if looks is not None:
        news = [(one, looks.exits_since(one)) for one in chosen if _is_looked_through(act, one)]
        reopening.reopen(store, news, now=now)
        whence = ((one, looks.since(one) if one.id in known else None) for one in busy)
        act.openings = Openings(store, definitions.shop, whence, now=now, gone=act.gone)
        asked = [one for one in chosen if one.mode is not Mode.DRAFT and one.id not in known]
        ended = endings.end_exited(
            store,
            [(one, looks.exits_since(one)) for one in asked],
            now,
            shop=definitions.shop,
        )
        giving_back.give_back(store, definitions.shop, chosen, now=now, longest=longest)
    plans = _plan_all(act, chosen)
    return PlanReport(at=now, is_saved=is_saved, campaigns=tuple(plans), ended=ended)


@dataclass(slots=True, kw_only=True)
class _Act:
    """One act of planning."""

    store: Store
    shop: Shop
    now: datetime
    is_saved: bool
    #: The longest validity of any campaign.
    longest: timedelta
    pasts: Pasts
    scales: Scales
    #: Campaigns of which only the news is looked at.
    known: frozenset[str]
    #: Those of them that have no news.
    quiet: frozenset[str]
    #: Dated campaigns that have taken their audience: they do so once.
    taken: frozenset[str]
    #: Campaign -> steps that it has planned and its file has no more.
    gone: Mapping[str, tuple[str, ...]]
    #: What was looked at before; None for a plan that is only looked at.
    looks: Looks | None
    openings: Openings | None = None
    gathered: Gathered
    watch: Watch | None = None
    customer_id: int | None = None
    is_planned_too: bool = False
    segments: Mapping[str, Rule] | None


def _taken(store: Store, campaigns: Iterable[Campaign]) -> frozenset[str]:
    dated = {one.id: one.version for one in campaigns if isinstance(one.anchor, DateAnchor)}
    with store.read() as connection:
        return plan_runs.list_taken(connection, dated)


def _gone(store: Store, campaigns: Iterable[Campaign]) -> dict[str, tuple[str, ...]]:
    steps = {one.id: {step.id for step in one.steps} for one in campaigns}
    if not steps:
        return {}
    with store.read() as connection:
        return unplanned.list_gone(connection, steps)


def _plan_all(act: _Act, chosen: Sequence[Campaign]) -> list[CampaignPlan]:
    plans: list[CampaignPlan] = []
    failure: Exception | None = None
    for campaign in chosen:
        try:
            plans.append(_go_on(act, campaign, _plan_one(act, campaign)))
        except StoreError:
            raise
        except Exception as error:
            error.add_note(f"while planning the campaign `{campaign.id}`")
            failure = failure or error
    if act.looks is not None:
        act.looks.save()
    if failure is not None:
        raise failure
    return plans


def _may_meet_twice(chosen: Sequence[Campaign]) -> bool:
    """Whether one customer can come up more than once in this act."""
    return len(chosen) > 1 or not isinstance(chosen[0].anchor, DateAnchor) if chosen else False


def _chosen(definitions: Definitions, names: Sequence[str] | None) -> list[Campaign]:
    """The campaigns asked for, the most important first: it gets the slots."""
    if not definitions.has_shop:
        raise DefinitionError(
            "campaigns/shop.yaml is wrong: nothing is planned", hint="run `crm-mailer check`"
        )
    known = definitions.campaigns
    for name in names or ():
        if name not in known:
            raise NotFound(
                Sentence("there is no campaign `{name}`", name=name),
                hint=did_you_mean(name, known) or "`crm-mailer check` shows what is wrong",
            )
    wanted = [known[name] for name in dict.fromkeys(names)] if names else list(known.values())
    return sorted(wanted, key=lambda campaign: (-campaign.priority, campaign.id))


def _plan_one(act: _Act, campaign: Campaign) -> CampaignPlan:
    if act.is_saved and _is_left_alone(act, campaign):
        return empty(campaign)
    tally = Tally(campaign)
    if not act.is_saved and not act.is_planned_too and campaign.id in act.taken:
        return tally.plan
    if act.looks is not None:
        act.looks.prepare(campaign)
    among = _among(act, campaign)
    pages: Iterable[list[Occasion]] = occasions.pages(
        act.store,
        campaign,
        act.shop,
        now=act.now,
        is_counting=not act.is_saved,
        ahead=occasions.AHEAD if act.is_saved else _sight(campaign),
        among=among,
        customer_id=act.customer_id,
        is_planned_too=act.is_planned_too,
        gone=act.gone.get(campaign.id, ()),
        segments=act.segments,
    )
    if among is not None:
        pages = act.gathered.pages(campaign, among, pages)
    may_decide = act.is_saved and campaign.id not in act.known
    winners = trials.winners(act.store, campaign, act.now, may_decide=may_decide)
    curtain = saving.Curtain(act.store, campaign, act.now)
    if act.is_saved and act.watch is None and crowd.fits(campaign):
        curtain.draw()
        _plan_crowd(act, campaign, tally, winners)
    fates = alike.Alike(campaign, act.shop, now=act.now, winners=winners)
    for page in adaptive.waiting(act.store, campaign, pages):
        act.pasts.meet(one.customer_id for one in page)
        view = _view(act, campaign, page)
        made = _decide_page(act, campaign, page, view, fates, tally)
        if act.is_saved and made.rows:
            curtain.draw()
            tally.plan.saved += _save(act, campaign, made, view)
    if act.is_saved:
        _finish(act, campaign, tally.plan, curtain)
    return tally.plan


def _plan_crowd(act: _Act, campaign: Campaign, tally: Tally, winners: Mapping[str, str]) -> None:
    """Save at once what is the same for all who live alike; the pages find the others."""
    saved = crowd.plan_crowd(
        act.store,
        campaign,
        act.shop,
        now=act.now,
        since=_near(act.shop, act.now, act.longest),
        winners=winners,
        gone=act.gone.get(campaign.id, ()),
    )
    if saved:
        act.pasts.clear()
        with act.store.read() as connection:
            found = touches.planned_at(connection, campaign.id, act.now)
            leaving = [row.customer_id for row in found if not row.reason]
            homes = crowds.homes_of(connection, {*leaving[:1], *leaving[-1:]})
        tally.crowd(found, saved, crowd.zones(homes, act.shop))


def _go_on(act: _Act, campaign: Campaign, done: CampaignPlan) -> CampaignPlan:
    """On an adaptive curve, plan the next touch of each customer who is under way."""
    if act.is_saved and campaign.adaptive is not None and campaign.mode is not Mode.DRAFT:
        act.pasts.clear()  # touches of its courses move
        act_of_courses = adaptive.Round(
            store=act.store,
            shop=act.shop,
            campaign=campaign,
            now=act.now,
            longest=act.longest,
            scales=act.scales,
            is_new=done.saved > 0,
        )
        more = adaptive.go_on(act_of_courses)
        gave_way = giving_way.added(done.gave_way, act_of_courses.moves)
        return replace(done, saved=done.saved + more, gave_way=gave_way)
    return done


@dataclass(frozen=True, slots=True, kw_only=True)
class _View:
    """What is known beside a page: each customer's newest event, those with mails about an older
    one still waiting, the events that come too soon, and of those that are planned in part what.
    """

    newest: Mapping[int, Event]
    stale: Mapping[int, Event]
    too_soon: Mapping[int, frozenset[Event]]
    #: Customer and name of an event -> steps that were decided before.
    made: Mapping[tuple[int, str], frozenset[str]]


def _view(act: _Act, campaign: Campaign, page: list[Occasion]) -> _View:
    too_soon = _too_soon(act, campaign, page)
    newest, stale = _newest(act, campaign, page, too_soon)
    made = _made(act, campaign, page)
    return _View(newest=newest, stale=stale, too_soon=too_soon, made=made)


def _made(
    act: _Act, campaign: Campaign, page: list[Occasion]
) -> Mapping[tuple[int, str], frozenset[str]]:
    """What was decided before of the page's occasions: the campaign has got a step more since."""
    if act.is_planned_too:
        return {}
    under_way = {
        one.customer_id
        for one in page
        if act.pasts.knows(campaign.id, one.customer_id)
        and act.pasts.has(campaign.id, one.customer_id, _event(act, one))
    }
    if not under_way:
        return {}
    with act.store.read() as connection:
        return touches.list_steps(connection, campaign.id, sorted(under_way))


def _event(act: _Act, occasion: Occasion) -> Event:
    return decisions.anchored_at(occasion, decisions.zone_of(occasion, act.shop)), occasion.anchor


def _save(act: _Act, campaign: Campaign, made: saving.Page, view: _View) -> int:
    saved = saving.save(act.store, campaign, made, view.stale, act.now)
    act.pasts.forget(view.stale)
    if saved < len(made.rows):  # some were there, at times of their own
        act.pasts.forget(row[saving.CUSTOMER] for row in made.rows)
    return saved


def _too_soon(act: _Act, campaign: Campaign, page: list[Occasion]) -> dict[int, frozenset[Event]]:
    """Each customer's events in the page that `reentry` forbids."""
    if campaign.reentry == timedelta(0):
        return {}
    since = (
        act.now - FAR * 20
        if campaign.reentry is None
        else (occasions.earliest(campaign, act.now) - campaign.reentry)
    )
    with act.store.read() as connection:
        started = touches.events(connection, campaign.id, _people(page), since, is_started=True)
    news: dict[int, list[Event]] = {}
    for occasion in page:
        if occasion.may_begin:
            news.setdefault(occasion.customer_id, []).append(_event(act, occasion))
    return {
        customer: reentry.too_soon(started.get(customer, ()), events, campaign.reentry)
        for customer, events in news.items()
    }


def _among(act: _Act, campaign: Campaign) -> list[int] | None:
    """The occasions to look at: a quick look takes what is new, a full one what is open.

    None: everything, of a plan that is only looked at, and of days that are alike for everybody.
    """
    if act.openings is None:
        return None
    if campaign.id in act.known and is_calendar(campaign.anchor):
        return []
    return act.openings.of(campaign) if occasions.are_shared(campaign.anchor) else None


def _sight(campaign: Campaign) -> timedelta:
    """A plan that is only looked at shows a dated campaign long before its day."""
    is_dated = isinstance(campaign.anchor, (DateAnchor, FestivalAnchor, MonthlyAnchor))
    return FAR if is_dated else occasions.AHEAD


def _is_looked_through(act: _Act, campaign: Campaign) -> bool:
    """Whether the act goes through all that is open to the campaign."""
    return campaign.mode is not Mode.DRAFT and campaign.id not in act.known | act.taken


def _is_left_alone(act: _Act, campaign: Campaign) -> bool:
    """Whether it has no news, or plans nothing."""
    return campaign.mode is Mode.DRAFT or campaign.id in act.quiet | act.taken


def _decide_page(
    act: _Act,
    campaign: Campaign,
    page: list[Occasion],
    view: _View,
    fates: alike.Alike,
    tally: Tally,
) -> saving.Page:
    newest = view.newest
    is_marketing = campaign.stream is Stream.MARKETING
    writer, made = saving.Rows(campaign, act.now), saving.Page()
    for occasion in page:
        person, place = occasion.customer_id, decisions.zone_of(occasion, act.shop)
        event = decisions.anchored_at(occasion, place), occasion.anchor
        last = newest.get(person)
        taken = act.pasts.taken(person, campaign, last) if is_marketing else ()
        fate = fates.decide(
            occasion,
            taken,
            is_superseded=last is not None and event < last,
            is_back_too_soon=event in view.too_soon.get(person, ()),
            made=view.made.get((person, occasion.anchor), NONE),
        )
        tally.plan.occasions += 1
        for one in fate.decisions:
            tally.decision(occasion, one, place)
            if act.watch is not None:
                act.watch(campaign, occasion, one, place)
        if act.is_saved:
            made.rows += writer.of(occasion, fate.decisions, event[0])
        if fate.slots:
            moves = act.pasts.make_way(occasion, campaign, fate, taken=taken, place=place)
            if moves:
                made.moves.setdefault(person, []).extend(moves)
                tally.gave_way(moves)
        act.pasts.add(person, campaign, event, fate)
    return made


def _near(shop: Shop, now: datetime, longest: timedelta) -> datetime:
    """Marketing mail since then can be in the way of another."""
    return now - windows.look_back(shop) - longest


def _people(page: Iterable[Occasion]) -> list[int]:
    return sorted({occasion.customer_id for occasion in page})


def _newest(
    act: _Act,
    campaign: Campaign,
    page: list[Occasion],
    too_soon: Mapping[int, frozenset[Event]],
) -> tuple[dict[int, Event], dict[int, Event]]:
    """The newest event of each customer, in the page or planned before; and of those for whom
    mails about an older one still wait.

    Nothing where events do not replace one another: parallel campaigns, and those at a date.
    """
    if campaign.is_parallel or isinstance(campaign.anchor, DateAnchor):
        return {}, {}
    since = occasions.earliest(campaign, act.now)
    planned = {
        one: events
        for one in _people(page)
        if (events := act.pasts.events(campaign.id, one, since))
    }
    newest = {customer: max(events) for customer, events in planned.items()}
    for occasion in page:
        if not occasion.may_begin:
            continue
        event = _event(act, occasion)
        if event in too_soon.get(occasion.customer_id, ()):
            continue
        newest[occasion.customer_id] = max(event, newest.get(occasion.customer_id, event))
    stale = {
        customer: newest[customer]
        for customer, events in planned.items()
        if any(is_unsent and event < newest[customer] for event, is_unsent in events.items())
    }
    return newest, stale


def _finish(act: _Act, campaign: Campaign, done: CampaignPlan, curtain: saving.Curtain) -> None:
    """Note what was done, and let senders see it."""
    is_dated = isinstance(campaign.anchor, DateAnchor) and done.occasions > 0
    is_noted, is_full = bool(done.saved) or is_dated, campaign.id not in act.known
    counts = {
        "version": campaign.version,
        "occasions": done.occasions,
        "planned": done.planned,
        "left_out": {reason.value: number for reason, number in done.left_out.items()},
        "saved": done.saved,
    }
    assert act.looks is not None
    if is_noted or curtain.is_wanted:
        with act.store.write() as connection:
            curtain.lift(connection)
            if is_noted:
                plan_runs.add(connection, campaign.id, act.now, counts)
    act.looks.note(campaign, is_full=is_full)
