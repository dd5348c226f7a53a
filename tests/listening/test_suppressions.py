from __future__ import annotations

from crm_mailer.model.campaign import Stream
from crm_mailer.model.suppression import Scope, SuppressionReason
from crm_mailer.store import suppressions
from crm_mailer.store.engine import Store
from tests.conftest import NOON


def add(store: Store, address: str, reason: SuppressionReason) -> bool:
    with store.write() as connection:
        return suppressions.add(connection, address, reason, source="test", at=NOON)


def test_suppressing_twice_changes_nothing(store: Store) -> None:
    first = add(store, "Anna@Example.com", SuppressionReason.UNSUBSCRIBED)
    second = add(store, " anna@example.com", SuppressionReason.UNSUBSCRIBED)

    with store.read() as connection:
        found = suppressions.find(connection, "ANNA@example.com")
    assert (first, second) == (True, False)
    assert [(one.reason, one.scope) for one in found] == [
        (SuppressionReason.UNSUBSCRIBED, Scope.MARKETING)
    ]


def test_an_unsubscribe_stops_marketing_and_a_dead_address_stops_all(store: Store) -> None:
    add(store, "anna@example.com", SuppressionReason.UNSUBSCRIBED)
    add(store, "bob@example.com", SuppressionReason.UNSUBSCRIBED)
    add(store, "bob@example.com", SuppressionReason.HARD_BOUNCE)
    keys = ["anna@example.com", "bob@example.com", "carl@example.com"]

    with store.read() as connection:
        marketing = suppressions.stopped(connection, keys, Stream.MARKETING)
        orders = suppressions.stopped(connection, keys, Stream.TRANSACTIONAL)

    assert marketing == {
        "anna@example.com": SuppressionReason.UNSUBSCRIBED,
        "bob@example.com": SuppressionReason.HARD_BOUNCE,
    }
    assert orders == {"bob@example.com": SuppressionReason.HARD_BOUNCE}


def test_one_reason_can_be_lifted_and_the_others_stay(sqlite_store: Store) -> None:
    add(sqlite_store, "bob@example.com", SuppressionReason.UNSUBSCRIBED)
    add(sqlite_store, "bob@example.com", SuppressionReason.HARD_BOUNCE)

    with sqlite_store.write() as connection:
        gone = suppressions.lift(connection, "Bob@example.com", SuppressionReason.UNSUBSCRIBED)

    with sqlite_store.read() as connection:
        left = [one.reason for one in suppressions.list_(connection)]
    assert (gone, left) == (1, [SuppressionReason.HARD_BOUNCE])
