"""Load occasions, decide which mails they call for, save them as touches."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from crm_mailer.definitions.library import Definitions
from crm_mailer.definitions.problems import did_you_mean
from crm_mailer.model.campaign import Campaign, DateAnchor, Mode, Stream
from crm_mailer.model.errors import DefinitionError, NotFound
from crm_mailer.model.shop import Shop
from crm_mailer.model.touch import TouchState
from crm_mailer.planning import decisions, exits, occasions
from crm_mailer.planning.decisions import Decision
from crm_mailer.planning.report import CampaignPlan, PlanReport, Tally
from crm_mailer.store import plan_runs, touches
from crm_mailer.store.engine import Store
from crm_mailer.store.occasions import Occasion

#: Rows of one transaction: a lock of a fraction of a second.
BATCH = 5_000
#: How far a plan that is only looked at sees.
FAR = timedelta(days=366)


def plan(
    store: Store,
    definitions: Definitions,
    *,
    now: datetime,
    campaigns: Sequence[str] | None = None,
    is_saved: bool,
) -> PlanReport:
    """Plan the campaigns: which customers get which mail when, and which do not and why.

    Args:
        store: the shop's database.
        definitions: what marketers wrote.
        now: the clock.
        campaigns: ids; None means all.
        is_saved: write touches; otherwise nothing is written and drafts are shown as if live.

    Raises:
        NotFound: there is no campaign by one of these ids.
        DefinitionError: the shop's own file is wrong.
    """
    chosen = _chosen(definitions, campaigns)
    ended = 0
    if is_saved:
        exits.follow_modes(store, definitions)
        ended = exits.end_exited(store, definitions, now)
    act = _Act(
        store=store,
        shop=definitions.shop,
        now=now,
        is_saved=is_saved,
        is_remembering=not is_saved and _may_meet_twice(chosen),
    )
    plans = [_plan_one(act, campaign) for campaign in chosen]
    return PlanReport(at=now, is_saved=is_saved, campaigns=tuple(plans), ended=ended)


@dataclass(slots=True, kw_only=True)
class _Act:
    """One act of planning. `given` remembers slots that an unsaved plan cannot read back."""

    store: Store
    shop: Shop
    now: datetime
    is_saved: bool
    is_remembering: bool
    given: dict[int, list[datetime]] = field(default_factory=dict)


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
    )
    for page in pages:
        newest = _newest(act, campaign, page)
        rows = _decide_page(act, campaign, page, newest, tally)
        if act.is_saved:
            tally.plan.saved += _save(act, campaign, rows, newest)
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
    newest: Mapping[int, datetime],
    tally: Tally,
) -> list[dict[str, Any]]:
    taken = _taken(act, campaign, _people(page), newest)
    rows = []
    for occasion in page:
        place = decisions.zone_of(occasion, act.shop)
        anchored = decisions.anchored_at(occasion, place)
        tally.occasion(occasion)
        for one in decisions.decide(
            campaign,
            act.shop,
            occasion,
            now=act.now,
            taken=taken.setdefault(occasion.customer_id, []),
            is_superseded=anchored < newest.get(occasion.customer_id, anchored),
        ):
            tally.decision(occasion, one, place)
            if act.is_saved and one.is_final:
                rows.append(_row(campaign, occasion, one, anchored, act.now))
    if act.is_remembering and campaign.stream is Stream.MARKETING:
        act.given.update((customer, times) for customer, times in taken.items() if times)
    return rows


def _people(page: Iterable[Occasion]) -> list[int]:
    return sorted({occasion.customer_id for occasion in page})


def _taken(
    act: _Act, campaign: Campaign, people: list[int], newest: Mapping[int, datetime]
) -> dict[int, list[datetime]]:
    """When these customers have other marketing mail."""
    if campaign.stream is Stream.TRANSACTIONAL:
        return {}
    since = act.now - timedelta(days=act.shop.cap_days + 1) - campaign.valid_for
    with act.store.read() as connection:
        taken = touches.marketing_times(
            connection, people, since, campaign=campaign.id, newest=newest
        )
    for customer in people if act.given else ():
        if customer in act.given:
            taken[customer] = act.given[customer]
    return taken


def _newest(act: _Act, campaign: Campaign, page: list[Occasion]) -> dict[int, datetime]:
    """The newest event of each customer, in the page or planned before.

    Nothing where events do not replace one another: parallel campaigns, and those at a date.
    """
    if campaign.is_parallel or isinstance(campaign.anchor, DateAnchor):
        return {}
    with act.store.read() as connection:
        newest = touches.newest_anchors(connection, campaign.id, _people(page))
    for occasion in page:
        if occasion.is_exited:
            continue
        at = decisions.anchored_at(occasion, decisions.zone_of(occasion, act.shop))
        newest[occasion.customer_id] = max(at, newest.get(occasion.customer_id, at))
    return newest


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
    act: _Act, campaign: Campaign, rows: list[dict[str, Any]], newest: Mapping[int, datetime]
) -> int:
    """Save a page in short write turns; what newer events have made stale ends first."""
    saved = 0
    if rows and newest:
        with act.store.write() as connection:
            touches.end_older(connection, campaign.id, newest, act.now)
    for start in range(0, len(rows), BATCH):
        with act.store.write() as connection:
            saved += touches.add(act.store, connection, rows[start : start + BATCH])
    return saved


def _finish(act: _Act, campaign: Campaign, done: CampaignPlan) -> None:
    """Note what was done."""
    is_dated = isinstance(campaign.anchor, DateAnchor) and done.occasions > 0
    if not done.saved and not is_dated:
        return
    counts = {
        "version": campaign.version,
        "occasions": done.occasions,
        "planned": done.planned,
        "left_out": {reason.value: number for reason, number in done.left_out.items()},
        "saved": done.saved,
    }
    with act.store.write() as connection:
        plan_runs.add(connection, campaign.id, act.now, counts)
