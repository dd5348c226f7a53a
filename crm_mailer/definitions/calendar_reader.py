"""Reads festivals: those that ship, then those of a shop's campaigns/calendar.yaml."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any

import pydantic
from pydantic import BeforeValidator, Field, WithJsonSchema

from crm_mailer.definitions.files import Fault, Node, Strict, read_yaml, validate
from crm_mailer.definitions.problems import Problem, Severity, did_you_mean, raise_all
from crm_mailer.definitions.rule_values import doubts
from crm_mailer.definitions.written import SLUG, Country, Text, shown
from crm_mailer.model import public_holidays
from crm_mailer.model.errors import DefinitionError
from crm_mailer.model.festivals import (
    DayRule,
    Easter,
    Festival,
    FixedDay,
    GivenDays,
    Observance,
    PublicHoliday,
    WeekdayOfMonth,
)
from crm_mailer.model.sentence import Sentence

SHIPPED = Path(__file__).parent / "festivals.yaml"
WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
PLACES = {"1st": 1, "2nd": 2, "3rd": 3, "4th": 4, "5th": 5, "last": -1}
#: A leap year: it has every day that any year has.
LEAP_YEAR = 2000
#: A year whose holidays are looked up to see whether a name is known.
TRIAL_YEAR = 2027
LONGEST_SHIFT = 120

_SHIFTED = re.compile(r"(?P<day>.+?)\s*(?:(?P<sign>[+-])\s*(?P<days>[0-9]{1,3})\s*d)?")
_FIXED = re.compile(r"([0-9]{1,2})-([0-9]{1,2})")
_NTH = re.compile(r"(\w+) ([a-z]{3})[a-z]* of ([a-z]{3})[a-z]*")
HOW = Sentence(
    "write 11-11, `4th thu of nov`, `last sun of may`, easter, `orthodox easter`, one of them with "
    "`+ 1d` or `- 7d`, or a list of days such as [2027-02-06]"
)


@dataclass(frozen=True, slots=True)
class Days:
    """A rule and what is added to its day."""

    rule: DayRule
    shift: timedelta = timedelta(0)


def day_rule(value: Any) -> Days:
    """The rule in a text such as `4th thu of nov + 1d`, or in a list of days.

    Raises:
        Fault: it is none, or a day that no year has.
    """
    if isinstance(value, list):
        return Days(GivenDays(days=tuple(sorted({_given(one) for one in value}))))
    text = " ".join(value.lower().split()) if isinstance(value, str) else ""
    try:
        return Days(GivenDays(days=(date.fromisoformat(text),)))
    except ValueError:
        pass
    match = _SHIFTED.fullmatch(text)
    rule = _rule(match["day"]) if match is not None else None
    if match is None or rule is None:
        raise Fault(
            "CRM111",
            Sentence("`{shown}` is no day", shown=shown(value)),
            HOW,
        )
    number = int(match["days"] or 0)
    if number > LONGEST_SHIFT:
        raise Fault(
            "CRM111",
            Sentence(
                "`{text}` is more than {farthest} days away", text=value, farthest=LONGEST_SHIFT
            ),
            HOW,
        )
    return Days(rule, timedelta(days=-number if match["sign"] == "-" else number))


def _given(text: Any) -> date:
    try:
        return date.fromisoformat(text)
    except (TypeError, ValueError):
        raise Fault(
            "CRM111",
            Sentence("`{shown}` is no day that exists", shown=shown(text)),
            "such as 2027-02-06",
        ) from None


def _rule(text: str) -> DayRule | None:
    if text in {"easter", "orthodox easter"}:
        return Easter(is_orthodox=text != "easter")
    fixed = _FIXED.fullmatch(text)
    if fixed is not None:
        month, day = int(fixed[1]), int(fixed[2])
        try:
            date(LEAP_YEAR, month, day)
        except ValueError:
            raise Fault(
                "CRM111", Sentence("no year has the day {text}", text=text), "month-day: 11-30"
            ) from None
        return FixedDay(month=month, day=day)
    nth = _NTH.fullmatch(text)
    if nth is None or nth[1] not in PLACES or nth[2] not in WEEKDAYS or nth[3] not in MONTHS:
        return None
    return WeekdayOfMonth(
        nth=PLACES[nth[1]], weekday=WEEKDAYS.index(nth[2]), month=MONTHS.index(nth[3]) + 1
    )


def _listed(value: object) -> object:
    """Countries as a list, or in one text: `DE AT CH`."""
    return value.replace(",", " ").split() if isinstance(value, str) else value


_DAY = {"type": "string", "pattern": r"^\s*[0-9]{4}-[0-9]{2}-[0-9]{2}\s*$"}
_DAYS = WithJsonSchema(
    {
        "anyOf": [
            {"type": "string", "pattern": "(?:[0-9]-[0-9]| [oO][fF] |[eE][aA][sS][tT][eE][rR])"},
            {"type": "array", "items": _DAY},
        ],
        "examples": ["11-11", "4th thu of nov + 1d", "easter - 2d"],
    }
)
_PLACES = WithJsonSchema(
    {
        "anyOf": [
            {"type": "string", "pattern": r"^[A-Z\s,]*$"},
            {
                "type": "array",
                "items": {"type": ["string", "null"], "pattern": r"^\s*([A-Z]{2})?\s*$"},
            },
        ]
    }
)
Countries = Annotated[tuple[Country, ...], BeforeValidator(_listed), _PLACES]


class LineShape(Strict):
    """On which day some countries keep a festival."""

    on: Annotated[Days | None, BeforeValidator(day_rule), _DAYS] = None
    holiday: Annotated[str, Field(min_length=2, max_length=80)] | None = None
    of: Country = ""
    countries: Countries = ()


class FestivalShape(Strict):
    """A festival: one line, or several `days`, each for other countries."""

    name: Text = ""
    on: Annotated[Days | None, BeforeValidator(day_rule), _DAYS] = None
    holiday: Annotated[str, Field(min_length=2, max_length=80)] | None = None
    of: Country = ""
    countries: Countries = ()
    days: Annotated[list[LineShape], Field(max_length=60)] = Field(default_factory=list)

    @pydantic.model_validator(mode="before")
    @classmethod
    def _short_form(cls, value: object) -> object:
        return {"on": value} if isinstance(value, (str, list)) else value


class CalendarFile(Strict):
    """The shape of calendar.yaml."""

    festivals: dict[str, FestivalShape] = Field(default_factory=dict)


def read_festivals(path: Path, problems: list[Problem], name: str = "") -> dict[str, Festival]:
    """All festivals by id: the shop's own beside, or in place of, those that ship.

    A shop needs no such file. Wrong festivals are left out and named in `problems`.
    """
    known = dict(shipped())
    if not path.exists():
        return known
    try:
        found, faults = _read(path, name)
    except DefinitionError as error:
        problems.extend(error.problems)
        return known
    problems.extend(faults)
    return {**known, **found}


@lru_cache(maxsize=1)
def shipped() -> Mapping[str, Festival]:
    """The festivals that ship.

    Raises:
        DefinitionError: the file in the program is wrong.
    """
    found, faults = _read(SHIPPED, SHIPPED.name, is_checked=False)
    if faults:
        raise_all(faults)
    return found


def _read(
    path: Path, name: str, *, is_checked: bool = True
) -> tuple[dict[str, Festival], list[Problem]]:
    node = read_yaml(path, name)
    shape = validate(node, CalendarFile)
    found: dict[str, Festival] = {}
    problems: list[Problem] = []
    for id_, one in shape.festivals.items():
        faults = list(_faults(node, id_, one, is_checked=is_checked))
        problems.extend(faults)
        if not any(fault.is_error for fault in faults):
            observances = tuple(_observance(line) for line in one.days or [_only_line(one)])
            found[id_] = Festival(id=id_, name=one.name, observances=observances)
    return found, problems


def _only_line(one: FestivalShape) -> LineShape:
    return LineShape.model_construct(
        on=one.on, holiday=one.holiday, of=one.of, countries=one.countries
    )


def _observance(line: LineShape) -> Observance:
    countries = frozenset(line.countries)
    if line.holiday is not None:
        rule = PublicHoliday(name=line.holiday, of=line.of)
        return Observance(rule=rule, countries=countries)
    assert line.on is not None
    return Observance(rule=line.on.rule, shift=line.on.shift, countries=countries)


def _faults(
    node: Node, id_: str, one: FestivalShape, *, is_checked: bool = True
) -> Iterator[Problem]:
    here: tuple[str | int, ...] = ("festivals", id_)
    if not SLUG.fullmatch(id_):
        message = Sentence("`{id}`: an id has lower-case letters, digits and hyphens only", id=id_)
        yield node.problem("CRM117", message, *here, key=True)
    if one.days and (one.on is not None or one.holiday is not None):
        message = Sentence(
            "`days` has the days of each country: `on` and `holiday` belong into its lines"
        )
        yield node.problem("CRM160", message, *here, key=True)
        return
    for number, line in enumerate(one.days or [_only_line(one)]):
        there = (*here, "days", number) if one.days else here
        fault = _line_fault(node, there, line, is_checked=is_checked)
        if fault is not None:
            yield fault
        elif is_checked:
            yield from doubts(node, *there, "countries")
    alone = sum(not line.countries for line in one.days)
    if alone > 1:
        message = Sentence("two lines without `countries`: only one can be for everybody else")
        yield node.problem("CRM160", message, *here, key=True)


def _line_fault(
    node: Node, here: tuple[str | int, ...], line: LineShape, *, is_checked: bool
) -> Problem | None:
    if (line.on is None) == (line.holiday is None):
        message = "either `on` (a day) or `holiday` (a public holiday's English name) belongs here"
        return node.problem("CRM160", message, *here, help=HOW)
    if line.holiday is None:
        return _on_fault(node, here, line)
    if not line.of and not line.countries:
        message = Sentence("whose holiday is `{holiday}`?", holiday=line.holiday)
        help_ = "add `countries: [IN]` (each by its own calendar) or `of: IN` (one calendar)"
        return node.problem("CRM160", message, *here, "holiday", help=help_)
    return _holiday_fault(node, here, line) if is_checked else None


def _on_fault(node: Node, here: tuple[str | int, ...], line: LineShape) -> Problem | None:
    if not line.of:
        return None
    message = "`of` names whose public holiday it is: it belongs to `holiday`"
    return node.problem("CRM160", message, *here, "of")


def _holiday_fault(node: Node, here: tuple[str | int, ...], line: LineShape) -> Problem | None:
    assert line.holiday is not None
    whose = [line.of] if line.of else sorted(line.countries)
    for country in whose:
        if country not in public_holidays.countries():
            message = Sentence("the public holidays of `{country}` are not known", country=country)
            help_ = "give the days: `on: [2027-02-06, 2028-01-26]`"
            return node.problem("CRM160", message, *here, "holiday", help=help_)
    without = [
        country
        for country in whose
        if not public_holidays.days_of(country, TRIAL_YEAR, line.holiday)
    ]
    if not without:
        return None
    names = {name for country in without for name in public_holidays.in_year(country, TRIAL_YEAR)}
    message = Sentence(
        "`{holiday}` is no public holiday of {countries}",
        holiday=line.holiday,
        countries=", ".join(without),
    )
    return node.problem(
        "CRM160",
        message,
        *here,
        "holiday",
        help=did_you_mean(line.holiday, names),
        severity=Severity.ERROR if len(without) == len(whose) else Severity.WARNING,
    )
