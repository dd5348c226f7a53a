"""The database that tests of PostgreSQL share is as good as new for each of them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import sqlalchemy as sa

from crm_mailer.store import migrate, tables
from crm_mailer.store.engine import open_store
from tests.conftest import NOON
from tests.databases import PostgresDatabase


@pytest.fixture(scope="module")
def database(postgres_server: str) -> Iterator[PostgresDatabase]:
    database = PostgresDatabase(postgres_server)
    yield database
    database.drop()


def facts_and_next_customer(url: str) -> tuple[list[str], int]:
    """What the migrations wrote, and the number that the next customer has."""
    store = open_store(url)
    values = {"email": "a@example.com", "email_key": "a@example.com", "created_at": NOON}
    with store.write() as connection:
        found = connection.scalars(sa.select(tables.facts.c.name).order_by("name")).all()
        made = connection.execute(
            sa.insert(tables.customers)
            .values(**values, changed_at=NOON)
            .returning(tables.customers.c.id)
        )
        number = int(made.scalar_one())
        connection.execute(sa.delete(tables.facts))
    store.close()
    return list(found), number


@pytest.mark.postgres
def test_the_next_test_finds_the_first_rows_and_counts_from_one(database: PostgresDatabase) -> None:
    first = database.emptied()
    before = facts_and_next_customer(first)

    assert database.emptied() == first
    assert facts_and_next_customer(first) == before
    assert before[1] == 1


@pytest.mark.postgres
@pytest.mark.parametrize(
    "change",
    [
        "ALTER TABLE customers ADD COLUMN odd integer",
        "DROP INDEX ix_orders_customer_id",
        "UPDATE alembic_version SET version_num = '9999'",
    ],
    ids=["column", "index", "version"],
)
def test_a_changed_schema_is_handed_on_to_nobody(database: PostgresDatabase, change: str) -> None:
    changed = database.emptied()
    store = open_store(changed)
    with store.write() as connection:
        connection.exec_driver_sql(change)
    store.close()

    url = database.emptied()

    assert url != changed
    fresh = open_store(url)
    migrate.verify(fresh)
    fresh.close()
