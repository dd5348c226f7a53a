from __future__ import annotations

from collections import Counter
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
import sqlalchemy as sa

from crm_mailer.model.score import RfmProfile
from crm_mailer.model.segment import AnyOf, Compare, InSegment, Not, Segment
from crm_mailer.model.segment_order import Ring
from crm_mailer.segmenting import SegmentReport, rebuild_scores, rfm, segment
from crm_mailer.store import memberships, tags
from crm_mailer.store import tables as t
from crm_mailer.store.engine import Store
from tests.segmenting.people import NOW, add_buyer, add_customer, add_order, marks

SHANGHAI = ZoneInfo("Asia/Shanghai")
ZONE = ZoneInfo("UTC")
RECENT = Segment(id="recent", name="Recent", rule=Compare("r", "at_least", 5))


def run(store: Store, *segments: Segment, now: datetime = NOW) -> SegmentReport:
    return segment(store, segments, zone=ZONE, now=now)


def test_the_worked_example_holds_in_the_database(store: Store) -> None:
    lily = add_customer(store)
    for days_ago, cents in ((388, 30_000), (500, 40_000), (900, 6_900)):
        add_order(store, lily, days_ago=days_ago, usd_cents=cents)

    run(store)

    assert marks(store, lily) == (2, 3, 4)


def test_unpaid_and_refunded_orders_do_not_count(store: Store) -> None:
    customer = add_customer(store)
    add_order(store, customer, is_counted=False, state="placed")

    run(store)

    assert marks(store, customer) is None


def test_an_order_without_a_known_rate_counts_and_brings_no_money(store: Store) -> None:
    customer = add_customer(store)
    add_order(store, customer, usd_cents=None)
    add_order(store, customer, usd_cents=60_000)

    run(store)

    assert marks(store, customer) == (5, 2, 4)


def test_who_has_no_paid_order_left_has_no_score(store: Store) -> None:
    customer = add_buyer(store, 10)
    run(store)
    with store.write() as connection:
        connection.execute(sa.update(t.orders).values(is_counted=False, changed_at=NOW))

    report = run(store, now=NOW + timedelta(hours=1))

    assert report.unscored == 1
    assert marks(store, customer) is None


def old_customer(store: Store) -> int:
    """Known, with an order, since the day before."""
    yesterday = NOW - timedelta(days=1)
    customer = add_customer(store, changed_at=yesterday)
    add_order(store, customer, days_ago=10, changed_at=yesterday)
    return customer


def test_an_order_of_the_very_second_of_the_last_run_is_not_lost(store: Store) -> None:
    customer = old_customer(store)
    run(store)
    add_order(store, customer, days_ago=1, changed_at=NOW)

    run(store, now=NOW + timedelta(seconds=1))

    assert marks(store, customer) == (5, 2, 1)


def test_an_order_of_a_slow_import_that_began_before_the_last_run_is_not_lost(
    store: Store,
) -> None:
    customer = old_customer(store)
    run(store)
    add_order(store, customer, days_ago=1, changed_at=NOW - timedelta(minutes=5))

    run(store, now=NOW + timedelta(hours=1))

    assert marks(store, customer) == (5, 2, 1)


def test_a_second_run_changes_nothing(store: Store) -> None:
    add_buyer(store, 10, street="Lincoln High School", email="info@acme-tools.com")
    first = run(store, RECENT)

    second = run(store, RECENT, now=NOW + timedelta(minutes=1))

    assert (first.scored, first.described, first.classified) == (1, 1, 1)
    assert (second.scored, second.described, second.classified) == (0, 0, 0)
    assert second.changes[0].came_in == second.changes[0].left == 0


def test_r_falls_on_the_day_a_limit_is_passed_without_any_order(store: Store) -> None:
    customer = add_buyer(store, 90)
    run(store)

    report = run(store, now=NOW + timedelta(days=1))

    assert report.rolled == 1
    assert report.scored == 0
    assert marks(store, customer) == (4, 1, 1)


