from __future__ import annotations

import pytest

from crm_mailer.reporting.reviews import review_report, words_of
from crm_mailer.store.engine import Store
from tests.reporting.months import LATELY, NOW, Shop, ago


@pytest.fixture
def shop(store: Store) -> Shop:
    return Shop(store)


def test_stars_are_counted_by_product_and_over_all(shop: Shop) -> None:
    for number, stars in enumerate((5, 5, 4, 1)):
        shop.review(stars, order_id=shop.order(f"{number}"))
    shop.review(2, product="CUP-2", answered_at=NOW)
    shop.review(5, product="CUP-2", at=ago(days=200))

    found = review_report(shop.store, LATELY)

    teapot, cup = (one.stars for one in found.products)
    assert (teapot.product, teapot.five, teapot.four, teapot.one) == ("TP-1", 2, 1, 1)
    assert (teapot.mean, teapot.answered) == (3.75, 0)
    assert (cup.product, cup.two, cup.answered, cup.answered_bad) == ("CUP-2", 1, 1, 1)
    assert (found.total.reviews, found.products[0].title) == (5, "Teapot")


def test_frequent_words_tell_what_buyers_love_and_what_they_do_not(shop: Shop) -> None:
    shop.review(5, "Beautiful glaze, beautiful teapot", product="TP-1")
    shop.review(4, "the glaze is lovely", product="TP-1")
    shop.review(1, "handle broke", product="TP-1")
    shop.review(2, "the handle is loose; glaze fine", product="TP-1")

    [one] = review_report(shop.store, LATELY).products

    assert one.loved == (("glaze", 2),)
    assert one.disliked == (("handle", 2),)


def test_reasons_of_bad_reviews_stand_beside_their_words(shop: Shop) -> None:
    for _one in range(2):
        shop.said("complaint", "nad.quality", review_id=shop.review(1, product="TP-1"))
    shop.said("complaint", "other", review_id=shop.review(1, product="TP-1"))

    [one] = review_report(shop.store, LATELY).products

    assert one.reasons == (("nad.quality", 2),)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Отличное качество, спасибо!", {"отличное", "качество"}),
        ("质量很好", {"质量", "量很", "很好"}),
        ("12345 _____ http", {"http"}),
        ("", set()),
    ],
)
def test_words_are_found_in_every_script(text: str, words: set[str]) -> None:
    assert words_of(text) == words


def test_no_review_is_an_empty_report(shop: Shop) -> None:
    found = review_report(shop.store, LATELY)

    assert (found.total.reviews, found.total.mean, found.products) == (0, 0.0, ())
