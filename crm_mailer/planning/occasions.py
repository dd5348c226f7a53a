"""Finds a campaign's occasions, page by page: those whose mails could still be in time."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta
from functools import partial
from typing import Any

from crm_mailer.model import festivals, moment
from crm_mailer.model.campaign import (
    BirthdayAnchor,
    Campaign,
    DateAnchor,
    FestivalAnchor,
    FirstOrderAnchor,
    MonthlyAnchor,
)
from crm_mailer.model.festivals import Occurrence
from crm_mailer.model.shop import Shop
from crm_mailer.planning import calendar, decisions
from crm_mailer.store import bulk
from crm_mailer.store import occasions as found
from crm_mailer.store.engine import Store
from crm_mailer.store.homes import of_all
from crm_mailer.store.occasions import Occasion, Search
from crm_mailer.store.selection import Look

#: How long before it is due a yearly or dated campaign is planned.
AHEAD = timedelta(days=2)
#: Zones, send times and snoozing can put a mail this much later than its offset says.
SLACK = timedelta(days=2)

#: Store function with everything but the place to go on from.
Pages = Callable[..., list[Occasion]]
Finish = Callable[[Occasion], Occasion | None]


def pages(
    store: Store,
    campaign: Campaign,
    shop: Shop,
    *,
    now: datetime,
    is_counting: bool = False,
    ahead: timedelta = AHEAD,
    among: Sequence[int] | None = None,
    customer_id: int | None = None,
    is_planned_too: bool = False,
    size: int = 20_000,
) -> Iterator[list[Occasion]]:
    """The campaign's open occasions in pages, each read by itself.

    Nothing is held open between pages, so that others can write; memory stays flat. With `among`
    only events with these numbers are looked at, and no day of the calendar.
    """
    search = Search(
        campaign=campaign,
        look=look_of(store, shop, now),
        since=earliest(campaign, now),
        until=now,
        among=among,
        last_step=last_step(campaign),
        is_counting=is_counting,
        customer_id=customer_id,
        is_planned_too=is_planned_too,
        size=size,
    )
    if among is not None:
        for ids in bulk.batches(among, size):
            yield from _paged(store, replace(search, among=ids), found.of_events, _as_it_is)
        return
    for ask, finish in _sources(store, search, shop, ahead):
        yield from _paged(store, search, ask, finish)


def _paged(store: Store, search: Search, ask: Pages, finish: Finish) -> Iterator[list[Occasion]]:
    after = 0
    while True:
        with store.read() as connection:
            page = ask(connection, search, after)
        if not page:
            return
        after = page[-1].key
        yield [one for one in map(finish, page) if one is not None]
        if len(page) < search.size:
            return


def look_of(store: Store, shop: Shop, now: datetime) -> Look:
    """How audiences are looked at."""
    return Look.of(shop, now, of_all(store))


def last_step(campaign: Campaign) -> str:
    """The step whose touch tells that an occasion is planned."""
    return max(campaign.at_once, key=lambda step: step.offset).id


def calendar_days(
    store: Store, campaign: Campaign, shop: Shop, *, now: datetime
) -> Iterator[dict[str, Any]]:
    """The days of the calendar that are to be planned now, each with whose customers are meant."""
    search = Search(
        campaign=campaign,
        look=look_of(store, shop, now),
        since=earliest(campaign, now),
        until=now,
        last_step=campaign.steps[-1].id,
    )
    for ask, finish in _sources(store, search, shop, AHEAD):
        assert isinstance(ask, partial)
        assert isinstance(finish, partial)
        yield {**ask.keywords, **finish.keywords}


def earliest(campaign: Campaign, now: datetime) -> datetime:
    """No mail about an event before this could still be in time."""
    first = campaign.adaptive.latest_start if campaign.adaptive is not None else timedelta(0)
    last = max(first, *(step.offset for step in campaign.at_once))
    return now - last - campaign.valid_for - SLACK


def _sources(
    store: Store, search: Search, shop: Shop, ahead: timedelta
) -> list[tuple[Pages, Finish]]:
    """Where the occasions come from, and what completes each."""
    match search.campaign.anchor:
        case DateAnchor(day=day):
            once = Occurrence(key=f"date:{day}", day=day, is_for_others=True)
            return _dated(search, [once], ahead)
        case FestivalAnchor():
            return _festival_days(search, search.campaign.anchor, ahead)
        case MonthlyAnchor(day=number):
            return _days_of_months(search, number, ahead)
        case _:
            return [_source(store, search, shop, ahead)]


def _source(store: Store, search: Search, shop: Shop, ahead: timedelta) -> tuple[Pages, Finish]:
    match search.campaign.anchor:
        case FirstOrderAnchor(is_yearly=True):
            return _anniversaries(store, search, shop, ahead)
        case BirthdayAnchor(days_before=days_before):
            return _birthdays(search, shop, ahead, timedelta(days=days_before))
        case DateAnchor() | FestivalAnchor() | MonthlyAnchor():
            return _nothing, _as_it_is  # these have several sources
        case _:
            return found.of_events, _as_it_is


def _as_it_is(occasion: Occasion) -> Occasion:
    return occasion


def _window(search: Search, ahead: timedelta) -> tuple[date, date]:
    """The first and the last day whose occasions are of interest, a day wide on each side."""
    soonest = min(step.offset for step in search.campaign.steps)
    last = search.until + ahead - soonest + timedelta(days=1)
    return search.since.date(), last.date()


def _birthdays(
    search: Search, shop: Shop, ahead: timedelta, before: timedelta
) -> tuple[Pages, Finish]:
    first, last = (day + before for day in _window(search, ahead))
    first = max(first, last - timedelta(days=calendar.LONGEST))
    days = calendar.birthdays_between(first, last, leap_day=shop.leap_day)

    def finish(occasion: Occasion) -> Occasion:
        assert occasion.born is not None
        birthday = calendar.celebration(occasion.born, first, leap_day=shop.leap_day)
        return replace(occasion, anchor=f"birthday:{birthday.year}", day=birthday - before)

    return partial(found.birthdays, days=days), finish


def _anniversaries(
    store: Store, search: Search, shop: Shop, ahead: timedelta
) -> tuple[Pages, Finish]:
    first, last = _window(search, ahead)
    with store.read() as connection:
        earliest = found.earliest_first_order(connection) or search.until
    utc = search.until.tzinfo
    start = datetime(first.year, first.month, first.day, tzinfo=utc)
    end = datetime(last.year, last.month, last.day, tzinfo=utc) + timedelta(days=1)
    spans = calendar.spans_of_years(start, end, earliest=earliest)

    def finish(occasion: Occasion) -> Occasion | None:
        assert occasion.at is not None
        bought_on = moment.local_day(occasion.at, decisions.zone_of(occasion, shop))
        for years in spans:
            day = calendar.anniversary(bought_on, years, leap_day=shop.leap_day)
            if first <= day <= last:
                return replace(occasion, anchor=f"first_order:{years}", day=day)
        return None

    return partial(found.first_order_years, spans=spans), finish


def _festival_days(
    search: Search, anchor: FestivalAnchor, ahead: timedelta
) -> list[tuple[Pages, Finish]]:
    """Each day of the festival in the window, with the countries that keep it then."""
    before = timedelta(days=anchor.days_before)
    first, last = (day + before for day in _window(search, ahead))
    days = festivals.occurrences(anchor.festival, first, last)
    if search.is_counting:
        days = calendar.soonest(one for one in days if one.day - before >= _shown_from(search))
    return _dated(search, days, ahead, before)


def _days_of_months(search: Search, number: int, ahead: timedelta) -> list[tuple[Pages, Finish]]:
    first, last = _window(search, ahead)
    days = [
        Occurrence(key=f"monthly:{day:%Y-%m}", day=day, is_for_others=True)
        for day in festivals.days_of_month(number, first, last)
    ]
    if search.is_counting:
        days = [one for one in days if one.day >= _shown_from(search)][:1]
    return _dated(search, days, ahead)


def _shown_from(search: Search) -> date:
    """A plan that is only looked at shows the next day of several: this, or a later one."""
    return (search.since + SLACK).date()


def _dated(
    search: Search,
    days: Sequence[Occurrence],
    ahead: timedelta,
    before: timedelta = timedelta(0),
) -> list[tuple[Pages, Finish]]:
    """One source for each of these days that lies in the window, `before` taken off."""
    first, last = _window(search, ahead)
    return [
        (
            partial(
                found.everybody,
                anchor=one.key,
                countries=one.countries,
                is_for_others=one.is_for_others,
            ),
            partial(_on_day, day=one.day - before),
        )
        for one in days
        if first <= one.day - before <= last
    ]


def _on_day(occasion: Occasion, *, day: date) -> Occasion:
    return replace(occasion, day=day)


def _nothing(*_: object) -> list[Occasion]:
    return []