def test_r_falls_by_several_marks_after_a_long_pause(store: Store) -> None:
    customers = [add_buyer(store, days) for days in (0, 80, 200, 800)]
    run(store)

    run(store, now=NOW + timedelta(days=400))

    assert [(marks(store, one) or (0,))[0] for one in customers] == [2, 2, 2, 1]


def test_days_turn_at_midnight_of_the_shop(store: Store) -> None:
    ordered = datetime(2026, 8, 4, 17, 0, tzinfo=UTC)  # 5 August, 01:00 in Shanghai
    customer = add_customer(store)
    add_order(store, customer, at=ordered)

    segment(store, [], zone=SHANGHAI, now=datetime(2026, 11, 3, 15, 59, tzinfo=UTC))
    before = marks(store, customer)
    segment(store, [], zone=SHANGHAI, now=datetime(2026, 11, 3, 16, 1, tzinfo=UTC))

    assert before == (5, 1, 1)
    assert marks(store, customer) == (4, 1, 1)


def test_other_limits_score_everybody_anew(store: Store) -> None:
    customer = add_buyer(store, 50)
    run(store)

    strict = RfmProfile(name="strict", r_days=(7, 14, 30, 60))
    segment(store, [], zone=ZONE, now=NOW, profile=strict)

    assert marks(store, customer) == (2, 1, 1)


def test_a_rebuild_mends_what_was_wrong(store: Store) -> None:
    customer = add_buyer(store, 10)
    run(store)
    with store.write() as connection:
        connection.execute(sa.update(t.scores).values(r=1, total=3))

    changed = rebuild_scores(store, zone=ZONE, now=NOW)

    assert changed == 1
    assert marks(store, customer) == (5, 1, 1)


def test_days_are_stored_as_a_person_in_the_zone_counts_them(store: Store) -> None:
    moscow = ZoneInfo("Europe/Moscow")  # changed its clock each half-year until 2014
    moments = [NOW - timedelta(days=171 * place, hours=place % 24) for place in range(60)]
    customers = [add_customer(store) for _ in moments]
    for customer, moment in zip(customers, moments, strict=True):
        add_order(store, customer, at=moment)

    segment(store, [], zone=moscow, now=NOW)

    with store.read() as connection:
        stored = connection.execute(
            sa.select(t.scores.c.days_since_last).order_by(t.scores.c.customer_id)
        ).scalars()
        today = NOW.astimezone(moscow).date()
        assert list(stored) == [
            (today - moment.astimezone(moscow).date()).days for moment in moments
        ]


# ------------------------------------------------------------------ memberships


def test_coming_in_and_leaving_are_dated(store: Store) -> None:
    customer = add_buyer(store, 90)
    run(store, RECENT)
    later = NOW + timedelta(days=1)

    report = run(store, RECENT, now=later)

    with store.read() as connection:
        stays = memberships.list_stays(connection, customer)
    assert [(stay.since, stay.until) for stay in stays] == [(NOW, later)]
    assert (report.changes[0].came_in, report.changes[0].left) == (0, 1)


def test_who_comes_back_has_two_memberships(store: Store) -> None:
    customer = add_buyer(store, 90)
    run(store, RECENT)
    run(store, RECENT, now=NOW + timedelta(days=1))
    add_order(store, customer, changed_at=NOW + timedelta(days=2))

    run(store, RECENT, now=NOW + timedelta(days=2))

    with store.read() as connection:
        stays = memberships.list_stays(connection, customer)
    assert [stay.until is None for stay in stays] == [False, True]


def test_a_segment_may_speak_of_one_that_comes_later_in_the_list(store: Store) -> None:
    add_buyer(store, 10)
    outer = Segment(id="a", name="A", rule=Not(InSegment("recent")))

    report = run(store, outer, RECENT)

    assert {change.segment: change.came_in for change in report.changes} == {"a": 0, "recent": 1}


