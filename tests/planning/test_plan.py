from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest
import sqlalchemy as sa

from crm_mailer.definitions.problems import Problem
from crm_mailer.model.campaign import (
    BirthdayAnchor,
    Campaign,
    DateAnchor,
    Exit,
    FirstOrderAnchor,
    Kind,
    Mode,
    OrderAnchor,
    ReplyAnchor,
    SegmentAnchor,
    Stream,
)
from crm_mailer.model.errors import NotFound
from crm_mailer.model.order import OrderState
from crm_mailer.model.segment import Compare
from crm_mailer.model.touch import SkipReason
from crm_mailer.planning import occasions, plan
from crm_mailer.store import plan_runs
from crm_mailer.store import tables as t
from crm_mailer.store.engine import Store
from tests.planning.people import (
    NOON,
    SHOP,
    add,
    campaign,
    customer,
    definitions,
    event,
    give_address,
    leave_segments,
    open_case,
    order,
    suppress,
    touches,
)

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
PLACED = OrderAnchor(state=OrderState.PLACED)


def test_an_arrived_order_plans_each_step_at_ten_in_the_customers_morning(store: Store) -> None:
    anna = customer(store, time_zone="Asia/Kathmandu")
    arrived = datetime(2026, 11, 2, 11, 0, tzinfo=UTC)
    order(store, anna, arrived=arrived)

    report = plan(store, definitions(campaign()), now=NOON, is_saved=True)

    assert report.saved == 2
    assert touches(store, "step", "state", "due_at", "place", "places") == [
        ("s1", "planned", datetime(2026, 11, 3, 4, 15, tzinfo=UTC), 1, 2),
        ("s2", "planned", datetime(2026, 11, 4, 4, 15, tzinfo=UTC), 2, 2),
    ]


def test_planning_twice_changes_nothing(store: Store) -> None:
    order(store, customer(store), arrived=NOON)
    plan(store, definitions(campaign()), now=NOON, is_saved=True)
    before = touches(store, "id", "due_at", "state")

    report = plan(store, definitions(campaign()), now=NOON + HOUR, is_saved=True)

    assert report.saved == 0
    assert touches(store, "id", "due_at", "state") == before


def test_a_plan_that_is_only_looked_at_writes_nothing(store: Store) -> None:
    order(store, customer(store), arrived=NOON)

    report = plan(store, definitions(campaign()), now=NOON, is_saved=False)

    assert report.planned == 2
    assert report.campaigns[0].people == 1
    assert touches(store, "id") == []


@pytest.mark.parametrize("is_told_later", [True, False])
def test_a_parcel_whose_receipt_was_confirmed_has_arrived(
    store: Store, is_told_later: bool
) -> None:
    number = order(store, customer(store), received=NOON)
    if is_told_later:
        plan(store, definitions(campaign()), now=NOON, is_saved=True)
    event(store, number, "arrived", NOON - 2 * HOUR)

    plan(store, definitions(campaign()), now=NOON, is_saved=True)

    anchored_at = NOON if is_told_later else NOON - 2 * HOUR
    assert touches(store, "anchor", "anchored_at") == [
        (f"order:{number}:arrived", anchored_at)] * 2  # fmt: skip


def test_a_draft_plans_nothing_but_shows_what_it_would(store: Store) -> None:
    order(store, customer(store), arrived=NOON)
    draft = definitions(campaign(mode=Mode.DRAFT))

    assert plan(store, draft, now=NOON, is_saved=False).planned == 2
    assert plan(store, draft, now=NOON, is_saved=True).saved == 0


def test_manual_mode_plans_held_touches(store: Store) -> None:
    order(store, customer(store), arrived=NOON)

    plan(store, definitions(campaign(mode=Mode.MANUAL)), now=NOON, is_saved=True)

    assert touches(store, "state") == [("held",), ("held",)]


def test_a_campaign_that_is_a_draft_again_holds_what_it_planned(store: Store) -> None:
    order(store, customer(store), arrived=NOON)
    plan(store, definitions(campaign()), now=NOON, is_saved=True)

    plan(store, definitions(campaign(mode=Mode.DRAFT)), now=NOON, is_saved=True)
    held = touches(store, "state")
    plan(store, definitions(campaign()), now=NOON, is_saved=True)

    assert held == [("held",), ("held",)]
    assert touches(store, "state") == [("planned",), ("planned",)]


