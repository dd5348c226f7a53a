"""Load occasions, decide which mails they call for, save them as touches."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from crm_mailer.definitions.library import Definitions
from crm_mailer.definitions.problems import did_you_mean
from crm_mailer.model import address
from crm_mailer.model.campaign import Campaign, DateAnchor, Mode, Stream
from crm_mailer.model.errors import DefinitionError, NotFound, StoreError
from crm_mailer.model.shop import Shop
from crm_mailer.model.touch import TouchState
from crm_mailer.planning import decisions, endings, occasions
from crm_mailer.planning.decisions import Decision
from crm_mailer.planning.report import CampaignPlan, PlanReport, Tally
from crm_mailer.store import plan_runs, touches
from crm_mailer.store.bulk import TURN
from crm_mailer.store.engine import Store
from crm_mailer.store.occasions import Occasion
from crm_mailer.store.touches import Event

DAY = timedelta(days=1)
#: How far a plan that is only looked at sees.
FAR = timedelta(days=366)
#: How often a quick plan looks at all that is open; in between, only at what is new.
FULL_EVERY = timedelta(minutes=30)
#: What counts as new: longer than the longest import, since its rows bear the time of its start.
RECENT = timedelta(hours=1)


def plan(
    store: Store,
    definitions: Definitions,
    *,
    now: datetime,
    campaigns: Sequence[str] | None = None,
    is_saved: bool,
    is_quick: bool = False,
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

    Raises:
        NotFound: there is no campaign by one of these ids.
        DefinitionError: the shop's own file is wrong.
    """
    chosen = _chosen(definitions, campaigns)
    act = _Act(
        store=store,
        shop=definitions.shop,
        now=now,
        is_saved=is_saved,
        is_remembering=not is_saved and _may_meet_twice(chosen),
        longest=max((one.valid_for for one in definitions.campaigns.values()), default=DAY),
    )
    ended = 0
    if is_saved:
        endings.follow_files(store, definitions, now)
        act.known = _known(act, chosen) if is_quick else frozenset()
        to_look_at = [one for one in chosen if one.mode is not Mode.DRAFT]
        ended = endings.end_exited(
            store, (one for one in to_look_at if one.id not in act.known), now
        )
    plans = _plan_all(act, chosen)
    return PlanReport(at=now, is_saved=is_saved, campaigns=tuple(plans), ended=ended)


@dataclass(slots=True, kw_only=True)
class _Act:
    """One act of planning. `given` remembers slots that an unsaved plan cannot read back."""

    store: Store
    shop: Shop
    now: datetime
    is_saved: bool
    is_remembering: bool
    #: The longest validity of any campaign.
    longest: timedelta
    #: Campaigns of which only the news is looked at.
    known: frozenset[str] = frozenset()
    given: dict[int, list[datetime]] = field(default_factory=dict)


def _known(act: _Act, chosen: Sequence[Campaign]) -> frozenset[str]:
    """Campaigns that had a full look lately, as they are written now."""
    with act.store.read() as connection:
        looks = plan_runs.full_looks(connection)
    return frozenset(
        one.id
        for one in chosen
        if one.id in looks
        and looks[one.id].version == one.version
        and timedelta(0) <= act.now - looks[one.id].at < FULL_EVERY
    )


def _plan_all(act: _Act, chosen: Sequence[Campaign]) -> list[CampaignPlan]:
    plans: list[CampaignPlan] = []
    failure: Exception | None = None
    for campaign in chosen:
        try:
            plans.append(_plan_one(act, campaign))
        except StoreError:
            raise
        except Exception as error:
            error.add_note(f"while planning the campaign `{campaign.id}`")
            failure = failure or error
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
    if act.is_saved and (campaign.mode is Mode.DRAFT or _is_taken(act, campaign)):
        return tally.plan
    pages = occasions.pages(
        act.store,
        campaign,
        act.shop,
        now=act.now,
        is_counting=not act.is_saved,
        ahead=occasions.AHEAD if act.is_saved else _sight(campaign),
        learnt_since=act.now - RECENT if campaign.id in act.known else None,
    )
    for page in pages:
        newest, stale = _newest(act, campaign, page)
        rows = _decide_page(act, campaign, page, newest, tally)
        if act.is_saved:
            tally.plan.saved += _save(act, campaign, rows, stale)
    if act.is_saved:
        _finish(act, campaign, tally.plan)
    return tally.plan


