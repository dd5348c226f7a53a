from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from crm_mailer.definitions import calendar_reader
from crm_mailer.model.campaign import (
    BirthdayAnchor,
    CatchUp,
    DateAnchor,
    FestivalAnchor,
    OrderAnchor,
)
from crm_mailer.model.order import OrderState
from crm_mailer.model.send_window import SendWindow
from crm_mailer.model.touch import SkipReason
from crm_mailer.planning import plan
from crm_mailer.store import tables as t
from crm_mailer.store.engine import Store
from tests.planning.people import NOON, add, campaign, customer, definitions, order, touches

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
BIRTHDAY = BirthdayAnchor()
FRIDAY = DateAnchor(day=(NOON + 4 * DAY).date())


def everybody_is_seen_at(store: Store, hour: int, country: str = "") -> None:
    add(
        store, t.country_hours, country=country, hour=hour, counts=[0] * 24, counted_at=NOON,
        learnt_at=NOON, allowed=list(range(9, 20)),
    )  # fmt: skip


def test_the_best_hour_is_ones_own_else_the_countrys_else_the_shops(store: Store) -> None:
    people = [customer(store, f"c{number}", country="PL") for number in range(300)]
    more = [customer(store, f"d{number}", country="FR") for number in range(300)]
    everybody_is_seen_at(store, 12)
    everybody_is_seen_at(store, 14, "PL")
    for one in people[:100]:
        add(store, t.send_hours, customer_id=one, hour=18, seen=5)
    news = campaign(anchor=FRIDAY, offsets=(timedelta(0),), is_best_hour=True)

    plan(store, definitions(news), now=NOON + 2 * DAY, is_saved=True)

    hours: dict[str, list[int]] = {"own": [], "PL": [], "shop": []}
    for person, due in touches(store, "customer_id", "due_at"):
        whose = "own" if person in people[:100] else "shop" if person in more else "PL"
        hours[whose].append(due.hour)
    for whose, best in (("own", 18), ("PL", 14), ("shop", 12)):
        assert 0.8 < hours[whose].count(best) / len(hours[whose]) < 1
        assert set(hours[whose]) <= set(range(9, 20))


def test_nobodys_hour_is_known_in_a_new_shop(store: Store) -> None:
    customer(store)
    news = campaign(anchor=FRIDAY, offsets=(timedelta(0),), is_best_hour=True, spread=10 * MINUTE)

    plan(store, definitions(news), now=NOON + 2 * DAY, is_saved=True)

    ((due,),) = touches(store, "due_at")
    start = datetime(2026, 11, 6, 10, tzinfo=UTC)
    assert start <= due < start + 10 * MINUTE


def test_order_mail_never_waits_for_a_better_hour(store: Store) -> None:
    order(store, customer(store), arrived=NOON)
    everybody_is_seen_at(store, 18)
    exact = campaign(offsets=(30 * MINUTE, DAY), is_best_hour=True, spread=HOUR)

    plan(store, definitions(exact), now=NOON, is_saved=True)

    due = [at for (at,) in touches(store, "due_at")]
    assert due[0] == NOON + 30 * MINUTE
    assert due[1].date() == (NOON + DAY).date()
    assert due[1].hour in range(9, 20)


def test_a_spread_is_the_same_however_often_it_is_planned(store: Store) -> None:
    for number in range(40):
        customer(store, f"c{number}")
    news = definitions(campaign(anchor=FRIDAY, offsets=(timedelta(0),), spread=HOUR))
    looked_at = plan(store, news, now=NOON + 2 * DAY, is_saved=False)
    plan(store, news, now=NOON + 2 * DAY + HOUR, is_saved=True)

    due = [at for (at,) in touches(store, "due_at")]
    assert [row.due_at for row in looked_at.campaigns[0].rows] == due[
        : len(looked_at.campaigns[0].rows)
    ]
    assert len(set(due)) > 30
    assert all(datetime(2026, 11, 6, 10, tzinfo=UTC) <= at < NOON + 4 * DAY - HOUR for at in due)


