"""Plans a calendar day's audience by SQL; whoever is not plain is left to the page by page way."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from crm_mailer.model import chance
from crm_mailer.model.campaign import Campaign, DateAnchor, FestivalAnchor, MonthlyAnchor, Step
from crm_mailer.model.shop import Shop
from crm_mailer.model.standing import OF_SUPPRESSION, Standing, refusal
from crm_mailer.model.suppression import Scope, SuppressionReason
from crm_mailer.model.touch import SkipReason
from crm_mailer.model.zones import home_zone
from crm_mailer.planning import decisions, occasions
from crm_mailer.planning.decisions import Decision
from crm_mailer.store import crowds
from crm_mailer.store.crowds import Crowd, Moment
from crm_mailer.store.engine import Store
from crm_mailer.store.homes import Home, list_homes
from crm_mailer.store.look import Look
from crm_mailer.store.occasions import Occasion

#: Numbers of customers whose touches one write turn makes: a lock of a fraction of a second.
TURN = 20_000
#: Who never bought is as cold as the coldest; the store tells them by 0.
WARMTHS = (0, 1, 2, 3, 4, 5)
CALENDAR = (DateAnchor, FestivalAnchor, MonthlyAnchor)


@dataclass(frozen=True, slots=True, kw_only=True)
class Day:
    """A day of the calendar on which the campaign starts for some countries."""

    anchor: str
    day: date
    countries: Sequence[str]
    is_for_others: bool


def fits(campaign: Campaign) -> bool:
    """Whether the times of the campaign's mails are the same for all who live alike."""
    return (
        isinstance(campaign.anchor, CALENDAR)
        and not campaign.is_best_hour
        and not campaign.spread
        and campaign.reentry == timedelta(0)
        and campaign.at_once == campaign.steps
    )


def plan_crowd(
    store: Store,
    campaign: Campaign,
    shop: Shop,
    *,
    now: datetime,
    since: datetime,
    winners: Mapping[str, str],
    gone: Sequence[str] = (),
) -> int:
    """Save the touches of all plain customers. How many are new.

    Args:
        store: the shop's database.
        campaign: one for which `fits` holds.
        shop: its hours and caps.
        now: the clock.
        since: marketing mail since then could be in the way.
        winners: step -> the arm that won its test.
        gone: steps of its touches that its file has no more.
    """
    days = list(occasions.calendar_days(store, campaign, shop, now=now))
    if not days:
        return 0
    with store.read() as connection:
        homes, last = list_homes(connection), crowds.largest_id(connection)
    look = Look.of(shop, now, lambda: homes)
    parts = [
        replace(crowd, gone=gone)
        for day in days
        for crowd in _crowds(campaign, shop, Day(**day), homes, look, since, winners)
    ]
    saved = 0
    for first in range(1, last + 1, TURN):
        with store.write() as connection:
            saved += sum(crowds.add(connection, one, first, first + TURN - 1) for one in parts)
    return saved


def _crowds(
    campaign: Campaign,
    shop: Shop,
    day: Day,
    homes: Sequence[Home],
    look: Look,
    since: datetime,
    winners: Mapping[str, str],
) -> Iterator[Crowd]:
    """One crowd for each step."""
    moments: dict[str, list[Moment]] = {}
    for home in homes:
        for warmth in WARMTHS if campaign.warm_first else (0,):
            anchored, fates = _fates(campaign, shop, day, home, warmth, look.now)
            for one in fates:
                moments.setdefault(one.step.id, []).append(_moment(home, warmth, anchored, one))
    for place, step in enumerate(campaign.steps, start=1):
        if step.id in moments:
            yield Crowd(
                campaign=campaign,
                step=step,
                place=place,
                anchor=day.anchor,
                moments=moments[step.id],
                arms=_arms(step, winners),
                refusals=_refusals(campaign),
                look=look,
                since=since,
                countries=day.countries,
                is_for_others=day.is_for_others,
            )


def _fates(
    campaign: Campaign, shop: Shop, day: Day, home: Home, warmth: int, now: datetime
) -> tuple[datetime, list[Decision]]:
    """What the pure rules decide for a plain customer who lives there."""
    one = Occasion(
        key=0,
        customer_id=0,
        email="somebody@example.com",
        country=home.country,
        region=home.region,
        time_zone=home.time_zone,
        standing=Standing(),
        anchor=day.anchor,
        day=day.day,
        warmth=warmth or None,
    )
    anchored = decisions.anchored_at(one, decisions.zone_of(one, shop))
    # chance is no matter of where somebody lives: the statement asks it of each customer
    certain = replace(campaign, hold_out=0)
    return anchored, list(decisions.decide(certain, shop, one, now=now, taken=[]))


def zones(homes: Mapping[int, tuple[str, Home]], shop: Shop) -> dict[int, tuple[str, ZoneInfo]]:
    """The addresses and zones of these customers."""
    return {
        id_: (
            email,
            home_zone(
                home.time_zone,
                home.country,
                shop.time_zone,
                region=home.region,
                overrides=shop.time_zones,
            ),
        )
        for id_, (email, home) in homes.items()
    }


def _moment(home: Home, warmth: int, anchored: datetime, one: Decision) -> Moment:
    return Moment(
        home=home,
        warmth=warmth,
        anchored_at=int(anchored.timestamp()),
        due_at=int(one.due_at.timestamp()),
        expires_at=int(one.expires_at.timestamp()),
        reason=one.reason.value if one.reason is not None else "",
    )


def _arms(step: Step, winners: Mapping[str, str]) -> list[tuple[int, str, str]]:
    if step.trial is None:
        return [(chance.BUCKETS, "", step.template)]
    arms = step.trial.arms
    won = [arm for arm in arms if arm.id == winners.get(step.id)]
    chosen = won or list(arms)
    return [
        (end, arm.id, arm.template or step.template)
        for end, arm in zip(chance.ends(chosen), chosen, strict=True)
    ]


def _refusals(campaign: Campaign) -> dict[str, SkipReason]:
    """What each suppression comes to for the campaign's stream, by the pure rule."""
    found = {}
    for scope in Scope:
        for reason in (*OF_SUPPRESSION, *SuppressionReason):
            why = refusal(Standing(suppression=(scope, reason)), campaign.stream)
            if why is not None:
                found[f"{scope.value}:{reason.value}"] = why
    return found
