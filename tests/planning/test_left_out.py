"""Occasions that begin nothing have their reason at once, and begin if that passes in time."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from crm_mailer.model.campaign import (
    Anchor,
    BirthdayAnchor,
    Campaign,
    DateAnchor,
    Exit,
    OrderAnchor,
    SegmentAnchor,
    Stream,
)
from crm_mailer.model.order import OrderState
from crm_mailer.planning import occasions, plan, saving
from crm_mailer.store import customers
from crm_mailer.store import tables as t
from crm_mailer.store.engine import Store
from tests.planning.people import (
    NOON,
    add,
    campaign,
    customer,
    definitions,
    event,
    give_address,
    open_case,
    order,
    touches,
)
from tests.planning.test_festivals import festival

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
PLACED = OrderAnchor(state=OrderState.PLACED)
SALE = campaign("sale", anchor=DateAnchor(day=date(2026, 11, 3)), offsets=[0 * DAY])


def look(store: Store, *campaigns: Campaign, after: timedelta = 0 * DAY, **more: Any) -> int:
    """Plan so long after noon; how many touches are new."""
    found = definitions(*campaigns)
    return plan(store, found, now=NOON + after, is_saved=True, **more).saved


def fates(store: Store, *columns: str) -> list[tuple[Any, ...]]:
    """State and reason of the touches that stand for an occasion now."""
    rows = touches(store, "anchor", "state", "reason", *columns)
    return [row[1:] for row in rows if "#" not in row[0]]


def change(store: Store, table: sa.Table, **values: Any) -> None:
    with store.write() as connection:
        connection.execute(table.update().values(**values))


def test_what_begins_nothing_is_not_asked_for_again(store: Store) -> None:
    order(store, customer(store, email=None), number="1", arrived=NOON)
    paid = order(store, customer(store, "boris"), number="2", placed=NOON - HOUR, paid=NOON)
    remind = campaign("remind", anchor=PLACED, exits=frozenset({Exit.ORDER_PAID}))

    first = look(store, campaign(), remind)
    reports = plan(store, definitions(campaign(), remind), now=NOON + HOUR, is_saved=True).campaigns

    assert first == 4
    assert [one.occasions for one in reports] == [0, 0]
    assert touches(store, "campaign", "order_id", "reason") == [
        *[("care", paid - 1, "no_address")] * 2,
        *[("remind", paid, "exited")] * 2,
    ]


@pytest.mark.parametrize("is_quick", [True, False])
def test_an_address_that_an_import_brings_opens_what_waited_for_it(
    store: Store, is_quick: bool
) -> None:
    anna = customer(store, email=None)
    order(store, anna, arrived=NOON - MINUTE)
    look(store, campaign(), is_quick=True)
    with store.write() as connection:
        told = customers.get(connection, anna)._replace(email="a@b.com")
        customers.change(connection, [told], now=NOON)

    assert look(store, campaign(), after=10 * MINUTE, is_quick=is_quick) == 2
    assert fates(store) == [("planned", "")] * 2


@pytest.mark.parametrize("is_quick", [True, False])
def test_an_address_that_comes_between_a_look_and_what_it_saves_is_seen_by_the_next(
    store: Store, is_quick: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    anna = customer(store, email=None)
    order(store, anna, arrived=NOON - MINUTE)
    save = saving.save

    def late(*given: Any) -> int:
        give_address(store, anna)
        return save(*given)

    with monkeypatch.context() as hurried:
        hurried.setattr(saving, "save", late)
        look(store, campaign())
    before = fates(store)

    assert look(store, campaign(), after=HOUR, is_quick=is_quick) == 2
    assert before == [("skipped", "no_address")] * 2
    assert fates(store) == [("planned", "")] * 2


def test_what_is_too_late_by_then_stays_left_out(store: Store) -> None:
    anna = customer(store, email=None)
    order(store, anna, arrived=NOON)
    care = campaign(offsets=(DAY, 10 * DAY), valid_for=2 * DAY)
    look(store, care)
    with store.write() as connection:
        told = customers.get(connection, anna)._replace(email="a@b.com")
        customers.change(connection, [told], now=NOON + 5 * DAY)

    look(store, care, after=5 * DAY)

    assert fates(store, "step") == [("skipped", "no_address", "s1"), ("planned", "", "s2")]


def test_a_birthday_is_not_forgotten_because_the_address_comes_a_day_later(store: Store) -> None:
    anna = customer(store, email=None, birth_month=11, birth_day=3)
    wishes = campaign("wishes", anchor=BirthdayAnchor(), offsets=[0 * DAY], valid_for=3 * DAY)
    look(store, wishes)
    assert fates(store) == [("skipped", "no_address")]

    give_address(store, anna)

    assert look(store, wishes, after=DAY) == 1
    assert fates(store) == [("planned", "")]


@pytest.mark.parametrize("is_crowd", [True, False])
def test_everybody_of_a_dated_campaign_has_a_row(store: Store, is_crowd: bool) -> None:
    sale = replace(SALE, exits=frozenset({Exit.CASE_OPEN}), spread=0 * HOUR if is_crowd else HOUR)
    customer(store, "nobody", email=None)
    open_case(store, customer(store, "anna"))
    customer(store, "boris")
    customer(store, "erased", email=None, erased_at=NOON)

    look(store, sale)

    assert fates(store) == [("skipped", "no_address"), ("skipped", "exited"), ("planned", "")]


def test_a_dated_campaign_that_has_its_audience_takes_nobody_later_unless_it_is_edited(
    store: Store,
) -> None:
    nobody = customer(store, "nobody", email=None)
    look(store, SALE)
    give_address(store, nobody)
    look(store, SALE, after=HOUR)
    before = fates(store)

    look(store, replace(SALE, version="v2"), after=2 * HOUR)

    assert before == [("skipped", "no_address")]
    assert fates(store) == [("planned", "")]


def test_a_festival_takes_in_who_gets_an_address_before_its_day(store: Store) -> None:
    singles = festival("singles-day")  # on 11 November
    wishes = campaign("wishes", anchor=singles, offsets=[0 * DAY])
    nobody = customer(store, "nobody", email=None)
    look(store, wishes, after=7 * DAY)
    before = fates(store)
    give_address(store, nobody)

    look(store, wishes, after=8 * DAY)

    assert before == [("skipped", "no_address")]
    assert fates(store) == [("planned", "")]


SEGMENT = SegmentAnchor(segment="cooling")


def test_a_purchase_that_is_cancelled_lets_the_course_begin(store: Store) -> None:
    anna = customer(store)
    add(store, t.memberships, segment="cooling", customer_id=anna, since=NOON - HOUR)
    order(store, anna, placed_at=NOON)
    course = campaign(anchor=SEGMENT, exits=frozenset({Exit.BOUGHT}))
    look(store, course)
    look(store, course, after=HOUR)
    before = fates(store)

    change(store, t.orders, is_counted=False, changed_at=NOON + 2 * HOUR)

    assert look(store, course, after=3 * HOUR) == 2
    assert before == [("skipped", "exited")] * 2
    assert fates(store) == [("planned", "")] * 2


@pytest.mark.parametrize("anchor", [SEGMENT, BirthdayAnchor()])
def test_a_case_that_is_closed_lets_mails_begin(store: Store, anchor: Anchor) -> None:
    anna = customer(store, birth_month=11, birth_day=4)
    add(store, t.memberships, segment="cooling", customer_id=anna, since=NOON)
    open_case(store, anna)
    care = campaign(anchor=anchor, exits=frozenset({Exit.CASE_OPEN}))
    look(store, care)
    before = fates(store)

    change(store, t.cases, state="closed", closed_at=NOON + DAY)

    assert look(store, care, after=DAY + HOUR) == 2
    assert before == [("skipped", "exited")] * 2
    assert ("planned", "") in fates(store)


def test_what_an_order_has_reached_is_not_undone(store: Store) -> None:
    number = order(store, customer(store), placed=NOON, paid=NOON)
    remind = campaign("remind", anchor=PLACED, exits=frozenset({Exit.ORDER_PAID}))
    look(store, remind)

    event(store, number, "refunded", NOON + HOUR)
    change(store, t.orders, is_counted=False, state="refunded", changed_at=NOON + HOUR)

    assert look(store, remind, after=2 * HOUR) == 0
    assert fates(store) == [("skipped", "exited")] * 2


def test_mails_that_were_planned_and_ended_stay_ended(store: Store) -> None:
    anna = customer(store)
    add(store, t.memberships, segment="cooling", customer_id=anna, since=NOON)
    care = campaign(anchor=SEGMENT, exits=frozenset({Exit.CASE_OPEN}))
    look(store, care)
    open_case(store, anna)
    look(store, care, after=HOUR)

    change(store, t.cases, state="closed", closed_at=NOON + 2 * HOUR)

    assert look(store, care, after=3 * HOUR) == 0
    assert fates(store) == [("skipped", "exited")] * 2


def test_an_exit_that_is_taken_out_of_the_file_stands_against_nothing(store: Store) -> None:
    order(store, customer(store), placed=NOON, paid=NOON)
    remind = campaign("remind", anchor=PLACED, exits=frozenset({Exit.ORDER_PAID}))
    look(store, remind)

    look(store, replace(remind, exits=frozenset(), version="v2"), after=HOUR)

    assert fates(store) == [("planned", "")] * 2


def test_a_newer_order_that_began_nothing_replaces_no_older_one(store: Store) -> None:
    anna = customer(store)
    remind = campaign(
        "remind", anchor=PLACED, stream=Stream.TRANSACTIONAL, exits=frozenset({Exit.ORDER_PAID})
    )
    order(store, anna, number="2", placed=NOON, paid=NOON)
    look(store, remind)

    older = order(store, anna, number="1", is_counted=False, placed=NOON - HOUR)
    look(store, remind, after=HOUR)

    assert [row for row in fates(store, "order_id") if row[2] == older] == [
        ("planned", "", older)
    ] * 2


def test_who_was_left_out_for_an_exit_has_not_been_through_the_campaign(store: Store) -> None:
    anna = customer(store)
    once = campaign("once", anchor=PLACED, reentry=None, exits=frozenset({Exit.ORDER_PAID}))
    order(store, anna, number="1", placed=NOON - HOUR, paid=NOON - HOUR)
    look(store, once)

    order(store, anna, number="2", is_counted=False, placed=NOON)
    look(store, once, after=HOUR)

    assert fates(store) == [("skipped", "exited")] * 2 + [("planned", "")] * 2


def test_of_two_customers_who_are_one_the_mails_wait_for_no_address(store: Store) -> None:
    anna, nobody = customer(store), customer(store, "nobody", email=None)
    order(store, nobody, arrived=NOON)
    look(store, campaign())
    with store.write() as connection:
        customers.merge(connection, nobody, anna, now=NOON)

    assert look(store, campaign(), after=HOUR) == 2
    assert fates(store, "customer_id") == [("planned", "", anna)] * 2


def test_a_crash_after_room_was_made_is_made_good(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    order(store, customer(store), placed=NOON, paid=NOON)
    remind = campaign("remind", anchor=PLACED, exits=frozenset({Exit.ORDER_PAID}))
    look(store, remind)
    edited = replace(remind, exits=frozenset(), version="v2")
    with monkeypatch.context() as broken:
        broken.setattr(occasions, "pages", None)
        with pytest.raises(TypeError):
            look(store, edited, after=HOUR)

    assert fates(store) == []
    look(store, edited, after=2 * HOUR)
    assert fates(store) == [("planned", "")] * 2
