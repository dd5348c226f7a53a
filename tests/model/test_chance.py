from __future__ import annotations

from collections import Counter

import pytest
import sqlalchemy as sa

from crm_mailer.model import chance
from crm_mailer.model.chance import Arm
from crm_mailer.store.crowds import bucket_of
from crm_mailer.store.engine import Store

ARMS = (Arm(id="a"), Arm(id="b", share=3))


def test_a_customer_has_the_same_place_for_ever() -> None:
    assert [chance.bucket(number, "sale:hold-out") for number in (1, 2, 3)] == [
        chance.bucket(number, "sale:hold-out") for number in (1, 2, 3)
    ]
    assert chance.bucket(17, "sale") != chance.bucket(17, "wish")


def test_each_tenth_of_a_crowd_is_a_tenth() -> None:
    tenths = Counter(chance.bucket(number, "sale") // 1_000 for number in range(1, 20_001))

    assert set(tenths) == set(range(10))
    # the binomial's standard deviation is 42: five of them
    assert all(abs(count - 2_000) < 212 for count in tenths.values())


def test_two_crowds_are_mixed_independently() -> None:
    both = sum(
        chance.is_held_out(number, "one", 50) and chance.is_held_out(number, "two", 50)
        for number in range(1, 10_001)
    )

    assert abs(both - 2_500) < 5 * 43


def test_arms_get_their_shares() -> None:
    got = Counter(
        chance.arm_of(number, ARMS, campaign="sale", step="s").id for number in range(1, 10_001)
    )

    assert abs(got["a"] - 2_500) < 5 * 43


def test_nobody_is_held_out_where_nothing_is_said() -> None:
    assert not any(chance.is_held_out(number, "sale", 0) for number in range(1_000))


@pytest.mark.parametrize("name", ["sale:hold-out", "wish:s1:test"])
def test_sql_finds_the_same_place(store: Store, name: str) -> None:
    numbers = [1, 2, 77, 99_999, 2_147_483_646, 2_147_483_648, 9_000_000_000]
    with store.read() as connection:
        found = [
            connection.scalar(
                sa.select(bucket_of(sa.cast(sa.literal(number), sa.BigInteger), name))
            )
            for number in numbers
        ]

    assert found == [chance.bucket(number, name) for number in numbers]
