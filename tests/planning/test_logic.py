"""Goals and exits, conditions, re-entry, tests, hold-outs and warm ones first."""

from __future__ import annotations

from collections import Counter
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from crm_mailer.delivering import NullTransport, Rules, deliver
from crm_mailer.model import chance
from crm_mailer.model.campaign import Campaign, DateAnchor, Exit, Goal, Step
from crm_mailer.model.chance import Arm, Trial, WinnerBy
from crm_mailer.model.segment import Compare
from crm_mailer.planning import plan, trials
from crm_mailer.store import facts, pauses
from crm_mailer.store import tables as t
from crm_mailer.store.engine import Store
from crm_mailer.store.results import ArmCounts
from tests.conftest import StandingClock
from tests.delivering.letters import PlainRenderer
from tests.planning.people import (
    NOON,
    SHOP,
    add,
    campaign,
    customer,
    definitions,
    event,
    order,
    touches,
)

DAY = timedelta(days=1)
BRITISH = Compare("country", "is", "GB")
SALE = DateAnchor(day=date(2026, 11, 3))


def planned(store: Store, *campaigns: Campaign, now: Any = NOON) -> Any:
    return plan(store, definitions(*campaigns), now=now, is_saved=True)


def hand_over(store: Store, one: Campaign, clock: StandingClock, folder: Path) -> None:
    deliver(
        store,
        PlainRenderer(),
        NullTransport(),
        clock=clock,
        owner="me",
        journal_folder=folder,
        rules=Rules(shop=SHOP, campaigns={one.id: one}),
    )


def move_away(store: Store) -> None:
    with store.write() as connection:
        connection.execute(t.customers.update().values(country="FR"))


def test_who_leaves_the_audience_gets_no_more_where_that_is_the_rule(store: Store) -> None:
    order(store, customer(store, country="GB"), arrived=NOON)
    leaving = campaign("care", audience=BRITISH, exits=frozenset({Exit.AUDIENCE_LEFT}))
    staying = campaign("stay", audience=BRITISH, offsets=[4 * DAY])
    planned(store, leaving, staying)
    move_away(store)

    planned(store, leaving, staying, now=NOON + timedelta(hours=1))

    assert touches(store, "campaign", "reason") == [
        ("care", "not_in_audience"),
        ("care", "not_in_audience"),
        ("stay", ""),
    ]


def test_the_audience_is_asked_again_at_the_hand_over(
    store: Store, clock: StandingClock, tmp_path: Path
) -> None:
    order(store, customer(store, country="GB"), arrived=NOON)
    one = campaign("care", audience=BRITISH, exits=frozenset({Exit.AUDIENCE_LEFT}))
    planned(store, one)
    move_away(store)
    clock.moment = NOON + DAY

    hand_over(store, one, clock, tmp_path)

    assert touches(store, "state", "reason")[0] == ("skipped", "not_in_audience")


def test_a_condition_is_asked_when_the_mail_leaves_and_others_go_on(
    store: Store, clock: StandingClock, tmp_path: Path
) -> None:
    order(store, customer(store, country="GB"), arrived=NOON)
    steps = (
        Step(id="s1", template="care/hello", offset=DAY, condition=BRITISH),
        Step(id="s2", template="care/hello", offset=2 * DAY),
    )
    one = campaign("care", steps=steps)
    planned(store, one)
    move_away(store)
    for days in (1, 2):
        clock.moment = NOON + days * DAY
        hand_over(store, one, clock, tmp_path)

    assert touches(store, "state", "reason") == [("skipped", "condition"), ("accepted", "")]


def test_a_plan_tells_which_conditions_do_not_hold_now(store: Store) -> None:
    order(store, customer(store, country="FR"), arrived=NOON)
    steps = (Step(id="s1", template="care/hello", offset=DAY, condition=BRITISH),)

    report = plan(
        store, definitions(campaign("care", steps=steps)), now=NOON, is_saved=False
    ).campaigns[0]

    assert (report.planned, report.waiting) == (1, {"condition": 1})


