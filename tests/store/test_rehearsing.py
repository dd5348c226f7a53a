from __future__ import annotations

from pathlib import Path

import sqlalchemy as sa

from crm_mailer.store import rehearsing
from crm_mailer.store import tables as t
from crm_mailer.store.engine import Store
from tests.planning.people import NOON, customer, event, order, suppress


def test_a_copy_holds_all_rows_and_is_a_file_of_its_own(store: Store, tmp_path: Path) -> None:
    anna = order(store, customer(store), arrived=NOON)
    suppress(store, "anna@example.com", "unsubscribed")

    copied = rehearsing.copy(store, tmp_path / "copy.db")
    event(copied, anna, "reviewed", NOON)

    assert copied.is_sqlite
    assert rows(copied, t.customers) == rows(store, t.customers) == 1
    assert rows(copied, t.suppressions) == 1
    assert (rows(copied, t.order_events), rows(store, t.order_events)) == (2, 1)
    copied.close()


def rows(store: Store, table: sa.Table) -> int:
    with store.read() as connection:
        return connection.scalar(sa.select(sa.func.count()).select_from(table)) or 0
