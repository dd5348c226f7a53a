from __future__ import annotations

import pytest

from crm_mailer.store import customers, send_hours
from crm_mailer.store import tables as t
from crm_mailer.store.engine import Store
from tests.planning.people import NOON, add, customer, order, touches


@pytest.mark.parametrize("state", ["accepted", "in_doubt", "claimed"])
def test_a_mail_that_one_of_two_merged_customers_has_is_not_sent_to_the_other(
    store: Store, state: str
) -> None:
    loser, winner = customer(store, "anna"), customer(store, "anna2")
    for person, its_state in ((loser, state), (winner, "planned")):
        add(
            store, t.touches, campaign="sale", step="s", anchor="date:2026-11-20",
            customer_id=person, stream="marketing", template="t", anchored_at=NOON, due_at=NOON,
            next_at=NOON, state=its_state, planned_at=NOON,
        )  # fmt: skip

    with store.write() as connection:
        customers.merge(connection, loser, winner, now=NOON)

    assert sorted(touches(store, "customer_id", "state", "reason")) == sorted(
        [(winner, state, ""), (winner, "skipped", "cancelled")]
    )


def test_the_hour_of_a_merged_customer_goes_and_the_others_is_learnt_anew(store: Store) -> None:
    loser, winner = customer(store, "anna"), customer(store, "anna2")
    order(store, loser)
    add(store, t.send_hours, customer_id=loser, hour=18, seen=5)

    with store.write() as connection:
        customers.merge(connection, loser, winner, now=NOON)
        assert list(send_hours.seen_since(connection, NOON)) == [winner]
        assert send_hours.of_customer(connection, loser) is None