@pytest.mark.parametrize("is_readable", [True, False])
def test_a_campaign_whose_file_is_gone_holds_what_it_planned_until_it_comes_back(
    store: Store, is_readable: bool
) -> None:
    order(store, customer(store), arrived=NOON)
    plan(store, definitions(campaign()), now=NOON, is_saved=True)
    fault = Problem(code="CRM101", message="broken", file="campaigns/other.yaml")
    gone = replace(
        definitions(campaign("other", anchor=PLACED)), problems=() if is_readable else (fault,)
    )

    plan(store, gone, now=NOON, is_saved=True)
    held = touches(store, "state")
    plan(store, definitions(campaign()), now=NOON, is_saved=True)

    assert held == [("held" if is_readable else "planned",)] * 2
    assert touches(store, "state") == [("planned",), ("planned",)]


def test_what_is_no_campaigns_is_not_held_for_want_of_a_file(store: Store) -> None:
    anna = customer(store)
    add(
        store, t.touches, kind="case_reply", campaign="case", step="1", anchor="case:1",
        customer_id=anna, stream="transactional", template="", state="planned", anchored_at=NOON,
        due_at=NOON, next_at=NOON, planned_at=NOON,
    )  # fmt: skip

    plan(store, definitions(campaign()), now=NOON, is_saved=True)

    assert touches(store, "state") == [("planned",)]


@pytest.mark.parametrize("mode", [Mode.MANUAL, Mode.DRAFT])
def test_held_mails_that_nobody_released_in_time_expire(store: Store, mode: Mode) -> None:
    order(store, customer(store), arrived=NOON)
    plan(store, definitions(campaign(mode=Mode.MANUAL)), now=NOON, is_saved=True)
    late = NOON + 4 * DAY + HOUR

    plan(store, definitions(campaign(mode=mode)), now=late, is_saved=True)

    assert touches(store, "state", "reason", "next_at")[0] == ("expired", "late", None)
    assert touches(store, "state")[1] == ("held",)


def test_ten_years_of_history_plan_nothing_old(store: Store) -> None:
    anna = customer(store)
    for year in range(10):
        order(store, anna, number=str(year), arrived=NOON - timedelta(days=365 * year + 30))

    plan(store, definitions(campaign()), now=NOON, is_saved=True)

    assert touches(store, "id") == []


def test_a_step_whose_time_has_passed_is_not_planned_while_later_ones_are(store: Store) -> None:
    order(store, customer(store), arrived=NOON - 5 * DAY)
    care = campaign(offsets=(DAY, 4 * DAY), valid_for=2 * DAY)

    report = plan(store, definitions(care), now=NOON, is_saved=True)

    assert touches(store, "step", "reason") == [("s1", "late"), ("s2", "")]
    assert report.campaigns[0].left_out == {SkipReason.LATE: 1}


@pytest.mark.parametrize("stream", list(Stream))
def test_after_ten_days_of_downtime_only_the_latest_due_step_is_planned(
    store: Store, stream: Stream
) -> None:
    order(store, customer(store), arrived=NOON - 10 * DAY)
    steps = tuple(day * DAY for day in (1, 3, 7, 9, 12))
    care = campaign(offsets=steps, valid_for=5 * DAY, stream=stream)

    report = plan(store, definitions(care), now=NOON, is_saved=True)

    leaving = [step for step, reason in touches(store, "step", "reason") if not reason]
    assert leaving == ["s4", "s5"]
    assert report.campaigns[0].left_out == {SkipReason.LATE: 3}


@pytest.mark.parametrize(
    ("reason", "scope", "expected"),
    [
        ("unsubscribed", "marketing", SkipReason.UNSUBSCRIBED),
        ("spam_report", "marketing", SkipReason.SPAM_REPORT),
        ("hard_bounce", "all", SkipReason.HARD_BOUNCE),
        ("erased", "all", SkipReason.SUPPRESSED),
    ],
)
def test_a_suppressed_address_gets_a_row_with_the_reason(
    store: Store, reason: str, scope: str, expected: SkipReason
) -> None:
    order(store, customer(store), arrived=NOON)
    suppress(store, "anna@example.com", reason, scope)

    plan(store, definitions(campaign(offsets=(DAY,))), now=NOON, is_saved=True)

    assert touches(store, "state", "reason", "next_at") == [("skipped", expected, None)]


