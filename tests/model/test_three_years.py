"""Three years of birthdays, send times and quiet hours where clocks are at their most awkward."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from crm_mailer.model import birthday, curve, windows
from crm_mailer.model.moment import at_local, local_day
from crm_mailer.model.windows import Limits

DAY = timedelta(days=1)
#: Where a day, a midnight or half an hour was skipped or came twice, and odd offsets.
ZONES = {
    "Pacific/Apia": 2010, "America/Sao_Paulo": 2017, "Australia/Lord_Howe": 2026,
    "Africa/Casablanca": 2026, "Asia/Tehran": 2020, "America/St_Johns": 2026,
    "Pacific/Chatham": 2026, "Asia/Kathmandu": 2026, "Pacific/Kiritimati": 2026,
    "Africa/Cairo": 2026, "Asia/Beirut": 2026, "America/Havana": 2026, "Europe/Dublin": 2026,
    "Antarctica/Troll": 2026, "Asia/Gaza": 2026,
}  # fmt: skip
APIA_WITHOUT = date(2011, 12, 30)

every_zone = pytest.mark.parametrize(("name", "year"), ZONES.items(), ids=list(ZONES))


def days(year: int) -> list[date]:
    first = date(year, 1, 1)
    return [first + number * DAY for number in range((date(year + 3, 1, 1) - first).days)]


@every_zone
@pytest.mark.parametrize("send_at", [(0, 0), (2, 30), (10, 0)], ids=["midnight", "gap", "ten"])
def test_each_birthday_is_due_once_a_year_on_its_own_day(
    name: str, year: int, send_at: tuple[int, int]
) -> None:
    place, seen = ZoneInfo(name), dict[tuple[int, int], list[date]]()
    for today in days(year):
        due = curve.after_day(today, timedelta(0), place=place, send_at=send_at)
        local = due.astimezone(place)
        for pair in birthday.celebrated_on(today):
            seen.setdefault(pair, []).append(today)
        expected = today if (name, today) != ("Pacific/Apia", APIA_WITHOUT) else today + DAY
        assert local.date() == expected
        wall = (local.hour, local.minute)
        assert wall == send_at or wall > send_at or expected != today
        # a skipped time is made up for by the first valid minute after
        if wall != send_at:
            before = due - timedelta(minutes=1)
            assert before.astimezone(place).utcoffset() != local.utcoffset()

    assert set(map(len, seen.values())) == {3}
    assert len(seen) == 366


@every_zone
@pytest.mark.parametrize("quiet", [(21, 8), (0, 2), (2, 3), (23, 1)], ids=str)
def test_no_mail_leaves_in_a_quiet_hour_and_none_waits_for_more_than_a_night(
    name: str, year: int, quiet: tuple[int, int]
) -> None:
    place = ZoneInfo(name)
    rules = Limits(
        place=place, quiet_from=quiet[0], quiet_until=quiet[1], send_at=(10, 0),
        cap_count=3, cap_days=7,
    )  # fmt: skip
    length = timedelta(hours=(quiet[1] - quiet[0]) % 24)
    moment, end = datetime(year, 1, 1, tzinfo=UTC), datetime(year + 3, 1, 1, tzinfo=UTC)
    while moment < end:
        opened = windows.opening(moment, rules)
        hour = opened.astimezone(place).hour
        assert not windows.is_quiet(hour, quiet_from=quiet[0], quiet_until=quiet[1])
        assert moment <= opened <= moment + length + timedelta(hours=2)
        moment += timedelta(hours=7, minutes=20)


@every_zone
def test_a_calendar_day_begins_when_the_one_before_has_ended(name: str, year: int) -> None:
    place = ZoneInfo(name)
    starts = [at_local(day, 0, 0, place) for day in days(year)]

    for day, start, following in zip(days(year), starts, starts[1:], strict=False):
        if (name, day) == ("Pacific/Apia", APIA_WITHOUT):
            assert start == following
            continue
        assert local_day(start, place) == day
        assert local_day(start - timedelta(seconds=1), place) < day
        assert timedelta(hours=22) <= following - start <= timedelta(hours=26)
