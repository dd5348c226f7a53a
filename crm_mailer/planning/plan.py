"""Load occasions, decide which mails they call for, save them as touches."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
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
from crm_mailer.model.shop import Shop
from crm_mailer.planning import (
    adaptive,
    alike,
    crowd,
    decisions,
    endings,
    occasions,
    reentry,
    saving,
    trials,
)
from crm_mailer.planning.decisions import Decision
from crm_mailer.planning.looks import Looks
from crm_mailer.planning.openings import Openings
from crm_mailer.planning.past import Pasts
from crm_mailer.planning.report import CampaignPlan, PlanReport, Tally
from crm_mailer.store import crowds, plan_runs, touches
from crm_mailer.store.engine import Store
from crm_mailer.store.events import are_events
from crm_mailer.store.occasions import Occasion
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

    Raises:
        NotFound: there is no campaign by one of these ids.
        DefinitionError: the shop's own file is wrong.
    """
    chosen = _chosen(definitions, campaigns)
    earliest = min((occasions.earliest(one, now) for one in chosen), default=now)
    longest = max((one.valid_for for one in definitions.campaigns.values()), default=DAY)
    act = _Act(
        store=store,
        shop=definitions.shop,
        now=now,
        is_saved=is_saved,
        longest=longest,
        pasts=Pasts(
            store,
            since=min(earliest, _near(definitions.shop, now, longest)),
            is_remembering=not is_saved and _may_meet_twice(chosen),
        ),
        looks=Looks(store, chosen, now=now, earliest=earliest) if is_saved else None,
        watch=watch,
        customer_id=customer_id,
        is_planned_too=is_planned_too,
    )
    ended = 0
    if is_saved:
        endings.follow_files(store, definitions, now)
        assert act.looks is not None
        act.known = act.looks.known(chosen) if is_quick else frozenset()
        looks, known = act.looks, act.known
        whence = ((one, looks.since(one) if one.id in known else None) for one in chosen)
        act.openings = Openings(store, whence, now=now)
        ended = endings.end_exited(
            store,
            [
                (one, looks.exits_since(one))
                for one in chosen
                if one.mode is not Mode.DRAFT and one.id not in known
            ],
            now,
            shop=definitions.shop,
        )
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
    #: Campaigns of which only the news is looked at.
    known: frozenset[str] = frozenset()
    #: What was looked at before; None for a plan that is only looked at.
    looks: Looks | None
    openings: Openings | None = None
    watch: Watch | None = None
    customer_id: int | None = None
    is_planned_too: bool = False


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
                f"there is no campaign `{name}`",
                hint=did_you_mean(name, known) or "`crm-mailer check` shows what is wrong",
            )
    wanted = [known[name] for name in dict.fromkeys(names)] if names else list(known.values())
    return sorted(wanted, key=lambda campaign: (-campaign.priority, campaign.id))


def _plan_one(act: _Act, campaign: Campaign) -> CampaignPlan:
    tally = Tally(campaign)
    if act.is_saved and (campaign.mode is Mode.DRAFT or _is_quiet(act, campaign)):
        return tally.plan
    if act.is_saved and _is_taken(act, campaign):
        return tally.plan
    if act.looks is not None:
        act.looks.prepare(campaign)
    pages = occasions.pages(
        act.store,
        campaign,
        act.shop,
        now=act.now,
        is_counting=not act.is_saved,
        ahead=occasions.AHEAD if act.is_saved else _sight(campaign),
        among=_among(act, campaign),
        customer_id=act.customer_id,
        is_planned_too=act.is_planned_too,
    )
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
        rows = _decide_page(act, campaign, page, view, fates, tally)
        if act.is_saved and rows:
            curtain.draw()
            tally.plan.saved += _save(act, campaign, rows, view)
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
        done.saved += adaptive.go_on(
            adaptive.Round(
                store=act.store,
                shop=act.shop,
                campaign=campaign,
                now=act.now,
                longest=act.longest,
                is_new=done.saved > 0,
            )
        )
    return done


