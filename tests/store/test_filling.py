"""The first scores fill an empty table without its keys; afterwards nothing is missing."""

from __future__ import annotations

from zoneinfo import ZoneInfo

import pytest
import sqlalchemy as sa

from crm_mailer.segmenting.scoring import update_scores
from crm_mailer.store import filling
from crm_mailer.store import tables as t
from crm_mailer.store.engine import Store
from tests.segmenting.people import NOW, add_customer, add_order

ZONE = ZoneInfo("Asia/Shanghai")
RULES = (
    "SELECT conname, pg_get_constraintdef(oid) FROM pg_constraint WHERE conrelid ="
    " 'scores'::regclass UNION ALL SELECT indexname, indexdef FROM pg_indexes WHERE tablename ="
    " 'scores'"
)


def rules(store: Store) -> set[tuple[str, str]]:
    with store.read() as connection:
        return {(row[0], row[1]) for row in connection.exec_driver_sql(RULES)}


def scored(store: Store) -> list[tuple[int, ...]]:
    query = sa.select(t.scores.c.customer_id, t.scores.c.order_count).order_by("customer_id")
    with store.read() as connection:
        return [tuple(row) for row in connection.execute(query)]


@pytest.fixture
def buyers(postgres_store: Store, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    monkeypatch.setattr(filling, "MANY", 1)
    ids = [add_customer(postgres_store) for _ in range(3)]
    for number, id_ in enumerate(ids):
        for _ in range(number):
            add_order(postgres_store, id_, days_ago=number)
    return ids


@pytest.mark.postgres
@pytest.mark.parametrize("is_in_use", [False, True], ids=["alone", "beside a reader"])
def test_the_table_has_all_its_keys_again(
    postgres_store: Store, buyers: list[int], *, is_in_use: bool
) -> None:
    before = rules(postgres_store)
    with postgres_store.read() as reader:
        if is_in_use:
            reader.execute(sa.select(t.customers.c.id)).all()
        marked = update_scores(postgres_store, zone=ZONE, now=NOW)

    assert marked.scored == 2
    assert scored(postgres_store) == [(buyers[1], 1), (buyers[2], 2)]
    assert rules(postgres_store) == before


@pytest.mark.postgres
def test_keys_are_gone_only_where_nobody_reads_beside(
    postgres_store: Store, buyers: list[int]
) -> None:
    told: list[str] = []
    sa.event.listen(
        postgres_store.engine, "before_cursor_execute",
        lambda _c, _cursor, text, *_: told.append(text),
    )  # fmt: skip
    with postgres_store.read() as reader:
        reader.execute(sa.select(t.customers.c.id)).all()
        update_scores(postgres_store, zone=ZONE, now=NOW)
    beside = sum("CONSTRAINT" in text for text in told)
    with postgres_store.write() as connection:
        connection.execute(sa.delete(t.scores))
    update_scores(postgres_store, zone=ZONE, now=NOW)

    assert len(scored(postgres_store)) == len(buyers) - 1
    assert (beside, sum("CONSTRAINT" in text for text in told)) == (0, 4)
