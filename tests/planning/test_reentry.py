from __future__ import annotations

from datetime import timedelta
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from crm_mailer.planning import reentry
from tests.planning.people import NOON

DAY = timedelta(days=1)


def at(*days: int) -> list[reentry.Event]:
    return [(NOON + DAY * day, f"order:{day}") for day in days]


def test_an_event_soon_after_the_last_one_starts_nothing() -> None:
    assert reentry.too_soon(at(0), at(10, 31), 30 * DAY) == frozenset(at(10))


def test_what_started_nothing_prolongs_nothing() -> None:
    assert reentry.too_soon((), at(0, 20, 40), 30 * DAY) == frozenset(at(20))


def test_never_again_is_never_again() -> None:
    assert reentry.too_soon(at(0), at(4_000), None) == frozenset(at(4_000))


@given(st.lists(st.integers(0, 400), unique=True), st.integers(1, 60))
def test_planning_again_refuses_the_same(days: list[int], rest: int) -> None:
    refused = reentry.too_soon((), at(*days), rest * DAY)
    started = set(at(*days)) - refused

    assert reentry.too_soon(started, at(*days), rest * DAY) == refused
    gaps = sorted(event[0] for event in started)
    assert all(b - a >= rest * DAY for a, b in pairwise(gaps))
