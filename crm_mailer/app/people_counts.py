"""Verbs of counting persons by country: laws on sending data abroad begin at such numbers."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime

from crm_mailer.app.wiring import App
from crm_mailer.model.moment import at_local
from crm_mailer.model.sentence import Sentence
from crm_mailer.store import people_counts

#: Cyberspace Administration of China, rules on data flows across the border (22 March 2024):
#: persons a year, without sensitive data.
CHINA_CONTRACT, CHINA_ASSESSMENT = 100_000, 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class CountryLine:
    """The persons of a country; `note` says what their number means there."""

    country: str
    held: int
    fresh: int
    worked_on: int
    note: Sentence


def by_country(app: App, year: int | None = None) -> tuple[int, list[CountryLine]]:
    """The year that is counted, and each country; years are the shop's own."""
    of = year or app.clock.now().astimezone(app.zone).year
    since, until = (_new_year(app, one) for one in (of, of + 1))
    with app.store.read() as connection:
        found = people_counts.by_country(connection, since, until)
    return of, [
        CountryLine(
            country=one.country,
            held=one.held,
            fresh=one.fresh,
            worked_on=one.worked_on,
            note=china(one.worked_on) if one.country == "CN" else Sentence(""),
        )
        for one in found
    ]


def china(persons: int) -> Sentence:
    """What the number of persons a year asks of a shop that keeps their data abroad."""
    if persons >= CHINA_ASSESSMENT:
        return Sentence("PIPL: a security assessment before data leaves China")
    if persons >= CHINA_CONTRACT:
        return Sentence("PIPL: a standard contract or a certification before data leaves China")
    return Sentence("PIPL: below the 100,000 a year from which a contract is needed")


def _new_year(app: App, year: int) -> datetime:
    return at_local(date(year, 1, 1), 0, 0, app.zone)
