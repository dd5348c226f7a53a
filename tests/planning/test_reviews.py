"""Campaigns that start at a review."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from crm_mailer.model.campaign import Campaign, Exit, ReviewAnchor, Stream
from crm_mailer.planning import plan
from crm_mailer.store import tables as t
from crm_mailer.store.engine import Store
from tests.planning.people import NOON, add, campaign, customer, definitions, order

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)


def answer(kind: str, **more: Any) -> Campaign:
    values = {"stream": Stream.TRANSACTIONAL, "offsets": (HOUR,), "is_parallel": True, **more}
    return campaign("answer", anchor=ReviewAnchor(kind=kind), **values)


def review(store: Store, stars: int, **more: Any) -> None:
    values = {"at": NOON - HOUR, "learnt_at": NOON, "comment": "so so", **more}
    add(store, t.reviews, stars=stars, **values)


def planned(store: Store, *names: str) -> list[Any]:
    columns = [t.touches.c[name] for name in names or ("anchor", "order_id", "due_at")]
    with store.read() as connection:
        return sorted(tuple(row) for row in connection.execute(sa.select(*columns)))


def test_a_campaign_takes_the_reviews_with_its_stars(store: Store) -> None:
    for number in range(1, 6):
        review(store, number, customer_id=customer(store, f"c{number}"))
    kinds = [replace(answer(kind), id=kind) for kind in ("bad", "middling", "good", "any")]

    plan(store, definitions(*kinds), now=NOON, is_saved=True)

    taken: dict[str, list[int]] = {}
    for campaign_id, anchor in planned(store, "campaign", "anchor"):
        taken.setdefault(campaign_id, []).append(int(anchor.removeprefix("review:")))
    assert taken == {"any": [1, 2, 3, 4, 5], "bad": [1, 2], "good": [4, 5], "middling": [3]}


def test_a_review_of_a_platform_finds_its_customer_by_the_order(store: Store) -> None:
    number = order(store, customer(store), arrived=NOON - DAY)
    review(store, 1, order_id=number)
    review(store, 1, order_id=order(store, None, number="2"))

    plan(store, definitions(answer("bad")), now=NOON, is_saved=True)

    assert planned(store) == [("review:1", number, NOON)]


def test_a_review_is_answered_once_however_often_it_is_planned(sqlite_store: Store) -> None:
    review(sqlite_store, 1, customer_id=customer(sqlite_store))

    for later in (NOON, NOON + MINUTE, NOON + DAY):
        plan(sqlite_store, definitions(answer("bad")), now=later, is_saved=True, is_quick=True)

    assert len(planned(sqlite_store)) == 1


def test_a_quick_look_finds_a_review_that_was_imported_days_after_it_was_written(
    sqlite_store: Store,
) -> None:
    anna = customer(sqlite_store)
    bad = definitions(answer("bad", valid_for=5 * DAY))
    plan(sqlite_store, bad, now=NOON, is_saved=True, is_quick=True)
    review(sqlite_store, 2, customer_id=anna, at=NOON - 3 * DAY, learnt_at=NOON + MINUTE)

    plan(sqlite_store, bad, now=NOON + 2 * MINUTE, is_saved=True, is_quick=True)

    assert len(planned(sqlite_store)) == 1


@pytest.mark.parametrize("learnt_at", [None, NOON])
def test_only_what_agents_know_of_too_is_answered(sqlite_store: Store, learnt_at: Any) -> None:
    review(sqlite_store, 1, customer_id=customer(sqlite_store), learnt_at=learnt_at)

    plan(sqlite_store, definitions(answer("bad")), now=NOON, is_saved=True)

    assert len(planned(sqlite_store)) == (learnt_at is not None)


def test_who_has_written_meanwhile_gets_no_question(sqlite_store: Store) -> None:
    anna = customer(sqlite_store)
    review(sqlite_store, 1, customer_id=anna)
    add(sqlite_store, t.replies, kind="human", customer_id=anna, received_at=NOON - MINUTE)

    plan(
        sqlite_store,
        definitions(answer("bad", exits=frozenset({Exit.REPLIED}))),
        now=NOON,
        is_saved=True,
    )

    assert planned(sqlite_store, "reason") == [("exited",)]
