from __future__ import annotations

from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

import pytest

from crm_mailer.model.moment import as_utc, at_local, days_between, stated_day, zone

NEW_YORK = ZoneInfo("America/New_York")


def test_a_time_that_a_clock_change_skips_becomes_the_first_one_after() -> None:
    moment = at_local(date(2027, 3, 14), 2, 30, NEW_YORK)
    assert moment.astimezone(NEW_YORK).strftime("%H:%M") == "03:00"


def test_a_time_that_occurs_twice_means_the_first() -> None:
    assert at_local(date(2026, 11, 1), 1, 30, NEW_YORK) == datetime(2026, 11, 1, 5, 30, tzinfo=UTC)


def test_a_skipped_midnight_becomes_one_o_clock() -> None:
    place = ZoneInfo("America/Sao_Paulo")
    assert at_local(date(2018, 11, 4), 0, 0, place).astimezone(place).hour == 1


def test_a_skipped_day_ends_on_the_next_one() -> None:
    place = ZoneInfo("Pacific/Apia")
    assert at_local(date(2011, 12, 30), 10, 0, place).astimezone(place).date() == date(2011, 12, 31)


def test_days_are_counted_where_the_counter_lives() -> None:
    evening, morning = datetime(2026, 1, 1, 23, 0, tzinfo=UTC), datetime(2026, 1, 2, 1, tzinfo=UTC)
    assert days_between(evening, morning, ZoneInfo("UTC")) == 1
    assert days_between(evening, morning, ZoneInfo("Asia/Shanghai")) == 0


@pytest.mark.parametrize("name", ["", "Mars/Olympus", "../../etc/passwd", "\0"])
def test_an_unknown_zone_is_the_default(name: str) -> None:
    assert zone(name, "Asia/Tokyo") == ZoneInfo("Asia/Tokyo")


def test_a_moment_without_a_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="no time zone"):
        as_utc(datetime(2026, 1, 1))  # noqa: DTZ001


@pytest.mark.parametrize("there", ["Europe/Moscow", "America/New_York", "Pacific/Auckland"])
@pytest.mark.parametrize("home", ["Asia/Shanghai", "UTC", "America/Los_Angeles"])
def test_a_day_without_an_hour_is_that_day_for_everybody(there: str, home: str) -> None:
    for kept_in in {home, "UTC"}:
        kept = at_local(date(2026, 8, 3), 0, 0, ZoneInfo(kept_in))
        assert stated_day(kept, ZoneInfo(there), ZoneInfo(home)) == date(2026, 8, 3)


@pytest.mark.parametrize(("there", "day"), [("Europe/Moscow", 2), ("Asia/Tokyo", 3)])
def test_an_hour_is_told_by_the_readers_clock(there: str, day: int) -> None:
    moment = datetime(2026, 8, 2, 16, 0, 1, tzinfo=UTC)
    told = stated_day(moment, ZoneInfo(there), ZoneInfo("Asia/Shanghai"))
    assert told == date(2026, 8, day)
