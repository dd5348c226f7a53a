from __future__ import annotations

from datetime import date
from decimal import Decimal

import pytest

from crm_mailer.model.segment import EVERYBODY, AllOf, AnyOf, Compare, InSegment, Not, Rule
from crm_mailer.model.segment_blocks import Bounds, Contact
from crm_mailer.model.segment_logic import verdict

NINE = Decimal(9)
FIVE = Compare("r", "is", 5)
LOW = Compare("r", "at_most", 2)


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        (EVERYBODY, True),
        (AnyOf(()), False),
        (FIVE, None),
        (InSegment("a"), None),
        (AllOf((FIVE, LOW)), False),
        (AllOf((FIVE, AllOf((InSegment("a"), LOW)))), False),
        (AllOf((FIVE, AnyOf((FIVE, LOW)))), None),
        (AnyOf((AllOf((FIVE, LOW)), AllOf((FIVE, LOW)))), False),
        (AllOf((InSegment("a"), Not(InSegment("a")))), False),
        (AnyOf((InSegment("a"), Not(InSegment("a")))), True),
        (AllOf((FIVE, Not(FIVE))), False),
        (AllOf((Compare("r", "at_least", 3), Compare("r", "at_most", 3))), None),
        (AllOf((Compare("r", "above", 3), Compare("r", "below", 4))), False),
        (AllOf((Compare("r", "unknown", True), LOW)), False),
        (AllOf((Compare("r", "unknown", True), Not(LOW))), None),
        (AnyOf((Compare("r", "at_least", 1), Compare("r", "unknown", True))), True),
        (AnyOf((Compare("r", "at_least", 1),)), None),
        (AllOf((Compare("city", "is", "Minsk"), Compare("city", "is", "Brest"))), False),
        (AllOf((Compare("city", "begins_with", "Mi"), Compare("city", "is", "Minsk"))), None),
        (AllOf((Compare("tag", "is", "a"), Compare("tag", "is", "b"))), None),
        (AllOf((Compare("is_flagged", "is", True), Compare("is_flagged", "is", False))), False),
        (AllOf((Compare("spent_usd", "above", NINE), Compare("spent_usd", "is", NINE))), False),
        (
            AllOf((Compare("known_since", "before", 60), Compare("known_since", "since", 30))),
            False,
        ),
        (
            AllOf((Compare("known_since", "before", 30), Compare("known_since", "since", 60))),
            None,
        ),
        (
            AllOf(
                (
                    Compare("known_since", "before", 30),
                    Compare("known_since", "since", date(2026, 1, 1)),
                )
            ),
            None,
        ),
        (Compare("mailed", "is", Contact(times=Bounds())), True),
        (Not(Compare("mailed", "is", Contact(times=Bounds()))), False),
    ],
)  # fmt: skip
def test_what_lines_alone_tell(rule: Rule, expected: bool | None) -> None:
    assert verdict(rule) is expected
