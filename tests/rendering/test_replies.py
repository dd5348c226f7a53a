from __future__ import annotations

import pytest

from crm_mailer.model.shop import Shop
from crm_mailer.rendering import replies

TEXT = "Since [[date]] it is [[state of it]], until [[date]]."


def test_blanks_are_told_once_each_and_filled_by_name_or_by_number() -> None:
    assert replies.blanks(TEXT) == ("date", "state of it")
    assert (
        replies.with_values(TEXT, {"date": "May", "2": "late"})
        == "Since May it is late, until May."
    )
    assert replies.with_values(TEXT, {"9": "x", "other": "y"}) == TEXT


def test_what_fills_a_blank_is_taken_as_it_is() -> None:
    assert replies.with_values("[[a]]", {"a": r"\1 \g<0> [[b]]"}) == r"\1 \g<0> [[b]]"
    assert replies.blanks("[link] [[]] [[\n]] [[x") == ()


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        ("My parcel", "Re: My parcel"),
        ("Re: My parcel", "Re: My parcel"),
        ("RE: Re[2]: AW: My parcel", "Re: My parcel"),
        ("Ответ: Заказ", "Re: Заказ"),
        ("回复：订单", "Re: 订单"),
        ("Return: of my parcel", "Re: Return: of my parcel"),
        ("Re:", "otherwise"),
        ("", "otherwise"),
        ("a\nb", "Re: a b"),
    ],
)
def test_the_subject_of_an_answer(theirs: str, ours: str) -> None:
    assert replies.answer_subject(theirs, "otherwise") == ours


def test_the_agent_who_writes_signs_and_else_the_shops_agent() -> None:
    shop = Shop(name="Lotus", postal_address="-", agent="Lin", languages=("en",))

    assert replies.signed_by(shop, "Mei").agent == "Mei"
    assert (
        replies.signed_by(shop, "").agent == replies.signed_by(shop, "http://x.com").agent == "Lin"
    )
