from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
import sqlalchemy as sa

from crm_mailer.model.campaign import Campaign, DateAnchor, Exit, Kind, Mode
from crm_mailer.model.chance import Arm, Trial
from crm_mailer.model.curve import Adaptive, Ending, Signal
from crm_mailer.segmenting import valuing
from crm_mailer.segmenting.valuing import Models, ValueStanding
from crm_mailer.store import curve_states, customers, signals
from crm_mailer.store import tables as t
from crm_mailer.store.engine import Store
from tests.planning.courses import (
    DAY,
    Post,
    course_campaign,
    due,
    foretold,
    left,
    state,
    utc,
)
from tests.planning.people import NOON, SHOP, add, campaign, customer, order, suppress, touches

HISTORIES = (
    "NNNNNNNN",
    "CCCCCCCC",
    "NCOUCNRC",
    "UUUUUUUU",
    "NNNCNNNC",
    "RRNN",
    "CBC",
    "BNNN",
    "NCP",
    "NX",
    "OOOOOOOO",
    "NNUN",
)


@pytest.mark.parametrize("adaptive", [Adaptive(), Adaptive(first_half_life=3.0, decay=1.0)],
                         ids=["taught", "offers"])  # fmt: skip
def test_sql_plans_what_the_pure_functions_say(store: Store, adaptive: Adaptive) -> None:
    shop = replace(SHOP, cap_count=7, cap_month=30)  # caps have a test of their own
    post = Post(store=store, campaign=course_campaign(adaptive=adaptive), shop=shop)
    people = {customer(store, f"c{number}"): letters for number, letters in enumerate(HISTORIES)}
    for number, person in enumerate(people):
        order(store, person, number=str(number), arrived=NOON)

    post.days(100, people)

    for person, letters in people.items():
        places, memory, ended = foretold(letters, adaptive, days=100)
        course = state(store, person)
        assert (letters, left(store, person)) == (letters, places)
        assert course.next_half_life == pytest.approx(memory.half_life)
        assert course.next_misses == pytest.approx(memory.misses)
        assert (letters, course.ended) == (letters, ended or "")


def test_one_touch_is_planned_ahead_and_moves_when_the_customer_is_heard(store: Store) -> None:
    anna = customer(store)
    order(store, anna, arrived=NOON)
    post = Post(store=store, campaign=course_campaign())
    post.days(4)
    post.look()
    assert due(store, anna) == [utc(7)]  # silence: 1, 3, 7

    post.now = utc(3, 15)
    post.happens(anna, Signal.CLICK)
    post.now = utc(3, 17)
    post.look()

    assert due(store, anna) == [utc(5)]  # a click two days after the first: 2.38 days
    assert touches(store, "step", "state")[2:] == [("s3", "planned")]


def test_looking_twice_changes_nothing(store: Store) -> None:
    anna = customer(store)
    order(store, anna, arrived=NOON)
    post = Post(store=store, campaign=course_campaign())
    post.days(3)
    post.happens(anna, Signal.CLICK)
    post.now += timedelta(hours=2)
    post.look()
    before = state(store, anna), touches(store, "id", "due_at", "state")

    assert post.look() == 0
    assert (state(store, anna), touches(store, "id", "due_at", "state")) == before


def test_the_same_click_counts_once(store: Store) -> None:
    anna = customer(store)
    order(store, anna, arrived=NOON)
    post = Post(store=store, campaign=course_campaign())
    post.days(2)

    with store.write() as connection:
        mail = post.mails[anna]
        first = signals.add(connection, mail, Signal.CLICK, utc(1, 13), now=utc(1, 13))
        again = signals.add(connection, mail, Signal.CLICK, utc(1, 14), now=utc(1, 14))

    assert (first, again) == (True, False)
    with store.read() as connection:
        assert [(one.kind, one.at) for one in signals.of_customer(connection, anna)][-1] == (
            Signal.CLICK, utc(1, 13))  # fmt: skip


