from __future__ import annotations

import math
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from random import Random
from statistics import fmean
from zoneinfo import ZoneInfo

import pytest
import sqlalchemy as sa

from crm_mailer.model.moment import days_between, local_day
from crm_mailer.model.score import DEFAULT_PROFILE, RfmProfile, Score
from crm_mailer.segmenting import profiles, rebuild_scores, rfm, segment
from crm_mailer.segmenting.scoring import update_scores
from crm_mailer.store import score_figures, score_history, score_standing
from crm_mailer.store import tables as t
from crm_mailer.store.engine import Store
from crm_mailer.store.score_figures import Cuts
from crm_mailer.store.score_history import ScoreChange
from crm_mailer.store.scores import Scoring
from tests.segmenting.cdnow import fill_with_cdnow
from tests.segmenting.people import NOW, add_buyer, add_customer, add_order, marks

ZONE = ZoneInfo("America/Sao_Paulo")
QUINTILES = RfmProfile(name="quintiles", quantiles=(20, 40, 60, 80), is_high_by_mean=True)
WINDOW = RfmProfile(name="one-year", window_days=365)
TELLING = [0, 1, 60, 90, 91, 180, 181, 300, 359, 364, 365, 366, 500, 720, 721]


def shop_with(store: Store, dice: Random, customers: int) -> list[int]:
    ids = [add_customer(store) for _ in range(customers)]
    for id_ in ids:
        for _ in range(dice.choice([0, 1, 1, 2, 3, 4, 6])):
            buy(store, dice, id_, NOW)
    return ids


def buy(store: Store, dice: Random, customer_id: int, now: datetime) -> None:
    add_order(
        store,
        customer_id,
        at=now - timedelta(days=dice.choice(TELLING), minutes=dice.randrange(1440)),
        usd_cents=dice.choice([None, 0, 9_999, 20_000, 50_000]),
        is_counted=dice.random() < 0.8,
        changed_at=now,
    )


def run(store: Store, now: datetime, profile: RfmProfile) -> None:
    segment(store, [], zone=ZONE, now=now, profile=profile)


def in_force(store: Store) -> RfmProfile:
    with store.read() as connection:
        return score_standing.profile_in_force(connection)


def by_the_rules(store: Store, now: datetime, profile: RfmProfile) -> dict[int, Score]:
    """Marks by the pure function, one customer after another."""
    with store.read() as connection:
        rows = connection.execute(sa.select(t.orders).where(t.orders.c.is_counted)).all()
    expected = {}
    for id_ in {row.customer_id for row in rows}:
        own = [row for row in rows if row.customer_id == id_]
        score = rfm.score_orders(
            [(days_between(row.placed_at, now, ZONE), row.net_usd_cents or 0) for row in own],
            profile,
        )
        assert score is not None
        expected[id_] = score
    return expected


def in_the_store(store: Store) -> dict[int, tuple[int, int, int, str]]:
    with store.read() as connection:
        rows = connection.execute(sa.select(t.scores)).all()
    return {row.customer_id: (row.r, row.f, row.m, row.value_class) for row in rows}


def told(found: dict[int, Score]) -> dict[int, tuple[int, int, int, str]]:
    return {id_: (one.r, one.f, one.m, one.value_class) for id_, one in found.items()}


def changes(store: Store, customer_id: int) -> list[ScoreChange]:
    with store.read() as connection:
        return score_history.list_changes(connection, customer_id)


@pytest.mark.parametrize("profile", [QUINTILES, WINDOW], ids=["quintiles", "window"])
def test_the_sql_gives_the_marks_of_the_rules_day_after_day(
    store: Store, profile: RfmProfile
) -> None:
    dice = Random(8)
    customers, now = shop_with(store, dice, 15), NOW

    for _ in range(7):
        run(store, now, profile)
        assert in_the_store(store) == told(by_the_rules(store, now, in_force(store)))
        now += timedelta(days=dice.choice([0, 1, 2, 30, 91, 364]), minutes=dice.randrange(1440))
        for id_ in dice.sample(customers, 3):
            buy(store, dice, id_, now)


@pytest.mark.parametrize("profile", [QUINTILES, WINDOW], ids=["quintiles", "window"])
def test_a_rebuild_comes_to_the_same_as_small_steps(store: Store, profile: RfmProfile) -> None:
    shop_with(store, Random(11), 15)
    for days in (0, 1, 2, 95, 96, 400):
        run(store, NOW + timedelta(days=days), profile)

    changed = rebuild_scores(store, zone=ZONE, now=NOW + timedelta(days=400), profile=profile)

    assert changed == 0


def test_a_clock_that_was_set_back_brings_the_window_back(store: Store) -> None:
    shop_with(store, Random(5), 10)
    run(store, NOW + timedelta(days=300), WINDOW)

    run(store, NOW, WINDOW)

    assert in_the_store(store) == told(by_the_rules(store, NOW, WINDOW))


