from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crm_mailer.model import curve, moment
from crm_mailer.model.curve import Adaptive, Course, Ending, Signal

DAY = timedelta(days=1)
TEN = (10, 0)


def test_spans_are_exact_and_days_are_the_customers() -> None:
    arrived = datetime(2026, 11, 2, 18, 20, tzinfo=UTC)  # 00:05 on the 3rd in Kathmandu
    place = ZoneInfo("Asia/Kathmandu")

    span = curve.after_moment(arrived, timedelta(hours=36), place=place, send_at=TEN)
    day = curve.after_moment(arrived, DAY, place=place, send_at=TEN)

    assert span == arrived + timedelta(hours=36)
    assert day.astimezone(place) == datetime(2026, 11, 4, 10, 0, tzinfo=place)


@pytest.mark.parametrize(
    ("place", "day", "at", "expected"),
    [
        # The clock jumps from 02:00 to 03:00: 02:30 does not exist.
        ("Europe/Madrid", date(2026, 3, 29), (2, 30), "2026-03-29T01:00:00+00:00"),
        # 02:30 comes twice; the first one counts.
        ("Europe/Madrid", date(2026, 10, 25), (2, 30), "2026-10-25T00:30:00+00:00"),
        ("Asia/Kathmandu", date(2026, 5, 1), (10, 0), "2026-05-01T04:15:00+00:00"),
        ("Pacific/Apia", date(2026, 5, 1), (10, 0), "2026-04-30T21:00:00+00:00"),
        # Samoa skipped the whole of 30 December 2011.
        ("Pacific/Apia", date(2011, 12, 30), (10, 0), "2011-12-30T10:00:00+00:00"),
        ("America/Sao_Paulo", date(2018, 11, 4), (0, 0), "2018-11-04T03:00:00+00:00"),
    ],
)
def test_a_wall_clock_time_is_one_instant_even_when_clocks_change(
    place: str, day: date, at: tuple[int, int], expected: str
) -> None:
    assert moment.at_local(day, *at, ZoneInfo(place)).isoformat() == expected


def test_a_step_on_the_day_itself_leaves_at_send_at() -> None:
    place = ZoneInfo("America/Los_Angeles")

    due = curve.after_day(date(2026, 7, 4), timedelta(0), place=place, send_at=TEN)

    assert due == datetime(2026, 7, 4, 17, 0, tzinfo=UTC)


# ------------------------------------------------------------------ the adaptive curve

LETTERS = {
    "N": Signal.NOTHING,
    "B": Signal.BOUNCED,
    "U": Signal.MACHINE_OPEN,
    "O": Signal.HUMAN_OPEN,
    "C": Signal.CLICK,
    "R": Signal.REPLY,
    "P": Signal.PURCHASE,
    "X": Signal.STOP,
}


def played(letters: str, **parameters: Any) -> Course:
    return curve.play([LETTERS[letter] for letter in letters], Adaptive(**parameters))


@pytest.mark.parametrize(
    ("decay", "gaps", "last"),
    [
        (1.5, [1, 2, 2.3764, 3.5646, 5.0411, 7.8157, 15.6314, 23.9521], 61.3813),
        (1.0, [1, 2, 2.3333, 3.5, 4.9497, 7.6005, 15.2010, 22.8015], 59.3861),
    ],
)
def test_the_worked_example(decay: float, gaps: list[float], last: float) -> None:
    course = played("NCOUCNRC", decay=decay)

    assert course.gaps == pytest.approx(gaps, abs=5e-5)
    assert course.offsets[-1] == pytest.approx(last, abs=5e-5)
    assert course.ended is Ending.DONE


@pytest.mark.parametrize("decay", [0.5, 1.0, 1.5, 3.0])
def test_a_silent_customer_gets_the_taught_calendar_and_is_left_alone(decay: float) -> None:
    course = played("NNNNNNNN", decay=decay)

    assert course.offsets == pytest.approx((1, 3, 7, 15))
    assert course.ended is Ending.PAUSED


def test_offers_begin_later() -> None:
    assert played("NNNN", first_half_life=3.0).offsets == pytest.approx((3, 9, 21, 45))


