from __future__ import annotations

from zoneinfo import ZoneInfo

import pytest

from crm_mailer.model.segment import EVERYBODY, Compare, Rule
from crm_mailer.store import distributions
from crm_mailer.store.engine import Store
from crm_mailer.store.look import Look
from tests.segmenting.people import NOW, add_customer, add_order


def spread(
    store: Store, by: str, across: str = "", rule: Rule = EVERYBODY
) -> list[tuple[str, ...]]:
    look = Look(now=NOW, zone=ZoneInfo("UTC"))
    with store.read() as connection:
        found = distributions.shares(connection, rule, look, by=by, across=across)
    return [(one.value, one.across, str(one.customers)) for one in found]


@pytest.fixture
def shop(store: Store) -> Store:
    lamp = {"sku": "LAMP", "category": "Home", "title": "Lamp"}
    hose = {"sku": "", "category": "Garden", "title": "Hose"}
    anna = add_customer(store, gender="female", country="RU", birth_year=1990)
    add_customer(store, gender="female", country="BY", age_band="25-34")
    ivan = add_customer(store, gender="male", country="RU", birth_year=1960, birth_month=12,
                        birth_day=31)  # fmt: skip
    add_order(store, anna, items=(lamp, hose, lamp))
    add_order(store, anna, items=(lamp,))
    add_order(store, ivan, items=(hose,))
    add_order(store, ivan, items=(lamp,), is_counted=False)
    add_customer(store)
    return store


def test_customers_are_counted_by_what_is_known_and_by_nothing(shop: Store) -> None:
    assert spread(shop, "gender") == [("female", "", "2"), ("", "", "1"), ("male", "", "1")]


def test_an_age_band_is_as_told_else_by_the_day_of_birth(shop: Store) -> None:
    assert spread(shop, "age_band") == [
        ("", "", "1"),
        ("25-34", "", "1"),
        ("35-44", "", "1"),
        ("65+", "", "1"),
    ]


def test_a_buyer_counts_once_for_each_product_that_was_paid(shop: Store) -> None:
    assert spread(shop, "product") == [("Hose", "", "2"), ("LAMP", "", "1")]
    assert spread(shop, "category") == [("Garden", "", "2"), ("Home", "", "1")]


def test_two_fields_can_be_crossed(shop: Store) -> None:
    assert spread(shop, "product", "gender") == [
        ("Hose", "female", "1"),
        ("Hose", "male", "1"),
        ("LAMP", "female", "1"),
    ]


def test_only_those_for_whom_a_rule_holds_are_counted(shop: Store) -> None:
    assert spread(shop, "gender", rule=Compare("country", "is", "BY")) == [("female", "", "1")]


@pytest.mark.parametrize("by", sorted(distributions.DIMENSIONS))
def test_every_dimension_tells_of_everybody_or_of_buyers(shop: Store, by: str) -> None:
    total = sum(int(number) for _value, _across, number in spread(shop, by))

    assert total == (3 if by in distributions.OF_LINES else 4)
