"""A client that stands still in the middle of a transaction keeps nobody waiting for ever."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from crm_mailer.model.errors import StoreDown
from crm_mailer.store import engine
from crm_mailer.store.engine import Store, open_store
from crm_mailer.store.tables import pauses

pytestmark = pytest.mark.postgres


def test_what_a_frozen_process_has_locked_is_let_go(
    postgres_store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "ABANDONED", 1)
    frozen = open_store(postgres_store.url.render_as_string(hide_password=False))
    with postgres_store.write() as connection:
        connection.execute(sa.insert(pauses).values(scope="all", reason="", by="", at=1))

    def stands_still() -> None:
        # a write turn has a shorter limit: see test_sleepers
        with frozen._plain_errors(), frozen.engine.connect() as connection:
            connection.execute(sa.update(pauses).values(reason="by the frozen one"))
            with postgres_store.write() as other:  # waits for the same row
                other.execute(sa.update(pauses).values(reason="by another"))
            connection.execute(sa.select(pauses))

    with pytest.raises(StoreDown, match="stood still"):
        stands_still()
    frozen.close()

    with postgres_store.read() as connection:
        assert connection.scalar(sa.select(pauses.c.reason)) == "by another"


def test_a_line_that_is_silent_is_given_up_unless_the_address_says_otherwise(
    postgres_store: Store,
) -> None:
    url = postgres_store.url.update_query_dict({"keepalives_idle": "7"})
    store = open_store(url.render_as_string(hide_password=False))
    with store.read() as connection:
        raw = connection.connection.dbapi_connection
        told = raw.info.get_parameters()  # type: ignore[union-attr]
    store.close()

    assert (told["keepalives_idle"], told["tcp_user_timeout"]) == ("7", "60000")
