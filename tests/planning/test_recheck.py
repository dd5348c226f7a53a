from __future__ import annotations

from datetime import timedelta

import pytest

from crm_mailer.model.campaign import Stream
from crm_mailer.model.touch import SkipReason
from crm_mailer.planning import plan
from crm_mailer.store import tables as t
from crm_mailer.store import touches as store_touches
from crm_mailer.store.engine import Store
from tests.planning.people import (
    NOON,
    campaign,
    customer,
    definitions,
    open_case,
    order,
    suppress,
    touches,
)

DAY = timedelta(days=1)
MARKETING = campaign("ad", offsets=(DAY,))
TRANSACTIONAL = campaign("mail", offsets=(timedelta(hours=1),), stream=Stream.TRANSACTIONAL)


def reasons(store: Store, *, days: int = 1) -> dict[str, SkipReason]:
    """Campaign -> why its touch must not leave."""
    names = dict(touches(store, "id", "campaign"))
    with store.read() as connection:
        found = store_touches.recheck(connection, list(names), NOON + days * DAY)
    return {names[touch]: reason for touch, reason in found.items()}


@pytest.fixture
def anna(store: Store) -> int:
    """A customer with one marketing and one transactional touch."""
    anna = customer(store)
    order(store, anna, arrived=NOON)
    plan(store, definitions(MARKETING, TRANSACTIONAL), now=NOON, is_saved=True)
    return anna


def test_a_touch_that_may_leave_is_not_in_the_answer(store: Store, anna: int) -> None:
    assert reasons(store) == {}


def test_an_opt_out_since_planning_stops_marketing_only(store: Store, anna: int) -> None:
    suppress(store, "anna@example.com", "unsubscribed")

    assert reasons(store) == {"ad": SkipReason.UNSUBSCRIBED}


def test_a_dead_address_stops_both_whatever_else_stands_against_it(store: Store, anna: int) -> None:
    suppress(store, "anna@example.com", "unsubscribed")
    suppress(store, "anna@example.com", "hard_bounce", "all")

    assert reasons(store) == {"ad": SkipReason.HARD_BOUNCE, "mail": SkipReason.HARD_BOUNCE}


def test_an_open_case_holds_marketing(store: Store, anna: int) -> None:
    open_case(store, anna)

    assert reasons(store) == {"ad": SkipReason.CASE_OPEN}


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"is_flagged": True}, {"ad": SkipReason.FLAGGED}),
        ({"address_kind": "relay"}, {"ad": SkipReason.RELAY_ADDRESS}),
        ({"snoozed_until": NOON + 9 * DAY}, {"ad": SkipReason.SNOOZED}),
        (
            {"email": None, "email_key": None},
            {"ad": SkipReason.NO_ADDRESS, "mail": SkipReason.NO_ADDRESS},
        ),
    ],
)
def test_a_changed_customer_is_seen(
    store: Store, anna: int, change: dict[str, object], expected: dict[str, SkipReason]
) -> None:
    with store.write() as connection:
        connection.execute(t.customers.update().values(change))

    assert reasons(store) == expected


def test_what_is_past_its_time_is_late(store: Store, anna: int) -> None:
    assert reasons(store, days=30) == {"ad": SkipReason.LATE, "mail": SkipReason.LATE}


def test_held_mails_are_released(store: Store, anna: int) -> None:
    with store.write() as connection:
        held = store_touches.hold_back(connection, "ad")
        released = store_touches.release(connection, "ad")

    assert (held, released) == (1, 1)
    assert touches(store, "state") == [("planned",), ("planned",)]
