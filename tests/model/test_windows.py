from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo, available_timezones

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crm_mailer.model import windows
from crm_mailer.model.windows import Limits

DAY = timedelta(days=1)
ZONES = st.sampled_from(
    sorted(available_timezones() & {
        "Asia/Kathmandu", "Pacific/Apia", "Europe/Madrid", "America/Sao_Paulo", "Asia/Tehran",
        "Australia/Lord_Howe", "America/St_Johns", "UTC", "Pacific/Kiritimati",
    })
)  # fmt: skip
MOMENTS = st.datetimes(datetime(2018, 1, 1), datetime(2027, 1, 1)).map(  # noqa: DTZ001
    lambda moment: moment.replace(microsecond=0, tzinfo=UTC)
)
HOURS = st.tuples(st.integers(0, 23), st.integers(0, 23))


def limits(place: ZoneInfo, quiet: tuple[int, int] = (21, 8), count: int = 3) -> Limits:
    return Limits(
        place=place, quiet_from=quiet[0], quiet_until=quiet[1], send_at=(10, 0),
        cap_count=count, cap_days=7,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("local", "expected"),
    [
        ("2026-11-02T20:59", "2026-11-02T20:59"),
        ("2026-11-02T21:00", "2026-11-03T08:00"),
        ("2026-11-03T00:30", "2026-11-03T08:00"),
        ("2026-11-03T07:59", "2026-11-03T08:00"),
        ("2026-11-03T08:00", "2026-11-03T08:00"),
        # The night on which clocks go forward, and the one on which they go back.
        ("2026-03-28T23:00", "2026-03-29T08:00"),
        ("2026-10-24T23:00", "2026-10-25T08:00"),
    ],
)
def test_the_night_is_waited_out(local: str, expected: str) -> None:
    place = ZoneInfo("Europe/Madrid")
    moment = datetime.fromisoformat(local).replace(tzinfo=place).astimezone(UTC)

    allowed = windows.opening(moment, limits(place))

    assert allowed.astimezone(place).strftime("%Y-%m-%dT%H:%M") == expected


@given(MOMENTS, ZONES, HOURS)
def test_an_allowed_moment_is_never_quiet_never_earlier_and_never_far(
    moment: datetime, name: str, quiet: tuple[int, int]
) -> None:
    place, (start, end) = ZoneInfo(name), quiet

    allowed = windows.opening(moment, limits(place, quiet))

    hour = allowed.astimezone(place).hour
    assert not windows.is_quiet(hour, quiet_from=start, quiet_until=end)
    assert moment <= allowed <= moment + timedelta(hours=26)


@given(st.lists(MOMENTS, min_size=1, max_size=12), ZONES, HOURS, st.integers(1, 4))
def test_given_slots_always_keep_the_cap_and_the_quiet_hours(
    wishes: list[datetime], name: str, quiet: tuple[int, int], count: int
) -> None:
    place = ZoneInfo(name)
    rules = limits(place, quiet, count)
    base = wishes[0]
    taken: list[datetime] = []
    for number, wish in enumerate(wishes):
        moment = base + (wish - base) % timedelta(days=12) + timedelta(minutes=number)
        slot = windows.first_slot(moment, taken, rules, until=moment + 5 * DAY)
        if slot is not None:
            assert moment <= slot <= moment + 5 * DAY
            taken.append(slot)

    days = sorted(slot.astimezone(place).date() for slot in taken)
    assert len(set(days)) == len(days)
    assert all((last - first).days >= 7 for first, last in zip(days, days[count:], strict=False))


def test_a_slot_counts_what_is_planned_after_it_too() -> None:
    place = ZoneInfo("UTC")
    monday = datetime(2026, 11, 2, 10, 0, tzinfo=UTC)
    taken = [monday + 2 * DAY, monday + 4 * DAY, monday + 6 * DAY]

    assert windows.first_slot(monday, taken, limits(place), until=monday + DAY) is None
    assert windows.first_slot(monday - DAY, taken, limits(place), until=monday) == monday - DAY