def _sight(campaign: Campaign) -> timedelta:
    """A plan that is only looked at shows a dated campaign long before its day."""
    return FAR if isinstance(campaign.anchor, DateAnchor) else occasions.AHEAD


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
    newest: Mapping[int, Event],
    tally: Tally,
) -> list[dict[str, Any]]:
    taken = _taken(act, campaign, _people(page), newest)
    rows = []
    for occasion in page:
        place = decisions.zone_of(occasion, act.shop)
        event = decisions.anchored_at(occasion, place), occasion.anchor
        tally.plan.occasions += 1
        for one in decisions.decide(
            campaign,
            act.shop,
            occasion,
            now=act.now,
            taken=taken.setdefault(occasion.customer_id, []),
            is_superseded=event < newest.get(occasion.customer_id, event),
        ):
            tally.decision(occasion, one, place)
            if act.is_saved and one.is_final:
                rows.append(_row(campaign, occasion, one, event[0], act.now))
    if act.is_remembering and campaign.stream is Stream.MARKETING:
        act.given.update((customer, times) for customer, times in taken.items() if times)
    return rows


def _people(page: Iterable[Occasion]) -> list[int]:
    return sorted({occasion.customer_id for occasion in page})


def _taken(
    act: _Act, campaign: Campaign, people: list[int], newest: Mapping[int, Event]
) -> dict[int, list[datetime]]:
    """When these customers have other marketing mail."""
    if campaign.stream is Stream.TRANSACTIONAL:
        return {}
    since = act.now - timedelta(days=act.shop.cap_days + 1) - act.longest
    with act.store.read() as connection:
        taken = touches.marketing_times(
            connection, people, since, campaign=campaign.id, newest=newest
        )
    for customer in people if act.given else ():
        if customer in act.given:
            taken[customer] = act.given[customer]
    return taken


def _newest(
    act: _Act, campaign: Campaign, page: list[Occasion]
) -> tuple[dict[int, Event], dict[int, Event]]:
    """The newest event of each customer, in the page or planned before; and of those for whom
    mails about an older one still wait.

    Nothing where events do not replace one another: parallel campaigns, and those at a date.
    """
    if campaign.is_parallel or isinstance(campaign.anchor, DateAnchor):
        return {}, {}
    since = occasions.earliest(campaign, act.now)
    with act.store.read() as connection:
        planned = touches.events(connection, campaign.id, _people(page), since)
    newest = {customer: max(events) for customer, events in planned.items()}
    for occasion in page:
        if occasion.is_exited:
            continue
        at = decisions.anchored_at(occasion, decisions.zone_of(occasion, act.shop))
        event = at, occasion.anchor
        newest[occasion.customer_id] = max(event, newest.get(occasion.customer_id, event))
    stale = {
        customer: newest[customer]
        for customer, events in planned.items()
        if any(is_unsent and event < newest[customer] for event, is_unsent in events.items())
    }
    return newest, stale


def _row(
    campaign: Campaign, occasion: Occasion, one: Decision, anchored: datetime, now: datetime
) -> dict[str, Any]:
    state = TouchState.HELD if campaign.mode is Mode.MANUAL else TouchState.PLANNED
    is_skipped = one.reason is not None
    return {
        "campaign": campaign.id,
        "step": one.step.id,
        "anchor": occasion.anchor,
        "customer_id": occasion.customer_id,
        "order_id": occasion.order_id,
        "stream": campaign.stream.value,
        "provider": address.provider(occasion.email),
        "template": one.step.template,
        "campaign_version": campaign.version,
        "place": one.place,
        "places": len(campaign.steps),
        "anchored_at": anchored,
        "due_at": one.due_at,
        "expires_at": one.expires_at,
        "state": (TouchState.SKIPPED if is_skipped else state).value,
        "reason": one.reason.value if one.reason is not None else "",
        "next_at": None if is_skipped else one.due_at,
        "planned_at": now,
        "settled_at": now if is_skipped else None,
    }


def _save(
    act: _Act, campaign: Campaign, rows: list[dict[str, Any]], stale: Mapping[int, Event]
) -> int:
    """Save a page in short write turns; what newer events have made stale ends first."""
    saved = 0
    if rows and stale:
        with act.store.write() as connection:
            touches.end_older(connection, campaign.id, stale, act.now)
    for start in range(0, len(rows), TURN):
        with act.store.write() as connection:
            saved += touches.add(connection, rows[start : start + TURN])
    return saved


def _finish(act: _Act, campaign: Campaign, done: CampaignPlan) -> None:
    """Note what was done."""
    is_dated = isinstance(campaign.anchor, DateAnchor) and done.occasions > 0
    is_noted, is_full = bool(done.saved) or is_dated, campaign.id not in act.known
    if not is_noted and not is_full:
        return
    counts = {
        "version": campaign.version,
        "occasions": done.occasions,
        "planned": done.planned,
        "left_out": {reason.value: number for reason, number in done.left_out.items()},
        "saved": done.saved,
    }
    with act.store.write() as connection:
        if is_noted:
            plan_runs.add(connection, campaign.id, act.now, counts)
        if is_full:
            look = plan_runs.FullLook(at=act.now, version=campaign.version)
            plan_runs.set_full_look(connection, campaign.id, look)
