from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from hypothesis import given
from hypothesis import strategies as st

from crm_mailer.model import windows
from crm_mailer.model.shop import Shop

DAY = timedelta(days=1)
START = datetime(2026, 11, 2, 12, 0, tzinfo=UTC)
LIMITS = windows.limits_for(Shop(name="x"), None, ZoneInfo("UTC"))


@given(st.lists(st.integers(0, 120), max_size=60))
def test_nobody_gets_more_than_one_a_day_three_a_week_and_eight_a_month(days: list[int]) -> None:
    taken: list[datetime] = []
    for day in days:
        slot = windows.first_slot(START + day * DAY, taken, LIMITS, until=START + 400 * DAY)
        assert slot is not None
        taken.append(slot)

    places = sorted((slot.date() - START.date()).days for slot in taken)
    for within, count in ((1, 1), (7, 3), (30, 8)):
        assert all(
            last - first >= within for first, last in zip(places, places[count:], strict=False)
        )


def test_the_ninth_mail_of_a_month_waits_for_the_first_one_to_be_thirty_days_old() -> None:
    taken = [START + day * DAY for day in (0, 3, 6, 9, 12, 15, 18, 21)]

    slot = windows.first_slot(START + 24 * DAY, taken, LIMITS, until=START + 60 * DAY)

    assert slot is not None
    assert slot.date() == (START + 30 * DAY).date()


def test_a_shop_looks_back_as_far_as_its_longest_cap() -> None:
    assert windows.look_back(Shop(name="x")) == 31 * DAY
    assert windows.look_back(Shop(name="x", cap_days=60)) == 61 * DAY