def test_segments_in_a_ring_are_refused_before_anything_is_written(store: Store) -> None:
    ring = [
        Segment(id="a", name="A", rule=InSegment("b")),
        Segment(id="b", name="B", rule=AnyOf((InSegment("a"),))),
    ]

    with pytest.raises(Ring, match=r"(a -> b -> a|b -> a -> b)"):
        run(store, *ring)


def test_memberships_of_a_segment_that_is_no_more_end(store: Store) -> None:
    add_buyer(store, 10)
    run(store, RECENT)

    report = run(store, now=NOW + timedelta(hours=1))

    assert report.closed == 1


def test_memberships_stay_while_a_segment_file_cannot_be_read(store: Store) -> None:
    add_buyer(store, 10)
    run(store, RECENT)

    report = segment(store, [], zone=ZONE, now=NOW, is_complete=False)

    assert report.closed == 0


# ------------------------------------------------------------------ classifications


def column(store: Store, customer_id: int, name: str) -> object:
    with store.read() as connection:
        return connection.scalar(
            sa.select(t.customers.c[name]).where(t.customers.c.id == customer_id)
        )


def vip(store: Store) -> int:
    return add_buyer(store, 1, 2, 3, 4, 5, usd_cents=30_000)


def test_vip_by_rfm_wins_over_a_tag(store: Store) -> None:
    customer = vip(store)
    with store.write() as connection:
        tags.add(connection, customer, "impulsive", now=NOW)

    run(store)

    assert column(store, customer, "buying_behaviour") == "vip"


def test_a_pinned_tag_wins_over_vip_by_rfm(store: Store) -> None:
    customer = vip(store)
    run(store)

    with store.write() as connection:
        tags.add(connection, customer, "impulsive", now=NOW, is_pinned=True)

    assert column(store, customer, "buying_behaviour") == "impulsive"


def test_who_is_no_vip_any_more_falls_back_to_the_tag(store: Store) -> None:
    customer = vip(store)
    with store.write() as connection:
        tags.add(connection, customer, "cautious", now=NOW)
    run(store)

    run(store, now=NOW + timedelta(days=200))

    assert column(store, customer, "buying_behaviour") == "cautious"


def test_a_personality_takes_the_place_of_the_one_before(store: Store) -> None:
    customer = add_customer(store)
    with store.write() as connection:
        tags.add(connection, customer, "silent", now=NOW)
        tags.add(connection, customer, "proud", now=NOW)
        tags.add(connection, customer, "wholesale", now=NOW)

    with store.read() as connection:
        assert [tag.tag for tag in tags.list_tags(connection, customer)] == ["proud", "wholesale"]
    assert column(store, customer, "personality") == "proud"


def test_a_tag_that_is_taken_off_counts_no_more(store: Store) -> None:
    customer = add_customer(store)
    with store.write() as connection:
        tags.add(connection, customer, "silent", now=NOW)
        was_there = tags.remove(connection, customer, "silent")

    assert was_there
    assert column(store, customer, "personality") is None


def test_shopping_age_goes_by_orders_and_time(store: Store) -> None:
    novice = add_buyer(store, 5)
    keen = add_buyer(store, 1, 2, 3, 4, 5, 6)
    experienced = add_buyer(store, 1, 50, 100, 150, 181)
    nobody = add_customer(store)

    run(store)

    ages = [column(store, one, "shopping_age") for one in (novice, keen, experienced, nobody)]
    assert ages == ["novice", "intermediate", "experienced", None]


def test_addresses_are_described(store: Store) -> None:
    teacher = add_customer(store, street="Lincoln High School, 5 Main St")
    relay = add_customer(store, email="x1@marketplace.amazon.com")

    run(store)

    assert column(store, teacher, "occupation") == "student_or_teacher"
    assert column(store, relay, "address_kind") == "relay"


