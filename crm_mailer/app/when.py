"""What marketers ask about time: which festivals there are, at which hours customers are seen."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from crm_mailer.app import send_hours
from crm_mailer.app.wiring import App
from crm_mailer.model import festivals
from crm_mailer.model import send_hours as rules
from crm_mailer.model.festivals import Festival
from crm_mailer.model.moment import local_day
from crm_mailer.model.sentence import sentence
from crm_mailer.store import directory
from crm_mailer.store import send_hours as kept

A_YEAR = timedelta(days=366)


@dataclass(frozen=True, slots=True, kw_only=True)
class FestivalDay:
    """One day of a festival. Countries are those that keep it then; none means everybody,
    `is_for_others` everybody but these.
    """

    id: str
    name: str
    day: date
    countries: tuple[str, ...]
    is_for_others: bool
    campaigns: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class HourView:
    """At which hours of their own day customers answer and buy."""

    #: None: nothing was learnt yet.
    learnt_at: datetime | None
    allowed: tuple[int, ...]
    #: Country ("" is the shop) -> its hour, and the number seen at each of the 24 hours.
    hours: Mapping[str, int]
    counts: Mapping[str, list[int]]
    customers: int
    #: Of one customer, where one was asked for.
    customer_hour: int | None = None
    customer_seen: int = 0


def festival_days(app: App, *, since: date | None = None, country: str = "") -> list[FestivalDay]:
    """Every festival's days within a year, by day.

    Args:
        app: the shop.
        since: the first day; today in the shop's zone when none is given.
        country: only the days of customers who live there.
    """
    first = since or local_day(app.clock.now(), app.zone)
    found = [
        _day(app, festival, one)
        for festival in app.definitions.festivals.values()
        for one in festivals.occurrences(festival, first, first + A_YEAR)
        if not country or one.is_for(country)
    ]
    return sorted(found, key=lambda one: (one.day, one.id))


def _day(app: App, festival: Festival, one: festivals.Occurrence) -> FestivalDay:
    return FestivalDay(
        id=festival.id,
        name=sentence(festival.name),
        day=one.day,
        countries=tuple(sorted(one.countries)),
        is_for_others=one.is_for_others,
        campaigns=tuple(
            sorted(
                campaign.id
                for campaign in app.definitions.campaigns.values()
                if getattr(campaign.anchor, "festival", None) == festival
            )
        ),
    )


def hours(app: App, *, who: str = "", is_learning: bool = False) -> HourView:
    """The hours that were learnt; with `is_learning` everybody's are learnt anew first.

    Raises:
        NotFound: there is no such customer.
    """
    if is_learning:
        send_hours.learn(app)
    with app.store.read() as connection:
        known = kept.known(connection)
        own = None
        if who:
            own = kept.of_customer(connection, directory.find_customer(connection, who))
        number = kept.count(connection)
    allowed = rules.allowed(app.shop.quiet_from, app.shop.quiet_until)
    counts = known.counts if known is not None else {}
    return HourView(
        learnt_at=known.learnt_at if known is not None else None,
        allowed=allowed,
        hours={one: rules.popular_hour(seen, allowed) for one, seen in counts.items()},
        counts=counts,
        customers=number,
        customer_hour=own[0] if own is not None else None,
        customer_seen=own[1] if own is not None else 0,
    )
