"""Who missed so many mails of a course that it paused, and was not heard of since."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from crm_mailer.model.segment import Compare
from crm_mailer.segmenting.facts import facts
from crm_mailer.segmenting.rules import matches
from crm_mailer.store import selection, stories
from crm_mailer.store import tables as t
from crm_mailer.store.engine import Store
from crm_mailer.store.look import Look
from tests.planning.people import NOON, add, customer, order, touches

ALONE = Compare("is_left_alone", "is", True)
PAUSED = NOON - timedelta(days=5)
ZONE = ZoneInfo("UTC")


def course(store: Store, person: int, ended: str, **more: Any) -> None:
    add(
        store, t.curve_states, customer_id=person, campaign="care", anchor="order:1:arrived",
        anchored_at=NOON - timedelta(days=90), retention=0.5, first_half_life=1, half_life=1,
        next_half_life=1, last_at=PAUSED, ended=ended, ended_at=PAUSED if ended else None, **more,
    )  # fmt: skip


def is_alone(store: Store, person: int) -> bool:
    with store.read() as connection:
        found = selection.select_ids(connection, ALONE, Look(now=NOON, zone=ZONE))
        known = stories.known(connection, person)
    by_words = matches(ALONE, facts(known, now=NOON, zone=ZONE), {})
    assert by_words == (person in found)
    return by_words


@pytest.mark.parametrize(
    ("ended", "alone"), [("paused", True), ("", False), ("done", False), ("stopped", False)]
)
def test_a_paused_course_leaves_the_customer_alone(store: Store, ended: str, alone: bool) -> None:
    person = customer(store)
    course(store, person, ended)
    customer(store, "boris")

    assert is_alone(store, person) is alone


@pytest.mark.parametrize(("days", "alone"), [(-1, True), (1, False)])
def test_an_order_after_the_pause_ends_it(store: Store, days: int, alone: bool) -> None:
    person = customer(store)
    course(store, person, "paused")
    order(store, person, placed_at=PAUSED + timedelta(days=days))

    assert is_alone(store, person) is alone


@pytest.mark.parametrize(
    ("kind", "alone"), [("click", False), ("human_open", False), ("machine_open", True)]
)
def test_a_click_after_the_pause_ends_it(store: Store, kind: str, alone: bool) -> None:
    person = customer(store)
    course(store, person, "paused")
    add(
        store, t.touches, campaign="sale", step="s", anchor="x", customer_id=person,
        stream="marketing", template="a/b", anchored_at=NOON, due_at=NOON, state="accepted",
        planned_at=NOON, settled_at=NOON,
    )  # fmt: skip
    (touch,) = touches(store, "id")[0]
    add(store, t.signals, touch_id=touch, kind=kind, customer_id=person, at=NOON, learnt_at=NOON)

    assert is_alone(store, person) is alone
