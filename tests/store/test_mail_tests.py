"""A test of a mail is nobody's: whatever lists, counts or judges does not know of it."""

from __future__ import annotations

from datetime import timedelta

import pytest
import sqlalchemy as sa
from alembic import command

from crm_mailer.model.curve import Signal
from crm_mailer.store import (
    directory,
    doubts,
    figures,
    health,
    migrate,
    outbox,
    reputation,
    signals,
)
from crm_mailer.store import tables as t
from crm_mailer.store.engine import Store
from crm_mailer.store.outbox import EVERYTHING
from tests.conftest import NOON
from tests.segmenting.people import add_customer
from tests.store.came_back import bounce, spam_report
from tests.store.tried import tried

ME = "me@example.org"
EARLIER = NOON - timedelta(days=1)


def test_a_test_makes_no_customer(store: Store) -> None:
    anna = add_customer(store)
    tried(store, ME)

    with store.read() as connection:
        assert [one.id for one in directory.list_customers(connection)] == [anna]
        counted = health.figures(connection, NOON)
    assert (counted.customers, counted.customers_without_address) == (1, 0)


def test_the_status_screen_counts_no_test(store: Store) -> None:
    tried(store, ME)
    waiting = tried(store, ME)
    with store.write() as connection:
        connection.execute(
            t.touches.update().where(t.touches.c.id == waiting).values(state="planned")
        )

    with store.read() as connection:
        counted = health.figures(connection, NOON)
    assert (counted.touches, counted.due) == ({}, 0)


def test_tests_are_in_no_report_of_campaigns_skips_and_answers(store: Store) -> None:
    number = tried(store, ME)
    expired = tried(store, ME)
    with store.write() as connection:
        connection.execute(
            t.touches.update()
            .where(t.touches.c.id == expired)
            .values(state="skipped", reason="late")
        )
        for kind in ("test", "unsubscribe", "bounce"):
            connection.execute(
                t.replies.insert().values(
                    kind=kind, touch_id=number, received_at=NOON, rung="message_id"
                )
            )

    with store.read() as connection:
        assert figures.mails_by_campaign(connection) == []
        assert figures.skips_by_reason(connection) == {}
        assert figures.replies_by_kind(connection) == {}


def test_tests_do_neither_good_nor_harm_to_our_reputation(store: Store) -> None:
    number = tried(store, ME)
    spam_report(store, number)
    bounce(store, number, "hard", NOON)

    with store.read() as connection:
        assert reputation.marketing_accepted(connection, EARLIER) == 0
        assert reputation.busiest_hour(connection, EARLIER) == 0
        assert reputation.spam_reported(connection, EARLIER) == 0
        assert reputation.returned(connection, EARLIER, 1) == []


def test_a_test_that_is_refused_for_a_fault_of_ours_stops_no_lane(store: Store) -> None:
    number = tried(store, ME, outcome="refused")
    with store.write() as connection:
        delivery = connection.scalar(sa.select(t.deliveries.c.id))
        connection.execute(
            t.refusals.insert().values(
                delivery_id=delivery, touch_id=number, recipient=ME, kind="ours",
                reason="authfailure", at=NOON,
            )
        )  # fmt: skip

    with store.read() as connection:
        assert reputation.list_our_faults(connection, EARLIER) == []


def test_a_click_on_a_test_is_nobodys(store: Store) -> None:
    number = tried(store, ME)

    with store.write() as connection:
        assert not signals.add(connection, number, Signal.CLICK, NOON, now=NOON)
        assert connection.scalar(sa.select(sa.func.count()).select_from(t.signals)) == 0


def test_the_outbox_shows_tests_with_the_address_that_they_went_to(store: Store) -> None:
    number, doubtful = tried(store, ME), tried(store, "you@gmail.com", outcome="unknown")

    with store.read() as connection:
        lines = outbox.list_(connection, EVERYTHING)
        record = outbox.find(connection, number)
        in_doubt = doubts.list_(connection)
    assert [(one.id, one.address, one.customer_id) for one in lines] == [
        (doubtful, "you@gmail.com", None),
        (number, ME, None),
    ]
    assert record is not None
    assert record.address == ME
    assert [(one.id, one.address) for one in in_doubt] == [(doubtful, "you@gmail.com")]


@pytest.mark.parametrize("way", ["downgrade", "upgrade"])
def test_the_table_of_touches_keeps_its_rows_when_its_column_changes(
    store: Store, way: str
) -> None:
    anna = add_customer(store)
    with store.write() as connection:
        connection.execute(
            t.touches.insert().values(
                campaign="c", step="s", anchor="a", customer_id=anna, stream="marketing",
                template="t", anchored_at=NOON, due_at=NOON, planned_at=NOON, state="accepted",
            )
        )  # fmt: skip
    tried(store, ME)
    config, _scripts = migrate._config()

    with store.write() as connection:
        config.attributes["connection"] = connection
        command.downgrade(config, "0007")
        if way == "upgrade":
            command.upgrade(config, "head")

    with store.read() as connection:
        assert list(connection.scalars(sa.select(t.touches.c.customer_id))) == [anna]
        if store.is_sqlite:
            assert connection.scalar(sa.text("PRAGMA integrity_check")) == "ok"
        [column] = [
            one
            for one in sa.inspect(connection).get_columns("touches")
            if one["name"] == "customer_id"
        ]
    assert column["nullable"] is (way == "upgrade")