def test_an_unsubscribed_customer_still_gets_order_mail(store: Store) -> None:
    order(store, customer(store), arrived=NOON)
    suppress(store, "anna@example.com", "unsubscribed")
    mail = campaign(stream=Stream.TRANSACTIONAL, offsets=(timedelta(0),))

    plan(store, definitions(mail), now=NOON, is_saved=True)

    assert touches(store, "state", "due_at") == [("planned", NOON)]


def test_flags_relays_and_missing_basis_stop_marketing_only(store: Store) -> None:
    flagged = customer(store, "flagged", is_flagged=True)
    relay = customer(store, "relay", address_kind="relay")
    nobasis = customer(store, "nobasis")
    add(store, t.consents, customer_id=nobasis, purpose="marketing", basis="none", given_at=NOON)
    for number, person in enumerate((flagged, relay, nobasis)):
        order(store, person, number=str(number), arrived=NOON)
    order_mail = campaign("news", stream=Stream.TRANSACTIONAL, offsets=(timedelta(0),))

    plan(store, definitions(campaign(offsets=(DAY,)), order_mail), now=NOON, is_saved=True)

    assert touches(store, "campaign", "reason") == [
        ("care", "flagged"),
        ("news", ""),
        ("care", "relay_address"),
        ("news", ""),
        ("care", "no_consent"),
        ("news", ""),
    ]


def test_an_order_without_an_address_is_counted_and_planned_once_the_address_is_known(
    store: Store,
) -> None:
    anna = customer(store, email=None)
    order(store, anna, arrived=NOON)

    looked = plan(store, definitions(campaign()), now=NOON, is_saved=False)
    plan(store, definitions(campaign()), now=NOON, is_saved=True)
    before = touches(store, "state", "reason")
    give_address(store, anna)
    plan(store, definitions(campaign()), now=NOON, is_saved=True)

    assert looked.campaigns[0].left_out == {SkipReason.NO_ADDRESS: 2}
    assert before == [("skipped", "no_address")] * 2
    assert touches(store, "state", "anchor") == [
        ("skipped", "order:1:arrived#before:1"),
        ("skipped", "order:1:arrived#before:2"),
        ("planned", "order:1:arrived"),
        ("planned", "order:1:arrived"),
    ]


def test_an_open_case_is_told_but_asked_again_at_hand_over(store: Store) -> None:
    anna = customer(store)
    order(store, anna, arrived=NOON)
    open_case(store, anna)

    report = plan(store, definitions(campaign(offsets=(DAY,))), now=NOON, is_saved=True)

    assert report.campaigns[0].waiting == {SkipReason.CASE_OPEN: 1}
    assert touches(store, "state") == [("planned",)]


def test_a_customer_who_asked_for_a_pause_is_mailed_after_it_or_not_at_all(store: Store) -> None:
    order(store, customer(store, snoozed_until=NOON + 3 * DAY), arrived=NOON)
    care = campaign(offsets=(DAY, 10 * DAY), valid_for=DAY)

    plan(store, definitions(care), now=NOON, is_saved=True)

    assert touches(store, "state", "reason") == [("skipped", "snoozed"), ("planned", "")]


def test_only_customers_of_the_audience_are_planned(store: Store) -> None:
    order(store, customer(store, "ivan", country="RU"), number="1", arrived=NOON)
    order(store, customer(store, "ana", country="ES"), number="2", arrived=NOON)
    russian = campaign(offsets=(DAY,), audience=Compare("country", "is", "RU"))

    report = plan(store, definitions(russian), now=NOON, is_saved=True)

    assert report.campaigns[0].occasions == 1
    assert len(touches(store, "id")) == 1


# ------------------------------------------------------------------ exits and new anchors


