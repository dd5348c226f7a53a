from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from random import Random
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import sqlalchemy as sa

from crm_mailer.model.customer import BuyingBehaviour
from crm_mailer.model.moment import days_between
from crm_mailer.model.score import DEFAULT_PROFILE
from crm_mailer.segmenting import rebuild_scores, rfm, segment
from crm_mailer.segmenting.attributes import buying_behaviour, shopping_age
from crm_mailer.store import scores, tags
from crm_mailer.store import tables as t
from crm_mailer.store.engine import Store
from crm_mailer.store.scores import Scoring
from tests.segmenting.people import NOW, add_customer, add_order

ZONE = ZoneInfo("America/Sao_Paulo")
TELLING = [0, 1, 89, 90, 91, 179, 180, 181, 359, 360, 361, 719, 720, 721, 1500]


def shop_with(store: Store, dice: Random, customers: int) -> list[int]:
    ids = [add_customer(store) for _ in range(customers)]
    for id_ in ids:
        for _ in range(dice.choice([0, 1, 1, 2, 3, 4, 5, 6])):
            buy(store, dice, id_, NOW)
    return ids


def buy(store: Store, dice: Random, customer_id: int, now: datetime) -> None:
    add_order(
        store,
        customer_id,
        at=now - timedelta(days=dice.choice(TELLING), minutes=dice.randrange(1440)),
        usd_cents=dice.choice([None, 0, 9_999, 10_000, 20_000, 49_999, 50_000, 100_000]),
        is_counted=dice.random() < 0.8,
        changed_at=now,
    )


def by_the_rules(store: Store, now: datetime) -> dict[int, tuple[int, ...]]:
    """Marks by the pure function, one customer after another."""
    query = sa.select(t.orders).where(t.orders.c.is_counted)
    with store.read() as connection:
        rows = connection.execute(query).all()
    expected: dict[int, tuple[int, ...]] = {}
    for id_ in {row.customer_id for row in rows}:
        own = [row for row in rows if row.customer_id == id_]
        last = max(row.placed_at for row in own)
        score = rfm.score(
            days_since_last=max(0, days_between(last, now, ZONE)),
            order_count=len(own),
            spent_usd_cents=sum(row.net_usd_cents or 0 for row in own),
        )
        assert score is not None
        expected[id_] = (score.r, score.f, score.m, score.total)
    return expected


def in_the_store(store: Store) -> dict[int, tuple[int, ...]]:
    with store.read() as connection:
        rows = connection.execute(sa.select(t.scores)).all()
    return {row.customer_id: (row.r, row.f, row.m, row.total) for row in rows}


@pytest.mark.parametrize("seed", range(2))
def test_the_sql_gives_the_marks_of_the_rules_day_after_day(store: Store, seed: int) -> None:
    dice = Random(seed)
    customers = shop_with(store, dice, 15)
    now = NOW

    for _ in range(6):
        segment(store, [], zone=ZONE, now=now)
        assert in_the_store(store) == by_the_rules(store, now)
        now += timedelta(days=dice.choice([0, 1, 30, 91, 400]), minutes=dice.randrange(1440))
        for id_ in dice.sample(customers, 4):
            buy(store, dice, id_, now)


def test_small_steps_and_a_rebuild_come_to_the_same(store: Store) -> None:
    dice = Random(11)
    shop_with(store, dice, 15)
    for days in (0, 1, 2, 95, 96, 700):
        segment(store, [], zone=ZONE, now=NOW + timedelta(days=days))

    changed = rebuild_scores(store, zone=ZONE, now=NOW + timedelta(days=700))

    assert changed == 0


def test_a_clock_that_was_set_back_gives_the_marks_of_its_day(store: Store) -> None:
    shop_with(store, Random(5), 15)
    segment(store, [], zone=ZONE, now=NOW + timedelta(days=200))

    segment(store, [], zone=ZONE, now=NOW)

    assert in_the_store(store) == by_the_rules(store, NOW)


