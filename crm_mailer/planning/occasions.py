"""Finds a campaign's occasions, page by page: those whose mails could still be in time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import date, datetime, timedelta
from functools import partial

from crm_mailer.model import moment
from crm_mailer.model.campaign import (
    BirthdayAnchor,
    Campaign,
    DateAnchor,
    FirstOrderAnchor,
    OrderAnchor,
    ReplyAnchor,
    SegmentAnchor,
)
from crm_mailer.model.shop import Shop
from crm_mailer.planning import calendar, decisions
from crm_mailer.store import occasions as found
from crm_mailer.store.engine import Store
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
    learnt_since: datetime | None = None,
    size: int = 20_000,
) -> Iterator[list[Occasion]]:
    """The campaign's open occasions in pages, each read by itself.

    Nothing is held open between pages, so that others can write; memory stays flat. With
    `learnt_since` only those are looked for that became known since then.
    """
    search = Search(
        campaign=campaign,
        look=Look(now=now, zone=moment.zone(shop.time_zone)),
        since=earliest(campaign, now),
        until=now,
        learnt_since=learnt_since,
        last_step=max(campaign.steps, key=lambda step: step.offset).id,
        is_counting=is_counting,
        size=size,
    )
    ask, finish = _source(store, search, shop, ahead)
    after = 0
    while True:
        with store.read() as connection:
            page = ask(connection, search, after)
        if not page:
            return
        after = page[-1].key
        yield [one for one in map(finish, page) if one is not None]
        if len(page) < size:
            return


def earliest(campaign: Campaign, now: datetime) -> datetime:
    """No mail about an event before this could still be in time."""
    return now - max(step.offset for step in campaign.steps) - campaign.valid_for - SLACK


def _source(store: Store, search: Search, shop: Shop, ahead: timedelta) -> tuple[Pages, Finish]:
    """Where the occasions come from, and what completes each."""
    is_news = search.learnt_since is not None
    match search.campaign.anchor:
        case OrderAnchor():
            return found.order_states, _as_it_is
        case SegmentAnchor():
            return found.memberships, _as_it_is
        case ReplyAnchor(kind=kind):
            return partial(found.replies, intent=None if kind == "any" else kind), _as_it_is
        case FirstOrderAnchor(is_yearly=False):
            return found.first_orders, _as_it_is
        case FirstOrderAnchor() | BirthdayAnchor() | DateAnchor() if is_news:
            return _nothing, _as_it_is  # days of the calendar are known long before
        case FirstOrderAnchor():
            return _anniversaries(store, search, shop, ahead)
        case BirthdayAnchor(days_before=days_before):
            return _birthdays(search, shop, ahead, timedelta(days=days_before))
        case DateAnchor(day=day):
            return _dated(search, day, ahead)


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
    days = calendar.birthdays_between(first, last)

    def finish(occasion: Occasion) -> Occasion:
        assert occasion.born is not None
        birthday = calendar.celebration(occasion.born, first)
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
            day = calendar.anniversary(bought_on, years)
            if first <= day <= last:
                return replace(occasion, anchor=f"first_order:{years}", day=day)
        return None

    return partial(found.first_order_years, spans=spans), finish


def _dated(search: Search, day: date, ahead: timedelta) -> tuple[Pages, Finish]:
    first, last = _window(search, ahead)
    if not first <= day <= last:
        return _nothing, _as_it_is
    return (
        partial(found.everybody, anchor=f"date:{day}"),
        lambda occasion: replace(occasion, day=day),
    )


def _nothing(*_: object) -> list[Occasion]:
    return []
