from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from crm_mailer.model.benefit import Held, Use, best_of, code_from, codes_in, pattern_chance, use_of

NOON = datetime(2026, 11, 2, 12, 0, tzinfo=UTC)
DAY = timedelta(days=1)
HELD = Held(customer_id=1, granted_at=NOON, valid_until=NOON + 30 * DAY, redeemed_order_id=None)


@pytest.mark.parametrize(
    ("cell", "codes"),
    [
        ("", ()),
        (" save10 ", ("SAVE10",)),
        ("SAVE10, Summer", ("SAVE10", "SUMMER")),
        ("A;B|C", ("A", "B", "C")),
        ("A, a", ("A",)),
        ("code:SAVE10|amount:5.00;code:FREE|amount:0", ("SAVE10", "FREE")),
        ("SAVE 10", ("SAVE10",)),
    ],
)
def test_a_cell_of_codes_is_read_as_shops_write_it(cell: str, codes: tuple[str, ...]) -> None:
    assert codes_in(cell) == codes


def test_a_pattern_has_places_for_chance() -> None:
    assert pattern_chance("B{3}-{4}") == 7
    assert code_from("B{3}-{4}", "ABCDEFG") == "BABC-DEFG"


@pytest.mark.parametrize(
    ("customer", "placed_at", "used_by", "use"),
    [
        (1, NOON + DAY, None, Use.REDEEMED),
        (None, NOON + DAY, None, Use.REDEEMED),
        (1, NOON + 30 * DAY, None, Use.REDEEMED),
        (1, NOON + 31 * DAY, None, Use.EXPIRED),
        (2, NOON + 31 * DAY, None, Use.OTHER_CUSTOMER),
        (1, NOON + DAY, 7, Use.REDEEMED),
        (1, NOON + DAY, 8, Use.AGAIN),
    ],
)
def test_what_an_order_is_to_a_grant(
    customer: int | None, placed_at: datetime, used_by: int | None, use: Use
) -> None:
    held = HELD._replace(redeemed_order_id=used_by)

    assert use_of(held, order_id=7, customer_id=customer, placed_at=placed_at) is use


def test_of_grants_that_share_a_code_the_own_unused_valid_oldest_one_counts() -> None:
    others = HELD._replace(customer_id=2)
    used = HELD._replace(redeemed_order_id=5)
    over = HELD._replace(valid_until=NOON)
    younger = HELD._replace(granted_at=NOON + DAY)

    assert best_of([others, used, over, younger, HELD], 1, NOON + 2 * DAY) is HELD
    assert best_of([others, used, over], 1, NOON + 2 * DAY) is over
    assert best_of([others, used], 1, NOON + 2 * DAY) is used