def test_another_profile_and_back_comes_to_the_same(store: Store) -> None:
    shop_with(store, Random(2), 15)
    run(store, NOW, DEFAULT_PROFILE)
    before = in_the_store(store)

    for profile in (WINDOW, QUINTILES, RfmProfile(name="high", high=(5, 5, 5))):
        run(store, NOW, profile)
        assert in_the_store(store) == told(by_the_rules(store, NOW, in_force(store)))
    run(store, NOW, DEFAULT_PROFILE)

    assert in_the_store(store) == before


def test_orders_that_left_the_window_count_no_more(store: Store) -> None:
    customer = add_buyer(store, 100, 200, 360)
    run(store, NOW, WINDOW)
    before = marks(store, customer)

    run(store, NOW + timedelta(days=6), WINDOW)

    assert before == (4, 3, 1)
    assert marks(store, customer) == (4, 2, 1)
    assert [(one.reason, one.before, one.after) for one in changes(store, customer)] == [
        ("days_passed", (4, 3, 1), (4, 2, 1))
    ]


def test_who_has_no_order_in_the_window_is_still_a_buyer(store: Store) -> None:
    customer = add_buyer(store, 400, usd_cents=500_000)

    run(store, NOW, WINDOW)

    assert marks(store, customer) == (2, 1, 1)


# ------------------------------------------------------------------ quantiles and means


def test_customers_who_are_alike_are_marked_alike(store: Store) -> None:
    once = [add_buyer(store, 10 * n, usd_cents=1000) for n in range(1, 13)]
    often = add_buyer(store, 1, 2, 3, 4, usd_cents=9000)

    run(store, NOW, QUINTILES)

    assert {(marks(store, one) or ())[1:] for one in once} == {(1, 1)}
    assert (marks(store, often) or ())[1:] == (5, 5)


@pytest.mark.parametrize("seed", range(3))
def test_cuts_are_those_of_a_sorted_list(store: Store, seed: int) -> None:
    dice = Random(seed)
    shop_with(store, dice, 17)
    best = (dice.randint(1, 30), 40, 60, dice.randint(70, 99))
    segment(store, [], zone=ZONE, now=NOW)
    look = Scoring(profile=DEFAULT_PROFILE, now=NOW, place=ZONE)

    with store.read() as connection:
        found = score_figures.cuts(connection, score_figures.stored(), best, look)
        rows = connection.execute(sa.select(t.scores)).all()

    days = sorted(max(0, days_between(row.last_order_at, NOW, ZONE)) for row in rows)
    orders = sorted(row.order_count for row in rows)
    cents = sorted(row.spent_usd_cents for row in rows)
    assert found == Cuts(
        days=tuple(days[rank(len(rows), share)] for share in best),
        orders=tuple(orders[rank(len(rows), 100 - share)] for share in best),
        cents=tuple(cents[rank(len(rows), 100 - share)] for share in best),
    )


def rank(number: int, percent: int) -> int:
    return max(1, math.ceil(number * percent / 100)) - 1


def test_high_is_above_the_mean_mark(store: Store) -> None:
    shop_with(store, Random(3), 20)
    run(store, NOW, RfmProfile(name="mean", is_high_by_mean=True))

    rows = in_the_store(store).values()

    means = [fmean(row[:3][place] for row in rows) for place in range(3)]
    for row in rows:
        expected = rfm.value_class(*(5 if row[:3][n] > means[n] else 1 for n in range(3)))
        assert row[3] == expected.value


def test_limits_from_customers_are_found_anew_each_month(store: Store) -> None:
    customers = [add_buyer(store, n, usd_cents=1000 * n) for n in range(1, 11)]
    run(store, NOW, QUINTILES)
    at_first = in_force(store)
    for id_ in customers:
        add_order(store, id_, usd_cents=900_000, changed_at=NOW)

    run(store, NOW + timedelta(days=20), QUINTILES)
    in_the_month = in_force(store)
    run(store, NOW + timedelta(days=30), QUINTILES)

    assert in_the_month == at_first
    assert in_force(store).m_usd_cents > at_first.m_usd_cents


@pytest.mark.parametrize(
    ("cut_on", "today", "is_due"),
    [
        (None, date(2026, 11, 2), True),
        (date(2026, 11, 1), date(2026, 11, 30), False),
        (date(2026, 11, 30), date(2026, 12, 1), True),
        (date(2025, 11, 2), date(2026, 11, 2), True),
    ],
    ids=["never", "same_month", "next_month", "next_year"],
)
def test_when_limits_are_due(cut_on: date | None, today: date, is_due: bool) -> None:
    assert profiles.is_cut_due(cut_on, today) is is_due


def test_a_shop_without_customers_has_the_limits_as_written(store: Store) -> None:
    run(store, NOW, QUINTILES)

    assert in_force(store) == QUINTILES