def test_a_reply_is_no_signal_of_this_kind(store: Store) -> None:
    with store.write() as connection, pytest.raises(ValueError, match="reply"):
        signals.add(connection, 1, Signal.REPLY, NOON, now=NOON)


def test_a_paused_course_wakes_up_when_its_last_mail_is_clicked_in_time(store: Store) -> None:
    early, late = customer(store, "early"), customer(store, "late")
    for number, person in enumerate((early, late)):
        order(store, person, number=str(number), arrived=NOON)
    post = Post(store=store, campaign=course_campaign())
    post.days(17)
    assert [state(store, one).ended for one in (early, late)] == [Ending.PAUSED] * 2

    post.happens(early, Signal.CLICK)
    post.days(30)
    post.happens(late, Signal.CLICK)  # its next mail would have been on day 31
    post.days(3)

    assert left(store, early)[:5] == [1, 3, 7, 15, 18]
    assert left(store, late) == [1, 3, 7, 15]
    assert state(store, late).next_half_life == 1


def test_a_course_that_pauses_says_so_where_its_next_mail_would_be(store: Store) -> None:
    anna = customer(store)
    order(store, anna, arrived=NOON)
    post = Post(store=store, campaign=course_campaign())

    post.days(20)

    rows = touches(store, "step", "place", "state", "reason", "due_at")
    assert rows[:4] == [(f"s{n}", n, "accepted", "", utc(day)) for n, day in
                        enumerate((1, 3, 7, 15), start=1)]  # fmt: skip
    assert [row[:4] for row in rows[4:]] == [("s5", 5, "skipped", "silent")]
    assert rows[4][4] == state(store, anna).wanted_at
    assert touches(store, "settled_at")[4] == (state(store, anna).ended_at,)
    assert state(store, anna).todo == curve_states.RESTS


def test_a_course_that_wakes_up_gets_the_mail_that_it_was_not_to_get(store: Store) -> None:
    anna = customer(store)
    order(store, anna, arrived=NOON)
    post = Post(store=store, campaign=course_campaign())
    post.days(17)

    post.happens(anna, Signal.CLICK)
    post.days(4)

    rows = touches(store, "step", "anchor", "state", "reason")
    assert [row for row in rows if row[0] == "s5"] == [
        ("s5", "order:1:arrived#before:5", "skipped", "silent"),
        ("s5", "order:1:arrived", "accepted", ""),
    ]
    assert state(store, anna).ended == ""


def test_a_course_that_is_done_leaves_nothing_out(store: Store) -> None:
    anna = customer(store)
    order(store, anna, arrived=NOON)
    post = Post(store=store, campaign=course_campaign(steps=2))

    post.days(20)

    assert state(store, anna).ended == Ending.DONE
    assert touches(store, "state") == [("accepted",)] * 2


def test_who_buys_is_left_alone_and_keeps_the_half_life_for_the_next_parcel(store: Store) -> None:
    anna = customer(store)
    order(store, anna, arrived=NOON)
    post = Post(store=store, campaign=course_campaign())
    post.days(10, {anna: "NP"})
    assert left(store, anna) == [1, 3]
    assert touches(store, "step", "state", "reason")[2:] == [("s3", "skipped", "exited")]

    post.happens(anna, Signal.NOTHING)
    order(store, anna, number="2", placed_at=utc(3, 14), is_counted=False, arrived=utc(20))
    post.now = utc(20, 13)
    post.days(6)

    query = sa.select(t.curve_states.c.half_life).order_by(t.curve_states.c.anchored_at)
    with store.read() as connection:
        first, second = connection.execute(query).scalars().all()
    assert first == 1
    # two half-lives had gone by: recall 0.312, gain 2
    assert second == pytest.approx(1 + 4 * (1 - (1 + (2 ** (1 / 1.5) - 1) * 2) ** -1.5))
    assert left(store, anna)[2] == 24  # 3.75 days after the second parcel


