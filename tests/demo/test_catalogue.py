from __future__ import annotations

import random

import pytest

from crm_mailer.demo import catalogue


@pytest.mark.parametrize(
    "amount", [*range(1, 3000, 7), 14580, 50530, 63033, 16846960, 295, 294, 1499, 1500]
)
def test_a_basket_adds_up_to_the_invoice(amount: int) -> None:
    items = catalogue.basket("489434", amount, random.Random(amount))

    assert sum(item.quantity * item.price_minor for item in items) == amount
    assert all(item.quantity > 0 and item.price_minor > 0 for item in items)


def test_the_same_chance_buys_the_same_things() -> None:
    first = catalogue.basket("1", 9950, random.Random(7))

    assert catalogue.basket("1", 9950, random.Random(7)) == first


def test_a_basket_holds_each_product_once() -> None:
    items = catalogue.basket("1", 250000, random.Random(3))

    assert len({item.sku for item in items}) == len(items)


def test_products_have_names_of_their_own() -> None:
    assert len({product.sku for product in catalogue.PRODUCTS}) == len(catalogue.PRODUCTS) >= 40


def test_nothing_can_be_bought_for_nothing() -> None:
    with pytest.raises(ValueError, match="C489449"):
        catalogue.basket("C489449", -100, random.Random(1))
