"""What is looked at on each tick: what is new, in full now and then; and nothing twice."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from crm_mailer.model.campaign import BirthdayAnchor, DateAnchor, OrderAnchor
from crm_mailer.model.order import OrderState
from crm_mailer.planning import crowd, looks, plan
from crm_mailer.store import crowds
from crm_mailer.store import tables as t
from crm_mailer.store.engine import Store
from crm_mailer.store.homes import Home
from crm_mailer.store.look import Look
from tests.planning.people import (
    NOON,
    SHOP,
    campaign,
    customer,
    definitions,
    give_address,
    order,
    touches,
)
from tests.planning.test_query_plans import asked

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
ARRIVED = OrderAnchor(state=OrderState.ARRIVED)
CARE = campaign("care")


def tick(store: Store, after: timedelta, *more: Any) -> int:
    """A tick so long after noon; how many touches are new."""
    found = definitions(*(more or (CARE,)))
    return plan(store, found, now=NOON + after, is_saved=True, is_quick=True).saved


def nobody(store: Store, name: str, number: str) -> int:
    """An order that arrived a moment ago, of a customer whose address is not known yet."""
    person = customer(store, name, email=None)
    order(store, person, number=number, arrived=NOON - MINUTE)
    return person


def test_what_came_too_late_has_its_reason_and_is_not_decided_again(store: Store) -> None:
    order(store, customer(store), arrived=NOON - 6 * DAY)
    hurried = definitions(campaign(valid_for=2 * DAY))
    first = plan(store, hurried, now=NOON, is_saved=True)

    second = plan(store, hurried, now=NOON + MINUTE, is_saved=True)

    rows = touches(store, "step", "state", "reason")
    assert rows == [("s1", "skipped", "late"), ("s2", "skipped", "late")]
    assert (first.saved, second.saved, second.campaigns[0].occasions) == (2, 0, 0)


def test_what_came_too_late_starts_nothing_so_that_the_next_event_may(store: Store) -> None:
    anna = customer(store)
    order(store, anna, number="1", arrived=NOON - 6 * DAY)
    once = definitions(campaign(valid_for=2 * DAY, reentry=None))
    plan(store, once, now=NOON, is_saved=True)
    order(store, anna, number="2", arrived=NOON - MINUTE)

    plan(store, once, now=NOON, is_saved=True)

    assert [reason for (reason,) in touches(store, "reason")] == ["late", "late", "", ""]


def test_nothing_new_means_that_no_occasion_is_asked_for(store: Store) -> None:
    order(store, customer(store), arrived=NOON - MINUTE)
    tick(store, 0 * MINUTE)

    with asked(store) as told:
        tick(store, MINUTE)

    assert told
    assert not [text for text, _ in told if "JOIN customers" in text]


def test_news_is_looked_at_once_more_when_marks_had_time_to_follow(store: Store) -> None:
    person = nobody(store, "anna", "1")
    tick(store, 0 * MINUTE)
    give_address(store, person)

    assert [tick(store, after * MINUTE) for after in (1, 5, 8, 9)] == [0, 0, 0, 2]


def test_an_event_that_comes_between_two_ticks_is_seen_at_the_next(store: Store) -> None:
    order(store, customer(store), number="1", arrived=NOON - MINUTE)
    tick(store, 0 * MINUTE)
    order(store, customer(store, "boris"), number="2", arrived=NOON - MINUTE)

    assert tick(store, MINUTE) == 2


def test_what_was_learnt_while_nobody_looked_is_seen_though_it_is_old_by_now(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(looks, "EVENTS", 1)  # a large shop: its full looks are a day apart
    for number in range(50):
        order(store, customer(store, f"c{number}"), number=str(number), arrived=NOON - DAY)
    tick(store, 0 * MINUTE)
    order(store, customer(store, "anna"), number="new", arrived=NOON + HOUR)

    assert tick(store, 5 * HOUR) == 2


@pytest.mark.parametrize(
    ("size", "hours"), [(0, 0.5), (2_499, 0.5), (25_000, 5.5), (10_000_000, 24)]
)
def test_the_more_events_are_open_the_rarer_are_full_looks(size: int, hours: float) -> None:
    assert looks.every(ARRIVED, size) == hours * HOUR
    assert looks.every(BirthdayAnchor(), size) == 12 * HOUR


def test_an_edited_campaign_is_looked_at_in_full_at_once(store: Store) -> None:
    person = nobody(store, "anna", "1")
    tick(store, 0 * MINUTE)
    give_address(store, person)

    assert tick(store, MINUTE, campaign("care", version="v2")) == 2


def test_the_moments_of_a_crowd_are_found_by_an_index_however_many_homes_there_are(
    sqlite_store: Store,
) -> None:
    sale = campaign("sale", anchor=DateAnchor(day=NOON.date()), offsets=[0 * DAY])
    homes = [Home(country="GB", time_zone="UTC", region=f"r{number}") for number in range(300)]
    day = crowd.Day(anchor="date", day=NOON.date(), countries=(), is_for_others=True)
    look = Look.of(SHOP, NOON, lambda: tuple(homes))
    [one] = crowd._crowds(sale, SHOP, day, homes, look, NOON - DAY, {})
    for number in range(3):
        customer(sqlite_store, f"c{number}", country="GB", region=f"r{number}")

    with sqlite_store.write() as connection, asked(sqlite_store) as told:
        assert crowds.add(connection, one, 1, 10) == 3

    text, values = told[0]
    with sqlite_store.read() as connection:
        steps = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {text}", values).all()
    plans = [row[3] for row in steps]
    assert any("SEARCH moments USING AUTOMATIC" in one for one in plans)
    assert any(one.startswith("SEARCH customers USING INTEGER PRIMARY KEY") for one in plans)


def test_campaigns_with_touches_are_told_once_each(store: Store) -> None:
    from crm_mailer.store.touches import campaigns

    order(store, customer(store), arrived=NOON - MINUTE)
    with store.read() as connection:
        assert campaigns(connection) == []
    tick(store, 0 * MINUTE, campaign("a"), campaign("c"), campaign("b"))

    with store.read() as connection:
        assert campaigns(connection) == ["a", "b", "c"]
        assert connection.scalar(sa.select(sa.func.count()).select_from(t.touches)) == 6