def test_classes_in_the_store_are_those_of_the_rules(store: Store) -> None:
    dice = Random(3)
    ids = shop_with(store, dice, 20)
    with store.write() as connection:
        for id_ in ids:
            tag = dice.choice(["vip", "cautious", None])
            if tag:
                tags.add(connection, id_, tag, now=NOW, is_pinned=dice.random() < 0.5)

    segment(store, [], zone=ZONE, now=NOW)

    with store.read() as connection:
        query = sa.select(t.customers, t.scores).outerjoin_from(t.customers, t.scores)
        rows = connection.execute(query).all()
        own = {id_: tags.list_tags(connection, id_) for id_ in ids}
    for row in rows:
        assert row.shopping_age == age_of(row)
        assert row.buying_behaviour == behaviour_of(row, own[row.id])


def age_of(row: Any) -> str | None:
    if row.order_count is None:
        return shopping_age(0, timedelta())
    return shopping_age(row.order_count, row.last_order_at - row.first_order_at)


def behaviour_of(row: Any, own: list[tags.Tag]) -> BuyingBehaviour | None:
    pinned = [tag.tag for tag in own if tag.is_pinned]
    return buying_behaviour(
        value_class=rfm.value_class(row.r, row.f, row.m) if row.r else None,
        tag=own[0].tag if own else None,
        pinned_tag=pinned[0] if pinned else None,
    )


def test_the_roll_reads_only_a_slice_of_an_index(sqlite_store: Store) -> None:
    with sqlite_store.write() as connection:
        seen: list[str] = []
        sa.event.listen(connection, "before_cursor_execute", lambda *a: seen.append(a[2]))
        today = NOW.date()
        look = Scoring(profile=DEFAULT_PROFILE, now=NOW, place=ZoneInfo("UTC"))
        scores.roll(connection, look, before=today - timedelta(days=1))
        plans = [
            connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {one.replace('?', '1')}").all()
            for one in list(seen)
        ]

    for plan in plans:
        steps = [row[3] for row in plan]
        assert sum("INDEX ix_scores_last_order_at" in step for step in steps) == 4
        assert not any(step.startswith("SCAN") for step in steps)


def test_orders_that_left_the_window_are_found_by_an_index(sqlite_store: Store) -> None:
    profile = replace(DEFAULT_PROFILE, window_days=365)
    left = scores.out_of_window(Scoring(profile=profile, now=NOW, place=ZONE))
    assert left is not None

    with sqlite_store.read() as connection:
        sql = left.compile(dialect=connection.dialect, compile_kwargs={"literal_binds": True})
        plan = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {sql}").all()

    assert "ix_scores_window_first_at" in plan[0][3]


def test_indexes_stand_again_after_the_first_scoring(store: Store) -> None:
    shop_with(store, Random(2), 5)
    before = indexes(store)

    segment(store, [], zone=ZONE, now=NOW)

    assert indexes(store) == before
    assert len(before) == 2


def indexes(store: Store) -> set[tuple[str | None, str]]:
    with store.read() as connection:
        return {
            (one["name"], ", ".join(str(name) for name in one["column_names"]))
            for one in sa.inspect(connection).get_indexes("scores")
        }


def test_the_cells_hold_every_scored_customer_once(store: Store) -> None:
    shop_with(store, Random(2), 10)
    segment(store, [], zone=ZONE, now=NOW)

    with store.read() as connection:
        cells = scores.cells(connection)

    assert sum(cell.customers for cell in cells) == len(in_the_store(store))
    assert len({(cell.r, cell.f) for cell in cells}) == len(cells)


def test_the_days_of_a_score_are_counted_to_the_moment_of_asking(store: Store) -> None:
    customer = add_customer(store)
    add_order(store, customer, days_ago=10)
    segment(store, [], zone=ZONE, now=NOW)

    with store.read() as connection:
        score = scores.find(connection, customer, now=NOW + timedelta(days=5), place=ZONE)

    assert score is not None
    assert score.days_since_last == 15
