from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest

from crm_mailer.definitions import calendar_reader
from crm_mailer.model.campaign import FestivalAnchor, Kind, MonthlyAnchor
from crm_mailer.model.festivals import Festival, FixedDay, Observance
from crm_mailer.planning import plan
from crm_mailer.store.engine import Store
from tests.planning.people import campaign, customer, definitions, touches

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
AT_ONCE = (timedelta(0),)
SHIPPED = calendar_reader.shipped()


def festival(name: str, days_before: int = 0) -> FestivalAnchor:
    return FestivalAnchor(festival=SHIPPED[name], days_before=days_before)


def test_a_festival_is_kept_as_each_customers_country_keeps_it(store: Store) -> None:
    customer(store, "dasha", country="RU", time_zone="Europe/Moscow")
    customer(store, "john", country="US", time_zone="America/New_York")
    customer(store, "yuki", country="JP", time_zone="Asia/Tokyo")
    wish = definitions(campaign(anchor=festival("christmas"), offsets=AT_ONCE, kind=Kind.EDM))

    for day in range(30):
        plan(store, wish, now=datetime(2026, 12, 15, tzinfo=UTC) + day * DAY, is_saved=True)

    assert touches(store, "customer_id", "anchor", "due_at") == [
        (1, "festival:christmas:2027", datetime(2027, 1, 7, 7, 0, tzinfo=UTC)),
        (2, "festival:christmas:2026", datetime(2026, 12, 25, 15, 0, tzinfo=UTC)),
    ]


def test_a_festival_for_everybody_reaches_who_lives_nobody_knows_where(store: Store) -> None:
    customer(store, "anna")
    early = definitions(campaign(anchor=festival("singles-day", 3), offsets=AT_ONCE))

    plan(store, early, now=datetime(2026, 11, 7, tzinfo=UTC), is_saved=True)

    assert touches(store, "anchor", "due_at") == [
        ("festival:singles-day:2026", datetime(2026, 11, 8, 10, 0, tzinfo=UTC))
    ]


def test_an_almanac_that_is_corrected_by_a_day_wishes_nobody_well_twice(store: Store) -> None:
    customer(store, "amina", country="EG")
    for day in (20, 21):
        feast = Festival(id="feast", observances=(Observance(rule=FixedDay(month=3, day=day)),))
        wish = campaign(anchor=FestivalAnchor(festival=feast), offsets=AT_ONCE)
        plan(store, definitions(wish), now=datetime(2027, 3, 19, tzinfo=UTC), is_saved=True)

    assert len(touches(store, "id")) == 1


def test_the_31st_comes_every_month(store: Store) -> None:
    customer(store, "anna", time_zone="Pacific/Auckland")
    news = definitions(campaign(anchor=MonthlyAnchor(day=31), offsets=AT_ONCE, kind=Kind.EDM))

    for day in range(180):
        plan(store, news, now=datetime(2026, 11, 10, tzinfo=UTC) + day * DAY, is_saved=True)

    due = [at for (at,) in touches(store, "due_at")]
    assert [f"{at + 13 * HOUR:%m-%d}" for at in due] == [
        "11-30", "12-31", "01-31", "02-28", "03-31", "04-30",
    ]  # fmt: skip


@pytest.mark.parametrize("anchor", [festival("christmas"), MonthlyAnchor(day=30)])
def test_a_plan_that_is_only_looked_at_shows_the_next_day_alone(
    sqlite_store: Store, anchor: FestivalAnchor | MonthlyAnchor
) -> None:
    customer(sqlite_store, "john", country="US")
    far = definitions(campaign(anchor=anchor, offsets=AT_ONCE, kind=Kind.EDM))

    report = plan(sqlite_store, far, now=datetime(2026, 11, 7, tzinfo=UTC), is_saved=False)

    assert report.planned == 1
    first = report.campaigns[0].first
    assert first is not None
    assert first.due_at.date() in {date(2026, 12, 25), date(2026, 11, 30)}


def test_a_clock_that_jumps_doubles_nothing(store: Store) -> None:
    customer(store, "john", country="US")
    everything = definitions(
        campaign("feast", anchor=festival("black-friday"), offsets=AT_ONCE),
        campaign("month", anchor=MonthlyAnchor(day=28), offsets=AT_ONCE),
    )
    start = datetime(2026, 11, 25, tzinfo=UTC)
    for hours in (0, 30, -400, 2, 24 * 400, 5, 24 * 366, 6):
        plan(store, everything, now=start + hours * HOUR, is_saved=True)

    anchors = touches(store, "campaign", "anchor")
    assert sorted(anchors) == sorted(set(anchors))
    assert ("feast", "festival:black-friday:2026") in anchors