def test_a_paid_order_ends_its_reminders(store: Store) -> None:
    anna = customer(store)
    number = order(store, anna, is_counted=False, placed=NOON)
    remind = campaign(
        "remind",
        anchor=PLACED,
        stream=Stream.TRANSACTIONAL,
        offsets=(30 * MINUTE, 12 * HOUR),
        exits=frozenset({Exit.ORDER_PAID}),
    )
    plan(store, definitions(remind), now=NOON, is_saved=True)
    event(store, number, "shipped", NOON + HOUR)

    report = plan(store, definitions(remind), now=NOON + 2 * HOUR, is_saved=True)

    assert report.ended == 2
    assert touches(store, "state", "reason") == [("skipped", "exited")] * 2


def test_an_order_paid_at_once_is_never_reminded(store: Store) -> None:
    order(store, customer(store), placed=NOON, paid=NOON)
    remind = campaign(anchor=PLACED, exits=frozenset({Exit.ORDER_PAID}))

    for after in (0 * DAY, HOUR, DAY):
        plan(store, definitions(remind), now=NOON + after, is_saved=True)

    assert touches(store, "state", "reason") == [("skipped", "exited")] * 2


def test_an_order_imported_late_gets_the_last_reminder_only(store: Store) -> None:
    order(store, customer(store), is_counted=False, placed=NOON - DAY)
    remind = campaign(
        anchor=PLACED, stream=Stream.TRANSACTIONAL, offsets=(30 * MINUTE, 12 * HOUR, 2 * DAY)
    )

    plan(store, definitions(remind), now=NOON, is_saved=True)

    assert touches(store, "step", "reason") == [("s1", "late"), ("s2", ""), ("s3", "")]


@pytest.mark.parametrize("what", ["bought", "replied", "case.open", "segment.left"])
def test_each_exit_ends_what_has_not_left(store: Store, what: str) -> None:
    anna = customer(store)
    add(store, t.memberships, segment="cooling", customer_id=anna, since=NOON)
    back = campaign(anchor=SegmentAnchor(segment="cooling"), exits=frozenset({Exit(what)}))
    plan(store, definitions(back), now=NOON, is_saved=True)
    assert len(touches(store, "id")) == 2
    happens: dict[str, Callable[[], object]] = {
        "bought": lambda: order(store, anna, placed_at=NOON + HOUR),
        "replied": lambda: add(
            store, t.replies, kind="human", customer_id=anna, received_at=NOON + HOUR
        ),
        "case.open": lambda: open_case(store, anna),
        "segment.left": lambda: leave_segments(store, NOON + HOUR),
    }
    happens[what]()

    plan(store, definitions(back), now=NOON + 2 * HOUR, is_saved=True)

    assert touches(store, "state", "reason") == [("skipped", "exited")] * 2


def test_a_payment_known_by_its_day_only_ends_the_reminders_of_that_day(store: Store) -> None:
    order(store, customer(store), is_counted=False, placed=NOON, paid=NOON - 12 * HOUR)
    remind = campaign(
        anchor=PLACED,
        stream=Stream.TRANSACTIONAL,
        offsets=(30 * MINUTE,),
        exits=frozenset({Exit.ORDER_PAID}),
    )

    plan(store, definitions(remind), now=NOON, is_saved=True)

    assert touches(store, "reason") == [("exited",)]


def test_the_anchoring_order_is_not_another_purchase(store: Store) -> None:
    anna = customer(store)
    order(store, anna, placed_at=NOON - HOUR, arrived=NOON - 2 * HOUR)
    care = campaign(exits=frozenset({Exit.BOUGHT}))

    plan(store, definitions(care), now=NOON, is_saved=True)

    assert touches(store, "state") == [("planned",), ("planned",)]


def test_a_newer_order_starts_the_campaign_afresh(store: Store) -> None:
    anna = customer(store)
    order(store, anna, number="1", arrived=NOON - HOUR)
    plan(store, definitions(campaign()), now=NOON, is_saved=True)
    order(store, anna, number="2", arrived=NOON + HOUR)

    plan(store, definitions(campaign()), now=NOON + 2 * HOUR, is_saved=True)

    assert touches(store, "state", "reason") == [
        ("skipped", "new_anchor"),
        ("skipped", "new_anchor"),
        ("planned", ""),
        ("planned", ""),
    ]