def test_a_customer_who_moves_is_described_anew(store: Store) -> None:
    customer = add_customer(store, street="Lincoln High School")
    run(store)
    later = NOW + timedelta(days=1)
    with store.write() as connection:
        connection.execute(sa.update(t.customers).values(street="5 Oak Drive", changed_at=later))

    run(store, now=later)

    assert column(store, customer, "occupation") is None


# ------------------------------------------------------------------ golden figures


@pytest.mark.shared
def test_cdnow_gives_the_golden_figures(sqlite_store: Store, shared: Path) -> None:
    days: dict[tuple[int, date], Decimal] = {}
    with (shared / "data" / "CDNOW_master.txt").open() as file:
        next(file)
        for line in file:
            customer, day, _pieces, dollars = line.split()
            key = (int(customer), date.fromisoformat(day))
            days[key] = days.get(key, Decimal(0)) + Decimal(dollars)
    _insert_cdnow(sqlite_store, days)

    segment(sqlite_store, [], zone=ZONE, now=datetime(1998, 7, 1, 12, tzinfo=UTC))

    with sqlite_store.read() as connection:
        rows = connection.execute(sa.select(t.scores.c.r, t.scores.c.f, t.scores.c.m)).all()
    assert Counter(row.r for row in rows) == {2: 15286, 3: 2924, 4: 2059, 5: 3301}
    assert Counter(row.f for row in rows) == {1: 12054, 2: 4040, 3: 2205, 4: 1436, 5: 3835}
    assert Counter(row.m for row in rows) == {1: 17336, 2: 3229, 3: 2271, 4: 534, 5: 200}
    named = Counter(rfm.segment(row.r, row.f).value for row in rows)
    assert named == {
        "hibernating": 14300, "champions": 2567, "loyal": 2327, "potential_loyalist": 1580,
        "about_to_sleep": 1054, "at_risk": 832, "need_attention": 756, "cant_lose": 154,
    }  # fmt: skip
    classes = Counter(rfm.value_class(row.r, row.f, row.m).value for row in rows)
    assert classes == {
        "general_rescue": 16708, "general_value": 3141, "general_grow": 1578,
        "general_keep": 1409, "key_value": 639, "key_keep": 82, "key_rescue": 11, "key_grow": 2,
    }  # fmt: skip


def _insert_cdnow(store: Store, days: dict[tuple[int, date], Decimal]) -> None:
    seen = datetime(1998, 7, 1, tzinfo=UTC)
    common = {"currency": "USD", "platform": "cdnow", "state": "paid", "is_counted": True}
    orders = [
        {
            **common,
            "number": f"{customer}-{day}",
            "customer_id": customer,
            "placed_at": datetime(day.year, day.month, day.day, tzinfo=UTC),
            "amount_minor": int(dollars * 100),
            "net_usd_cents": int(dollars * 100),
            "created_at": seen,
            "changed_at": seen,
        }
        for (customer, day), dollars in days.items()
    ]
    ids = sorted({customer for customer, _day in days})
    with store.write() as connection:
        connection.execute(
            sa.insert(t.customers),
            [{"id": id_, "created_at": seen, "changed_at": seen} for id_ in ids],
        )
        connection.execute(sa.insert(t.orders), orders)


def test_who_was_erased_after_they_were_chosen_is_left_out(store: Store) -> None:
    there, erased = add_customer(store), add_customer(store, erased_at=NOW)

    with store.write() as connection:
        came = memberships.come_in(connection, "recent", [there, erased], NOW)
        again = memberships.come_in(connection, "recent", [there], NOW)

    assert (came, again) == (1, 0)


def test_segments_whose_files_are_gone_are_found_one_by_one(store: Store) -> None:
    people = [add_customer(store) for _ in range(3)]
    with store.write() as connection:
        for name in ("gone", "kept", "lost", "old"):
            memberships.come_in(connection, name, people, NOW)
        memberships.leave(connection, "old", people, NOW)

    with store.read() as connection:
        assert memberships.others(connection, ["kept"]) == ["gone", "lost"]
