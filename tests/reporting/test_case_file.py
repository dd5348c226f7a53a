from __future__ import annotations

from datetime import timedelta
from zoneinfo import ZoneInfo

import pytest

from crm_mailer.learning import close, learn, note
from crm_mailer.model.errors import NotFound
from crm_mailer.reporting.cases import case_file
from crm_mailer.store.engine import Store
from crm_mailer.store.tables import (
    customers,
    messages,
    order_items,
    scores,
    suppressions,
    touches,
)
from tests.learning.shop import NOW, SmallShop

UTC = ZoneInfo("UTC")


@pytest.fixture
def shop(store: Store) -> SmallShop:
    return SmallShop(store)


def _sent(shop: SmallShop, subject: str, *, days_ago: int) -> None:
    at = NOW - timedelta(days=days_ago)
    touch = shop.add(
        touches,
        campaign="shipped",
        step="hello",
        anchor=f"order:{shop.order}:{days_ago}",
        customer_id=shop.anna,
        stream="transactional",
        template="t",
        anchored_at=at,
        due_at=at,
        state="accepted",
        planned_at=at,
        settled_at=at,
    )
    with shop.store.write() as connection:
        connection.execute(
            messages.insert().values(
                touch_id=touch,
                message_id=f"m{touch}@x",
                rcpt_to="anna@example.com",
                subject=subject,
                sha256="",
                rendered_at=at,
            )
        )


def test_a_case_file_tells_the_story_oldest_first(shop: SmallShop) -> None:
    shop.reached(shop.order, "paid", days_ago=9)
    shop.reached(shop.order, "shipped", days_ago=7)
    _sent(shop, "On its way", days_ago=6)
    shop.wrote("complaint", "nad.damaged", own_text="broken!", received_at=NOW)
    learn(shop.store, now=NOW)
    note(shop.store, 1, "asked for photos", by="Li", now=NOW + timedelta(hours=1))

    file = case_file(shop.store, 1, now=NOW + timedelta(hours=2), place=UTC)

    assert [(entry.who, entry.what) for entry in file.timeline] == [
        ("order", "paid"),
        ("order", "shipped"),
        ("shop", "mail accepted"),
        ("customer", "complaint"),
        ("program", "opened"),
        ("program", "clash"),
        ("Li", "note"),
    ]
    assert file.left == timedelta(hours=6)


def test_a_case_file_shows_why_the_words_were_understood_so(shop: SmallShop) -> None:
    evidence = [{"code": "nad.damaged", "weight": 3, "words": "kaputt"}]
    shop.wrote("complaint", "nad.damaged", language="de", evidence=evidence)
    learn(shop.store, now=NOW)

    [reply] = case_file(shop.store, 1, now=NOW, place=UTC).wrote

    assert [(one.code, one.words) for one in reply.evidence] == [("nad.damaged", "kaputt")]


def test_a_case_file_knows_the_customer(shop: SmallShop) -> None:
    with shop.store.write() as connection:
        connection.execute(
            customers.update().values(
                is_flagged=True, flag_reason="blackmail", time_zone="Europe/Moscow"
            )
        )
        connection.execute(
            scores.insert().values(
                customer_id=shop.anna, first_order_at=NOW, last_order_at=NOW, order_count=3,
                spent_usd_cents=30000, days_since_last=5, r=5, f=3, m=3, total=11,
                profile="default", scored_on=NOW.date(),
            )
        )  # fmt: skip
        connection.execute(
            order_items.insert().values(order_id=shop.order, line=1, title="Mug", quantity=2)
        )
    shop.wrote("complaint", "nad.damaged")
    learn(shop.store, now=NOW)

    file = case_file(shop.store, 1, now=NOW, place=UTC)

    assert file.known.flag_reason == "blackmail"
    assert file.known.score is not None
    assert file.known.score.total == 11
    assert file.order is not None
    assert file.order.items == ("2 x Mug",)
    assert f"{file.local_time:%H:%M}" == "15:00"


def test_the_order_in_question_is_shown_among_many(shop: SmallShop) -> None:
    for number in range(2, 12):
        shop.new_order(f"A-{number}", shop.anna)
    shop.wrote("complaint", "nad.damaged")
    learn(shop.store, now=NOW)

    file = case_file(shop.store, 1, now=NOW, place=UTC)

    assert len(file.orders) == 6
    assert file.order is not None
    assert file.order.number == "A-1"


def test_a_dead_address_is_not_the_way_to_answer(shop: SmallShop) -> None:
    with shop.store.write() as connection:
        connection.execute(
            suppressions.insert().values(
                address_key="anna@example.com", reason="hard_bounce", scope="all", at=NOW
            )
        )
        connection.execute(customers.update().values(source_platform="aliexpress"))
    shop.wrote("complaint", "nad.damaged")
    learn(shop.store, now=NOW)

    assert case_file(shop.store, 1, now=NOW, place=UTC).best_channel == "platform (aliexpress)"


def test_the_next_step_follows_what_was_done(shop: SmallShop) -> None:
    shop.wrote("complaint", "nad.damaged")
    learn(shop.store, now=NOW)
    steps = []

    for act in ("answer", "customer", "resolve", "close"):
        step = case_file(shop.store, 1, now=NOW, place=UTC).next_step
        steps.append(step.number if step else 0)
        if act == "answer":
            note(shop.store, 1, "x", by="Li", now=NOW, is_answer=True)
        elif act == "customer":
            shop.wrote("other")
            learn(shop.store, now=NOW)
        else:
            close(shop.store, 1, "", by="Li", now=NOW, is_resolved=act == "resolve")

    last = case_file(shop.store, 1, now=NOW, place=UTC).next_step
    assert (steps, last) == ([1, 10, 9, 11], None)


def test_earlier_cases_are_named(shop: SmallShop) -> None:
    shop.wrote("complaint", "nad.damaged")
    learn(shop.store, now=NOW)
    close(shop.store, 1, "", by="Li", now=NOW)
    shop.wrote("complaint", "nad.quality")
    learn(shop.store, now=NOW)

    assert [one.id for one in case_file(shop.store, 2, now=NOW, place=UTC).earlier] == [1]


def test_a_case_that_is_not_there_is_named(store: Store) -> None:
    with pytest.raises(NotFound, match="no case 5"):
        case_file(store, 5, now=NOW, place=UTC)
