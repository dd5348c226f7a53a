from __future__ import annotations

import pytest

from crm_mailer.learning.products import Item, about

TEAPOT = Item("TP-1", "Porcelain Teapot 0.8 l white")
CUPS = Item("CP-6", "Porcelain Cups set of 6")
KETTLE = Item("", "Чайник эмалированный")


def test_the_only_product_of_an_order_is_meant() -> None:
    assert about([TEAPOT, TEAPOT], "it is broken") == "TP-1"


@pytest.mark.parametrize(
    ("words", "product"),
    [
        ("one of the cups is broken", "CP-6"),
        ("the TEAPOT leaks", "TP-1"),
        ("CP-6 never came", "CP-6"),
        ("чайника в посылке нет", "Чайник эмалированный"),
        ("the porcelain is thin", ""),
        ("where is my parcel", ""),
        ("neither the teapot nor the cups came", ""),
    ],
)
def test_of_several_products_the_one_that_is_named_is_meant(words: str, product: str) -> None:
    assert about([TEAPOT, CUPS, KETTLE], words) == product


def test_a_letter_without_an_order_is_about_what_it_names_alone() -> None:
    assert about([TEAPOT], "hello", is_one_order=False) == ""
    assert about([TEAPOT], "my teapot!", is_one_order=False) == "TP-1"


def test_chinese_words_name_a_product() -> None:
    bought = [Item("A", "白瓷茶壶"), Item("B", "紫砂杯")]

    assert about(bought, "茶壶收到就是破的") == "A"


def test_nothing_bought_is_nothing_meant() -> None:
    assert about([], "broken") == ""
    assert about([Item("", "")], "broken") == ""