def test_an_older_order_that_is_learnt_later_does_not_start_it_again(store: Store) -> None:
    anna = customer(store)
    order(store, anna, number="2", arrived=NOON)
    plan(store, definitions(campaign()), now=NOON, is_saved=True)
    order(store, anna, number="1", arrived=NOON - HOUR)

    plan(store, definitions(campaign()), now=NOON, is_saved=True)

    assert [state for (state,) in touches(store, "state")] == ["skipped"] * 2 + ["planned"] * 2


@pytest.mark.parametrize("is_at_once", [True, False])
def test_two_orders_of_one_moment_start_the_campaign_once(store: Store, is_at_once: bool) -> None:
    anna = customer(store)
    order(store, anna, number="1", arrived=NOON)
    if not is_at_once:
        plan(store, definitions(campaign()), now=NOON, is_saved=True)
    order(store, anna, number="2", arrived=NOON)

    plan(store, definitions(campaign()), now=NOON, is_saved=True)

    states = sorted(touches(store, "state", "anchor", "reason"))
    assert [state for state, *_ in states] == ["planned", "planned", "skipped", "skipped"]
    assert len({anchor for state, anchor, _ in states if state == "planned"}) == 1


def test_parallel_campaigns_follow_each_order_by_itself(store: Store) -> None:
    anna = customer(store)
    order(store, anna, number="1", arrived=NOON - HOUR)
    order(store, anna, number="2", arrived=NOON)
    mail = campaign(stream=Stream.TRANSACTIONAL, is_parallel=True, offsets=(HOUR,))

    plan(store, definitions(mail), now=NOON, is_saved=True)

    assert touches(store, "state") == [("planned",), ("planned",)]


# ------------------------------------------------------------------ anchors


def test_a_segment_entered_again_is_a_new_occasion(store: Store) -> None:
    anna = customer(store)
    back = campaign(anchor=SegmentAnchor(segment="cooling"), offsets=(DAY,))
    add(store, t.memberships, segment="cooling", customer_id=anna, since=NOON)
    plan(store, definitions(back), now=NOON, is_saved=True)
    with store.write() as connection:
        connection.execute(t.memberships.update().values(until=NOON + 10 * DAY))
    add(store, t.memberships, segment="cooling", customer_id=anna, since=NOON + 20 * DAY)

    plan(store, definitions(back), now=NOON + 20 * DAY, is_saved=True)

    anchors = [anchor for (anchor,) in touches(store, "anchor")]
    assert len(set(anchors)) == 2
    assert all(anchor.startswith("segment:cooling:") for anchor in anchors)


def test_a_birthday_without_a_year_is_planned_two_days_ahead(store: Store) -> None:
    customer(store, birth_month=11, birth_day=4, time_zone="America/Sao_Paulo")
    birthday = campaign(anchor=BirthdayAnchor(), offsets=(timedelta(0),), send_at=(9, 30))

    plan(store, definitions(birthday), now=NOON - 3 * DAY, is_saved=True)
    early = touches(store, "id")
    plan(store, definitions(birthday), now=NOON, is_saved=True)

    assert early == []
    assert touches(store, "anchor", "due_at") == [
        ("birthday:2026", datetime(2026, 11, 4, 12, 30, tzinfo=UTC))
    ]


def test_a_new_years_birthday_announced_in_december_belongs_to_the_new_year(store: Store) -> None:
    customer(store, birth_month=1, birth_day=2)
    before = campaign(anchor=BirthdayAnchor(days_before=5), offsets=(timedelta(0),))

    plan(store, definitions(before), now=datetime(2026, 12, 27, 12, tzinfo=UTC), is_saved=True)

    assert touches(store, "anchor", "due_at") == [
        ("birthday:2027", datetime(2026, 12, 28, 10, tzinfo=UTC))
    ]


def test_the_first_order_only_once(store: Store) -> None:
    anna = customer(store)
    order(store, anna, number="1", placed_at=NOON - 2 * HOUR)
    order(store, anna, number="2", placed_at=NOON - HOUR)
    welcome = campaign(anchor=FirstOrderAnchor(), offsets=(DAY,))

    plan(store, definitions(welcome), now=NOON, is_saved=True)

    assert touches(store, "anchor") == [("first_order",)]


