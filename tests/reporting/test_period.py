from __future__ import annotations

from datetime import date, datetime

import pytest

from crm_mailer.model.errors import NotPossible
from crm_mailer.model.period import period
from tests.reporting.months import NOW, PLACE


def test_nothing_said_means_ninety_days_until_today() -> None:
    one = period(None, None, now=NOW, place=PLACE)

    assert (one.first, one.last, one.days) == (date(2026, 8, 5), date(2026, 11, 2), 90)


def test_days_begin_at_midnight_of_the_shop() -> None:
    one = period(date(2026, 11, 2), date(2026, 11, 2), now=NOW, place=PLACE)

    assert one.since == datetime.fromisoformat("2026-11-01T16:00:00+00:00")
    assert one.before == datetime.fromisoformat("2026-11-02T16:00:00+00:00")


def test_the_period_before_is_as_long_and_ends_where_this_begins() -> None:
    one = period(date(2026, 3, 1), date(2026, 3, 31), now=NOW, place=PLACE)

    assert (one.previous().first, one.previous().last) == (date(2026, 1, 29), date(2026, 2, 28))
    assert one.previous().before == one.since


def test_months_go_over_the_year() -> None:
    one = period(date(2025, 12, 31), date(2026, 2, 1), now=NOW, place=PLACE)

    assert [name for name, _start in one.months()] == ["2025-12", "2026-01", "2026-02"]


@pytest.mark.parametrize(
    ("first", "last"),
    [
        (date(2026, 5, 2), date(2026, 5, 1)),
        (date(1900, 1, 1), None),
        (None, date(9999, 12, 31)),
        (None, date(1, 1, 2)),
        (date(1970, 1, 1), date(2026, 1, 1)),
    ],
)
def test_an_impossible_period_is_refused(first: date | None, last: date | None) -> None:
    with pytest.raises(NotPossible):
        period(first, last, now=NOW, place=PLACE)
