from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from crm_mailer.delivering import NullTransport, Rules, deliver
from crm_mailer.delivering.port import Source, Transport
from crm_mailer.delivering.terms import USUAL_PACE, Pace
from crm_mailer.model.campaign import Campaign, CatchUp, Exit, Mode, SegmentAnchor, Stream
from crm_mailer.model.delivery import Outcome, OutcomeKind, Phase
from crm_mailer.store import tables as t
from crm_mailer.store.engine import Store
from tests.conftest import StandingClock
from tests.delivering.letters import PlainRenderer
from tests.planning.people import NOON, SHOP, add, campaign, customer, event, open_case, order

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
CARE = campaign("care", offsets=(DAY, 2 * DAY, 3 * DAY))
NEWS = campaign("news", offsets=(DAY,))
ORDERS = campaign("orders", stream=Stream.TRANSACTIONAL)


class Desk:
    """A shop with some planned touches, and a clock."""

    def __init__(self, store: Store, clock: StandingClock, folder: Path) -> None:
        self.store, self.clock, self.folder = store, clock, folder
        self.campaigns = {one.id: one for one in (CARE, NEWS, ORDERS)}
        self.renderer = PlainRenderer()

    def use(self, one: Campaign) -> None:
        self.campaigns[one.id] = one

    def touch(self, person: int, name: str = "care", **more: Any) -> int:
        values = {
            "campaign": name,
            "step": f"s{more.get('place', 1)}",
            "anchor": "order:1:arrived",
            "customer_id": person,
            "stream": self.campaigns[name].stream if name in self.campaigns else "marketing",
            "template": "care/hello",
            "anchored_at": NOON - DAY,
            "due_at": NOON,
            "next_at": NOON,
            "expires_at": NOON + 3 * DAY,
            "state": "planned",
            "planned_at": NOON - DAY,
            **more,
        }
        with self.store.write() as connection:
            key = connection.execute(t.touches.insert().values(values)).inserted_primary_key
        assert key is not None
        return int(key[0])

    def send(
        self, way: Transport | None = None, *, pace: Pace = USUAL_PACE, **parts: float
    ) -> dict[str, int]:
        """Let time pass, then one round; how many left, or did not and why."""
        self.clock.forward(**parts)
        report = deliver(
            self.store,
            self.renderer,
            way or NullTransport(),
            clock=self.clock,
            pace=pace,
            owner="tester",
            journal_folder=self.folder,
            rules=Rules(shop=SHOP, campaigns=self.campaigns),
        )
        assert report.accounted == report.claimed
        return {**report.outcomes, **report.skipped}

    def row(self, touch: int) -> tuple[str, str, datetime | None, int]:
        columns = [t.touches.c[name] for name in ("state", "reason", "next_at", "attempts")]
        with self.store.read() as connection:
            return tuple(
                connection.execute(sa.select(*columns).where(t.touches.c.id == touch)).one()
            )

    def change(self, table: sa.Table, **values: Any) -> None:
        with self.store.write() as connection:
            connection.execute(table.update().values(**values))


@pytest.fixture
def desk(store: Store, clock: StandingClock, tmp_path: Path) -> Desk:
    return Desk(store, clock, tmp_path)


# ------------------------------------------------------------------ what passes by itself


def test_a_case_opened_after_planning_holds_the_mail_and_its_closing_lets_it_go(desk: Desk) -> None:
    anna = customer(desk.store)
    touch = desk.touch(anna)
    open_case(desk.store, anna)

    held = desk.send()
    waiting = desk.row(touch)
    desk.change(t.cases, state="closed")
    too_early = desk.send(hours=5)
    later = desk.send(hours=16)

    assert (held, too_early, later) == ({"case_open": 1}, {}, {"accepted": 1})
    assert waiting == ("planned", "case_open", NOON + 6 * HOUR, 0)


def test_a_case_that_outlasts_the_mail_ends_it_with_that_reason(desk: Desk) -> None:
    anna = customer(desk.store)
    touch = desk.touch(anna, expires_at=NOON + 20 * HOUR)
    open_case(desk.store, anna)

    for _quarter in range(20 * 4 + 1):
        desk.send(minutes=15)

    assert desk.row(touch) == ("skipped", "case_open", None, 0)


def test_near_its_end_a_held_mail_is_asked_for_every_few_minutes(desk: Desk) -> None:
    anna = customer(desk.store)
    desk.touch(anna, expires_at=NOON + 3 * HOUR)
    open_case(desk.store, anna)
    for _ten in range(16):
        desk.send(minutes=10)
    desk.change(t.cases, state="closed")

    assert desk.send(minutes=15) == {"accepted": 1}