def test_the_anniversary_of_the_first_order_comes_each_year(store: Store) -> None:
    anna = customer(store)
    first = datetime(2024, 11, 3, 9, tzinfo=UTC)
    add(
        store, t.scores, customer_id=anna, first_order_at=first, last_order_at=first,
        order_count=1, spent_usd_cents=1, days_since_last=1, r=1, f=1, m=1, total=3,
        profile="default", scored_on=date(2026, 11, 2),
    )  # fmt: skip
    yearly = campaign(anchor=FirstOrderAnchor(is_yearly=True), offsets=(timedelta(0),))

    plan(store, definitions(yearly), now=NOON, is_saved=True)
    plan(store, definitions(yearly), now=NOON + 365 * DAY, is_saved=True)

    assert touches(store, "anchor", "due_at") == [
        ("first_order:2", datetime(2026, 11, 3, 10, tzinfo=UTC)),
        ("first_order:3", datetime(2027, 11, 3, 10, tzinfo=UTC)),
    ]


def test_what_was_bought_since_the_first_order_does_not_end_its_anniversary(store: Store) -> None:
    anna = customer(store)
    first = datetime(2024, 11, 3, 9, tzinfo=UTC)
    for number, at in enumerate((first, first + 200 * DAY)):
        order(store, anna, number=f"{number}", placed_at=at)
    add(
        store, t.scores, customer_id=anna, first_order_at=first, last_order_at=first + 200 * DAY,
        order_count=2, spent_usd_cents=2, days_since_last=1, r=1, f=1, m=1, total=3,
        profile="default", scored_on=date(2026, 11, 2),
    )  # fmt: skip
    yearly = campaign(
        anchor=FirstOrderAnchor(is_yearly=True), offsets=(timedelta(0),),
        exits=frozenset({Exit.BOUGHT}),
    )  # fmt: skip

    plan(store, definitions(yearly), now=NOON, is_saved=True)

    assert touches(store, "anchor", "state") == [("first_order:2", "planned")]


def test_praise_is_answered_and_a_copy_or_another_kind_is_not(store: Store) -> None:
    anna = customer(store)
    for intent, is_copy in (("praise", False), ("praise", True), ("complaint", False)):
        add(
            store, t.replies, kind="human", customer_id=anna, intent=intent, is_copy=is_copy,
            received_at=NOON,
        )  # fmt: skip
    thanks = campaign(
        anchor=ReplyAnchor(kind="praise"), stream=Stream.TRANSACTIONAL, offsets=(HOUR,)
    )

    plan(store, definitions(thanks), now=NOON, is_saved=True)

    assert touches(store, "due_at") == [(NOON + HOUR,)]


def test_a_dated_campaign_reaches_everybody_at_ten_in_their_own_morning(store: Store) -> None:
    for number, place in enumerate(("Pacific/Apia", "Asia/Kathmandu", "America/Los_Angeles")):
        customer(store, f"c{number}", time_zone=place)
    sale = campaign(
        "sale", kind=Kind.EDM, anchor=DateAnchor(day=date(2026, 11, 4)), offsets=(timedelta(0),)
    )

    report = plan(store, definitions(sale), now=NOON, is_saved=True)

    assert touches(store, "due_at") == [
        (datetime(2026, 11, 3, 21, 0, tzinfo=UTC),),
        (datetime(2026, 11, 4, 4, 15, tzinfo=UTC),),
        (datetime(2026, 11, 4, 18, 0, tzinfo=UTC),),
    ]
    assert report.campaigns[0].first is not None
    assert report.campaigns[0].first.zone == "Pacific/Apia"


def test_a_dated_campaign_is_shown_weeks_ahead_and_saved_two_days_ahead(store: Store) -> None:
    customer(store)
    sale = definitions(
        campaign(kind=Kind.EDM, anchor=DateAnchor(day=date(2026, 11, 30)), offsets=(timedelta(0),))
    )

    assert plan(store, sale, now=NOON, is_saved=False).planned == 1
    assert plan(store, sale, now=NOON, is_saved=True).saved == 0
    assert plan(store, sale, now=NOON + 26 * DAY, is_saved=True).saved == 1


