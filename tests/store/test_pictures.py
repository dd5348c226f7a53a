from __future__ import annotations

from crm_mailer.store import facts
from crm_mailer.store.engine import Store
from tests.conftest import NOON


def test_a_picture_shows_one_moment_whoever_writes_meanwhile(store: Store) -> None:
    with store.picture() as looking:
        before = facts.find(looking, "one"), facts.find(looking, "other")
        with store.write() as writing:
            facts.put(writing, "one", "new", NOON)
            facts.put(writing, "other", "new", NOON)
        after = facts.find(looking, "one"), facts.find(looking, "other")

    assert before == after == (None, None)
    with store.read() as connection:
        assert facts.find(connection, "one") == "new"
