"""A whole database, copied from engine to engine."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from crm_mailer.delivering import witness
from crm_mailer.model.errors import NotPossible, Unreconciled
from crm_mailer.store import copying, facts, migrate, soundness
from crm_mailer.store import tables as t
from crm_mailer.store.copying import Different
from crm_mailer.store.engine import Instant, Store, open_store
from tests.conftest import NOON
from tests.store.tried import tried


@pytest.fixture
def source(tmp_path: Path) -> Store:
    """A shop with customers in several scripts, mails and facts."""
    store = open_store(f"sqlite:///{tmp_path}/source.db")
    migrate.upgrade(store)
    with store.write() as connection:
        for number, name in enumerate(("Анна", "José", "李雷", "O'Brien \N{GRINNING FACE}"), 1):
            connection.execute(
                t.customers.insert().values(
                    id=number * 10, name=name, email=f"c{number}@example.com",
                    email_key=f"c{number}@example.com", created_at=NOON, changed_at=NOON,
                )
            )  # fmt: skip
            connection.execute(
                t.customer_tags.insert().values(customer_id=number * 10, tag=name, at=NOON)
            )
            connection.execute(
                t.segment_sizes.insert().values(
                    segment="engaged", day=NOON.date() + timedelta(days=number), members=number
                )
            )
        facts.put(connection, "last score", {"b": 1, "a": [1.5, None]}, NOON)
    tried(store, "a@example.com")
    return store


def rows(store: Store, table: sa.Table) -> int:
    with store.read() as connection:
        return connection.scalar(sa.select(sa.func.count()).select_from(table)) or 0


def test_everything_arrives_and_is_compared(source: Store, store: Store) -> None:
    told: list[tuple[str, int]] = []

    found = copying.copy(source, store, NOON, on_rows=lambda *one: told.append(one))

    by_table = {one.table: one.rows for one in found}
    assert (by_table["customers"], by_table["touches"], by_table["messages"]) == (4, 1, 1)
    assert by_table.keys() == t.metadata.tables.keys() - {"leases"}
    assert ("customers", 4) in told
    with store.read() as connection:
        assert facts.find(connection, "last score") == {"b": 1, "a": [1.5, None]}
        assert not facts.find_all(connection, copying.PLACE)
        assert facts.find(connection, copying.SOURCE) is None


def test_new_rows_get_numbers_of_their_own(source: Store, store: Store) -> None:
    copying.copy(source, store, NOON)
    with store.write() as connection:
        made = connection.execute(
            t.customers.insert().values(name="new", created_at=NOON, changed_at=NOON)
        ).inserted_primary_key
    assert made is not None
    assert made[0] > 40


def test_every_table_is_read_on_after_any_key(store: Store) -> None:
    samples = {sa.Integer: 7, sa.BigInteger: 7, sa.Text: "a", sa.Date: NOON.date(), Instant: NOON}
    with store.read() as connection:
        for table in copying._tables():
            keys = list(table.primary_key.columns)
            after = [samples[type(key.type)] for key in keys]

            kept = json.loads(json.dumps([copying._plain(one) for one in after]))
            back = [copying._key(*one) for one in zip(kept, keys, strict=True)]

            assert back == after, table.name
            connection.execute(copying._page(table, keys, back)).all()


@pytest.mark.parametrize(
    "broken_off", [t.customers, t.segment_sizes], ids=["customers", "segment_sizes"]
)
def test_a_copy_that_was_broken_off_goes_on(
    source: Store, store: Store, broken_off: sa.Table, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(copying, "BATCH", 2)

    def stop(table: str, _rows: int) -> None:
        if table == broken_off.name:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        copying.copy(source, store, NOON, on_rows=stop)
    assert rows(store, broken_off) == 2

    again: list[tuple[str, int]] = []
    copying.copy(source, store, NOON, on_rows=lambda *one: again.append(one))
    assert [one for one in again if one[0] == broken_off.name] == [(broken_off.name, 2)]
    assert rows(store, broken_off) == 4


def test_a_target_with_rows_of_its_own_is_left_alone(source: Store, store: Store) -> None:
    tried(store, "b@example.com")
    with pytest.raises(NotPossible, match="not empty"):
        copying.copy(source, store, NOON)
    assert rows(store, t.touches) == 1


def test_the_broken_off_copy_of_another_database_is_refused(source: Store, store: Store) -> None:
    with store.write() as connection:
        facts.put(connection, copying.SOURCE, "another", NOON)
    with pytest.raises(NotPossible, match="another database"):
        copying.copy(source, store, NOON)


def break_off(source: Store, store: Store) -> None:
    def stop(table: str, _rows: int) -> None:
        if table == "customers":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        copying.copy(source, store, NOON, on_rows=stop)


def test_a_source_that_changed_meanwhile_is_not_called_another(source: Store, store: Store) -> None:
    break_off(source, store)
    with source.write() as connection:
        connection.execute(t.customers.update().where(t.customers.c.id == 10).values(name="Anna"))
    with pytest.raises(NotPossible, match="the source has changed"):
        copying.copy(source, store, NOON)


def test_a_copy_that_is_not_complete_says_so(source: Store, store: Store, tmp_path: Path) -> None:
    break_off(source, store)
    with store.read() as connection:
        found = witness.look(connection, tmp_path, NOON)
        check = [one for one in soundness.look(connection, NOON) if one.what == "copy"]
    assert found is not None
    assert "not complete" in str(witness.refuse(found))
    assert [one.is_well for one in check] == [False]
    with pytest.raises(Unreconciled):
        witness.Witness(tmp_path).check(store, NOON)

    copying.copy(source, store, NOON)  # being looked at has not marked it

    with store.read() as connection:
        assert witness.look(connection, tmp_path, NOON) is None
        assert "copy" not in [one.what for one in soundness.look(connection, NOON)]


def test_a_difference_is_named(source: Store, store: Store) -> None:
    copying.copy(source, store, NOON)
    with store.write() as connection:
        connection.execute(t.customers.update().where(t.customers.c.id == 10).values(name="x"))
    with pytest.raises(Different, match="customers differs: 4 rows here, 4 in the copy"):
        copying.compare(source, store)
