"""What currencies were worth in US dollars on which day, from the shop's `rates.csv`."""

from __future__ import annotations

import csv
from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal, InvalidOperation
from pathlib import Path

from crm_mailer.definitions.problems import Problem, raise_errors
from crm_mailer.model.sentence import Sentence

COLUMNS = ("date", "currency", "usd")
ONE = Decimal(1)


@dataclass(frozen=True, slots=True)
class Rates:
    """Days and rates of each currency (ISO 4217), oldest first."""

    by_currency: Mapping[str, tuple[tuple[date, ...], tuple[Decimal, ...]]] = field(
        default_factory=dict
    )

    def on(self, currency: str, day: date) -> Decimal | None:
        """Dollars for one unit: the latest rate on or before `day`; None where there is none."""
        if currency == "USD":
            return ONE
        days, values = self.by_currency.get(currency, ((), ()))
        place = bisect_right(days, day)
        return values[place - 1] if place else None


def read_rates(path: Path) -> Rates:
    """The rates in `path` (columns date, currency, usd); no file means no rates.

    Lines that are empty or begin with # are passed over.

    Raises:
        DefinitionError: a line is no date, currency and positive number; all are named.
    """
    if not path.is_file():
        return Rates()
    lines = path.read_text(encoding="utf-8-sig").splitlines()
    found: dict[str, dict[date, Decimal]] = {}
    problems: list[Problem] = []
    for number, line in enumerate(lines, start=1):
        cells = [cell.strip() for cell in next(csv.reader([line]), [])]
        is_heading = tuple(cell.lower() for cell in cells) == COLUMNS
        if not any(cells) or line.lstrip().startswith("#") or is_heading:
            continue
        try:
            day, currency, value = _entry(cells)
        except ValueError as error:
            problems.append(_problem(path, number, line, str(error)))
            continue
        found.setdefault(currency, {})[day] = value
    raise_errors(problems)
    return Rates({currency: _columns(rates) for currency, rates in found.items()})


def _entry(cells: list[str]) -> tuple[date, str, Decimal]:
    if len(cells) != len(COLUMNS):
        what = Sentence("a rate is date,currency,usd; here are {count} values", count=len(cells))
        raise ValueError(what)
    try:
        day = date.fromisoformat(cells[0])
    except ValueError:
        what = Sentence("`{text}` is no day such as 2026-11-01", text=cells[0])
        raise ValueError(what) from None
    currency = cells[1].upper()
    if len(currency) != 3 or not currency.isalpha():
        raise ValueError(Sentence("`{text}` is no currency such as EUR", text=cells[1]))
    try:
        value = Decimal(cells[2])
    except InvalidOperation:
        what = Sentence("`{text}` is no number such as 1.08", text=cells[2])
        raise ValueError(what) from None
    if not (value.is_finite() and value > 0):
        raise ValueError(Sentence("`{text}` is no rate: it must be more than 0", text=cells[2]))
    return day, currency, value


def _problem(path: Path, number: int, line: str, message: str) -> Problem:
    return Problem(
        code="CRM107",
        message=message,
        file=str(path),
        line=number,
        column=1,
        width=max(1, len(line)),
        source=line,
        help="usd is what one unit of the currency is worth in US dollars on that day",
    )


def _columns(rates: dict[date, Decimal]) -> tuple[tuple[date, ...], tuple[Decimal, ...]]:
    days = tuple(sorted(rates))
    return days, tuple(rates[day] for day in days)
