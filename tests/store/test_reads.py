"""Looking at the database of a server: nothing can be saved, and what was prepared stays so."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from crm_mailer.model.errors import StoreDown
from crm_mailer.store.engine import Store, open_store
from crm_mailer.store.tables import pauses

pytestmark = pytest.mark.postgres


def test_nothing_can_be_written_where_one_only_looks(postgres_store: Store) -> None:
    row = sa.insert(pauses).values(scope="all", reason="", by="", at=1)
    is_ours = pytest.raises(sa.exc.InternalError, match="read-only transaction")
    with is_ours, postgres_store.read() as connection:  # no fault of the server, nor told as one
        connection.execute(row)

    with postgres_store.write() as connection:  # the same connection may write again
        connection.execute(row)

    with postgres_store.read() as connection:
        assert connection.scalar(sa.select(pauses.c.scope)) == "all"


def test_a_server_that_lets_nobody_write_is_not_overruled(postgres_store: Store) -> None:
    url = postgres_store.url.update_query_dict({"options": "-c default_transaction_read_only=on"})
    store = open_store(url.render_as_string(hide_password=False))
    with store.read() as connection:
        connection.scalar(sa.select(pauses.c.scope))

    with pytest.raises(StoreDown, match="only lets us read"), store.write() as connection:
        connection.execute(sa.insert(pauses).values(scope="all", reason="", by="", at=1))
    store.close()


def test_a_statement_that_is_asked_often_stays_prepared(postgres_store: Store) -> None:
    query = sa.select(sa.func.count()).select_from(pauses).where(pauses.c.scope == "all")
    for _time in range(8):  # the driver prepares what it sends for the sixth time
        with postgres_store.read() as connection:
            connection.scalar(query)

    with postgres_store.read() as connection:
        told = connection.exec_driver_sql("SELECT statement FROM pg_prepared_statements").scalars()
        assert any("FROM pauses" in one for one in told)
