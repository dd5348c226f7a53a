"""What the ticks ask of SQLite is answered from indexes, however large the shop."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from crm_mailer.delivering import NullTransport, Rules, deliver
from crm_mailer.model.campaign import (
    BirthdayAnchor,
    DateAnchor,
    Exit,
    FirstOrderAnchor,
    OrderAnchor,
    ReplyAnchor,
    ReviewAnchor,
    SegmentAnchor,
)
from crm_mailer.model.order import OrderState
from crm_mailer.model.touch import TouchState
from crm_mailer.planning import plan
from crm_mailer.store.engine import Store
from crm_mailer.store.tables import touches
from tests.conftest import StandingClock
from tests.delivering.letters import PlainRenderer
from tests.planning.people import NOON, SHOP, campaign, customer, definitions, order

MINUTE, DAY = timedelta(minutes=1), timedelta(days=1)
EXITS = frozenset({Exit.BOUGHT, Exit.REPLIED, Exit.CASE_OPEN})
CAMPAIGNS = definitions(
    campaign("care", exits=EXITS | {Exit.ORDER_DISPUTED}),
    campaign("shipped", anchor=OrderAnchor(state=OrderState.SHIPPED)),
    campaign("back", anchor=SegmentAnchor(segment="cooling"), exits=EXITS | {Exit.SEGMENT_LEFT}),
    campaign("thanks", anchor=ReplyAnchor(kind="praise"), exits=EXITS),
    campaign("fair", anchor=ReviewAnchor(kind="bad"), exits=EXITS),
    campaign("first", anchor=FirstOrderAnchor(), exits=EXITS),
    campaign("yearly", anchor=FirstOrderAnchor(is_yearly=True)),
    campaign("wish", anchor=BirthdayAnchor()),
    campaign("sale", anchor=DateAnchor(day=date(2026, 12, 24))),
)
#: What ANALYZE wrote of a shop of 1,000,000 customers with 10,000,000 orders: table, index, sizes.
LARGE = [
    ("customers", "ix_customers_changed_at", "1000000 4"),
    ("customers", "ix_customers_birth_month_birth_day", "1000000 83334 2977"),
    ("customers", "sqlite_autoindex_customers_1", "1000000 1"),
    ("scores", "ix_scores_last_order_at", "1000000 1"),
    ("orders", "ix_orders_customer_id", "10000000 10"),
    ("orders", "ix_orders_changed_at", "10000000 1"),
    ("orders", "ix_orders_placed_at", "10000000 1"),
    ("orders", "ix_orders_rfm", "10000000 10 10 1 1"),
    ("order_events", "ix_order_events_state_at", "20000000 10000000 1"),
    ("order_events", "ix_order_events_state_learnt_at", "20000000 10000000 1"),
    ("order_events", "sqlite_autoindex_order_events_1", "20000000 2 1"),
    ("memberships", "ix_memberships_segment_since", "2000000 100000 100"),
    ("memberships", "ix_memberships_customer_id", "2000000 2"),
    ("memberships", "uq_memberships_open", "2000000 100000 1"),
    ("touches", "sqlite_autoindex_touches_1", "6000000 60000 20000 1 1"),
    ("touches", "ix_touches_customer_id_due_at", "6000000 6 1"),
    ("touches", "ix_touches_campaign_state", "6000000 60000 20000"),
    ("touches", "ix_touches_due", "1000000 500000 100000 10 1"),
]
#: Small whatever the shop's size: `due` and `taken` are what a claim picks, `each` the values
#: that a statement was given, `new` the events that became known lately.
SMALL = {
    "new",
    "found",
    "(subquery-1)",
    "facts",
    "leases",
    "pauses",
    "paces",
    "alerts",
    "due",
    "taken",
    "each",
    "CONSTANT",
}


@contextmanager
def asked(store: Store) -> Iterator[list[tuple[str, Any]]]:
    """Every statement of the block, with its values."""
    told: list[tuple[str, Any]] = []

    def hear(_c: Any, _cursor: Any, text: str, values: Any, _context: Any, is_many: bool) -> None:
        told.append((text, values[0] if is_many else values))

    sa.event.listen(store.engine, "before_cursor_execute", hear)
    yield told
    sa.event.remove(store.engine, "before_cursor_execute", hear)


def steps(store: Store, told: list[tuple[str, Any]]) -> list[str]:
    """How the database goes about it."""
    found = []
    with store.read() as connection:
        raw = connection.connection.dbapi_connection
        assert raw is not None
        for text, values in told:
            if text.startswith(("SELECT", "UPDATE", "WITH")):
                found += [row[3] for row in raw.execute(f"EXPLAIN QUERY PLAN {text}", values)]
    return found


def scanned(store: Store, told: list[tuple[str, Any]]) -> set[str]:
    """The tables of which some statement reads every row."""
    found = set()
    for step in steps(store, told):
        is_walk = step.startswith("SCAN") and "INDEX" not in step
        if is_walk or step.endswith("PRIMARY KEY (rowid>?)"):
            found.add(step.split()[1])
    return {name for name in found - SMALL if not name.startswith("anon_")}


@pytest.fixture
def shop(sqlite_store: Store) -> None:
    """A small shop, planned once."""
    anna = customer(sqlite_store)
    order(sqlite_store, anna, shipped=NOON - DAY, arrived=NOON - MINUTE)
    plan(sqlite_store, CAMPAIGNS, now=NOON, is_saved=True, is_quick=True)


@pytest.mark.usefixtures("shop")
def test_a_tick_reads_no_table_from_end_to_end(sqlite_store: Store) -> None:
    later = NOON + 5 * MINUTE
    with asked(sqlite_store) as told:
        plan(sqlite_store, CAMPAIGNS, now=later, is_saved=True, is_quick=True)

    events = {step for step in steps(sqlite_store, told) if "SEARCH order_events" in step}
    assert len(told) > 10
    assert scanned(sqlite_store, told) == set()
    assert {step.partition("(")[2] for step in events} == {
        "state=? AND at>? AND at<?)",  # what came true
        "state=? AND learnt_at>?)",  # what was learnt
        "rowid=?)",  # the rows of these
    }


@pytest.mark.usefixtures("shop")
def test_a_full_look_reads_only_the_window_of_its_events(sqlite_store: Store) -> None:
    with asked(sqlite_store) as told:
        plan(sqlite_store, CAMPAIGNS, now=NOON + DAY, is_saved=True)

    # scores only for the first orders that come round
    assert scanned(sqlite_store, told) <= {"scores"}


@pytest.mark.usefixtures("shop")
def test_knowing_how_large_the_tables_are_leads_to_no_other_ways(sqlite_store: Store) -> None:
    with sqlite_store.write() as connection:
        connection.exec_driver_sql("ANALYZE")
        connection.exec_driver_sql("DELETE FROM sqlite_stat1")
        connection.exec_driver_sql("INSERT INTO sqlite_stat1 VALUES (?, ?, ?)", LARGE)
    sqlite_store.close()  # the next connection believes it
    bella = customer(sqlite_store, "bella")
    order(sqlite_store, bella, number="2", arrived=NOON + MINUTE)

    with asked(sqlite_store) as told:
        plan(sqlite_store, CAMPAIGNS, now=NOON + 2 * MINUTE, is_saved=True, is_quick=True)
        plan(sqlite_store, CAMPAIGNS, now=NOON + DAY, is_saved=True)

    assert scanned(sqlite_store, told) <= {"scores"}
    # a filter or an index for the moment is made by reading a whole table
    made = [one for one in steps(sqlite_store, told) if "BLOOM" in one or "AUTOMATIC" in one]
    assert made == []


@pytest.mark.usefixtures("shop")
def test_a_hand_over_reads_only_what_is_due(
    sqlite_store: Store, clock: StandingClock, tmp_path: Path
) -> None:
    clock.forward(days=1)
    rules = Rules(shop=SHOP, campaigns=CAMPAIGNS.campaigns)
    with asked(sqlite_store) as told:
        report = deliver(sqlite_store, PlainRenderer(), NullTransport(), clock=clock,
                         owner="tester", journal_folder=tmp_path, rules=rules)  # fmt: skip

    assert report.outcomes["accepted"] == 1
    assert scanned(sqlite_store, told) == set()


@pytest.mark.parametrize("is_quick", [True, False], ids=["what is new", "what is open"])
def test_campaigns_with_one_anchor_ask_for_its_events_once(
    sqlite_store: Store, is_quick: bool
) -> None:
    alike = definitions(*(campaign(f"care-{number}", exits=EXITS) for number in range(5)))
    anna = customer(sqlite_store)
    plan(sqlite_store, alike, now=NOON, is_saved=True)
    order(sqlite_store, anna, arrived=NOON + MINUTE)
    later = NOON + 2 * MINUTE
    plan(sqlite_store, definitions(*list(alike.campaigns.values())[:2]), now=later, is_saved=True)

    with asked(sqlite_store) as told:
        [*reports] = plan(
            sqlite_store, alike, now=later, is_saved=True, is_quick=is_quick
        ).campaigns

    assert [one.occasions for one in reports] == [0, 0, 1, 1, 1]
    assert sum("AS told" in text for text, _ in told) == 1
    assert sum("EXISTS" in text and "AS anchor" in text for text, _ in told) == 1
    assert scanned(sqlite_store, told) == set()


def test_past_newsletters_are_asked_about_in_one_statement(sqlite_store: Store) -> None:
    def statements(past: int) -> int:
        anchor = DateAnchor(day=NOON.date() + DAY)
        news = definitions(*(campaign(f"{past}-{n}", anchor=anchor) for n in range(past)))
        customer(sqlite_store, f"reader-{past}")
        plan(sqlite_store, news, now=NOON, is_saved=True)
        with sqlite_store.write() as connection:
            connection.execute(sa.update(touches).values(state=TouchState.ACCEPTED))
        plan(sqlite_store, news, now=NOON + MINUTE, is_saved=True)
        with asked(sqlite_store) as told:
            plan(sqlite_store, news, now=NOON + 2 * MINUTE, is_saved=True)
        assert scanned(sqlite_store, told) == set()
        return len(told)

    assert statements(40) <= statements(2)
