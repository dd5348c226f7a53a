from __future__ import annotations

from datetime import timedelta

from crm_mailer.model.campaign import OrderAnchor, ReviewAnchor
from crm_mailer.model.order import OrderState
from crm_mailer.store import campaign_texts, events, plan_runs, waiting
from crm_mailer.store.engine import Store
from crm_mailer.store.tables import touches
from tests.conftest import NOON
from tests.planning.people import add, customer, order

HOUR = timedelta(hours=1)


def touch(store: Store, person: int, step: str = "one", **more: object) -> None:
    values = {
        "campaign": "sale",
        "step": step,
        "anchor": "date:2026-11-04",
        "customer_id": person,
        "stream": "marketing",
        "template": "a/b",
        "campaign_version": "v1",
        "anchored_at": NOON,
        "due_at": NOON,
        "state": "planned",
        "planned_at": NOON,
        **more,
    }
    add(store, touches, **values)


def test_mails_that_wait_are_counted_and_shown(store: Store) -> None:
    person = customer(store, country="DE", time_zone="Europe/Berlin")
    touch(store, person, due_at=NOON + HOUR)
    touch(store, person, "two")
    touch(store, person, "three", state="accepted")
    touch(store, person, "four", campaign="other")

    with store.read() as connection:
        ids = waiting.list_of_steps(connection, "sale", ["one", "two", "three"])
        rows = waiting.rows(connection, ids)
        assert waiting.count_unsent(connection, "sale") == 2
        assert list(waiting.list_of_steps(connection, "sale", [])) == []

    assert [(one.step, one.email, one.home.country) for one in rows] == [
        ("two", "anna@example.com", "DE"),
        ("one", "anna@example.com", "DE"),
    ]


def test_what_was_planned_since_is_counted_for_its_version(store: Store) -> None:
    person = customer(store)
    touch(store, person, planned_at=NOON - HOUR)
    touch(store, person, "two", planned_at=NOON + HOUR)
    touch(store, person, "three", campaign_version="v2")

    with store.read() as connection:
        assert waiting.count_planned(connection, "sale", "v1", NOON) == (1, NOON + HOUR)
        assert waiting.count_planned(connection, "sale", "v3", NOON) == (0, None)


def test_what_was_left_out_as_it_was_planned_was_not_planned(store: Store) -> None:
    person = customer(store)
    touch(store, person)
    for step, reason in (("two", "unsubscribed"), ("three", "hold_out")):
        touch(store, person, step, state="skipped", reason=reason, settled_at=NOON)
    touch(store, person, "four", state="skipped", settled_at=NOON + HOUR, planned_at=NOON)
    touch(store, person, "five", state="accepted", settled_at=NOON)

    with store.read() as connection:
        assert waiting.count_planned(connection, "sale", "v1", NOON) == (3, NOON)


def test_the_first_text_of_a_version_is_found(store: Store) -> None:
    with store.write() as connection:
        for version, text in (("v1", "old"), ("v1", "new"), ("v2", "other")):
            campaign_texts.add(
                connection, "sale", version=version, mode="live", digest=text, text=text, now=NOON
            )
    with store.read() as connection:
        assert campaign_texts.find_version(connection, "sale", "v1") == "old"
        assert campaign_texts.find_version(connection, "sale", "v3") is None
        assert campaign_texts.find_version(connection, "else", "v1") is None


def test_an_audience_is_taken_by_the_version_that_was_planned_last(store: Store) -> None:
    with store.write() as connection:
        plan_runs.add(connection, "sale", NOON, {"version": "v1"})
        plan_runs.add(connection, "sale", NOON + HOUR, {"version": "v2"})
        plan_runs.add(connection, "spring", NOON + HOUR, {"version": "v2"})
    with store.read() as connection:
        assert plan_runs.taken_at(connection, "sale", "v2") == NOON + HOUR
        assert plan_runs.taken_at(connection, "sale", "v1") is None
        assert plan_runs.taken_at(connection, "else", "v2") is None
        asked = {"sale": "v2", "spring": "v1", "else": "v2"}
        assert plan_runs.list_taken(connection, asked) == {"sale"}
        assert plan_runs.list_taken(connection, {"sale": "v1", "spring": "v2"}) == {"spring"}
        assert plan_runs.list_taken(connection, {}) == set()


def test_the_last_event_of_a_customer_is_found(store: Store) -> None:
    person, other = customer(store), customer(store, "boris")
    order(store, person, number="1", shipped=NOON - HOUR)
    order(store, person, number="2", shipped=NOON + HOUR)
    order(store, other, number="3", shipped=NOON)
    shipped = OrderAnchor(state=OrderState.SHIPPED)

    with store.read() as connection:
        assert events.last_of(connection, shipped, person, NOON) == NOON - HOUR
        assert events.last_of(connection, ReviewAnchor(), person, NOON) is None