def test_moving_a_dated_campaign_gives_up_the_old_date(store: Store) -> None:
    customer(store)
    for day, version in ((4, "v1"), (3, "v2")):
        sale = campaign(
            kind=Kind.EDM,
            anchor=DateAnchor(day=date(2026, 11, day)),
            offsets=(timedelta(0),),
            version=version,
        )
        plan(store, definitions(sale), now=NOON, is_saved=True)

    assert touches(store, "anchor", "state") == [
        ("date:2026-11-03", "planned"),
        ("date:2026-11-04", "skipped"),
    ]


def test_a_dated_campaign_takes_its_audience_once(store: Store) -> None:
    customer(store)
    sale = definitions(
        campaign(kind=Kind.EDM, anchor=DateAnchor(day=date(2026, 11, 4)), offsets=(timedelta(0),))
    )
    plan(store, sale, now=NOON, is_saved=True)
    customer(store, "late")

    plan(store, sale, now=NOON + HOUR, is_saved=True)

    assert len(touches(store, "id")) == 1


# ------------------------------------------------------------------ quiet hours and caps


def test_marketing_waits_for_the_morning_and_order_mail_does_not(store: Store) -> None:
    anna = customer(store, time_zone="Europe/Moscow")
    evening = datetime(2026, 11, 2, 20, 0, tzinfo=UTC)  # 23:00 in Moscow
    order(store, anna, arrived=evening)
    ad = campaign("ad", offsets=(5 * MINUTE,))
    mail = campaign("mail", offsets=(5 * MINUTE,), stream=Stream.TRANSACTIONAL)

    plan(store, definitions(ad, mail), now=evening, is_saved=True)

    assert touches(store, "campaign", "due_at") == [
        ("ad", datetime(2026, 11, 3, 5, 0, tzinfo=UTC)),
        ("mail", evening + 5 * MINUTE),
    ]


def test_a_mail_that_is_found_due_at_night_waits_for_the_morning_too(store: Store) -> None:
    order(store, customer(store), arrived=NOON - DAY)
    night = NOON + 11 * HOUR

    plan(store, definitions(campaign(offsets=(DAY,))), now=night, is_saved=True)

    assert touches(store, "due_at") == [(datetime(2026, 11, 3, 8, 0, tzinfo=UTC),)]


@pytest.mark.parametrize("is_saved", [True, False])
def test_two_campaigns_never_write_on_one_day_and_the_more_important_goes_first(
    store: Store, is_saved: bool
) -> None:
    order(store, customer(store), arrived=NOON)
    both = definitions(
        campaign("minor", offsets=(DAY,)), campaign("major", offsets=(DAY,), priority=5)
    )

    report = plan(store, both, now=NOON, is_saved=is_saved)

    assert [one.campaign for one in report.campaigns] == ["major", "minor"]
    assert [one.rows[0].due_at.day for one in report.campaigns] == [3, 4]


def test_a_full_week_skips_what_cannot_wait(store: Store) -> None:
    order(store, customer(store), arrived=NOON)
    care = campaign("care", offsets=(DAY, 2 * DAY, 3 * DAY), priority=1)
    more = campaign("more", offsets=(4 * DAY,), valid_for=DAY)

    report = plan(store, definitions(care, more), now=NOON, is_saved=True)

    assert report.campaigns[1].left_out == {SkipReason.CAP: 1}
    assert touches(store, "campaign", "reason")[-1] == ("more", "cap")


# ------------------------------------------------------------------ the rest


def test_an_unknown_campaign_is_named_with_the_nearest_one(store: Store) -> None:
    with pytest.raises(NotFound, match="there is no campaign `cares`") as caught:
        plan(store, definitions(campaign()), now=NOON, campaigns=["cares"], is_saved=False)

    assert "`care`" in caught.value.hint


def test_a_run_that_planned_something_is_noted_with_its_reasons(store: Store) -> None:
    order(store, customer(store), arrived=NOON)
    suppress(store, "anna@example.com", "unsubscribed")

    plan(store, definitions(campaign()), now=NOON, is_saved=True)

    with store.read() as connection:
        counts = plan_runs.find_last(connection, "care")
        runs = connection.scalar(sa.select(sa.func.count()).select_from(t.plan_runs))
    assert runs == 1
    assert counts is not None
    assert counts["left_out"] == {"unsubscribed": 2}


