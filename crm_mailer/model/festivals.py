"""When a festival falls, in which year and for whom: fixed days, moving feasts, shops' own days."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta

from crm_mailer.model import public_holidays

_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class FixedDay:
    """The same day each year; 29 February is kept on the 28th in other years."""

    month: int
    day: int

    def in_year(self, year: int) -> tuple[date, ...]:
        """Its one day of the year."""
        return (_clipped(year, self.month, self.day),)


@dataclass(frozen=True, slots=True, kw_only=True)
class WeekdayOfMonth:
    """Such as the fourth Thursday of November. `weekday` 0 is Monday; `nth` -1 is the last."""

    nth: int
    weekday: int
    month: int

    def in_year(self, year: int) -> tuple[date, ...]:
        """Its day of the year; none where the month has no fifth."""
        if self.nth < 0:
            last = _clipped(year, self.month, 31)
            return (last - ((last.weekday() - self.weekday) % 7) * _DAY,)
        first = date(year, self.month, 1)
        found = first + ((self.weekday - first.weekday()) % 7 + 7 * (self.nth - 1)) * _DAY
        return (found,) if found.month == self.month else ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Easter:
    """Easter Sunday, western or orthodox."""

    is_orthodox: bool = False

    def in_year(self, year: int) -> tuple[date, ...]:
        """Its one day of the year."""
        return (orthodox_easter(year) if self.is_orthodox else western_easter(year),)


@dataclass(frozen=True, slots=True, kw_only=True)
class GivenDays:
    """Days that were written down one by one, for feasts that no rule of ours knows."""

    days: tuple[date, ...]

    def in_year(self, year: int) -> tuple[date, ...]:
        """Those of the year."""
        return tuple(sorted(day for day in self.days if day.year == year))


@dataclass(frozen=True, slots=True, kw_only=True)
class PublicHoliday:
    """A public holiday by its English name, in each customer's own country or that of `of`."""

    name: str
    of: str = ""

    def in_country(self, country: str, year: int) -> tuple[date, ...]:
        """Its days of the year, as that country keeps it."""
        return public_holidays.days_of(self.of or country, year, self.name)


DayRule = FixedDay | WeekdayOfMonth | Easter | GivenDays | PublicHoliday


@dataclass(frozen=True, slots=True, kw_only=True)
class Observance:
    """How some countries keep a festival; no countries means all that no other line names.

    `shift` is added to the day of the rule: Black Friday is the day after a fourth Thursday.
    """

    rule: DayRule
    shift: timedelta = timedelta(0)
    countries: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Festival:
    """A festival as a calendar file describes it."""

    id: str
    name: str = ""
    observances: tuple[Observance, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Occurrence:
    """One day of a festival, and the countries for whose customers it is the day.

    `key` names the occasion: the festival's year (the month too for days written one by one),
    not its day, so that an almanac that is corrected by a day wishes nobody well twice.
    """

    key: str
    day: date
    countries: frozenset[str] = field(default_factory=frozenset)
    #: Everybody but `countries`, whose customers keep it on another day.
    is_for_others: bool = False

    def is_for(self, country: str) -> bool:
        """Whether it is the day of customers who live there."""
        return (country.upper() in self.countries) is not self.is_for_others


def occurrences(festival: Festival, first: date, last: date) -> list[Occurrence]:
    """The festival's days from `first` to `last`, by day; of two lines for a country the upper."""
    found: list[Occurrence] = []
    named: set[str] = set()
    everywhere = frozenset(code for one in festival.observances for code in one.countries)
    for one in festival.observances:
        mine = frozenset(one.countries - named)
        named |= mine
        for year in range(first.year - 1, last.year + 2):
            found.extend(_of_year(festival, one, mine, everywhere, year))
    return sorted(
        (one for one in found if first <= one.day <= last),
        key=lambda one: (one.day, one.key, sorted(one.countries)),
    )


def _of_year(
    festival: Festival,
    one: Observance,
    mine: frozenset[str],
    everywhere: frozenset[str],
    year: int,
) -> Iterator[Occurrence]:
    for (key, day), countries in _days(one.rule, mine, year).items():
        is_for_others = not one.countries
        yield Occurrence(
            key=f"festival:{festival.id}:{key}",
            day=day + one.shift,
            countries=everywhere if is_for_others else frozenset(countries),
            is_for_others=is_for_others,
        )


def _days(rule: DayRule, mine: frozenset[str], year: int) -> dict[tuple[str, date], set[str]]:
    """The rule's days of a year with the key of each, and which of `mine` keep them."""
    found: dict[tuple[str, date], set[str]] = {}
    if isinstance(rule, PublicHoliday) and not rule.of:
        for country in sorted(mine):
            for key, day in _keyed(str(year), rule.in_country(country, year)):
                found.setdefault((key, day), set()).add(country)
        return found
    if isinstance(rule, GivenDays):
        days = rule.in_year(year)
        months = sorted({day.month for day in days})
        keyed = [
            one
            for month in months
            for one in _keyed(f"{year}-{month:02d}", [day for day in days if day.month == month])
        ]
    elif isinstance(rule, PublicHoliday):
        keyed = _keyed(str(year), rule.in_country(rule.of, year))
    else:
        keyed = _keyed(str(year), rule.in_year(year))
    return {one: set(mine) for one in keyed}


def _keyed(key: str, days: Sequence[date]) -> list[tuple[str, date]]:
    """A year of the moon fits twice into some of ours: the second gets a number."""
    return [(key if number == 1 else f"{key}.{number}", day) for number, day in enumerate(days, 1)]


def western_easter(year: int) -> date:
    """Easter Sunday of the Gregorian calendar (the anonymous algorithm, Nature 1876)."""
    golden, (century, rest) = year % 19, divmod(year, 100)
    leap, left = divmod(century, 4)
    moon = (century - (century + 8) // 25 + 1) // 3
    epact = (19 * golden + century - leap - moon + 15) % 30
    week = (32 + 2 * left + 2 * (rest // 4) - epact - rest % 4) % 7
    late = (golden + 11 * epact + 22 * week) // 451
    month, day = divmod(epact + week - 7 * late + 114, 31)
    return date(year, month, day + 1)


def orthodox_easter(year: int) -> date:
    """Easter Sunday of the Julian calendar (Meeus), told in the Gregorian one."""
    moon = (19 * (year % 19) + 15) % 30
    week = (2 * (year % 4) + 4 * (year % 7) - moon + 34) % 7
    month, day = divmod(moon + week + 114, 31)
    behind = year // 100 - year // 400 - 2
    return date(year, month, day + 1) + behind * _DAY


def days_of_month(day: int, first: date, last: date) -> list[date]:
    """That day of each month from `first` to `last`: the last day of months that have fewer."""
    found = []
    year, month = first.year, first.month
    while (year, month) <= (last.year, last.month):
        there = _clipped(year, month, day)
        if first <= there <= last:
            found.append(there)
        year, month = (year, month + 1) if month < 12 else (year + 1, 1)
    return found


def _clipped(year: int, month: int, day: int) -> date:
    """The day, or the last of the month where that is sooner."""
    following = date(year + month // 12, month % 12 + 1, 1)
    return date(year, month, min(day, (following - _DAY).day))
