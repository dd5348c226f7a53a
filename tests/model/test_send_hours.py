from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crm_mailer.model import send_hours
from crm_mailer.model.send_hours import Hours

DAYTIME = send_hours.allowed(21, 8)
HISTOGRAM = st.lists(st.integers(0, 30), min_size=24, max_size=24)


def seen(**hours: int) -> list[int]:
    return [hours.get(f"h{hour}", 0) for hour in range(24)]


EVEN = send_hours.habit([1] * 24)
MORNING = send_hours.habit(seen(h9=20, h10=60, h11=20))


def test_mail_by_choice_leaves_by_day() -> None:
    assert tuple(range(9, 20)) == DAYTIME
    assert send_hours.allowed(6, 22) == (0, 1, 2, 3, 4, 5, 22, 23)


@pytest.mark.parametrize(
    ("counts", "everybody", "expected"),
    [
        (seen(h18=2), EVEN, None),
        (seen(h18=3), EVEN, 18),
        (seen(h18=3), MORNING, 10),
        (seen(h18=20), MORNING, 18),
        (seen(h23=9), EVEN, 9),
        (seen(h20=9), EVEN, 19),
        (seen(h11=2, h13=2), EVEN, 12),
    ],
    ids=["too few", "own", "everybody's", "own beats", "night", "edge", "between"],
)
def test_the_hour_is_the_customers_own_as_far_as_it_is_known(
    counts: list[int], everybody: tuple[float, ...], expected: int | None
) -> None:
    assert send_hours.best_hour(counts, everybody, DAYTIME) == expected


@given(HISTOGRAM.filter(any), HISTOGRAM.filter(lambda counts: sum(counts) >= send_hours.ENOUGH))
def test_the_choice_is_the_greatest_sum_of_three_smoothed_chances(
    all_: list[int], own: list[int]
) -> None:
    def chance(hour: int) -> float:
        near = own[(hour - 1) % 24] / 4 + own[hour] / 2 + own[(hour + 1) % 24] / 4
        return (near + 10 * all_[hour] / sum(all_)) / (sum(own) + 10)

    def around(hour: int) -> float:
        return sum(chance((hour + near) % 24) for near in (-1, 0, 1))

    best = send_hours.best_hour(own, send_hours.habit(all_), DAYTIME)

    assert best is not None
    assert around(best) == pytest.approx(max(around(hour) for hour in DAYTIME))


def test_a_tenth_of_the_mails_tries_another_hour_and_each_mail_always_the_same() -> None:
    hours = Hours(best=18, allowed=DAYTIME)
    chosen = [send_hours.chosen(hours, customer_id=one, name="news") for one in range(5_000)]

    tried = [hour for hour in chosen if hour != 18]
    assert 0.07 < len(tried) / len(chosen) < 0.12
    assert set(tried) == set(DAYTIME) - {18}
    assert chosen == [
        send_hours.chosen(hours, customer_id=one, name="news") for one in range(5_000)
    ]


def test_a_spread_fills_its_span_evenly_and_each_customer_keeps_the_place() -> None:
    hour = timedelta(hours=1)
    delays = [send_hours.delay(hour, customer_id=one, name="news") for one in range(6_000)]

    assert min(delays) >= timedelta(0)
    assert max(delays) < hour
    by_minute = [sum(delay.seconds // 600 == part for delay in delays) for part in range(6)]
    assert all(850 < number < 1150 for number in by_minute)
    assert delays[:9] == [send_hours.delay(hour, customer_id=one, name="news") for one in range(9)]


def test_a_crowd_that_is_seen_at_one_hour_only_gets_that_hour() -> None:
    assert send_hours.popular_hour(seen(h18=9), DAYTIME) == 18
    assert send_hours.popular_hour(seen(h3=9, h10=2, h12=2), DAYTIME) == 11