@pytest.mark.parametrize(
    ("how", "planned", "late"),
    [(CatchUp.LATEST, 1, 3), (CatchUp.ALL, 4, 0), (CatchUp.SKIP, 1, 3)],
    ids=["latest", "all", "skip"],
)
def test_after_downtime_a_campaign_catches_up_as_it_says(
    store: Store, how: CatchUp, planned: int, late: int
) -> None:
    order(store, customer(store), arrived=NOON)
    care = campaign(
        offsets=(DAY, 2 * DAY, 3 * DAY, 4 * DAY), catch_up=how, valid_for=10 * DAY
    )  # fmt: skip

    report = plan(store, definitions(care), now=NOON + 4 * DAY, is_saved=True)

    assert report.planned == planned
    assert report.campaigns[0].left_out.get(SkipReason.LATE, 0) == late
    days = [at.date() for at, reason in touches(store, "due_at", "reason") if not reason]
    assert len(set(days)) == len(days) == planned


def test_skip_leaves_out_what_is_hours_late_though_it_would_still_be_valid(store: Store) -> None:
    customer(store, birth_month=11, birth_day=2)
    wish = campaign(anchor=BIRTHDAY, offsets=(timedelta(0),), catch_up=CatchUp.SKIP)

    assert plan(store, definitions(wish), now=NOON + 3 * HOUR, is_saved=False).planned == 1
    assert plan(store, definitions(wish), now=NOON + 5 * HOUR, is_saved=False).planned == 0


def test_a_campaign_that_moves_to_another_festival_gives_up_the_old_one(store: Store) -> None:
    customer(store, "john", country="US")
    before, after = (
        campaign(anchor=FestivalAnchor(festival=calendar_reader.shipped()[name]),
                 offsets=(timedelta(0),))
        for name in ("black-friday", "cyber-monday")
    )  # fmt: skip
    plan(store, definitions(before), now=datetime(2026, 11, 26, tzinfo=UTC), is_saved=True)
    plan(store, definitions(after), now=datetime(2026, 11, 27, tzinfo=UTC), is_saved=True)

    assert touches(store, "anchor", "state", "reason") == [
        ("festival:black-friday:2026", "skipped", "new_anchor"),
        ("festival:cyber-monday:2026", "planned", ""),
    ]


def test_a_birthday_may_also_be_remembered_after_the_day(store: Store) -> None:
    customer(store, birth_month=11, birth_day=3)
    later = campaign(anchor=BirthdayAnchor(days_before=-2), offsets=(timedelta(0),))

    plan(store, definitions(later), now=NOON + DAY, is_saved=True)

    assert touches(store, "anchor", "due_at") == [
        ("birthday:2026", datetime(2026, 11, 5, 10, tzinfo=UTC))
    ]


def test_an_order_anchor_counts_spans_exactly_through_a_clock_change(store: Store) -> None:
    placed = datetime(2026, 10, 25, 0, 30, tzinfo=UTC)
    order(store, customer(store, time_zone="Europe/Madrid"), placed=placed)
    pay = campaign(anchor=OrderAnchor(state=OrderState.PLACED), offsets=(12 * HOUR,), spread=HOUR)

    plan(store, definitions(pay), now=placed + HOUR, is_saved=True)

    assert touches(store, "due_at") == [(placed + 12 * HOUR,)]


def test_a_campaign_with_a_window_leaves_on_working_days_only(store: Store) -> None:
    customer(store, birth_month=11, birth_day=7)
    office = SendWindow(opens=9, closes=18, weekdays=frozenset(range(5)))
    wish = campaign(anchor=BIRTHDAY, offsets=(timedelta(0),), window=office)
    strict = campaign("strict", anchor=BIRTHDAY, offsets=(timedelta(0),), window=office,
                      valid_for=DAY)  # fmt: skip

    report = plan(store, definitions(wish, strict), now=NOON + 4 * DAY, is_saved=True)

    monday = datetime(2026, 11, 9, 9, tzinfo=UTC)
    assert touches(store, "campaign", "due_at", "reason") == [
        ("care", monday, ""),
        ("strict", datetime(2026, 11, 7, 10, tzinfo=UTC), "quiet_hours"),
    ]
    assert report.planned == 1


def test_the_best_hour_keeps_to_the_campaigns_window(store: Store) -> None:
    person = customer(store)
    everybody_is_seen_at(store, 12)
    add(store, t.send_hours, customer_id=person, hour=18, seen=5)
    early = campaign(
        anchor=FRIDAY, offsets=(timedelta(0),), is_best_hour=True,
        window=SendWindow(opens=9, closes=12),
    )  # fmt: skip

    plan(store, definitions(early), now=NOON + 2 * DAY, is_saved=True)

    ((due,),) = touches(store, "due_at")
    assert due.hour in range(9, 12)