def test_clicks_double_the_wait_up_to_the_longest_one() -> None:
    course = played("CCCCCCCC")

    assert course.gaps == pytest.approx((1, 2, 4, 8, 16, 32, 64, 90))
    assert course.offsets == pytest.approx((1, 3, 7, 15, 31, 63, 127, 217))
    assert course.memory.half_life == pytest.approx(180)


@pytest.mark.parametrize(
    ("letters", "ended", "gaps"),
    [
        ("NCP", Ending.CONVERTED, 3),
        ("NX", Ending.STOPPED, 2),
        ("UUUUUUUU", Ending.PAUSED, 8),
        ("NNN", None, 3),
        ("", None, 0),
        ("XCCC", Ending.STOPPED, 1),
    ],
)
def test_a_course_ends_where_it_must(letters: str, ended: Ending | None, gaps: int) -> None:
    course = played(letters)

    assert (course.ended, len(course.gaps)) == (ended, gaps)
    assert (course.next_gap is None) is (ended is not None)


def test_a_mail_that_came_back_changes_nothing_and_is_followed_after_a_day() -> None:
    course = played("CBC")

    # the click after it answers the second mail that arrived, three days after the first
    assert course.gaps == pytest.approx((1, 2, 1))
    assert course.memory.half_life == pytest.approx(2 * (1 + 2 * (1 - curve.recall(3, 2))))
    assert course.memory.touches == 2


def test_a_purchase_lengthens_the_memory_twice_as_much_as_a_click() -> None:
    assert played("C").memory.half_life == pytest.approx(2)
    assert played("P").memory.half_life == pytest.approx(3)


@pytest.mark.parametrize(
    ("retention", "decay", "times"), [(0.6, 1.0, 0.667), (0.6, 1.5, 0.69), (0.5, 1.5, 1)]
)
def test_whoever_is_worth_more_hears_sooner(retention: float, decay: float, times: float) -> None:
    assert curve.stretch(retention, decay) == pytest.approx(times, abs=1e-3)


def test_the_first_half_life_can_be_a_share_of_the_shops_own() -> None:
    adaptive = Adaptive(share_of_shop=0.25)

    assert adaptive.of_shop(56.0).first_half_life == 14
    assert adaptive.of_shop(None).first_half_life == 22.5
    assert Adaptive().of_shop(56.0).first_half_life == 1


histories = st.lists(st.sampled_from(Signal), max_size=12)
curves = st.builds(
    Adaptive,
    first_half_life=st.floats(0.1, 180),
    retention=st.floats(0.05, 0.95),
    backoff=st.floats(1, 10),
    decay=st.floats(0.1, 10),
)


@given(st.floats(0.01, 3000), st.floats(0.01, 3000), st.floats(0.05, 365), st.floats(0.1, 10))
def test_recall_falls_and_never_quite_ends(
    one: float, other: float, half_life: float, decay: float
) -> None:
    sooner, later = sorted((one, other))
    first = curve.recall(sooner, half_life, decay=decay)
    second = curve.recall(later, half_life, decay=decay)

    assert 0 < second <= first < 1
    assert curve.recall(half_life, half_life, decay=decay) == pytest.approx(0.5)


@given(histories, curves)
def test_a_memory_never_shrinks_and_waits_keep_their_bounds(
    history: list[Signal], adaptive: Adaptive
) -> None:
    lengths = [
        curve.play(history[:number], adaptive).memory.half_life
        for number in range(len(history) + 1)
    ]
    course = curve.play(history, adaptive)

    assert lengths == sorted(lengths)
    assert all(adaptive.shortest <= gap <= adaptive.longest for gap in course.gaps)
    assert course.memory.touches <= adaptive.touches
    assert curve.play(history, adaptive) == course


@given(histories, curves, st.floats(1, 3))
def test_more_backing_off_never_brings_a_mail_earlier(
    history: list[Signal], adaptive: Adaptive, more: float
) -> None:
    patient = replace(adaptive, backoff=adaptive.backoff * more)

    pairs = zip(curve.play(history, adaptive).gaps, curve.play(history, patient).gaps, strict=True)

    assert all(later >= sooner - 1e-9 for sooner, later in pairs)
