from __future__ import annotations

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crm_mailer.model.birthday import (
    age_on,
    birthdays_within,
    celebrated_on,
    days_to_birthday,
    next_birthday,
)

days = st.dates(date(1950, 1, 1), date(2150, 1, 1))


def test_a_birthday_is_today_before_it_is_next_year() -> None:
    assert next_birthday(11, 2, today=date(2026, 11, 2)) == date(2026, 11, 2)
    assert next_birthday(11, 1, today=date(2026, 11, 2)) == date(2027, 11, 1)


def test_who_was_born_on_a_leap_day_celebrates_on_the_28th_in_other_years() -> None:
    assert next_birthday(2, 29, today=date(2026, 2, 1)) == date(2026, 2, 28)
    assert next_birthday(2, 29, today=date(2028, 2, 1)) == date(2028, 2, 29)
    assert next_birthday(2, 29, today=date(2027, 3, 1)) == date(2028, 2, 29)


def test_a_shop_may_let_them_celebrate_on_the_first_of_march() -> None:
    found = next_birthday(2, 29, today=date(2026, 2, 1), stand_in=(3, 1))

    assert found == date(2026, 3, 1)


def test_the_year_2100_is_no_leap_year() -> None:
    assert next_birthday(2, 29, today=date(2100, 2, 1)) == date(2100, 2, 28)


def test_a_day_that_is_in_no_year_is_refused() -> None:
    with pytest.raises(ValueError, match="day"):
        next_birthday(2, 30, today=date(2026, 1, 1))


@given(today=days, born=days)
def test_the_next_birthday_is_celebrated_on_its_day_and_within_a_year(
    today: date, born: date
) -> None:
    found = next_birthday(born.month, born.day, today=today)

    assert today <= found <= today + timedelta(days=366)
    assert (born.month, born.day) in celebrated_on(found)


@given(today=days, born=days, ahead=st.integers(0, 40))
def test_listing_the_birthdays_of_a_span_agrees_with_counting_the_days(
    today: date, born: date, ahead: int
) -> None:
    pair = (born.month, born.day)

    is_listed = pair in birthdays_within(today, range(ahead + 1))

    assert is_listed == (days_to_birthday(*pair, today=today) <= ahead)


def test_age_counts_full_years() -> None:
    birthday_eve, birthday = date(2026, 11, 1), date(2026, 11, 2)

    ages = [
        age_on(day, birth_year=1990, birth_month=11, birth_day=2)
        for day in (birthday_eve, birthday)
    ]

    assert ages == [35, 36]


def test_age_without_the_day_is_the_difference_of_the_years() -> None:
    assert age_on(date(2026, 1, 1), birth_year=1990) == 36