def test_a_campaign_that_fails_does_not_keep_the_others_from_planning(store: Store) -> None:
    order(store, customer(store), arrived=NOON)
    broken = campaign("a-broken", audience=Compare("no_such_field", "is", 1), priority=9)

    with pytest.raises(Exception, match="no_such_field") as caught:
        plan(store, definitions(broken, campaign()), now=NOON, is_saved=True)

    assert touches(store, "campaign") == [("care",), ("care",)]
    assert "`a-broken`" in caught.value.__notes__[0]


# ------------------------------------------------------------------ quick looks


def quick(store: Store, now: datetime, *campaigns: Campaign) -> int:
    chosen = definitions(*campaigns)
    return plan(store, chosen, now=now, is_saved=True, is_quick=True).saved


def test_a_quick_look_finds_what_was_learnt_since(store: Store) -> None:
    anna = customer(store)
    back = campaign("back", anchor=SegmentAnchor(segment="cooling"), offsets=(DAY,))
    first = campaign("first", anchor=FirstOrderAnchor(), offsets=(2 * DAY,))
    thanks = campaign("thanks", anchor=ReplyAnchor(), offsets=(4 * DAY,))
    every = (campaign(offsets=(6 * DAY,)), back, first, thanks)
    assert quick(store, NOON, *every) == 0
    number = order(store, anna, placed_at=NOON - DAY)
    learnt = NOON + 10 * MINUTE
    with store.write() as connection:
        connection.execute(t.orders.update().values(changed_at=learnt))
    add(store, t.order_events, order_id=number, state="arrived", at=NOON - DAY, learnt_at=learnt)
    add(store, t.memberships, segment="cooling", customer_id=anna, since=learnt)
    add(store, t.replies, kind="human", customer_id=anna, received_at=learnt)

    assert quick(store, NOON + 11 * MINUTE, *every) == 4


def test_what_a_quick_look_does_not_see_is_found_within_half_an_hour(store: Store) -> None:
    anna = customer(store, email=None)
    order(store, anna, arrived=NOON - 5 * HOUR)
    assert quick(store, NOON, campaign()) == 2
    give_address(store, anna)

    assert quick(store, NOON + 29 * MINUTE, campaign()) == 0
    assert quick(store, NOON + 30 * MINUTE, campaign()) == 2


def test_an_event_that_lay_in_the_future_is_seen_when_its_time_comes(store: Store) -> None:
    number = order(store, customer(store))
    add(store, t.order_events, order_id=number, state="arrived", at=NOON + 5 * HOUR, learnt_at=NOON)
    assert quick(store, NOON + 4 * HOUR + 50 * MINUTE, campaign()) == 0

    assert quick(store, NOON + 5 * HOUR + MINUTE, campaign()) == 2


@pytest.mark.parametrize("minutes", [-600, 1])
def test_a_changed_campaign_or_a_clock_set_back_is_looked_at_in_full(
    store: Store, minutes: int
) -> None:
    order(store, customer(store), arrived=NOON - DAY)
    other = campaign(audience=Compare("country", "is", "RU"))
    quick(store, NOON, other)
    now = NOON + minutes * MINUTE

    assert quick(store, now, campaign(version="v1" if minutes < 0 else "v2")) == 2


def test_exits_are_looked_at_every_half_hour(store: Store) -> None:
    anna = customer(store)
    add(store, t.memberships, segment="cooling", customer_id=anna, since=NOON)
    back = campaign(anchor=SegmentAnchor(segment="cooling"), exits=frozenset({Exit.BOUGHT}))
    quick(store, NOON, back)
    order(store, anna, placed_at=NOON + MINUTE)

    quick(store, NOON + 10 * MINUTE, back)
    early = touches(store, "state")
    quick(store, NOON + 31 * MINUTE, back)

    assert early == [("planned",)] * 2
    assert touches(store, "state") == [("skipped",)] * 2


def test_pages_meet_without_a_gap(store: Store) -> None:
    for number in range(7):
        customer(store, f"c{number}")
    sale = campaign(
        kind=Kind.EDM, anchor=DateAnchor(day=date(2026, 11, 4)), offsets=(timedelta(0),)
    )
    pages = list(occasions.pages(store, sale, SHOP, now=NOON, size=3))

    assert [len(page) for page in pages] == [3, 3, 1]
    assert len({one.customer_id for page in pages for one in page}) == 7
