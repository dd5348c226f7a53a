"""How fast an unhappy customer is answered: three clocks for each severity, and who is warned."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum

from crm_mailer.model.business_calendar import ROUND_THE_CLOCK, BusinessCalendar, OfficeHours
from crm_mailer.model.reply import Severity


class ClockName(StrEnum):
    """What is measured."""

    #: From the customer's first words to our first answer.
    FIRST_RESPONSE = "first_response"
    #: From each later letter to the answer to it.
    UPDATE = "update"
    #: From the first words to the solution; stands still while the customer has the turn.
    SOLUTION = "solution"
    #: The marketplace's own deadline, by the clock on the wall.
    DEADLINE = "deadline"


class Level(StrEnum):
    """How late it is."""

    WARN = "warn"
    BREACH = "breach"


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """What one severity is owed, in open time; with `is_always`, by the clock on the wall."""

    first_response: timedelta
    update: timedelta
    solution: timedelta
    is_always: bool = False

    def of(self, clock: ClockName) -> timedelta:
        """The time that a clock allows; a deadline is no span."""
        match clock:
            case ClockName.FIRST_RESPONSE:
                return self.first_response
            case ClockName.UPDATE:
                return self.update
            case ClockName.SOLUTION | ClockName.DEADLINE:
                return self.solution


def _target(first_response: int, update: int, solution: int) -> Target:
    return Target(
        first_response=timedelta(hours=first_response),
        update=timedelta(hours=update),
        solution=timedelta(hours=solution),
    )


#: Hours of open time: a day of nine hours and more passes before "24 hours" are over.
DEFAULT_TARGETS: Mapping[Severity, Target] = {
    Severity.P1: _target(2, 4, 24),
    Severity.P2: _target(8, 24, 72),
    Severity.P3: _target(24, 48, 7 * 24),
}
#: At so many hundredths of the time a warning is due.
DEFAULT_WARN_AT = 75
#: How long a marketplace gives us to answer a dispute, where nobody says otherwise.
DISPUTE_WINDOW = timedelta(days=5)


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseRules:
    """What the section `cases:` of a shop's file says."""

    targets: Mapping[Severity, Target] = field(default_factory=lambda: dict(DEFAULT_TARGETS))
    hours: OfficeHours = field(default_factory=OfficeHours)
    #: Names of those whom a late case is told to.
    warn: tuple[str, ...] = ()
    warn_at: int = DEFAULT_WARN_AT
    dispute_window: timedelta = DISPUTE_WINDOW


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceLevels:
    """The rules with the calendar of the years in question: what the clocks are worked out by."""

    targets: Mapping[Severity, Target] = field(default_factory=lambda: dict(DEFAULT_TARGETS))
    calendar: BusinessCalendar = ROUND_THE_CLOCK
    warn: tuple[str, ...] = ()
    warn_at: int = DEFAULT_WARN_AT
    dispute_window: timedelta = DISPUTE_WINDOW

    def calendar_of(self, severity: Severity) -> BusinessCalendar:
        """In which hours the clocks of this severity run."""
        return ROUND_THE_CLOCK if self.targets[severity].is_always else self.calendar


#: Every hour counts: what holds where no shop is asked.
DEFAULT_LEVELS = ServiceLevels()