def test_a_customer_rests_before_a_campaign_starts_anew(store: Store) -> None:
    person = customer(store)
    one = campaign("care", offsets=[DAY], reentry=30 * DAY)
    order(store, person, number="1", arrived=NOON)
    planned(store, one)
    order(store, person, number="2", arrived=NOON + 10 * DAY)
    planned(store, one, now=NOON + 10 * DAY)
    order(store, person, number="3", arrived=NOON + 35 * DAY)

    planned(store, one, now=NOON + 35 * DAY)

    assert touches(store, "reason") == [("",), ("reentry",), ("",)]


def test_a_part_is_held_out_with_a_row_and_the_same_one_each_time(store: Store) -> None:
    people = [customer(store, f"c{number}") for number in range(60)]
    one = campaign("sale", anchor=SALE, offsets=[timedelta(0)], hold_out=25)

    planned(store, one)

    held = {row[0] for row in touches(store, "customer_id", "reason") if row[1] == "hold_out"}
    assert held == {who for who in people if chance.is_held_out(who, "sale", 25)}
    assert 0 < len(held) < 60


TRIAL = Trial(arms=(Arm(id="a"), Arm(id="b", template="care/other")), winner=WinnerBy.ORDERS)


def on_trial(**more: Any) -> Campaign:
    step = Step(id="s1", template="care/hello", offset=timedelta(0), trial=TRIAL)
    return campaign("sale", anchor=SALE, steps=(step,), **more)


def test_each_arm_goes_to_its_part_with_its_template(store: Store) -> None:
    for number in range(40):
        customer(store, f"c{number}")

    planned(store, on_trial())

    rows = touches(store, "customer_id", "arm", "template")
    assert {row[1:] for row in rows} == {("a", "care/hello"), ("b", "care/other")}
    assert all(
        arm == chance.arm_of(who, TRIAL.arms, campaign="sale", step="s1").id
        for who, arm, _template in rows
    )


def test_after_a_test_is_decided_everybody_gets_the_winner(store: Store) -> None:
    for number in range(10):
        customer(store, f"c{number}")
    with store.write() as connection:
        of_test = trials.test_of(on_trial().steps[0])
        facts.put(connection, f"winner:sale:s1:{of_test}", "b", NOON)

    planned(store, on_trial())

    assert Counter(touches(store, "arm")) == {("b",): 10}


def counted(arm: str, customers: int, bought: int) -> ArmCounts:
    return ArmCounts(step="s1", arm=arm, customers=customers, bought=bought, replied=0)


def test_a_test_ends_only_when_one_arm_is_better_beyond_doubt() -> None:
    clear = [counted("a", 1_000, 20), counted("b", 1_000, 80)]
    close = [counted("a", 1_000, 20), counted("b", 1_000, 30)]
    small = [counted("a", 50, 0), counted("b", 50, 30)]

    assert [trials.best(one, WinnerBy.ORDERS) for one in (clear, close, small)] == ["b", None, None]


def test_warm_customers_leave_first(store: Store) -> None:
    for name, r in (("hot", 5), ("mild", 3), ("cold", 1), ("new", None)):
        person = customer(store, name)
        if r:
            add(
                store, t.scores, customer_id=person, r=r, f=1, m=1, total=r + 2, order_count=1,
                spent_usd_cents=1, first_order_at=NOON, last_order_at=NOON, days_since_last=0,
                profile="", scored_on=NOON.date(),
            )  # fmt: skip

    planned(store, campaign("sale", anchor=SALE, offsets=[timedelta(0)], warm_first=2 * DAY / 24))

    times = [row[0].strftime("%H:%M") for row in touches(store, "due_at")]
    assert times == ["10:00", "11:00", "12:00", "12:00"]


def test_senders_see_a_dated_campaign_only_when_it_is_planned_as_a_whole(store: Store) -> None:
    for number in range(3):
        customer(store, f"c{number}")
    seen = []

    def watch(*_: Any) -> None:
        with store.read() as connection:
            seen.append([one.scope for one in pauses.list_(connection)])

    one = campaign("sale", anchor=SALE, offsets=[timedelta(0)])
    plan(store, definitions(one), now=NOON, is_saved=True, watch=watch)

    with store.read() as connection:
        assert pauses.list_(connection) == []
    assert len(touches(store, "id")) == 3


