"""What replies and reviews change: the log, reviews, marketing, orders' notes."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from crm_mailer.learning import close, learn, open_case
from crm_mailer.learning.casework import finish_task
from crm_mailer.model.campaign import Stream
from crm_mailer.model.consent import RECORDED
from crm_mailer.model.standing import hold
from crm_mailer.store import orders as store_orders
from crm_mailer.store.tables import customers, order_items, orders, reviews, touches
from crm_mailer.store.touches import standing_columns, standing_of
from tests.learning.shop import NOW, SmallShop


def bought(shop: SmallShop, *titles: str, order_id: int | None = None) -> None:
    with shop.store.write() as connection:
        connection.execute(
            order_items.insert(),
            [
                {"order_id": order_id or shop.order, "line": number, "sku": "", "title": title}
                for number, title in enumerate(titles, start=1)
            ],
        )


def planned(shop: SmallShop, campaign: str, **more: Any) -> int:
    values: dict[str, Any] = {
        "campaign": campaign, "step": "s", "anchor": f"order:{shop.order}:arrived",
        "customer_id": shop.anna, "order_id": shop.order, "stream": "marketing", "template": "t",
        "anchored_at": NOW, "due_at": NOW + timedelta(days=9), "state": "planned",
        "planned_at": NOW,
    }  # fmt: skip
    return shop.add(touches, **(values | more))


def fate(shop: SmallShop, touch: int) -> tuple[str, str]:
    row = shop.row(touches, touch)
    return row.state, row.reason


# ------------------------------------------------------------------ the feedback log


def test_the_log_tells_customer_campaign_product_and_channel(shop: SmallShop) -> None:
    bought(shop, "Teapot", "Cups")
    mail = planned(shop, "care", state="accepted", settled_at=NOW)
    shop.wrote("complaint", "nad.damaged", own_text="the teapot is broken", touch_id=mail)

    learn(shop.store, now=NOW)

    [line] = shop.feedback()
    assert (line.customer_id, line.campaign, line.product, line.channel) == (
        shop.anna, "care", "Teapot", "email",
    )  # fmt: skip


def test_a_suggestion_goes_into_the_log(shop: SmallShop) -> None:
    shop.wrote("other", "suggestion", own_text="a lid would be nice")

    learn(shop.store, now=NOW)

    assert [(line.kind, line.reason) for line in shop.feedback()] == [("suggestion", "suggestion")]


def test_a_wish_to_be_left_alone_is_about_no_product(shop: SmallShop) -> None:
    bought(shop, "Teapot")
    shop.wrote(None, kind="unsubscribe", own_text="stop")

    learn(shop.store, now=NOW)

    assert [line.product for line in shop.feedback()] == [""]


# ------------------------------------------------------------------ orders' notes


def test_a_confirmation_on_an_order_outlives_a_later_import(shop: SmallShop) -> None:
    shop.wrote("confirm", "confirm", own_text="yes, send it")
    learn(shop.store, now=NOW)
    note = shop.row(orders, shop.order).note

    with shop.store.write() as connection:
        known = store_orders.find_by_numbers(connection, "shop", ["A-1"])["A-1"]
        store_orders.change(connection, [(known.id, known.facts)], now=NOW)

    assert note.endswith("confirmed by the customer: yes, send it")
    assert shop.row(orders, shop.order).note == note


# ------------------------------------------------------------------ marketing


def test_a_case_ends_what_marketing_was_to_send_about_the_order(shop: SmallShop) -> None:
    request = planned(shop, "review-request")
    other = planned(shop, "birthday", order_id=None, anchor="birthday:2026")
    parcel = planned(shop, "shipped", stream="transactional")
    shop.wrote("complaint", "nad.damaged")

    learn(shop.store, now=NOW)

    assert fate(shop, request) == ("skipped", "case_open")
    assert (fate(shop, other)[0], fate(shop, parcel)[0]) == ("planned", "planned")


def test_the_second_mail_of_a_win_back_is_not_sent_to_who_complained_of_the_first(
    shop: SmallShop,
) -> None:
    win_back = {"order_id": None, "anchor": "segment:cooling:1"}
    first = planned(shop, "win-back", **win_back, state="accepted", settled_at=NOW)
    second = planned(shop, "win-back", **win_back, step="second")
    shop.wrote("complaint", "nr.in_transit", order_id=None, touch_id=first)

    learn(shop.store, now=NOW)

    assert fate(shop, second) == ("skipped", "case_open")


def test_a_case_opened_by_hand_cancels_too(shop: SmallShop) -> None:
    request = planned(shop, "review-request", state="held")

    open_case(shop.store, customer_id=shop.anna, order_id=shop.order, reason="other", now=NOW)

    assert fate(shop, request) == ("skipped", "case_open")


@pytest.mark.parametrize("reason", ["threat.legal", "nad.damaged"])
def test_marketing_is_held_while_a_grave_case_is_open(shop: SmallShop, reason: str) -> None:
    shop.wrote("complaint", reason)
    learn(shop.store, now=NOW)
    during = held(shop)
    close(shop.store, 1, "", by="Li", now=NOW)

    assert (during, held(shop)) == ("case_open", None)


def held(shop: SmallShop) -> str | None:
    import sqlalchemy as sa

    with shop.store.read() as connection:
        row = connection.execute(
            sa.select(*standing_columns(RECORDED)).where(customers.c.id == shop.anna)
        ).one()
    assert hold(standing_of(row, NOW), Stream.TRANSACTIONAL, NOW) is None
    return hold(standing_of(row, NOW), Stream.MARKETING, NOW)


# ------------------------------------------------------------------ reviews


def test_stars_in_a_letter_are_a_review(shop: SmallShop) -> None:
    bought(shop, "Teapot")
    shop.wrote("complaint", "nad.quality", own_text="1 star, it leaks")

    learn(shop.store, now=NOW)
    learn(shop.store, now=NOW)

    row = shop.row(reviews, 1)
    assert (row.stars, row.source, row.order_id, row.product) == (1, "mail", shop.order, "Teapot")
    assert [(line.kind, line.rating, line.review_id) for line in shop.feedback()] == [
        ("complaint", 1, 1)
    ]
    assert len(shop.cases()) == 1


def test_few_stars_in_friendly_words_open_a_case(shop: SmallShop) -> None:
    shop.wrote("other", own_text="★☆☆☆☆ sorry")

    learn(shop.store, now=NOW)

    assert [case.reason for case in shop.cases()] == ["other"]
    assert shop.tasks() == []


@pytest.mark.parametrize(("is_thanked", "tasks"), [(False, ["review"]), (True, [])])
def test_praise_with_stars_is_answered_by_a_campaign_or_a_person(
    shop: SmallShop, is_thanked: bool, tasks: list[str]
) -> None:
    shop.wrote("praise", own_text="5 stars, thank you!")

    learn(shop.store, now=NOW, is_praise_thanked=is_thanked)

    assert [task.kind for task in shop.tasks()] == tasks


def test_a_platforms_mail_becomes_a_review_of_the_order_it_names(shop: SmallShop) -> None:
    order = shop.new_order("8001234567", shop.anna)
    shop.wrote(
        None, kind="bulk", sender="no-reply@aliexpress.com", customer_id=None, order_id=None,
        own_text="New review for order 8001234567: ★☆☆☆☆ It broke",
    )  # fmt: skip

    report = learn(shop.store, now=NOW)

    assert (report.reviews, report.cases_opened) == (1, 1)
    assert [(case.customer_id, case.order_id) for case in shop.cases()] == [(shop.anna, order)]
    assert shop.row(reviews, 1).platform == "shop"


def test_what_stands_on_the_platform_is_not_replaced_by_a_letter(shop: SmallShop) -> None:
    shop.reviewed(4, "good")
    shop.wrote("other", own_text="1 star")

    learn(shop.store, now=NOW)

    assert shop.row(reviews, 1).stars == 4


@pytest.mark.parametrize("stars", [1, 3, 5])
def test_reviews_of_an_old_file_are_nobodys_work(shop: SmallShop, stars: int) -> None:
    shop.add(reviews, order_id=shop.order, stars=stars, at=NOW - timedelta(days=400))

    learn(shop.store, now=NOW)

    assert (shop.cases(), shop.tasks()) == ([], [])
    assert len(shop.feedback()) == 1


def test_a_review_is_answered_when_its_task_is_done(shop: SmallShop) -> None:
    review = shop.reviewed(5, "lovely")
    learn(shop.store, now=NOW)

    finish_task(shop.store, shop.tasks()[0].id, now=NOW)

    assert shop.row(reviews, review).answered_at == NOW


def test_a_bad_review_is_answered_when_its_case_is(shop: SmallShop) -> None:
    from crm_mailer.learning import note

    review = shop.reviewed(1, "bad")
    learn(shop.store, now=NOW)
    note(shop.store, 1, "wrote to her", by="Li", now=NOW, is_answer=True)

    learn(shop.store, now=NOW + timedelta(hours=1))

    assert shop.row(reviews, review).answered_at == NOW


def test_praise_is_answered_when_a_campaign_thanked_for_it(shop: SmallShop) -> None:
    letter = shop.wrote("praise", own_text="5 stars, thank you!")
    learn(shop.store, now=NOW, is_praise_thanked=True)
    later = NOW + timedelta(hours=3)
    planned(
        shop, "thanks", anchor=f"reply:{letter}", state="accepted", due_at=later, settled_at=later
    )

    learn(shop.store, now=NOW + timedelta(hours=4))

    assert shop.row(reviews, 1).answered_at == later


def test_a_review_is_answered_when_a_campaign_wrote_to_its_author(shop: SmallShop) -> None:
    review = shop.reviewed(2, "so so")
    learn(shop.store, now=NOW)
    later = NOW + timedelta(minutes=30)
    planned(
        shop, "bad", anchor=f"review:{review}", state="accepted", due_at=later, settled_at=later
    )

    learn(shop.store, now=NOW + timedelta(hours=1))

    assert shop.row(reviews, review).answered_at == later


@pytest.mark.parametrize("stars", [3, 5])
def test_good_reviews_are_no_tasks_while_a_campaign_thanks_for_them(
    shop: SmallShop, stars: int
) -> None:
    shop.reviewed(stars, "well")

    learn(shop.store, now=NOW, is_review_thanked=True)

    assert len(shop.tasks()) == (stars == 3)


def test_a_review_that_was_changed_is_learnt_anew(shop: SmallShop) -> None:
    shop.reviewed(1, "bad")
    learn(shop.store, now=NOW)
    better = store_orders.Review(
        order_id=shop.order, customer_id=shop.anna, stars=5, comment="they helped",
        at=NOW + timedelta(days=3),
    )  # fmt: skip

    with shop.store.write() as connection:
        store_orders.put_reviews(connection, [better])
    learn(shop.store, now=NOW + timedelta(days=3))

    assert [(line.kind, line.rating, line.text) for line in shop.feedback()] == [
        ("praise", 5, "they helped")
    ]
