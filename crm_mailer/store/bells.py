"""A bell that wakes senders: LISTEN and NOTIFY of PostgreSQL.

Nothing depends on it. Where it cannot be heard, as behind a pooler or on SQLite, senders find what
is due when their nap is over.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

from crm_mailer.model.errors import StoreError
from crm_mailer.store.engine import Store

CHANNEL = "crm_mailer_send"
#: Seconds between two looks whether to go on, and of rest after a lost line.
LOOK, REST = 1.0, 5.0


def ring(store: Store) -> None:
    """Tell senders that there is something to send now."""
    if not store.is_sqlite:
        with suppress(StoreError), store.write() as connection:
            connection.exec_driver_sql(f"NOTIFY {CHANNEL}")


def hear(store: Store, rang: Callable[[], None], nap: Callable[[float], bool]) -> None:
    """Call `rang` each time the bell rings, until `nap` (seconds -> whether it is over) says so.

    A lost line is made anew. On SQLite there is no bell, and behind a pooler it is not heard: this
    returns at once.
    """
    while not store.is_sqlite and not nap(0.0):
        try:
            if store.is_pooled():
                return
            _listen(store, rang, nap)
        except Exception:  # whatever the line suffers: a bell that is silent does no harm
            if nap(REST):
                return


def _listen(store: Store, rang: Callable[[], None], nap: Callable[[float], bool]) -> None:
    # a connection of its own, closed at the end: one that listens must not go back to the pool
    with store.engine.connect() as connection:
        line = connection.execution_options(isolation_level="AUTOCOMMIT")
        raw = line.connection.driver_connection
        line.detach()
        line.exec_driver_sql(f"LISTEN {CHANNEL}")
        assert raw is not None
        while not nap(0.0):
            for _one in raw.notifies(timeout=LOOK, stop_after=1):
                rang()
