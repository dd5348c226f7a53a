from __future__ import annotations

from collections.abc import Sequence

import pytest

from crm_mailer.learning import disputes
from crm_mailer.model.order import OrderState
from tests.learning.shop import NOW


@pytest.mark.parametrize(
    ("codes", "reason"),
    [
        (["threat.dispute", "nr.in_transit"], "nr.in_transit"),
        (["nad.quality", "safety"], "safety"),
        (["svc.rude", "nad.quality"], "nad.quality"),
        (["nad.quality", "nad.damaged"], "nad.quality"),
        (["ask.tracking", "threat.review"], "threat.review"),
        (["other", "threat.dispute"], "threat.dispute"),
        (["ask.tracking"], "other"),
        ([], "other"),
        (["our.own_code"], "our.own_code"),
    ],
)
def test_a_case_is_named_by_its_gravest_cause(codes: Sequence[str], reason: str) -> None:
    assert disputes.main_reason(codes) == reason


@pytest.mark.parametrize(
    ("reason", "states", "words"),
    [
        ("nr.in_transit", "paid shipped arrived", "it arrived on"),
        ("nr.no_tracking", "paid shipped received", "it arrived on"),
        ("nr.in_transit", "paid", "know no shipment"),
        ("nr.in_transit", "paid shipped", ""),
        ("nr.marked_delivered", "paid shipped arrived", ""),
        ("nr.marked_delivered", "paid shipped", "know of no arrival"),
        ("nad.damaged", "paid shipped", "know of no arrival"),
        ("nad.damaged", "paid shipped arrived", ""),
        ("pay.refund", "paid refunded", "refund that was made on"),
        ("order.cancel", "paid shipped", "shipped on"),
        ("svc.rude", "paid", ""),
        ("nad.damaged", "", ""),
    ],
)
def test_the_parcels_state_is_held_against_the_words(reason: str, states: str, words: str) -> None:
    facts = {OrderState(state): NOW for state in states.split()}

    said = disputes.clash(reason, facts)

    assert (words in said) if words else said == ""
