from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo, available_timezones

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from crm_mailer.model import windows
from crm_mailer.model.send_window import SendWindow
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


WINDOWS = st.builds(
    SendWindow,
    opens=st.integers(0, 23),
    closes=st.integers(0, 24),
    weekdays=st.frozensets(st.integers(0, 6), min_size=1),
)


def limits(
    place: ZoneInfo,
    quiet: tuple[int, int] = (21, 8),
    count: int = 3,
    window: SendWindow | None = None,
) -> Limits:
    return Limits(
        place=place, quiet_from=quiet[0], quiet_until=quiet[1], send_at=(10, 0),
        cap_count=count, cap_days=7, window=window,
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


@pytest.mark.parametrize(
    ("local", "expected"),
    [
        ("2026-11-02T08:59", "2026-11-02T09:00"),
        ("2026-11-02T09:30", "2026-11-02T09:30"),
        ("2026-11-06T18:00", "2026-11-09T09:00"),
        ("2026-11-07T12:00", "2026-11-09T09:00"),
        ("2026-11-08T23:30", "2026-11-09T09:00"),
    ],
)
def test_a_window_on_working_days_is_waited_for(local: str, expected: str) -> None:
    place = ZoneInfo("Europe/Madrid")
    office = SendWindow(opens=9, closes=18, weekdays=frozenset(range(5)))
    moment = datetime.fromisoformat(local).replace(tzinfo=place).astimezone(UTC)

    allowed = windows.opening(moment, limits(place, window=office))

    assert allowed.astimezone(place).strftime("%Y-%m-%dT%H:%M") == expected


def test_a_window_over_midnight_gives_way_to_the_night() -> None:
    place = ZoneInfo("UTC")
    late = SendWindow(opens=19, closes=2)
    moment = datetime(2026, 11, 2, 21, 30, tzinfo=UTC)

    allowed = windows.opening(moment, limits(place, window=late))

    assert allowed == datetime(2026, 11, 3, 19, 0, tzinfo=UTC)


@given(MOMENTS, ZONES, HOURS, WINDOWS)
def test_a_moment_in_a_window_is_open_and_not_quiet_and_the_soonest(
    moment: datetime, name: str, quiet: tuple[int, int], window: SendWindow
) -> None:
    place, (start, end) = ZoneInfo(name), quiet

    def is_free(at: datetime) -> bool:
        local = at.astimezone(place)
        return window.is_open(local) and not windows.is_quiet(
            local.hour, quiet_from=start, quiet_until=end
        )

    overlap = sum(
        window.has_hour(hour) and not windows.is_quiet(hour, quiet_from=start, quiet_until=end)
        for hour in range(24)
    )
    assume(overlap > 2)

    allowed = windows.opening(moment, limits(place, quiet, window=window))

    assert is_free(allowed)
    assert moment <= allowed <= moment + timedelta(days=8)
    waited = int((allowed - moment) / timedelta(hours=1))
    assert not any(is_free(moment + timedelta(hours=hour)) for hour in range(waited))


def test_a_slot_counts_what_is_planned_after_it_too() -> None:
    place = ZoneInfo("UTC")
    monday = datetime(2026, 11, 2, 10, 0, tzinfo=UTC)
    taken = [monday + 2 * DAY, monday + 4 * DAY, monday + 6 * DAY]

    assert windows.first_slot(monday, taken, limits(place), until=monday + DAY) is None
    assert windows.first_slot(monday - DAY, taken, limits(place), until=monday) == monday - DAY