def test_a_purchase_ends_what_was_planned(store: Store) -> None:
    anna = customer(store)
    order(store, anna, arrived=NOON)
    post = Post(store=store, campaign=course_campaign())
    post.days(2)
    post.look()
    assert len(due(store, anna)) == 1

    post.happens(anna, Signal.PURCHASE)
    post.now += timedelta(hours=2)
    post.look()

    assert due(store, anna) == []
    assert touches(store, "step", "state", "reason")[-1] == ("s2", "skipped", "exited")
    assert state(store, anna).ended == Ending.CONVERTED


def test_the_order_that_began_the_course_is_no_purchase(store: Store) -> None:
    anna = customer(store)
    order(store, anna, placed_at=NOON + timedelta(hours=2), arrived=NOON)
    post = Post(store=store, campaign=course_campaign())

    post.days(5)

    assert left(store, anna) == [1, 3]


@pytest.mark.parametrize("what", ["unsubscribed", "flagged", "exit", "cancelled"])
def test_a_course_stops_when_the_customer_must_not_be_written_to(store: Store, what: str) -> None:
    anna = customer(store)
    number = order(store, anna, arrived=NOON)
    post = Post(store=store, campaign=course_campaign(exits=frozenset({Exit.ORDER_DISPUTED})))
    post.days(1)
    if what == "unsubscribed":
        suppress(store, "anna@example.com", "unsubscribed")
    elif what == "flagged":
        with store.write() as connection:
            connection.execute(sa.update(t.customers).values(is_flagged=True))
    elif what == "exit":
        add(store, t.order_events, order_id=number, state="disputed", at=post.now,
            learnt_at=post.now)  # fmt: skip
    post.days(1)
    post.look()
    if what == "cancelled":
        with store.write() as connection:
            connection.execute(
                sa.update(t.touches)
                .where(t.touches.c.state == "planned")
                .values(state="skipped", reason="cancelled", settled_at=post.now)
            )

    post.days(20)

    assert len(left(store, anna)) <= 1
    assert due(store, anna) == []
    assert state(store, anna).ended == Ending.STOPPED
    reason = "exited" if what == "exit" else what
    assert touches(store, "state", "reason")[-1] == ("skipped", reason)


def test_a_mail_that_expired_uses_its_step_and_the_next_one_comes_a_day_later(
    store: Store,
) -> None:
    anna = customer(store)
    order(store, anna, arrived=NOON)
    post = Post(store=store, campaign=course_campaign())
    post.days(3)
    post.look()
    with store.write() as connection:
        connection.execute(
            sa.update(t.touches)
            .where(t.touches.c.state == "planned")
            .values(state="expired", reason="late", settled_at=utc(6), due_at=utc(3))
        )
        connection.execute(sa.update(t.curve_states).values(due_at=utc(3)))
    post.now = utc(6, 13)
    post.look()

    assert touches(store, "step", "state")[1:] == [("s2", "expired"), ("s3", "planned")]
    assert state(store, anna).touches == 1


def test_the_cap_of_all_campaigns_moves_a_touch_and_the_real_time_counts(store: Store) -> None:
    anna = customer(store)
    order(store, anna, arrived=NOON)
    post = Post(store=store, campaign=course_campaign())
    post.days(2)
    for day in (2, 3, 4):
        add(
            store, t.touches, campaign="sale", step="s", anchor=f"date:{day}", customer_id=anna,
            stream="marketing", template="t", anchored_at=NOON, due_at=utc(day), state="accepted",
            settled_at=utc(day), planned_at=NOON,
        )  # fmt: skip
    post.days(8, {anna: "C"})
    post.look()

    # days 2, 3 and 4 are taken: three mails within seven days are the most
    first, second, *_ = [day for day in left(store, anna) if day not in (2, 3, 4)]
    assert (first, second) == (1, 9)
    with store.read() as connection:
        gap = connection.scalar(sa.select(t.curve_states.c.elapsed))
    assert gap == 8
    half_life = 1 + 2 * (1 - (1 + (2 ** (1 / 1.5) - 1) * 8) ** -1.5)
    assert state(store, anna).next_half_life == pytest.approx(half_life)


