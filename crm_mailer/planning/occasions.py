"""Finds a campaign's occasions, page by page: those whose mails could still be in time."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta
from functools import partial
from typing import Any

from crm_mailer.model import festivals, moment
from crm_mailer.model.campaign import (
    Anchor,
    BirthdayAnchor,
    Campaign,
    DateAnchor,
    FestivalAnchor,
    FirstOrderAnchor,
    MonthlyAnchor,
)
from crm_mailer.model.festivals import Occurrence
from crm_mailer.model.segment import Rule
from crm_mailer.model.shop import Shop
from crm_mailer.planning import calendar, decisions
from crm_mailer.store import bulk, news, unplanned
from crm_mailer.store import occasions as found
from crm_mailer.store.engine import Connection, Store
from crm_mailer.store.events import are_events
from crm_mailer.store.homes import of_all
from crm_mailer.store.occasions import Occasion, Search
from crm_mailer.store.selection import Look
from crm_mailer.store.unplanned import Fellow, Row

#: How long before it is due a yearly or dated campaign is planned.
AHEAD = timedelta(days=2)
#: Zones, send times and snoozing can put a mail this much later than its offset says.
SLACK = timedelta(days=2)

#: The anchor, from when on its occasions are open, and the offset of the soonest step.
Kind = tuple[Anchor, datetime, timedelta]
#: Store function with everything but the place to go on from.
Pages = Callable[..., list[Occasion]]
Finish = Callable[[Occasion], Occasion | None]
#: Year of the celebration -> months and days of birth.
Days = dict[int, list[tuple[int, int]]]


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
    gone: tuple[str, ...] = (),
    segments: Mapping[str, Rule] | None = None,
    size: int = 20_000,
) -> Iterator[list[Occasion]]:
    """The campaign's open occasions in pages, each read by itself.

    Nothing is held open between pages, so that others can write; memory stays flat. With `among`
    only what `list_open` has found is looked at. `segments` are rules to be looked at afresh.
    """
    search = Search(
        campaign=campaign,
        look=look_of(store, shop, now, segments),
        since=earliest(campaign, now),
        until=now,
        among=among,
        last_step=last_step(campaign),
        gone=gone,
        is_counting=is_counting,
        customer_id=customer_id,
        is_planned_too=is_planned_too,
        size=size,
    )
    if among is not None and not among:
        return
    parts = [search]
    if among is not None:
        parts = [replace(search, among=ids) for ids in bulk.batches(among, size)]
    for ask, finish in _sources(store, search, shop, ahead):
        for part in parts:
            yield from _paged(store, part, ask, finish)


def list_open(
    store: Store,
    campaign: Campaign,
    fellows: Sequence[Fellow],
    shop: Shop,
    *,
    now: datetime,
    news_since: datetime | None,
) -> list[Row]:
    """What of the campaign's occasions is open to it or to one of its fellows.

    Args:
        store: the shop's database.
        campaign: one for which `are_shared` holds.
        fellows: it and others of the same `kind`.
        shop: its leap day.
        now: the clock.
        news_since: only events that became known from then on; None: all.
    """
    since = earliest(campaign, now)
    with store.read() as connection:
        if are_events(campaign.anchor):
            among = None
            if news_since is not None:
                among = news.list_ids(connection, campaign.anchor, since=news_since, until=now)
            return unplanned.list_events(
                connection, campaign.anchor, fellows, since=since, until=now, among=among
            )
        first, last = _window(campaign, since, now, AHEAD)
        if isinstance(campaign.anchor, BirthdayAnchor):
            _, days = _birthdays_of(campaign.anchor, shop, first, last)
            return unplanned.list_birthdays(connection, fellows, days)
        spans = _spans(connection, first, last, now)
        return unplanned.list_anniversaries(connection, fellows, spans)


def are_shared(anchor: Anchor) -> bool:
    """Whether `list_open` finds the occasions of this anchor, for several campaigns at once."""
    return are_events(anchor) or isinstance(anchor, (BirthdayAnchor, FirstOrderAnchor))


def kind(campaign: Campaign, now: datetime) -> Kind:
    """What the occasions of a campaign follow from; campaigns of one kind have the same."""
    soonest = min(step.offset for step in campaign.steps)
    return campaign.anchor, earliest(campaign, now), soonest


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


def look_of(
    store: Store, shop: Shop, now: datetime, segments: Mapping[str, Rule] | None = None
) -> Look:
    """How audiences are looked at; `segments` afresh, others by their members."""
    return Look.of(shop, now, of_all(store), segments=segments or {})


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


def earliest_of(campaigns: Iterable[Campaign], now: datetime) -> datetime:
    """The same for the first of several campaigns; `now` without any."""
    return min((earliest(one, now) for one in campaigns), default=now)


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
        case BirthdayAnchor() as anchor:
            return _birthdays(search, shop, ahead, anchor)
        case DateAnchor() | FestivalAnchor() | MonthlyAnchor():
            return _nothing, _as_it_is  # these have several sources
        case _:
            return found.of_events, _as_it_is


def _as_it_is(occasion: Occasion) -> Occasion:
    return occasion


def _window(
    campaign: Campaign, since: datetime, until: datetime, ahead: timedelta
) -> tuple[date, date]:
    """The first and the last day whose occasions are of interest, a day wide on each side."""
    soonest = min(step.offset for step in campaign.steps)
    last = until + ahead - soonest + timedelta(days=1)
    return since.date(), last.date()


def _window_of(search: Search, ahead: timedelta) -> tuple[date, date]:
    return _window(search.campaign, search.since, search.until, ahead)


def _birthdays(
    search: Search, shop: Shop, ahead: timedelta, anchor: BirthdayAnchor
) -> tuple[Pages, Finish]:
    before = timedelta(days=anchor.days_before)
    first, days = _birthdays_of(anchor, shop, *_window_of(search, ahead))

    def finish(occasion: Occasion) -> Occasion:
        assert occasion.born is not None
        birthday = calendar.celebration(occasion.born, first, leap_day=shop.leap_day)
        return replace(occasion, anchor=f"birthday:{birthday.year}", day=birthday - before)

    return partial(found.birthdays, days=days), finish


def _birthdays_of(anchor: BirthdayAnchor, shop: Shop, first: date, last: date) -> tuple[date, Days]:
    """The days of birth that are celebrated so long after a day of the window that the anchor
    falls into it, and the first day of celebration.
    """
    before = timedelta(days=anchor.days_before)
    first, last = first + before, last + before
    first = max(first, last - timedelta(days=calendar.LONGEST))
    return first, calendar.birthdays_between(first, last, leap_day=shop.leap_day)


def _anniversaries(
    store: Store, search: Search, shop: Shop, ahead: timedelta
) -> tuple[Pages, Finish]:
    first, last = _window_of(search, ahead)
    with store.read() as connection:
        spans = _spans(connection, first, last, search.until)

    def finish(occasion: Occasion) -> Occasion | None:
        assert occasion.at is not None
        bought_on = moment.local_day(occasion.at, decisions.zone_of(occasion, shop))
        for years in spans:
            day = calendar.anniversary(bought_on, years, leap_day=shop.leap_day)
            if first <= day <= last:
                return replace(occasion, anchor=f"first_order:{years}", day=day)
        return None

    return partial(found.first_order_years, spans=spans), finish


def _spans(
    connection: Connection, first: date, last: date, now: datetime
) -> dict[int, tuple[datetime, datetime]]:
    """The times of the first orders whose anniversary is in the window, by years."""
    oldest, utc = found.earliest_first_order(connection) or now, now.tzinfo
    start = datetime(first.year, first.month, first.day, tzinfo=utc)
    end = datetime(last.year, last.month, last.day, tzinfo=utc) + timedelta(days=1)
    return calendar.spans_of_years(start, end, earliest=oldest)


def _festival_days(
    search: Search, anchor: FestivalAnchor, ahead: timedelta
) -> list[tuple[Pages, Finish]]:
    """Each day of the festival in the window, with the countries that keep it then."""
    before = timedelta(days=anchor.days_before)
    first, last = (day + before for day in _window_of(search, ahead))
    days = festivals.occurrences(anchor.festival, first, last)
    if search.is_counting:
        days = calendar.soonest(one for one in days if one.day - before >= _shown_from(search))
    return _dated(search, days, ahead, before)


def _days_of_months(search: Search, number: int, ahead: timedelta) -> list[tuple[Pages, Finish]]:
    first, last = _window_of(search, ahead)
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
    first, last = _window_of(search, ahead)
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
