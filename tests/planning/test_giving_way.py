"""A campaign with more weight gets the day, even where one with less was planned before it."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import sqlalchemy as sa

from crm_mailer.model import windows
from crm_mailer.model.campaign import Campaign, DateAnchor, Mode, Stream
from crm_mailer.model.standing import Standing
from crm_mailer.planning import PlanReport, plan
from crm_mailer.planning.giving_way import Move, Scales
from crm_mailer.store import curve_states
from crm_mailer.store import tables as t
from crm_mailer.store.engine import Store
from crm_mailer.store.pasts import Slot
from tests.planning.courses import course_campaign
from tests.planning.people import NOON, SHOP, campaign, customer, definitions, order, touches

DAY, HOUR = timedelta(days=1), timedelta(hours=1)
TOMORROW = datetime(2026, 11, 3, 10, 0, tzinfo=NOON.tzinfo)
UTC = ZoneInfo("UTC")
CARE = campaign("care", offsets=[DAY], valid_for=20 * DAY)
SALE = campaign("sale", anchor=DateAnchor(day=date(2026, 11, 3)), offsets=[0 * DAY], priority=5)
WHAT = ("campaign", "due_at", "state", "reason", "detail")


def planned(store: Store, *campaigns: Campaign, now: datetime = NOON, **more: Any) -> PlanReport:
    return plan(store, definitions(*campaigns), now=now, is_saved=True, **more)


def set_all(store: Store, **values: Any) -> None:
    with store.write() as connection:
        connection.execute(t.touches.update().values(values))


def gave_way(report: PlanReport) -> list[tuple[str, str, int, int]]:
    """Whose mails gave way to whom, and how many of them move and end."""
    return [
        (one.campaign, other.campaign, other.moved, other.ended)
        for one in report.campaigns
        for other in one.gave_way
    ]


def with_care(store: Store, *, first: Campaign = CARE) -> None:
    """One customer with a mail of little weight tomorrow at ten."""
    order(store, customer(store), arrived=NOON - HOUR)
    planned(store, first)


def test_the_weightier_campaign_gets_the_day_and_the_other_the_next(store: Store) -> None:
    with_care(store)

    report = planned(store, CARE, SALE, now=NOON + HOUR)

    assert touches(store, *WHAT) == [
        ("care", TOMORROW + DAY, "planned", "outranked", f"sale {TOMORROW.isoformat()}"),
        ("sale", TOMORROW, "planned", "", ""),
    ]
    assert gave_way(report) == [("sale", "care", 1, 0)]


def test_planning_again_moves_nothing_again(store: Store) -> None:
    with_care(store)
    planned(store, CARE, SALE, now=NOON + HOUR)
    before = touches(store, *WHAT, "next_at", "planned_at")

    report = planned(store, CARE, SALE, now=NOON + 2 * HOUR)

    assert touches(store, *WHAT, "next_at", "planned_at") == before
    assert gave_way(report) == []


@pytest.mark.parametrize("priority", [0, -1])
def test_of_equal_weight_the_first_keeps_its_day(store: Store, priority: int) -> None:
    with_care(store)

    planned(store, CARE, campaign("sale", anchor=SALE.anchor, offsets=[0 * DAY],
                                  priority=priority), now=NOON + HOUR)  # fmt: skip

    assert touches(store, "campaign", "due_at", "reason") == [
        ("care", TOMORROW, ""), ("sale", TOMORROW + DAY, ""),
    ]  # fmt: skip


def test_a_mail_for_which_no_day_is_left_ends_and_tells_what_outranked_it(store: Store) -> None:
    with_care(store, first=campaign("care", offsets=[DAY], valid_for=6 * HOUR))

    report = planned(store, campaign("care", offsets=[DAY]), SALE, now=NOON + HOUR)

    [care, _sale] = touches(store, *WHAT, "next_at", "settled_at")
    assert care == ("care", TOMORROW, "skipped", "outranked", "sale", None, NOON + HOUR)
    assert gave_way(report) == [("sale", "care", 0, 1)]


ELSEWHEN = replace(SALE, anchor=DateAnchor(day=date(2026, 11, 20)), version="v2")
SHORT = campaign("care", offsets=[DAY], valid_for=6 * HOUR)


@pytest.mark.parametrize(
    ("short", "sale", "after", "state"),
    [
        (SHORT, ELSEWHEN, HOUR, "planned"),
        (SHORT, ELSEWHEN, 5 * HOUR, "planned"),
        (replace(SHORT, mode=Mode.MANUAL), ELSEWHEN, HOUR, "held"),
        (SHORT, SALE, HOUR, "skipped"),
        (SHORT, ELSEWHEN, HOUR / 4, "skipped"),  # asked each half hour
        (replace(SHORT, mode=Mode.DRAFT), ELSEWHEN, HOUR, "skipped"),
    ],
)
def test_a_mail_that_ended_has_its_day_back_where_the_weightier_campaign_leaves_it(
    store: Store, short: Campaign, sale: Campaign, after: timedelta, state: str
) -> None:
    with_care(store, first=SHORT)
    planned(store, SHORT, SALE, now=NOON + HOUR)

    planned(store, short, sale, now=NOON + HOUR + after, is_quick=True)

    [care, *_sale] = touches(store, "campaign", "due_at", "state", "next_at")
    waits = TOMORROW if state != "skipped" else None
    assert care == ("care", TOMORROW, state, waits)


@pytest.mark.parametrize("why", ["cancelled", "newer", "last look"])
def test_what_ended_otherwise_or_is_about_an_older_event_stays_so(store: Store, why: str) -> None:
    with_care(store, first=SHORT)
    planned(store, SHORT, SALE, now=NOON + HOUR)
    if why == "cancelled":
        set_all(store, reason="cancelled")
    elif why == "last look":
        set_all(store, detail="")
    else:
        order(store, 1, number="2", arrived=NOON + 14 * HOUR)  # past midnight: for the day after

    planned(store, SHORT, SALE, now=NOON + 15 * HOUR)
    planned(store, SHORT, ELSEWHEN, now=NOON + 16 * HOUR)

    [care, *_] = touches(store, "campaign", "state")
    assert care == ("care", "skipped")


@pytest.mark.parametrize("state", ["claimed", "in_doubt", "accepted"])
def test_what_is_on_its_way_has_its_day(store: Store, state: str) -> None:
    with_care(store)
    set_all(store, state=state)

    planned(store, CARE, SALE, now=NOON + HOUR)

    assert touches(store, "campaign", "due_at", "state") == [
        ("care", TOMORROW, state), ("sale", TOMORROW + DAY, "planned"),
    ]  # fmt: skip


def test_the_course_of_a_mail_that_gives_way_goes_along(store: Store) -> None:
    """Else each tick until the mail leaves would ask what has become of it."""
    course = course_campaign()
    with_care(store, first=course)

    planned(store, course, SALE, now=NOON + HOUR)

    moved = TOMORROW.replace(hour=12) + DAY
    assert touches(store, "campaign", "due_at")[0] == ("care", moved)
    columns = t.curve_states.c
    with store.read() as connection:
        assert connection.scalar(sa.select(columns.due_at)) == moved
        since, now = moved - 2 * HOUR, moved - HOUR
        assert not curve_states.has_work(connection, course, since=since, now=now)


def test_a_held_mail_gives_way_and_still_says_why_it_is_held(store: Store) -> None:
    with_care(store)
    set_all(store, state="held", detail="benefit")

    planned(store, CARE, SALE, now=NOON + HOUR)

    [care, _sale] = touches(store, *WHAT)
    assert care == ("care", TOMORROW + DAY, "held", "", "benefit")


def test_a_mail_that_was_tried_gives_way_and_keeps_the_servers_words(store: Store) -> None:
    with_care(store)
    set_all(store, state="deferred", next_at=TOMORROW, reason="4.2.2", detail="full")

    planned(store, CARE, SALE, now=NOON + HOUR)

    [care, _sale] = touches(store, *WHAT, "next_at")
    assert care == ("care", TOMORROW, "deferred", "4.2.2", "full", TOMORROW + DAY)


def test_order_mail_neither_takes_a_day_nor_gives_way(store: Store) -> None:
    with_care(store, first=campaign("care", offsets=[DAY], stream=Stream.TRANSACTIONAL))

    planned(store, CARE, SALE, now=NOON + HOUR)

    assert touches(store, "campaign", "due_at") == [("care", TOMORROW), ("sale", TOMORROW)]


def test_order_mail_on_an_adaptive_curve_ends_no_marketing_mail(store: Store) -> None:
    order(store, customer(store), arrived=NOON - HOUR)
    parcel = course_campaign(id="parcel", stream=Stream.TRANSACTIONAL, priority=5)
    for now in (NOON, NOON + DAY):
        planned(store, parcel, now=now)
    set_all(store, state="accepted", next_at=None, settled_at=NOON + DAY)
    day = DateAnchor(day=(NOON + 3 * DAY).date())
    light = campaign("light", anchor=day, offsets=[0 * DAY], valid_for=6 * HOUR, send_at=(12, 0))
    planned(store, light, now=NOON + DAY + HOUR)

    report = planned(store, light, parcel, now=NOON + DAY + 2 * HOUR)

    assert gave_way(report) == []
    rows = touches(store, "due_at", "campaign", "state")
    assert [row for row in rows if row[0] > NOON + DAY] == [
        (NOON + 3 * DAY, "light", "planned"), (NOON + 3 * DAY, "parcel", "planned"),
    ]  # fmt: skip


def test_a_campaign_whose_file_is_gone_keeps_its_day(store: Store) -> None:
    with_care(store)

    planned(store, SALE, now=NOON + HOUR)

    assert touches(store, "campaign", "due_at", "state") == [
        ("care", TOMORROW, "held"), ("sale", TOMORROW + DAY, "planned"),
    ]  # fmt: skip


def test_a_plan_that_is_only_looked_at_counts_what_would_give_way(store: Store) -> None:
    with_care(store)
    before = touches(store, *WHAT)

    for _ in range(2):
        report = plan(store, definitions(CARE, SALE), now=NOON + HOUR, is_saved=False)
        assert gave_way(report) == [("sale", "care", 1, 0)]

    assert touches(store, *WHAT) == before


def test_what_was_claimed_since_it_was_looked_at_is_left_to_the_last_look(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    from crm_mailer.planning import saving

    with_care(store)
    make_way = saving.make_way

    def claimed_meanwhile(connection: Any, *rest: Any) -> None:
        connection.execute(t.touches.update().values(state="claimed", owner="w1"))
        make_way(connection, *rest)

    monkeypatch.setattr(saving, "make_way", claimed_meanwhile)

    planned(store, CARE, SALE, now=NOON + HOUR)

    assert touches(store, "campaign", "due_at", "state") == [
        ("care", TOMORROW, "claimed"), ("sale", TOMORROW, "planned"),
    ]  # fmt: skip


@pytest.mark.parametrize("is_crowd", [True, False])
def test_many_customers_give_way_at_once(store: Store, is_crowd: bool) -> None:
    """Those who have nothing near are planned by SQL, the others page by page."""
    for number in range(12):
        person = customer(store, f"c{number}")
        if number % 3:
            order(store, person, number=str(number), arrived=NOON - HOUR)
    planned(store, CARE)
    sale = SALE if is_crowd else replace(SALE, spread=HOUR)

    report = planned(store, CARE, sale, now=NOON + HOUR)

    assert gave_way(report) == [("sale", "care", 8, 0)]
    days = [at.date() for _, at in touches(store, "campaign", "due_at")]
    assert sorted(set(days)) == [TOMORROW.date(), (TOMORROW + DAY).date()]
    assert days.count(TOMORROW.date()) == 12


# ------------------------------------------------------------------ the pure rule


def slot(number: int, at: datetime, name: str = "low", **more: Any) -> Slot:
    values = {"event": (NOON, f"order:{number}"), "expires_at": at + 20 * DAY, **more}
    return Slot(at, name, values["event"], True, number, values["expires_at"])


def moves(waiting: Sequence[Slot], given: Sequence[datetime], **more: Any) -> list[Move]:
    weights = {"low": 0, "lower": -5, "lowest": -9}
    scales = Scales(
        SHOP,
        {name: campaign(name, priority=weight) for name, weight in weights.items()},
        more.pop("now", NOON),
    )
    values = {"taken": [], "standing": Standing(), **more}
    return scales.moves(waiting, given=given, place=UTC, **values)


def told(found: Sequence[Move]) -> list[tuple[int, int | None]]:
    """Number of the mail -> days after tomorrow."""
    return [
        (one.slot.touch_id, None if one.to is None else (one.to - TOMORROW).days) for one in found
    ]


def test_a_moved_mail_takes_no_day_of_one_of_its_own_weight() -> None:
    found = moves([slot(1, TOMORROW), slot(2, TOMORROW + DAY)], [TOMORROW])

    assert told(found) == [(1, 2)]


def test_a_moved_mail_takes_the_day_of_one_of_less_weight_which_moves_too() -> None:
    waiting = [slot(1, TOMORROW + DAY, "lowest"), slot(2, TOMORROW, "lower")]

    assert told(moves(waiting, [TOMORROW])) == [(2, 1), (1, 2)]


def test_the_steps_of_one_event_keep_their_order() -> None:
    event = NOON, "order:1"
    first, second = slot(1, TOMORROW, event=event), slot(2, TOMORROW + DAY, event=event)

    assert told(moves([first, second], [TOMORROW])) == [(1, 1), (2, 2)]


def test_a_mail_that_should_have_left_before_stands_where_it_can_leave_now() -> None:
    late = slot(1, NOON - 3 * DAY)

    assert told(moves([late], [NOON + HOUR])) == [(1, 0)]
    assert moves([late], [TOMORROW]) == []


def test_a_mail_whose_time_is_over_is_let_alone() -> None:
    over = slot(1, NOON - 3 * DAY, expires_at=NOON - DAY)

    assert moves([over], [NOON + HOUR]) == []


def test_who_wants_a_pause_gets_the_moved_mail_after_it() -> None:
    snoozed = Standing(snoozed_until=TOMORROW + 4 * DAY)

    assert told(moves([slot(1, TOMORROW)], [TOMORROW], standing=snoozed)) == [(1, 4)]


@pytest.mark.parametrize("seed", range(40))
def test_whatever_stands_near_the_cap_is_kept_and_nobody_moves_forward(seed: int) -> None:
    chance = random.Random(seed)
    limits = windows.limits_for(SHOP, None, UTC)
    waiting = list[Slot]()
    for number in range(1, 9):  # as they would have been planned one after another
        wanted = TOMORROW + chance.randint(0, 12) * DAY
        at = windows.first_slot(
            wanted, [one.at for one in waiting], limits, until=wanted + 20 * DAY
        )
        if at is not None:
            name = chance.choice(["low", "lower", "lowest"])
            end = at + chance.randint(0, 9) * DAY
            waiting.append(slot(number, at, name, expires_at=end))
    given = [TOMORROW + chance.randint(0, 12) * DAY]

    found = moves(waiting, given)

    numbers = [one.slot.touch_id for one in found]
    assert len(numbers) == len(set(numbers))
    for one in found:
        assert one.slot.expires_at
        assert one.to is None or one.slot.at < one.to <= one.slot.expires_at
    stays = [one.at for one in waiting if one.touch_id not in numbers]
    days = [*given, *stays, *(one.to for one in found if one.to is not None)]
    for at in days:
        others = list(days)
        others.remove(at)
        assert windows.fits(at, others, limits)
    assert moves(list(reversed(waiting)), given) == found
