"""Reads the section `cases:` of shop.yaml: how fast cases are answered, and in which hours."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from crm_mailer.definitions.files import Fault, Node, Strict
from crm_mailer.definitions.problems import Problem
from crm_mailer.definitions.written import Duration, TimeOfDay, TimeZone, shown
from crm_mailer.model.business_calendar import OfficeHours
from crm_mailer.model.reply import Severity
from crm_mailer.model.sentence import Sentence
from crm_mailer.model.sla import (
    DEFAULT_TARGETS,
    DEFAULT_WARN_AT,
    DISPUTE_WINDOW,
    CaseRules,
    Target,
)

Weekday = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
NO_COUNTRY = "none"


def _holiday_country(text: Any) -> str:
    """A country whose holidays are known, or `none`."""
    if text in (None, "", NO_COUNTRY):
        return text or ""
    import holidays  # slow to import: only for a file that names a country

    if not isinstance(text, str) or text not in holidays.list_supported_countries():
        help_ = "two capital letters such as CN, or none; add single days as `days_off`"
        raise Fault(
            "CRM107", Sentence("the holidays of `{shown}` are not known", shown=shown(text)), help_
        )
    return str(text)


class Calendar(Strict):
    """When somebody answers; what is not said is the shop's own zone and country."""

    time_zone: TimeZone | None = None
    from_: Annotated[TimeOfDay, Field(alias="from")] = (9, 0)
    until: TimeOfDay = (18, 0)
    weekdays: Annotated[tuple[Weekday, ...], Field(min_length=1)] = WEEKDAYS[:5]  # type: ignore[assignment]
    holidays: Annotated[str, BeforeValidator(_holiday_country)] = ""
    days_off: tuple[date, ...] = ()
    days_on: tuple[date, ...] = ()


class TargetShape(Strict):
    """What one severity is owed; what is not said is the default."""

    first_response: Duration | None = None
    update: Duration | None = None
    solution: Duration | None = None
    calendar: Literal["office", "always"] = "office"


class Targets(Strict):
    """The three severities."""

    P1: TargetShape = TargetShape()
    P2: TargetShape = TargetShape()
    P3: TargetShape = TargetShape()

    def of(self, severity: Severity) -> Target:
        """What this severity is owed."""
        own: TargetShape = getattr(self, severity.value)
        default = DEFAULT_TARGETS[severity]
        return Target(
            first_response=own.first_response or default.first_response,
            update=own.update or default.update,
            solution=own.solution or default.solution,
            is_always=own.calendar == "always",
        )


class CasesShape(Strict):
    """The shape of the section."""

    calendar: Calendar = Calendar()
    targets: Targets = Targets()
    warn: tuple[Annotated[str, Field(min_length=1, max_length=60)], ...] = ()
    warn_at: Annotated[int, Field(ge=1, le=99)] = DEFAULT_WARN_AT
    dispute_window: Duration = DISPUTE_WINDOW


def rules_of(shape: CasesShape) -> CaseRules:
    """The section as the rooms know it."""
    calendar = shape.calendar
    return CaseRules(
        targets={severity: shape.targets.of(severity) for severity in Severity},
        hours=OfficeHours(
            time_zone=calendar.time_zone or "",
            opens=calendar.from_,
            closes=calendar.until,
            weekdays=frozenset(WEEKDAYS.index(day) for day in calendar.weekdays),
            holidays_of=calendar.holidays,
            days_off=frozenset(calendar.days_off),
            days_on=frozenset(calendar.days_on),
        ),
        warn=shape.warn,
        warn_at=shape.warn_at,
        dispute_window=shape.dispute_window,
    )


def faults_of(node: Node, shape: CasesShape) -> Iterator[Problem]:
    """What is written rightly and cannot be meant; `node` is the whole file."""
    calendar = shape.calendar
    if calendar.until <= calendar.from_ and calendar.until != (0, 0):
        message = Sentence(
            "`until` {until} is not after `from` {start}",
            until=_time(calendar.until),
            start=_time(calendar.from_),
        )
        help_ = 'write "00:00" for midnight; an office that never closes has `calendar: always`'
        place = ("cases", "calendar", "until" if _says_until(node) else "from")
        yield node.problem("CRM107", message, *place, help=help_)
    for day in sorted(set(calendar.days_off) & set(calendar.days_on)):
        message = Sentence("{day} is a day off and a day on", day=day)
        yield node.problem("CRM107", message, "cases", "calendar", "days_on")
    for severity in Severity:
        own = getattr(shape.targets, severity.value)
        for name in ("first_response", "update", "solution"):
            if getattr(own, name) == timedelta(0):
                message = Sentence("`{name}` is no time at all", name=name)
                yield node.problem("CRM107", message, "cases", "targets", severity.value, name)
        target = shape.targets.of(severity)
        if target.solution < target.first_response:
            message = Sentence(
                "{severity}: a solution is due before the first answer", severity=severity.value
            )
            yield node.problem("CRM107", message, "cases", "targets", severity.value)


def _says_until(node: Node) -> bool:
    return node.get("cases", "calendar", "until") is not None


def _time(time: tuple[int, int]) -> str:
    return f"{time[0]:02}:{time[1]:02}"
