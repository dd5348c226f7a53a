"""Who falls asleep in the midst of a write turn keeps nobody waiting for ever."""

from __future__ import annotations

import pytest

from crm_mailer.model.errors import StoreDown
from crm_mailer.store import engine, facts
from crm_mailer.store.engine import Store
from tests.conftest import NOON


@pytest.mark.postgres
def test_a_write_turn_that_sleeps_is_undone_and_its_locks_are_free(
    postgres_store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "SLEEP", 1)
    with postgres_store.write() as connection:
        facts.put(connection, "who", "nobody", NOON)

    def sleeps() -> None:
        with postgres_store.write() as connection:
            facts.put(connection, "who", "the sleeper", NOON)
            with postgres_store.write() as other:  # waits for the sleeper's lock
                facts.put(other, "who", "the other", NOON)
            facts.put(connection, "more", "too late", NOON)

    with pytest.raises(StoreDown, match="stood still"):
        sleeps()

    with postgres_store.read() as connection:
        assert facts.find(connection, "who") == "the other"
        assert facts.find(connection, "more") is None
