from __future__ import annotations

from crm_mailer.store.bulk import by_index
from crm_mailer.store.engine import Store


def test_looking_up_by_index_lasts_for_one_statement(store: Store) -> None:
    if store.is_sqlite:
        with store.write() as connection, by_index(connection):
            assert connection.exec_driver_sql("SELECT 1").scalar() == 1
        return
    with store.write() as connection:
        with by_index(connection):
            during = connection.exec_driver_sql("SHOW enable_seqscan").scalar()
        after = connection.exec_driver_sql("SHOW enable_seqscan").scalar()

    assert (during, after) == ("off", "on")
