"""Public holidays of a country by their English names, as the `holidays` library knows them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date
from functools import lru_cache

#: A substitute day off is no feast; an estimate of the moon is the best there is.
_SUBSTITUTE = re.compile(r"\((?:observed|substituted)\b|^day off\b", re.IGNORECASE)
_REMARK = re.compile(r"\s*\((?:estimated|[a-z ]*estimated)\)\s*$", re.IGNORECASE)


@lru_cache(maxsize=1)
def countries() -> frozenset[str]:
    """The countries whose holidays are known, as two capital letters."""
    import holidays  # a tenth of a second to import: only for who asks

    return frozenset(code for code in holidays.list_supported_countries() if len(code) == 2)


@lru_cache(maxsize=1024)
def in_year(country: str, year: int) -> Mapping[str, tuple[date, ...]]:
    """Each holiday's days in the year, in order; empty for a country that is not known.

    Substitute days off are left out; a feast that the moon decides is the library's estimate.
    """
    if country not in countries():
        return {}
    import holidays

    found: dict[str, list[date]] = {}
    of_country = holidays.country_holidays(country, years=year, language="en_US")
    for day, names in sorted(of_country.items()):
        for name in names.split(";"):
            if not _SUBSTITUTE.search(name.strip()):
                found.setdefault(_REMARK.sub("", name.strip()), []).append(day)
    return {name: tuple(days) for name, days in found.items()}


def days_of(country: str, year: int, name: str) -> tuple[date, ...]:
    """The days on which the feast called `name` begins in the year; a week of it counts once.

    `Eid al-Fitr` also finds `Eid al-Fitr Holiday`: capitals and what follows do not matter.
    """
    wanted = name.casefold()
    found = in_year(country, year)
    exact = [days for known, days in found.items() if known.casefold() == wanted]
    near = exact or [days for known, days in found.items() if _begins(known, wanted)]
    days = sorted({day for several in near for day in several})
    return tuple(
        day for number, day in enumerate(days) if not number or (day - days[number - 1]).days > 10
    )


def _begins(known: str, wanted: str) -> bool:
    return known.casefold().startswith((wanted + " ", wanted + ","))