def test_a_hold_is_still_the_reason_after_an_outage_beyond_the_end(desk: Desk) -> None:
    anna = customer(desk.store)
    touch = desk.touch(anna)
    open_case(desk.store, anna)
    desk.send()

    assert desk.send(days=9) == {"case_open": 1}
    assert desk.row(touch)[:2] == ("skipped", "case_open")


def test_a_pause_that_the_customer_asked_for_is_waited_out_to_the_hour(desk: Desk) -> None:
    touch = desk.touch(customer(desk.store, snoozed_until=NOON + DAY))

    desk.send()

    assert desk.row(touch) == ("planned", "snoozed", NOON + DAY, 0)
    assert desk.send(days=1) == {"accepted": 1}


def test_a_held_mail_that_was_tried_before_is_deferred_and_keeps_its_attempts(desk: Desk) -> None:
    anna = customer(desk.store)
    touch = desk.touch(anna, state="deferred", attempts=1)
    add(desk.store, t.deliveries, touch_id=touch, attempt=1, outcome="deferred", phase="rcpt",
        at=NOON - HOUR)  # fmt: skip
    open_case(desk.store, anna)

    desk.send()

    assert desk.row(touch) == ("deferred", "case_open", NOON + 6 * HOUR, 1)


@pytest.mark.parametrize(
    ("change", "state", "reason"),
    [
        ({"is_flagged": True}, "skipped", "flagged"),
        ({"address_kind": "relay"}, "skipped", "relay_address"),
        ({"email": None, "email_key": None}, "planned", "no_address"),
    ],
)
def test_a_customer_who_has_changed_is_seen(
    desk: Desk, change: dict[str, object], state: str, reason: str
) -> None:
    touch = desk.touch(customer(desk.store))
    desk.change(t.customers, **change)

    desk.send()

    assert desk.row(touch)[:2] == (state, reason)


# ------------------------------------------------------------------ the night


@pytest.mark.parametrize("place", ["Europe/Moscow", "America/Sao_Paulo"])
def test_marketing_that_is_late_waits_for_the_customers_morning(desk: Desk, place: str) -> None:
    person = customer(desk.store, time_zone=place)
    touch, mail = desk.touch(person), desk.touch(person, "orders")
    night = datetime(2026, 11, 3, 3, 0, tzinfo=UTC)
    desk.clock.moment = night

    assert desk.send() == {"accepted": 1, "quiet_hours": 1}
    assert desk.row(mail)[0] == "accepted"
    hour = {"Europe/Moscow": 5, "America/Sao_Paulo": 11}[place]
    assert desk.row(touch) == ("planned", "quiet_hours", night.replace(hour=hour), 0)
    assert desk.send(hours=8) == {"accepted": 1}


def test_the_country_tells_the_night_where_no_zone_is_known(desk: Desk) -> None:
    touch = desk.touch(customer(desk.store, time_zone="", country="NZ"))

    desk.send()

    assert desk.row(touch)[1:3] == ("quiet_hours", datetime(2026, 11, 2, 19, 0, tzinfo=UTC))


def test_marketing_whose_morning_comes_too_late_is_left_out(desk: Desk) -> None:
    touch = desk.touch(customer(desk.store), expires_at=NOON + 12 * HOUR)

    assert desk.send(hours=11) == {"late": 1}
    assert desk.row(touch) == ("skipped", "late", None, 0)


# ------------------------------------------------------------------ no burst


def test_after_days_of_outage_only_the_latest_step_of_an_occasion_leaves(desk: Desk) -> None:
    anna = customer(desk.store)
    first, second, third = (
        desk.touch(anna, place=place, due_at=at, next_at=at, expires_at=at + 5 * DAY)
        for place, at in enumerate((NOON, NOON + DAY, NOON + 2 * DAY), start=1)
    )

    assert desk.send(days=1, hours=1) == {"late": 1, "accepted": 1}
    assert [desk.row(one)[0] for one in (first, second, third)] == [
        "skipped", "accepted", "planned"]  # fmt: skip


def test_a_campaign_that_catches_up_with_all_sends_one_a_day(desk: Desk) -> None:
    desk.use(replace(CARE, catch_up=CatchUp.ALL))
    anna = customer(desk.store)
    touches = [
        desk.touch(anna, place=place, due_at=NOON, next_at=NOON, expires_at=NOON + 9 * DAY)
        for place in (1, 2, 3)
    ]

    rounds = [desk.send(days=1) for _day in range(3)]

    assert [one.get("accepted", 0) for one in rounds] == [1, 1, 1]
    assert [desk.row(one)[0] for one in touches] == ["accepted"] * 3