def test_a_plan_that_was_interrupted_is_completed_and_then_shown(store: Store) -> None:
    customer(store, "anna")
    with store.write() as connection:
        pauses.pause(connection, "campaign:sale", now=NOON, by="planner")

    planned(store, campaign("sale", anchor=SALE, offsets=[timedelta(0)]))

    with store.read() as connection:
        assert pauses.list_(connection) == []


def test_a_pause_of_a_person_outlives_the_planning(store: Store) -> None:
    customer(store, "anna")
    with store.write() as connection:
        pauses.pause(connection, "campaign:sale", now=NOON)

    planned(store, campaign("sale", anchor=SALE, offsets=[timedelta(0)]))

    with store.read() as connection:
        assert [one.scope for one in pauses.list_(connection)] == ["campaign:sale"]


def test_results_count_what_followed_and_compare_with_the_held_out(store: Store) -> None:
    people = [customer(store, f"c{number}") for number in range(40)]
    one = on_trial(hold_out=25, goal=Goal(when=Exit.BOUGHT, within=7 * DAY))
    planned(store, one)
    with store.write() as connection:
        is_planned = t.touches.c.state == "planned"
        connection.execute(
            t.touches.update().where(is_planned).values(state="accepted", settled_at=NOON + DAY)
        )
    buyers = [who for who in people if not chance.is_held_out(who, "sale", 25)][:6]
    for number, who in enumerate(buyers):
        order(store, who, number=str(number), placed_at=NOON + 2 * DAY)

    found = trials.results_of(store, one, NOON + 30 * DAY)

    assert sum(arm.bought for arm in found.arms) == 6
    assert sum(arm.orders for arm in found.arms) == 6
    assert found.uplift is not None
    assert (found.uplift.mailed_bought, found.uplift.held_bought) == (6, 0)
    assert found.uplift.mailed + found.uplift.held == 40
    assert trials.results_of(store, one, NOON + 2 * DAY).uplift is None


def test_an_order_belongs_to_the_last_mail_before_it(store: Store) -> None:
    person = customer(store)
    for name, days in (("early", 1), ("late", 2)):
        add(
            store, t.touches, campaign=name, step="s", anchor="x", customer_id=person,
            stream="marketing", template="a/b", anchored_at=NOON, due_at=NOON, state="accepted",
            planned_at=NOON, settled_at=NOON + days * DAY,
        )  # fmt: skip
    order(store, person, placed_at=NOON + 3 * DAY)

    early, late = (
        trials.results_of(store, campaign(name), NOON + 40 * DAY) for name in ("early", "late")
    )

    assert [sum(arm.orders for arm in one.arms) for one in (early, late)] == [0, 1]
    assert [sum(arm.bought for arm in one.arms) for one in (early, late)] == [1, 1]


def test_an_event_is_not_lost_with_a_goal_that_ends_the_campaign(store: Store) -> None:
    person = customer(store)
    first = order(store, person, arrived=NOON)
    one = campaign("care", exits=frozenset({Exit.BOUGHT}), goal=Goal(when=Exit.BOUGHT))
    planned(store, one)
    order(store, person, number="2", placed_at=NOON + timedelta(hours=1))
    event(store, first, "reviewed", NOON)

    report = planned(store, one, now=NOON + timedelta(hours=2))

    assert report.ended == 2


def test_an_edit_leaves_what_is_planned_as_it_was(store: Store) -> None:
    order(store, customer(store), number="1", arrived=NOON)
    planned(store, campaign("care", is_parallel=True))
    edited = campaign(
        "care",
        is_parallel=True,
        version="v2",
        steps=(
            Step(id="s1", template="care/other", offset=3 * DAY),
            Step(id="s2", template="care/other", offset=4 * DAY),
        ),
    )
    order(store, customer(store, "boris"), number="2", arrived=NOON)

    planned(store, edited, now=NOON + timedelta(minutes=5))

    assert touches(store, "template", "campaign_version") == [
        ("care/hello", "v1"),
        ("care/hello", "v1"),
        ("care/other", "v2"),
        ("care/other", "v2"),
    ]
