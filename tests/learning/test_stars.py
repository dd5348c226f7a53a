from __future__ import annotations

import pytest

from crm_mailer.learning import stars
from crm_mailer.model.feedback import UnlearntReply
from crm_mailer.model.reply import Intent, ReplyKind
from tests.learning.shop import NOW


def reply(text: str, **more: object) -> UnlearntReply:
    values = {"id": 1, "kind": ReplyKind.HUMAN, "channel": "email", "received_at": NOW}
    return UnlearntReply(**(values | {"text": text} | more))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("1 star", 1),
        ("One star. Never again.", 1),
        ("gave it three stars", 3),
        ("I'd give it 2 out of 5", 2),
        ("My rating: 4/5", 4),
        ("5/5", 5),
        ("Rating: 3.0 out of 5", 3),
        ("★★☆☆☆ meh", 2),
        ("⭐⭐⭐⭐⭐ love it", 5),
        ("My review: ⭐", 1),
        ("⭐️⭐️⭐️", 3),
        ("одна звезда, ужас", 1),
        ("Ставлю 5 из 5", 5),
        ("5 звёзд!", 5),
        ("2 estrellas", 2),
        ("1 estrela. Péssimo", 1),
        ("une étoile seulement", 1),
        ("Ein Stern, weil es kaputt ankam", 1),
        ("Bewertung: 4 von 5 Sternen", 4),
        ("due stelle", 2),
        ("dwie gwiazdki", 2),
        ("3星，一般", 3),
        ("给五星好评", 5),
        ("好评，5颗星", 5),
    ],
)
def test_stars_are_read_in_many_writings(text: str, number: int) -> None:
    assert stars.read(text) == number


@pytest.mark.parametrize(
    "text",
    [
        "on 4/5 I ordered a teapot",
        "size 4/5",
        "We stayed in a 5 star hotel",
        "Refund me or I will leave 1 star",
        "If you don't refund you get one star",
        "5 stars if you refund me",
        "Поставлю одну звезду, если не вернёте деньги",
        "不退款就给你一星，否则一星",
        "Sonst gibt es nur 1 Stern",
        "Why does it have 2 stars?",
        "★ NEW ★ arrivals",
        "★★★★★★★★★★ SALE",
        "11 stars",
        "no stars",
        "星期三收到",
        "",
    ],
)
def test_what_gives_no_stars_is_no_review(text: str) -> None:
    assert stars.read(text) is None


def test_a_question_about_stars_gives_none() -> None:
    assert stars.of_customer(reply("Is it rated 5 stars", intent=Intent.QUESTION)) is None


@pytest.mark.parametrize("kind", [ReplyKind.BULK, ReplyKind.AUTO_REPLY, ReplyKind.HUMAN])
def test_a_platforms_mail_about_a_review_tells_its_stars(kind: ReplyKind) -> None:
    told = stars.of_platform(
        reply(
            "You received a new review for order 8001234567\n★★☆☆☆\nToo small",
            kind=kind,
            sender="no-reply@notice.aliexpress.com",
        )
    )

    assert told is not None
    assert told.stars == 2


@pytest.mark.parametrize(
    ("sender", "text"),
    [
        ("anna@example.com", "I wrote a review: ★★☆☆☆"),
        ("no-reply@aliexpress.com", "★★★★★ deals of the week"),
        ("news@shop.example", "Our customers' reviews: ★★★★★"),
    ],
)
def test_other_mails_tell_of_no_review(sender: str, text: str) -> None:
    kind = ReplyKind.HUMAN if sender.startswith("anna") else ReplyKind.BULK

    assert stars.of_platform(reply(text, kind=kind, sender=sender)) is None


def test_an_orders_number_is_found_among_other_words() -> None:
    found = stars.order_numbers("Order #A-10023 of 2026: review 80012345678901, see A-B-C")

    assert found == ["A-10023", "2026", "80012345678901"]


def test_a_long_letter_is_read_quickly() -> None:
    assert stars.read("one two three if 4/5 " * 100_000) is None
