"""An anniversary is that of the first order, also when an earlier one is told of later."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import sqlalchemy as sa

from crm_mailer.model.campaign import Campaign, FirstOrderAnchor
from crm_mailer.model.score import RfmProfile, ScoreReason
from crm_mailer.planning import plan
from crm_mailer.store import scores
from crm_mailer.store import tables as t
from crm_mailer.store.engine import Store
from tests.planning.people import NOON, campaign, customer, definitions, order, touches

YEARLY = campaign(anchor=FirstOrderAnchor(is_yearly=True), offsets=(timedelta(0),))
FIRST = datetime(2025, 11, 4, 9, tzinfo=UTC)


def bought(store: Store, person: int, at: datetime) -> None:
    order(store, person, number=f"{person}-{at:%F-%H}", placed_at=at, paid=at)


def scored(store: Store, *, is_all: bool = False) -> None:
    look = scores.Scoring(profile=RfmProfile(name="default"), now=NOON, place=ZoneInfo("UTC"))
    why = ScoreReason.DAYS_PASSED
    with store.write() as connection:
        if is_all:
            scores.refresh(connection, look, changed=None, otherwise=why)
            scores.remove_unpaid(connection, look)
        else:
            everybody = sa.select(t.customers.c.id)
            scores.refresh_those(connection, look, changed=everybody, otherwise=why)


def planned(store: Store, hours: int = 0, care: Campaign = YEARLY) -> list[tuple[Any, ...]]:
    plan(store, definitions(care), now=NOON + timedelta(hours=hours), is_saved=True)
    found = touches(store, "state", "reason", "due_at", "anchor")
    return sorted((state, reason, f"{due:%m-%d}", anchor.partition("#")[0])
                  for state, reason, due, anchor in found)  # fmt: skip


@pytest.mark.parametrize("is_all", [False, True], ids=["who changed", "everybody"])
def test_an_earlier_first_order_moves_the_mail(store: Store, is_all: bool) -> None:
    person = customer(store)
    bought(store, person, FIRST)
    scored(store)
    before = planned(store)
    bought(store, person, datetime(2024, 11, 3, 9, tzinfo=UTC))
    scored(store, is_all=is_all)

    assert before == [("planned", "", "11-04", "first_order:1")]
    assert planned(store, hours=1) == [
        ("planned", "", "11-03", "first_order:2"),
        ("skipped", "new_anchor", "11-04", "first_order:1"),
    ]


def test_one_of_another_time_of_the_year_ends_it(store: Store) -> None:
    person = customer(store)
    bought(store, person, FIRST)
    scored(store)
    planned(store)
    bought(store, person, datetime(2025, 3, 1, 9, tzinfo=UTC))
    scored(store)

    assert planned(store, hours=1) == [("skipped", "new_anchor", "11-04", "first_order:1")]


def test_a_later_order_and_other_customers_orders_change_nothing(store: Store) -> None:
    person, other = customer(store), customer(store, "ben")
    bought(store, person, FIRST)
    bought(store, other, FIRST)
    scored(store)
    before = planned(store)
    bought(store, person, FIRST + timedelta(days=30))
    bought(store, other, datetime(2025, 3, 1, 9, tzinfo=UTC))
    scored(store)

    assert len(before) == 2
    assert planned(store, hours=1) == [
        ("planned", "", "11-04", "first_order:1"),
        ("skipped", "new_anchor", "11-04", "first_order:1"),
    ]


def test_an_earlier_order_of_the_same_day_changes_nothing(store: Store) -> None:
    person = customer(store)
    bought(store, person, FIRST)
    scored(store)
    planned(store)
    bought(store, person, FIRST - timedelta(hours=1))
    scored(store)

    assert planned(store, hours=1) == [("planned", "", "11-04", "first_order:1")]


@pytest.mark.parametrize("earlier", [timedelta(hours=1), timedelta(days=1)])
def test_a_mail_that_a_person_cancelled_does_not_come_back(
    store: Store, earlier: timedelta
) -> None:
    person = customer(store)
    bought(store, person, FIRST)
    scored(store)
    planned(store)
    cancelled = t.touches.update().values(state="skipped", reason="cancelled", settled_at=NOON)
    with store.write() as connection:
        connection.execute(cancelled)
    bought(store, person, FIRST - earlier)
    scored(store)

    assert planned(store, hours=1) == [("skipped", "cancelled", "11-04", "first_order:1")]


def test_who_may_be_in_the_campaign_once_gets_the_mail_for_the_right_day(store: Store) -> None:
    once = replace(YEARLY, reentry=None)
    person = customer(store)
    bought(store, person, FIRST)
    scored(store)
    planned(store, care=once)
    bought(store, person, FIRST - timedelta(days=1))
    scored(store)

    assert planned(store, hours=1, care=once) == [
        ("planned", "", "11-03", "first_order:1"),
        ("skipped", "new_anchor", "11-04", "first_order:1"),
    ]


@pytest.mark.parametrize("is_all", [False, True], ids=["who changed", "everybody"])
def test_an_order_that_does_not_count_any_more_has_no_anniversary(
    store: Store, is_all: bool
) -> None:
    person, other = customer(store), customer(store, "ben")
    bought(store, person, FIRST)
    bought(store, other, FIRST)
    scored(store)
    planned(store)
    with store.write() as connection:
        is_theirs = t.orders.c.customer_id == person
        connection.execute(t.orders.update().where(is_theirs).values(is_counted=False))
    scored(store, is_all=is_all)
    ended = planned(store, hours=1)
    bought(store, person, datetime(2025, 11, 3, 9, tzinfo=UTC))
    scored(store, is_all=is_all)

    assert ended == [
        ("planned", "", "11-04", "first_order:1"),
        ("skipped", "new_anchor", "11-04", "first_order:1"),
    ]
    assert planned(store, hours=2) == [("planned", "", "11-03", "first_order:1"), *ended]


def test_following_does_not_add_up_everybodys_orders_once_more(store: Store) -> None:
    bought(store, customer(store), FIRST)
    scored(store)
    asked: list[str] = []

    def hear(_c: Any, _cursor: Any, text: str, *_more: Any) -> None:
        asked.append(text)

    sa.event.listen(store.engine, "before_cursor_execute", hear)
    scored(store, is_all=True)

    sums = [text for text in asked if "GROUP BY orders.customer_id" in text]
    assert len(sums) == 2  # for the log and for the marks
