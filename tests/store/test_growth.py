from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from crm_mailer.model.task import TaskKind
from crm_mailer.store import growth, tasks
from crm_mailer.store import tables as t
from crm_mailer.store.engine import Store
from tests.segmenting.people import NOW, add_customer


def move(
    store: Store, customer: int, before: str, after: str, *, reason: str = "order", now: str = ""
) -> None:
    with store.write() as connection:
        connection.execute(
            sa.insert(t.score_changes).values(
                customer_id=customer, at=NOW, reason=reason, value_class_before=before,
                value_class=after,
            )
        )  # fmt: skip
        connection.execute(sa.delete(t.scores).where(t.scores.c.customer_id == customer))
        connection.execute(
            sa.insert(t.scores).values(
                customer_id=customer, first_order_at=NOW, last_order_at=NOW, order_count=1,
                spent_usd_cents=0, days_since_last=0, r=5, f=5, m=5, total=15,
                value_class=now or after, profile="default", scored_on=NOW.date(),
            )
        )  # fmt: skip


def note(store: Store) -> int:
    with store.write() as connection:
        return growth.add_tasks(connection, NOW)


@pytest.fixture
def anna(store: Store) -> int:
    return add_customer(store, name="Anna")


def test_who_grew_into_a_key_customer_is_a_task(store: Store, anna: int) -> None:
    move(store, anna, "general_grow", "key_grow")

    assert note(store) == 1
    with store.read() as connection:
        [task] = tasks.list_open(connection)
    assert (task.kind, task.customer, task.due_at) == (
        TaskKind.KEY_CUSTOMER, "Anna", NOW + timedelta(days=3),
    )  # fmt: skip
    assert task.text.endswith("open a direct channel (key grow)")


def test_a_movement_is_one_task_however_often_one_looks(store: Store, anna: int) -> None:
    move(store, anna, "general_grow", "key_grow")

    assert [note(store), note(store)] == [1, 0]


def test_two_movements_at_once_are_one_task(store: Store, anna: int) -> None:
    move(store, anna, "general_grow", "key_grow")
    move(store, anna, "general_value", "key_value")

    assert note(store) == 1


def test_who_has_the_task_open_gets_no_second_one(store: Store, anna: int) -> None:
    move(store, anna, "general_grow", "key_grow")
    note(store)
    move(store, anna, "general_value", "key_value")

    assert note(store) == 0


def test_a_new_movement_after_the_task_was_done_is_a_new_task(store: Store, anna: int) -> None:
    move(store, anna, "general_grow", "key_grow")
    note(store)
    with store.write() as connection:
        tasks.finish(connection, tasks.list_open(connection)[0].id, NOW)
    move(store, anna, "general_value", "key_value")

    assert note(store) == 1


@pytest.mark.parametrize(
    "moved",
    [
        {"before": "key_grow", "after": "key_value"},
        {"before": "", "after": "key_grow"},
        {"before": "general_keep", "after": "general_value"},
        {"before": "key_value", "after": "general_value"},
        {"before": "general_grow", "after": "key_grow", "reason": "profile"},
        {"before": "general_grow", "after": "key_grow", "now": "general_grow"},
    ],
    ids=["key before", "new", "still ordinary", "fell", "profile edited", "fell again"],
)
def test_no_task_for_what_is_no_growth(store: Store, anna: int, moved: dict[str, Any]) -> None:
    move(store, anna, **moved)

    assert note(store) == 0


def test_nothing_is_due_when_no_mark_changed(store: Store, anna: int) -> None:
    with store.read() as connection:
        before = growth.is_due(connection)
    move(store, anna, "general_grow", "key_grow")
    with store.read() as connection:
        then = growth.is_due(connection)
    note(store)
    with store.read() as connection:
        assert [before, then, growth.is_due(connection)] == [False, True, False]