@dataclass(frozen=True, slots=True, kw_only=True)
class _View:
    """What is known beside a page: each customer's newest event, those with mails about an older
    one still waiting, and the events that come too soon.
    """

    newest: Mapping[int, Event]
    stale: Mapping[int, Event]
    too_soon: Mapping[int, frozenset[Event]]


def _view(act: _Act, campaign: Campaign, page: list[Occasion]) -> _View:
    too_soon = _too_soon(act, campaign, page)
    newest, stale = _newest(act, campaign, page, too_soon)
    return _View(newest=newest, stale=stale, too_soon=too_soon)


def _save(act: _Act, campaign: Campaign, rows: Sequence[saving.Row], view: _View) -> int:
    saved = saving.save(act.store, campaign, rows, view.stale, act.now)
    act.pasts.forget(view.stale)
    if saved < len(rows):  # some were there, at times of their own
        act.pasts.forget(row[saving.CUSTOMER] for row in rows)
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
        at = decisions.anchored_at(occasion, decisions.zone_of(occasion, act.shop))
        news.setdefault(occasion.customer_id, []).append((at, occasion.anchor))
    return {
        customer: reentry.too_soon(started.get(customer, ()), events, campaign.reentry)
        for customer, events in news.items()
    }


def _is_quiet(act: _Act, campaign: Campaign) -> bool:
    """Whether a quick look would find nothing."""
    return campaign.id in act.known and act.looks is not None and act.looks.is_quiet(campaign)


def _among(act: _Act, campaign: Campaign) -> list[int] | None:
    """The events to look at: a quick look takes what is new, a full one what is open.

    None: everything, of a plan that is only looked at, and of days of the calendar.
    """
    if act.openings is None:
        return None
    if are_events(campaign.anchor):
        return act.openings.of(campaign)
    return [] if campaign.id in act.known else None


def _sight(campaign: Campaign) -> timedelta:
    """A plan that is only looked at shows a dated campaign long before its day."""
    is_dated = isinstance(campaign.anchor, (DateAnchor, FestivalAnchor, MonthlyAnchor))
    return FAR if is_dated else occasions.AHEAD


def _is_taken(act: _Act, campaign: Campaign) -> bool:
    """A dated campaign takes its audience once; it is not asked again every minute."""
    if not isinstance(campaign.anchor, DateAnchor):
        return False
    with act.store.read() as connection:
        last = plan_runs.find_last(connection, campaign.id)
    return last is not None and last.get("version") == campaign.version


def _decide_page(
    act: _Act,
    campaign: Campaign,
    page: list[Occasion],
    view: _View,
    fates: alike.Alike,
    tally: Tally,
) -> list[saving.Row]:
    newest = view.newest
    is_marketing = campaign.stream is Stream.MARKETING
    rows = []
    for occasion in page:
        person, place = occasion.customer_id, decisions.zone_of(occasion, act.shop)
        event = decisions.anchored_at(occasion, place), occasion.anchor
        last = newest.get(person)
        fate = fates.decide(
            occasion,
            act.pasts.taken(person, campaign.id, last) if is_marketing else (),
            is_superseded=last is not None and event < last,
            is_back_too_soon=event in view.too_soon.get(person, ()),
        )
        tally.plan.occasions += 1
        for one in fate.decisions:
            tally.decision(occasion, one, place)
            if act.watch is not None:
                act.watch(campaign, occasion, one, place)
            if act.is_saved and one.is_final:
                rows.append(saving.row(campaign, occasion, one, event[0], act.now))
        act.pasts.add(person, campaign, event, fate)
    return rows


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
        if occasion.is_exited:
            continue
        at = decisions.anchored_at(occasion, decisions.zone_of(occasion, act.shop))
        event = at, occasion.anchor
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