@pytest.mark.parametrize(
    ("priority", "days"), [(5, (1, 3, 4, 8)), (0, (1, 8, 3, 4)), (-5, (1, 8, 3, 4))]
)
def test_the_next_touch_gets_its_day_by_priority(
    store: Store, priority: int, days: tuple[int, ...]
) -> None:
    anna = customer(store)
    order(store, anna, arrived=NOON)
    low = campaign("low", anchor=DateAnchor(day=utc(3).date()))
    post = Post(store=store, campaign=course_campaign(priority=priority), others=(low,))
    post.look()
    for day in (3, 4):
        add(
            store, t.touches, campaign="low", step=f"s{day - 2}", anchor=f"date:{utc(3).date()}",
            customer_id=anna, stream="marketing", template="t", anchored_at=NOON, due_at=utc(day),
            next_at=utc(day), state="planned", expires_at=utc(20), planned_at=NOON,
        )  # fmt: skip
    post.now = utc(1)
    post.send()
    post.now += timedelta(hours=1)
    post.look()

    # the second touch wants day 3; three mails within seven days are the most
    assert tuple((at.date() - NOON.date()).days for (at,) in touches(store, "due_at")) == days


def test_a_campaign_in_manual_mode_holds_each_touch(store: Store) -> None:
    anna = customer(store)
    order(store, anna, arrived=NOON)
    post = Post(store=store, campaign=course_campaign(mode=Mode.MANUAL))

    post.look()

    assert touches(store, "step", "state") == [("s1", "held")]


def test_a_class_of_value_has_a_retention_of_its_own(store: Store) -> None:
    vip, other = customer(store, "vip"), customer(store, "other")
    add(
        store, t.scores, customer_id=vip, first_order_at=NOON, last_order_at=NOON, order_count=9,
        spent_usd_cents=200_000, days_since_last=3, r=5, f=5, m=5, total=15, profile="default",
        scored_on=NOON.date(), value_class="key_value",
    )  # fmt: skip
    for number, person in enumerate((vip, other)):
        order(store, person, number=str(number), arrived=NOON)
    post = Post(store=store, campaign=course_campaign(adaptive=Adaptive(first_half_life=10)))

    post.look()

    assert due(store, vip) == [utc(7)]  # 6.9 days
    assert due(store, other) == [utc(10)]


def test_a_share_of_the_shops_half_life_is_the_first_wait(store: Store) -> None:
    anna = customer(store)
    order(store, anna, arrived=NOON)
    post = Post(store=store, campaign=course_campaign(adaptive=Adaptive(share_of_shop=0.25)))
    valued = ValueStanding(
        seen_at=NOON,
        day=NOON.date(),
        zone="UTC",
        fitted_on=NOON.date(),
        models=Models(half_life=28.0),
    )
    valuing._stand(store, valued, NOON)  # as segmenting notes it

    post.look()

    assert due(store, anna) == [utc(7)]


def test_a_newer_parcel_ends_the_course_of_the_older_one(store: Store) -> None:
    anna = customer(store)
    order(store, anna, arrived=NOON)
    post = Post(store=store, campaign=course_campaign())
    post.days(5)
    order(store, anna, number="2", placed_at=NOON - DAY, arrived=utc(4))

    post.days(20)

    query = sa.select(t.curve_states.c.ended, t.curve_states.c.why).order_by(
        t.curve_states.c.anchored_at
    )
    with store.read() as connection:
        ended = [tuple(row) for row in connection.execute(query)]
    assert ended == [("stopped", "new_anchor"), ("paused", "")]
    assert left(store, anna) == [1, 3, 5, 8, 12, 20]  # on day 7 it would be the fourth in a week


