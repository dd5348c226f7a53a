from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from crm_mailer.model import curve, moment

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
