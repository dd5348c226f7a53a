from __future__ import annotations

from datetime import timedelta

import pytest
import sqlalchemy as sa

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


YES, NO, SOFT = "consent", "none", "soft_opt_in"


@pytest.mark.parametrize(
    ("one", "other", "stays"),
    [
        pytest.param((SOFT, 0, "shopify"), (NO, -9, "by lin"), NO, id="said-beats-assumed"),
        pytest.param((YES, 0, "page"), (NO, 1, "by lin"), NO, id="later-no"),
        pytest.param((NO, 0, "by lin"), (YES, 1, "page"), YES, id="later-yes"),
        pytest.param((YES, 0, "page"), (NO, 0, "by lin"), NO, id="tie"),
        pytest.param((YES, 9, "shopify"), (NO, 0, "by lin"), NO, id="reported-yes-no-of-person"),
        pytest.param((YES, 9, "shopify"), (NO, 10, "shopify"), NO, id="reported-later-no"),
        pytest.param((NO, 9, "shopify"), (YES, 10, "shopify"), YES, id="reported-later-yes"),
    ],
)
@pytest.mark.parametrize("is_losers", [False, True], ids=["winners", "losers"])
def test_of_the_consents_of_two_merged_customers_the_stronger_stays(
    store: Store,
    one: tuple[str, int, str],
    other: tuple[str, int, str],
    stays: str,
    is_losers: bool,
) -> None:
    loser, winner = customer(store, "anna"), customer(store, "anna2")
    words = (one, other) if is_losers else (other, one)
    for person, (basis, days, source) in zip((loser, winner), words, strict=True):
        add(store, t.consents, customer_id=person, purpose="marketing", basis=basis,
            source=source, given_at=NOON + timedelta(days=days))  # fmt: skip

    with store.write() as connection:
        customers.merge(connection, loser, winner, now=NOON)
        word = customers.find_word(connection, winner)

    assert word is not None
    assert (word.basis.value, customers_with_consent(store)) == (stays, [winner])


def customers_with_consent(store: Store) -> list[int]:
    with store.read() as connection:
        return list(connection.scalars(sa.select(t.consents.c.customer_id)))


def test_the_hour_of_a_merged_customer_goes_and_the_others_is_learnt_anew(store: Store) -> None:
    loser, winner = customer(store, "anna"), customer(store, "anna2")
    order(store, loser)
    add(store, t.send_hours, customer_id=loser, hour=18, seen=5)

    with store.write() as connection:
        customers.merge(connection, loser, winner, now=NOON)
        assert list(send_hours.seen_since(connection, NOON)) == [winner]
        assert send_hours.of_customer(connection, loser) is None
