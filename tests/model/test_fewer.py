"""Half of the cap for who wants fewer mails."""

from __future__ import annotations

from zoneinfo import ZoneInfo

import pytest

from crm_mailer.model import windows
from crm_mailer.model.campaign import Stream
from crm_mailer.model.shop import Shop
from crm_mailer.model.standing import Standing, refusal
from crm_mailer.model.touch import SkipReason


@pytest.mark.parametrize(
    ("count", "month", "fewer"), [(3, 8, (1, 4)), (4, 9, (2, 4)), (1, 1, (1, 1))]
)
def test_the_cap_is_halved_and_leaves_one(count: int, month: int, fewer: tuple[int, int]) -> None:
    shop = Shop(name="x", cap_count=count, cap_month=month)
    usual = windows.limits_for(shop, None, ZoneInfo("UTC"))
    less = windows.limits_for(shop, None, ZoneInfo("UTC"), wants_fewer=True)
    assert (usual.cap_count, usual.cap_month) == (count, month)
    assert (less.cap_count, less.cap_month) == fewer
    assert less.cap_days == usual.cap_days


@pytest.mark.parametrize(
    ("topic", "stream", "reason"),
    [
        ("news", Stream.MARKETING, SkipReason.TOPIC),
        ("sale", Stream.MARKETING, None),
        ("", Stream.MARKETING, None),
        ("news", Stream.TRANSACTIONAL, None),
    ],
)
def test_a_topic_that_is_off_refuses_its_own_marketing_only(
    topic: str, stream: Stream, reason: SkipReason | None
) -> None:
    assert refusal(Standing(topics_off=frozenset({"news"})), stream, topic) is reason