def test_merging_two_customers_keeps_the_course(store: Store) -> None:
    anna, twin = customer(store), customer(store, "twin")
    order(store, anna, arrived=NOON)
    post = Post(store=store, campaign=course_campaign())
    post.days(2, {anna: "C"})

    with store.write() as connection:
        customers.merge(connection, anna, twin, now=post.now)
    post.days(2)
    post.look()

    assert left(store, twin) == [1, 3]
    assert due(store, twin) == [utc(7)]
    assert state(store, twin).next_half_life == pytest.approx(2)


def test_a_clock_that_jumps_back_and_forth_doubles_nothing(store: Store) -> None:
    anna = customer(store)
    order(store, anna, arrived=NOON)
    post = Post(store=store, campaign=course_campaign())
    post.days(2)
    for jump in (-3, 40, -35):
        post.now += jump * DAY
        post.look()

    steps = [step for (step,) in touches(store, "step")]
    assert sorted(steps) == sorted(set(steps))
    assert len(due(store, anna)) == 1


def test_an_edited_curve_holds_for_touches_to_come(store: Store) -> None:
    anna = customer(store)
    order(store, anna, arrived=NOON)
    post = Post(store=store, campaign=course_campaign())
    post.days(2)
    post.look()
    post.campaign = replace(post.campaign, adaptive=Adaptive(backoff=5.0), version="v2")

    post.days(30)

    assert left(store, anna) == [1, 3, 28]  # the one that was planned, then 25 days


def test_a_campaign_at_a_date_goes_on_after_its_day(store: Store) -> None:
    anna = customer(store)
    sale = sale_of_the_day()
    post = Post(store=store, campaign=sale)

    post.days(16, {anna: "CN"})

    assert left(store, anna) == [4, 6, 10]


def test_a_crash_before_the_course_was_noted_is_made_good(store: Store) -> None:
    anna = customer(store)
    order(store, anna, arrived=NOON)
    post = Post(store=store, campaign=course_campaign())
    post.look()
    with store.write() as connection:
        connection.execute(t.curve_states.delete())

    post.now += timedelta(hours=1)
    post.look()

    assert state(store, anna).step == "s1"


def test_a_quick_look_hears_what_is_new(store: Store) -> None:
    anna = customer(store)
    order(store, anna, arrived=NOON)
    post = Post(store=store, campaign=course_campaign(), is_quick=True)
    post.days(2)
    post.look()
    post.now += timedelta(minutes=5)
    post.happens(anna, Signal.PURCHASE)
    post.now += timedelta(hours=1, minutes=1)

    post.look()

    assert state(store, anna).ended == Ending.CONVERTED
    assert due(store, anna) == []


def sale_of_the_day() -> Campaign:
    """An adaptive campaign that begins at a date."""
    day = DateAnchor(day=(NOON + 3 * DAY).date())
    return course_campaign(anchor=day, kind=Kind.EDM)


def test_steps_of_an_adaptive_campaign_can_be_tested(store: Store) -> None:
    people = [customer(store, f"c{number}") for number in range(12)]
    for number, person in enumerate(people):
        order(store, person, number=str(number), arrived=NOON)
    found = course_campaign()
    arms = (Arm(id="short", template="care/short"), Arm(id="long", template="care/long"))
    second = replace(found.steps[1], trial=Trial(arms=arms))
    post = Post(
        store=store,
        campaign=replace(found, steps=(found.steps[0], second, *found.steps[2:])),
    )

    post.days(3)

    seconds = [row for row in touches(store, "step", "arm", "template") if row[0] == "s2"]
    assert len(seconds) == len(people)
    assert {row[1:] for row in seconds} == {("short", "care/short"), ("long", "care/long")}
