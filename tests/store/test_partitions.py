from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa

from crm_mailer.model.hit import WebHit
from crm_mailer.store import facts, migrate, partitions, web_events
from crm_mailer.store import tables as t
from crm_mailer.store.engine import Store, open_store
from tests.conftest import NOON
from tests.store import ledger

pytestmark = pytest.mark.postgres
DECEMBER = datetime(2026, 12, 1, 0, 5, tzinfo=UTC)


def where(store: Store, table: str, number: int) -> str:
    """In which partition the row of a touch lies."""
    query = f"SELECT tableoid::regclass::text FROM {table} WHERE touch_id = {number}"
    with store.read() as connection:
        return str(connection.scalar(sa.text(query)))


def names(store: Store, table: str) -> list[str]:
    with store.read() as connection:
        return [one.name for one in partitions.list_(connection, table)]


def next_number(store: Store) -> int:
    """The number that the next touch gets."""
    with store.write() as connection:
        return int(connection.scalar(sa.text("SELECT nextval('touches_id_seq')")) or 0)


def test_a_new_month_lies_in_a_partition_of_its_own(postgres_store: Store) -> None:
    before = ledger.mail(postgres_store, "accepted", "accepted")
    opened = partitions.begin_month(postgres_store, DECEMBER, least=0)
    assert sorted(opened) == [
        "deliveries_from_202612", "messages_from_202612", "web_events_from_202612",
    ]  # fmt: skip
    after = ledger.mail(postgres_store, "accepted", "accepted", number=next_number(postgres_store))
    assert after == partitions.ROOM
    for table in ("messages", "deliveries"):
        assert where(postgres_store, table, before) == f"{table}_begin"
        assert where(postgres_store, table, after) == f"{table}_from_202612"


def test_two_shops_share_a_database(postgres_store: Store) -> None:
    """Each in a schema of its own, with tables of the same names."""
    with postgres_store.write() as connection:
        connection.exec_driver_sql("CREATE SCHEMA another")
    url = postgres_store.url.update_query_dict({"options": "-csearch_path=another"})
    other = open_store(url.render_as_string(hide_password=False))
    try:
        migrate.upgrade(other)
        for store in (postgres_store, other):
            assert "messages_from_202612" in partitions.begin_month(store, DECEMBER, least=0)
            assert names(store, "messages") == ["messages_begin", "messages_from_202612"]
    finally:
        other.close()
        with postgres_store.write() as connection:
            connection.exec_driver_sql("DROP SCHEMA another CASCADE")


def test_a_check_of_another_shop_is_not_this_ones(postgres_store: Store) -> None:
    with postgres_store.write() as connection:
        connection.exec_driver_sql("CREATE SCHEMA another")
        connection.exec_driver_sql(
            "CREATE TABLE another.messages_begin (n int CONSTRAINT ck_of_months CHECK (n > 0))"
        )
        has = partitions._has(connection, "ck_of_months")
        connection.exec_driver_sql("DROP SCHEMA another CASCADE")
    assert not has


def test_a_month_begins_once(postgres_store: Store) -> None:
    assert partitions.begin_month(postgres_store, DECEMBER, least=0)
    assert partitions.begin_month(postgres_store, DECEMBER + timedelta(days=9), least=0) == []
    assert names(postgres_store, "messages") == ["messages_begin", "messages_from_202612"]


def test_a_small_shop_keeps_one_table(postgres_store: Store) -> None:
    ledger.mail(postgres_store, "accepted", "accepted")
    assert partitions.begin_month(postgres_store, DECEMBER) == []
    assert names(postgres_store, "messages") == ["messages_begin"]


def test_what_a_kill_broke_off_goes_on(postgres_store: Store) -> None:
    """The attempts have their new partition, the messages only the check of their end."""
    end = partitions.ROOM
    with postgres_store.write() as connection:
        facts.put(connection, "partition end: touches", end, DECEMBER)
        part = partitions.list_(connection, "deliveries")[0]
    assert partitions._close(postgres_store, part, end, "from_202612")
    with postgres_store.write() as connection:
        connection.exec_driver_sql(
            "ALTER TABLE messages_begin ADD CONSTRAINT ck_messages_begin_ends"
            f" CHECK (touch_id IS NOT NULL AND touch_id < {end}) NOT VALID"
        )
    assert "messages_from_202612" in partitions.begin_month(postgres_store, DECEMBER, least=0)
    with postgres_store.read() as connection:
        parts = [partitions.list_(connection, one)[-1] for one in ("deliveries", "messages")]
        left = connection.scalar(
            sa.text("SELECT count(*) FROM pg_constraint WHERE conname LIKE '%ends'")
        )
    assert [one.first for one in parts] == [end, end]
    assert next_number(postgres_store) == end
    assert left == 0


def test_a_month_waits_for_a_table_that_is_in_use(
    postgres_store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(partitions, "PATIENCE", "50ms")
    with postgres_store.read() as reader:
        reader.execute(sa.select(t.messages)).all()
        assert "messages_from_202612" not in partitions.begin_month(
            postgres_store, DECEMBER, least=0
        )
        ledger.mail(postgres_store, "accepted", "accepted")  # nothing is in anybody's way
    assert "messages_from_202612" in partitions.begin_month(postgres_store, DECEMBER, least=0)


def test_numbers_without_a_partition_go_to_the_rest(postgres_store: Store) -> None:
    ledger.mail(postgres_store, "accepted", "accepted")
    partitions.begin_month(postgres_store, DECEMBER, least=0)
    with postgres_store.write() as connection:
        partitions.drop(connection, partitions.list_(connection, "messages")[0])
        partitions.drop(connection, partitions.list_(connection, "deliveries")[0])
    late = ledger.mail(postgres_store, "accepted", "accepted")
    assert where(postgres_store, "messages", late) == "messages_rest"
    partitions.begin_month(postgres_store, DECEMBER + timedelta(days=31), least=0)
    assert where(postgres_store, "messages", late) == "messages_rest"


def test_requests_are_noted_and_read_across_months(postgres_store: Store) -> None:
    hit = WebHit(kind="open", touch_id=1, link=None, at=int(NOON.timestamp()), agent="a",
                 address="192.0.2.0", method="GET")  # fmt: skip
    with postgres_store.write() as connection:
        web_events.add(connection, [hit])
    partitions.begin_month(postgres_store, DECEMBER, least=0)
    with postgres_store.write() as connection:
        web_events.add(connection, [hit])
    with postgres_store.read() as connection:
        found = [one.id for one in web_events.list_after(connection, 0, 10)]
    assert found == [1, partitions.ROOM]
