"""The bell that wakes senders on PostgreSQL."""

from __future__ import annotations

import threading

import pytest
import sqlalchemy as sa

from crm_mailer.store import bells
from crm_mailer.store.engine import Store


@pytest.mark.postgres
def test_the_bell_is_heard_also_after_its_line_was_lost(
    postgres_store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bells, "REST", 0.1)
    heard, stop = threading.Semaphore(0), threading.Event()
    listener = threading.Thread(
        target=bells.hear, args=(postgres_store, heard.release, stop.wait), daemon=True
    )
    listener.start()

    def rings() -> bool:
        for _ in range(100):
            bells.ring(postgres_store)
            if heard.acquire(timeout=0.2):
                return True
        return False

    before = rings()
    with postgres_store.write() as connection:
        cut = connection.scalar(
            sa.text(
                "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity "
                "WHERE datname = current_database() AND query LIKE 'LISTEN%'"
            )
        )
    while heard.acquire(blocking=False):
        pass
    after = rings()
    stop.set()
    listener.join(30)

    assert (before, cut, after, listener.is_alive()) == (True, 1, True, False)


def test_without_a_bell_nothing_is_waited_for(sqlite_store: Store) -> None:
    bells.ring(sqlite_store)
    bells.hear(sqlite_store, lambda: pytest.fail("nobody rang"), lambda _seconds: False)