@pytest.mark.shared
def test_the_value_cuts_of_a_known_shop(sqlite_store: Store, shared: Path) -> None:
    fill_with_cdnow(sqlite_store, shared)
    now = datetime(1998, 7, 1, 12, tzinfo=UTC)

    segment(sqlite_store, [], zone=ZoneInfo("UTC"), now=now, profile=QUINTILES)

    limits = in_force(sqlite_store)
    assert limits.f_orders == (5, 3, 2, 2)  # above 4, 2, 1, 1
    assert limits.m_usd_cents == (13_396, 5_993, 3_136, 1_537)  # above 133.95, 59.92, ...


# ------------------------------------------------------------------ history


def test_the_first_marks_of_a_shop_are_no_change(store: Store) -> None:
    customer = add_buyer(store, 10)

    run(store, NOW, DEFAULT_PROFILE)
    run(store, NOW, DEFAULT_PROFILE)

    assert changes(store, customer) == []


def test_the_history_says_when_and_why_marks_changed(store: Store) -> None:
    add_buyer(store, 5)
    customer = add_customer(store)
    run(store, NOW, DEFAULT_PROFILE)
    first = add_order(store, customer, at=NOW, usd_cents=60_000, changed_at=NOW)
    run(store, NOW, DEFAULT_PROFILE)
    later = NOW + timedelta(days=91)
    run(store, later, DEFAULT_PROFILE)
    add_order(store, customer, at=later, changed_at=later)
    run(store, later, DEFAULT_PROFILE)
    strict = RfmProfile(name="strict", f_orders=(50, 20, 10, 5))
    run(store, later, strict)
    with store.write() as connection:
        order = t.orders.c
        refunded = sa.update(t.orders).where(order.id == first)
        connection.execute(refunded.values(is_counted=False, changed_at=later))
    run(store, later, strict)
    with store.write() as connection:
        connection.execute(sa.update(t.orders).values(is_counted=False, changed_at=later))
    run(store, later, strict)

    assert [(one.reason, one.before, one.after, one.at) for one in changes(store, customer)] == [
        ("first_order", None, (5, 1, 4), NOW),
        ("days_passed", (5, 1, 4), (4, 1, 4), later),
        ("order", (4, 1, 4), (5, 2, 4), later),
        ("profile", (5, 2, 4), (5, 1, 4), later),
        ("refund", (5, 1, 4), (5, 1, 1), later),
        ("refund", (5, 1, 1), None, later),
    ]
    assert [one.moved for one in changes(store, customer)] == [10, -1, 2, -1, -3, -7]


def test_nothing_is_told_twice(store: Store) -> None:
    customer = add_buyer(store, 89)
    run(store, NOW, DEFAULT_PROFILE)

    for _ in range(3):
        run(store, NOW + timedelta(days=2), DEFAULT_PROFILE)

    assert len(changes(store, customer)) == 1


def test_a_crash_before_the_end_of_a_run_adds_nothing_to_the_history(store: Store) -> None:
    customer = add_buyer(store, 89)
    run(store, NOW, DEFAULT_PROFILE)
    later = NOW + timedelta(days=2)
    add_order(store, customer, at=NOW - timedelta(days=95), changed_at=later)
    strict = RfmProfile(name="strict", f_orders=(9, 8, 7, 6), m_usd_cents=(900, 800, 700, 600))
    update_scores(store, zone=ZONE, now=later, profile=strict)  # and dies before it says so

    run(store, later, strict)

    assert [(one.reason, one.after) for one in changes(store, customer)] == [
        ("days_passed", (4, 1, 1)),
        ("order", (4, 2, 1)),
        ("profile", (4, 1, 5)),
    ]


def test_marks_replayed_from_the_history_are_the_marks(store: Store) -> None:
    dice = Random(21)
    customers, now = shop_with(store, dice, 10), NOW
    run(store, now, DEFAULT_PROFILE)
    known = {id_: row[:3] for id_, row in in_the_store(store).items()}

    for profile in (DEFAULT_PROFILE, QUINTILES, WINDOW, QUINTILES):
        now += timedelta(days=dice.choice([1, 40, 100]))
        for id_ in dice.sample(customers, 3):
            buy(store, dice, id_, now)
        run(store, now, profile)

    for id_ in customers:
        for one in changes(store, id_):
            assert one.before == known.get(id_)
            if one.after is None:
                del known[id_]
            else:
                known[id_] = one.after
    assert known == {id_: row[:3] for id_, row in in_the_store(store).items()}


def test_a_profile_of_an_older_program_is_no_fault(store: Store) -> None:
    add_buyer(store, 10)
    run(store, NOW, DEFAULT_PROFILE)
    with store.write() as connection:
        old = score_standing.Standing(
            seen_at=NOW, day=local_day(NOW, ZONE), zone=ZONE.key,
            limits="default (90, 180, 360, 720) (5, 4, 3, 2) (100000, 50000, 20000, 10000)",
        )  # fmt: skip
        score_standing.stand(connection, old, NOW)

    assert in_force(store) == DEFAULT_PROFILE
    run(store, NOW, DEFAULT_PROFILE)

    assert in_force(store) == DEFAULT_PROFILE
