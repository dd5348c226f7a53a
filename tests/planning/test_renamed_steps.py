"""A step whose id was changed doubles no occasion that has its mail already."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta

import pytest

from crm_mailer.model.campaign import BirthdayAnchor, Campaign, DateAnchor, FirstOrderAnchor
from crm_mailer.planning import plan
from crm_mailer.store import tables as t
from crm_mailer.store import unplanned
from crm_mailer.store.engine import Store
from tests.planning.people import NOON, add, campaign, customer, definitions, order, touches

DAY, HOUR = timedelta(days=1), timedelta(hours=1)
CARE = campaign("care")
SALE = campaign("sale", anchor=DateAnchor(day=date(2026, 11, 3)), offsets=[0 * DAY, DAY])
CASES = {
    "events": CARE,
    "birthdays": campaign("wish", anchor=BirthdayAnchor(), offsets=[0 * DAY, DAY]),
    "anniversaries": campaign(
        "year", anchor=FirstOrderAnchor(is_yearly=True), offsets=[0 * DAY, DAY]
    ),
    "a crowd": SALE,
    "page by page": replace(SALE, spread=HOUR),
}


def renamed(one: Campaign, **names: str) -> Campaign:
    """The campaign with other ids of its steps."""
    steps = tuple(replace(step, id=names.get(step.id, step.id)) for step in one.steps)
    return replace(one, version="v2", steps=steps)


def with_anna(store: Store) -> int:
    """Somebody whom each of these campaigns has an occasion for."""
    anna = customer(store, birth_month=11, birth_day=3)
    order(store, anna, arrived=NOON - HOUR)
    add(
        store, t.scores, customer_id=anna, r=5, f=1, m=1, total=7, order_count=1,
        spent_usd_cents=1, first_order_at=NOON - 364 * DAY, last_order_at=NOON,
        days_since_last=0, profile="", scored_on=NOON.date(),
    )  # fmt: skip
    return anna


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("names", [{"s2": "later"}, {"s1": "first", "s2": "later"}])
def test_an_occasion_that_is_planned_gets_no_mail_of_the_renamed_step(
    store: Store, name: str, names: dict[str, str]
) -> None:
    with_anna(store)
    plan(store, definitions(CASES[name]), now=NOON, is_saved=True)
    before = touches(store, "step", "due_at", "state", "reason", "campaign_version")
    assert len(before) == 2
    edited = definitions(renamed(CASES[name], **names))

    seen = plan(store, edited, now=NOON + HOUR, is_saved=False)
    plan(store, edited, now=NOON + HOUR, is_saved=True)

    assert seen.planned == 0
    assert touches(store, "step", "due_at", "state", "reason", "campaign_version") == before


@pytest.mark.parametrize("name", CASES)
def test_what_was_left_out_under_the_old_name_stays_left_out(store: Store, name: str) -> None:
    with_anna(store)
    with store.write() as connection:
        connection.execute(t.customers.update().values(is_flagged=True))
    plan(store, definitions(CASES[name]), now=NOON, is_saved=True)
    before = touches(store, "step", "state", "reason")
    with store.write() as connection:
        connection.execute(t.customers.update().values(is_flagged=False))

    edited = definitions(renamed(CASES[name], s1="one", s2="two"))
    plan(store, edited, now=NOON + HOUR, is_saved=True)

    assert touches(store, "step", "state", "reason") == before
    assert before == [("s1", "skipped", "flagged"), ("s2", "skipped", "flagged")]


def test_new_occasions_get_the_renamed_step(store: Store) -> None:
    anna = with_anna(store)
    plan(store, definitions(replace(CARE, is_parallel=True)), now=NOON, is_saved=True)
    order(store, anna, number="2", arrived=NOON + HOUR)

    plan(store, definitions(renamed(replace(CARE, is_parallel=True), s2="later")),
         now=NOON + 2 * HOUR, is_saved=True)  # fmt: skip

    assert [row[0] for row in touches(store, "step")] == ["s1", "s2", "s1", "later"]


def test_a_step_that_is_added_is_planned_for_occasions_under_way(store: Store) -> None:
    with_anna(store)
    plan(store, definitions(CARE), now=NOON, is_saved=True)
    longer = campaign("care", offsets=[DAY, 2 * DAY, 4 * DAY], version="v2")

    plan(store, definitions(longer), now=NOON + HOUR, is_saved=True)

    assert touches(store, "step", "due_at", "state") == [
        (f"s{number}", NOON.replace(day=2 + days, hour=10), "planned")
        for number, days in ((1, 1), (2, 2), (3, 4))
    ]


@pytest.mark.parametrize("name", ["a crowd", "page by page"])
def test_a_step_that_is_added_to_a_dated_campaign_sees_its_mails_where_they_stand(
    store: Store, name: str
) -> None:
    with_anna(store)
    plan(store, definitions(CASES[name]), now=NOON, is_saved=True)
    moved = NOON.replace(day=6, hour=10)
    with store.write() as connection:
        later = {"due_at": moved, "next_at": moved}
        connection.execute(t.touches.update().where(t.touches.c.step == "s2").values(later))
    third = replace(SALE.steps[0], id="s3", offset=3 * DAY)
    longer = replace(CASES[name], steps=(*SALE.steps, third), version="v2")

    plan(store, definitions(longer), now=NOON + HOUR, is_saved=True)

    days = [(step, at.day, state) for step, at, state in touches(store, "step", "due_at", "state")]
    assert days == [("s1", 3, "planned"), ("s2", 6, "planned"), ("s3", 7, "planned")]


def test_what_a_person_cancelled_can_be_planned_again_under_another_name(store: Store) -> None:
    with_anna(store)
    plan(store, definitions(CARE), now=NOON, is_saved=True)
    with store.write() as connection:
        connection.execute(t.touches.update().values(state="skipped", reason="cancelled"))

    plan(store, definitions(renamed(CARE, s1="one", s2="two")), now=NOON + HOUR, is_saved=True)

    assert [row for row in touches(store, "step", "state") if row[1] == "planned"] == [
        ("one", "planned"), ("two", "planned"),
    ]  # fmt: skip


def test_steps_that_are_gone_are_found_without_reading_all_touches(store: Store) -> None:
    with_anna(store)
    plan(store, definitions(CARE, SALE), now=NOON, is_saved=True)

    with store.read() as connection:
        found = unplanned.list_gone(connection, {"care": {"s1"}, "sale": {"s1", "s2"}, "x": {"a"}})

    assert found == {"care": ("s2",)}