class SlowTransport(NullTransport):
    """A server that thinks about each mail for a while."""

    async def fly(self, source: Source) -> None:
        while (flight := await source.next()) is not None:
            await asyncio.sleep(0.1)
            accepted = source.before_dot(flight)
            kind = OutcomeKind.ACCEPTED if accepted else OutcomeKind.DEFERRED
            source.landed(flight, Outcome(kind=kind, phase=Phase.DOT, code=250, text="ok"))


def test_a_mail_that_is_still_on_the_wire_takes_its_customers_day(desk: Desk) -> None:
    anna = customer(desk.store)
    first, second = desk.touch(anna, name="care"), desk.touch(anna, name="news")

    found = desk.send(SlowTransport(), pace=Pace(cycle=1))

    assert found.get("accepted") == 1
    assert sorted(desk.row(one)[0] for one in (first, second)) == ["accepted", "planned"]


class RefusingTransport(NullTransport):
    """A server that takes no mail of one campaign."""

    async def fly(self, source: Source) -> None:
        while (flight := await source.next()) is not None:
            source.before_dot(flight)
            is_refused = flight.claimed.touch.campaign == "care"
            kind = OutcomeKind.REFUSED if is_refused else OutcomeKind.ACCEPTED
            source.landed(flight, Outcome(kind=kind, phase=Phase.DOT, code=550, text="no"))
            await asyncio.sleep(0)


def test_a_mail_that_was_refused_a_moment_ago_takes_no_day(desk: Desk) -> None:
    anna = customer(desk.store)
    first, second = desk.touch(anna, name="care"), desk.touch(anna, name="news")

    desk.send(RefusingTransport(), pace=Pace(cycle=1))

    assert [desk.row(one)[0] for one in (first, second)] == ["refused", "accepted"]


def test_a_campaign_that_skips_leaves_out_what_an_outage_made_hours_late(desk: Desk) -> None:
    desk.use(replace(CARE, catch_up=CatchUp.SKIP))
    first = desk.touch(customer(desk.store, "anna"))
    later = NOON + 4 * HOUR
    desk.touch(customer(desk.store, "ben"), due_at=later, next_at=later)

    assert desk.send(hours=7) == {"late": 1, "accepted": 1}
    assert desk.row(first)[:2] == ("skipped", "late")


def test_a_step_that_is_retried_after_the_next_one_left_is_left_out(desk: Desk) -> None:
    person = customer(desk.store)
    first = desk.touch(person, "orders", state="deferred", next_at=NOON + 2 * HOUR)
    desk.touch(person, "orders", place=2, next_at=NOON + HOUR)

    assert desk.send(hours=1) == {"accepted": 1}
    assert desk.send(hours=1) == {"late": 1}
    assert desk.row(first)[:2] == ("skipped", "late")


def test_two_campaigns_that_an_outage_brought_together_leave_on_two_days(desk: Desk) -> None:
    desk.use(replace(NEWS, priority=5))
    anna = customer(desk.store)
    care = desk.touch(anna, "care", anchor="a")
    news = desk.touch(anna, "news", anchor="b")

    assert desk.send() == {"accepted": 1, "cap": 1}
    assert desk.row(news)[0] == "accepted"
    assert desk.row(care) == ("planned", "cap", datetime(2026, 11, 3, 10, 0, tzinfo=UTC), 0)
    assert desk.send(hours=22) == {"accepted": 1}


def test_what_left_this_week_counts_at_hand_over(desk: Desk) -> None:
    anna = customer(desk.store)
    for day in (1, 2, 3):
        desk.touch(anna, "news", anchor=f"n{day}", state="accepted", due_at=NOON - day * DAY,
                   settled_at=NOON - day * DAY, next_at=None)  # fmt: skip
    touch = desk.touch(anna)

    assert desk.send() == {"cap": 1}
    assert desk.row(touch)[:2] == ("skipped", "cap")


@pytest.mark.parametrize(("priority", "first"), [(5, "outranked"), (0, "accepted")])
def test_a_late_mail_leaves_the_day_to_one_of_higher_priority(
    desk: Desk, priority: int, first: str
) -> None:
    desk.use(replace(NEWS, priority=priority))
    anna = customer(desk.store)
    late = desk.touch(anna, expires_at=NOON + 5 * DAY)
    desk.touch(anna, "news", due_at=NOON + DAY + 6 * HOUR, next_at=NOON + DAY + 6 * HOUR)

    assert desk.send(days=1) == {first: 1}
    if priority:
        assert desk.row(late)[:3] == (
            "planned", "outranked", datetime(2026, 11, 4, 10, 0, tzinfo=UTC),
        )  # fmt: skip
        assert desk.send(hours=6) == {"accepted": 1}
        assert desk.send(hours=16) == {"accepted": 1}


