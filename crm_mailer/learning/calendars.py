"""The office's calendar with the public holidays of its country, for the years in question."""

from __future__ import annotations

import hashlib
from datetime import date, datetime
from functools import lru_cache

from crm_mailer.model.business_calendar import BusinessCalendar
from crm_mailer.model.moment import zone
from crm_mailer.model.shop import Shop
from crm_mailer.model.sla import ServiceLevels

#: Holidays are known for so many years back and ahead: no case is older or promised for later.
YEARS_BACK, YEARS_AHEAD = 5, 2
NO_COUNTRY = "none"


def levels_of(shop: Shop, now: datetime) -> ServiceLevels:
    """The shop's rules with its calendar around `now`."""
    rules = shop.cases
    hours = rules.hours
    country = hours.holidays_of or shop.country
    off, on = _holidays(country, now.year)
    place = zone(hours.time_zone or shop.time_zone)
    calendar = BusinessCalendar(
        place=place,
        opens=hours.opens,
        closes=hours.closes,
        weekdays=hours.weekdays,
        days_off=(off | hours.days_off) - hours.days_on,
        # The shop's own word beats the country's calendar.
        days_on=(on - hours.days_off) | hours.days_on,
    )
    return ServiceLevels(
        targets=rules.targets,
        calendar=calendar,
        warn=rules.warn,
        warn_at=rules.warn_at,
        dispute_window=rules.dispute_window,
    )


def fingerprint(levels: ServiceLevels) -> str:
    """Changes whenever cases would be due at other times."""
    calendar = levels.calendar
    targets = [
        (severity.value, one.first_response, one.update, one.solution, one.is_always)
        for severity, one in sorted(levels.targets.items())
    ]
    days = [sorted(one) for one in (calendar.weekdays, calendar.days_off, calendar.days_on)]
    hours = (calendar.place.key, calendar.opens, calendar.closes, calendar.is_always)
    told = repr((targets, days, hours, levels.warn_at))
    return hashlib.blake2b(told.encode(), digest_size=8).hexdigest()


@lru_cache(maxsize=64)
def _holidays(country: str, year: int) -> tuple[frozenset[date], frozenset[date]]:
    """Days off, and weekend days that are worked in exchange; none for a country we do not know."""
    import holidays  # a tenth of a second to import: only for who asks for times

    if country == NO_COUNTRY:
        return frozenset(), frozenset()
    years = range(year - YEARS_BACK, year + YEARS_AHEAD + 1)
    try:
        found = holidays.country_holidays(country, years=years)
    except NotImplementedError:
        return frozenset(), frozenset()
    return frozenset(found), frozenset(found.weekend_workdays)
