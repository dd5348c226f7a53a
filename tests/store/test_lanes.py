"""Why an account rests is told in any language, and to an older program as plain text."""

from __future__ import annotations

from datetime import timedelta

import pytest

from crm_mailer.model.sentence import Sentence
from crm_mailer.store import facts, lanes
from crm_mailer.store.engine import Store
from crm_mailer.store.lanes import Rest
from tests.conftest import NOON

REST = Rest(
    until=NOON + timedelta(minutes=5),
    faults=2,
    message=Sentence("the connection was lost ({why})", why="closed"),
)


def test_why_an_account_rests_keeps_its_parts(store: Store) -> None:
    with store.write() as connection:
        lanes.rest(connection, "main", REST, NOON)
        found = lanes.find(connection, "main")

    assert found == REST
    assert isinstance(found.message, Sentence)
    assert found.message.parts == {"why": "closed"}


def test_an_older_program_beside_this_one_finds_a_text(store: Store) -> None:
    with store.write() as connection:
        lanes.rest(connection, "main", REST, NOON)
        kept = facts.find(connection, "lane:main")

    assert kept["message"] == "the connection was lost (closed)"


@pytest.mark.parametrize("message", ["it broke {", {"say": "it broke {why}", "with": {"why": "{"}}])
def test_what_other_programs_wrote_is_read(store: Store, message: object) -> None:
    with store.write() as connection:
        told = {"until": int(REST.until.timestamp()), "faults": 1, "message": message}
        facts.put(connection, "lane:main", told, NOON)
        found = lanes.find(connection, "main")

    assert found is not None
    assert found.message == "it broke {"