def test_a_draft_takes_no_day_from_a_late_mail(desk: Desk) -> None:
    desk.use(replace(NEWS, priority=5, mode=Mode.DRAFT))
    anna = customer(desk.store)
    desk.touch(anna, expires_at=NOON + 5 * DAY)
    desk.touch(anna, "news", due_at=NOON + DAY + 6 * HOUR, next_at=NOON + DAY + 6 * HOUR)

    assert desk.send(days=1) == {"accepted": 1}


def test_a_late_mail_that_has_no_other_day_ends_as_outranked(desk: Desk) -> None:
    desk.use(replace(NEWS, priority=5))
    anna = customer(desk.store)
    late = desk.touch(anna, expires_at=NOON + DAY + HOUR)
    desk.touch(anna, "news", due_at=NOON + DAY + 6 * HOUR, next_at=NOON + DAY + 6 * HOUR)

    assert desk.send(days=1) == {"outranked": 1}
    assert desk.row(late)[:2] == ("skipped", "outranked")


@pytest.mark.parametrize("state", ["held", "skipped", "accepted"])
def test_a_late_mail_waits_for_none_that_will_not_leave_by_itself(desk: Desk, state: str) -> None:
    desk.use(replace(NEWS, priority=5))
    anna = customer(desk.store)
    late = desk.touch(anna)
    at = NOON + DAY + 6 * HOUR
    desk.touch(anna, "news", due_at=at, next_at=at, settled_at=NOON - 9 * DAY, state=state)

    assert desk.send(days=1) == {"accepted": 1}
    assert desk.row(late)[0] == "accepted"


def test_order_mail_knows_no_cap_and_no_night(desk: Desk) -> None:
    anna = customer(desk.store, time_zone="Pacific/Auckland")
    for number in range(3):
        desk.touch(anna, "orders", anchor=f"order:{number}:shipped")

    assert desk.send() == {"accepted": 3}


# ------------------------------------------------------------------ the campaign has changed


@pytest.mark.parametrize("fate", ["draft", "gone"])
def test_a_campaign_that_is_off_sends_nothing_and_may_come_back(desk: Desk, fate: str) -> None:
    touch = desk.touch(customer(desk.store))
    if fate == "draft":
        desk.use(replace(CARE, mode=Mode.DRAFT))
    else:
        del desk.campaigns["care"]

    assert desk.send() == {"no_campaign": 1}
    assert desk.row(touch) == ("planned", "no_campaign", NOON + 10 * MINUTE, 0)
    desk.use(CARE)
    assert desk.send(minutes=10) == {"accepted": 1}


def test_a_manual_campaigns_released_mail_and_an_agents_answer_may_leave(desk: Desk) -> None:
    desk.use(replace(CARE, mode=Mode.MANUAL))
    anna = customer(desk.store)
    desk.touch(anna)
    desk.touch(anna, "case", kind="case_reply", stream="transactional", template="")

    assert desk.send() == {"accepted": 2}


def test_an_order_paid_since_planning_is_not_reminded(desk: Desk) -> None:
    desk.use(replace(ORDERS, exits=frozenset({Exit.ORDER_PAID})))
    anna = customer(desk.store)
    paid, unpaid = (order(desk.store, anna, number=one, placed=NOON - DAY) for one in "12")
    touches = [
        desk.touch(anna, "orders", anchor=f"order:{one}:placed", order_id=one)
        for one in (paid, unpaid)
    ]
    event(desk.store, paid, "paid", NOON - HOUR)

    assert desk.send() == {"exited": 1, "accepted": 1}
    assert [desk.row(touch)[1] for touch in touches] == ["exited", ""]


def test_a_customer_who_bought_since_planning_is_not_won_back(desk: Desk) -> None:
    back = campaign("back", anchor=SegmentAnchor(segment="cooling"))
    desk.use(replace(back, exits=frozenset({Exit.BOUGHT, Exit.REPLIED, Exit.SEGMENT_LEFT})))
    anna = customer(desk.store)
    touch = desk.touch(anna, "back")
    order(desk.store, anna, placed_at=NOON - HOUR)

    assert desk.send() == {"exited": 1}
    assert desk.row(touch)[:2] == ("skipped", "exited")


# ------------------------------------------------------------------ two senders


def test_what_another_sender_has_in_hand_counts_as_sent_today(desk: Desk) -> None:
    anna = customer(desk.store)
    desk.touch(anna, "news", anchor="b", state="claimed", owner="other", boot_id="b",
               claimed_until=NOON + DAY)  # fmt: skip
    desk.touch(anna, "care", anchor="a")

    assert desk.send() == {"cap": 1}
