"""How fast unhappy customers were answered, and how often too late."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from crm_mailer.model.period import Period
from crm_mailer.store import report_cases
from crm_mailer.store.engine import Store
from crm_mailer.store.report_cases import Answered


@dataclass(frozen=True, slots=True, kw_only=True)
class ResponseReport:
    """Cases opened in the period: all together, and by each dimension the busiest first."""

    period: Period
    total: Answered | None
    by_severity: tuple[Answered, ...]
    by_reason: tuple[Answered, ...]
    by_agent: tuple[Answered, ...]
    by_campaign: tuple[Answered, ...]


def response_report(store: Store, period: Period, *, now: datetime) -> ResponseReport:
    """First answers, later answers and solutions of the period's cases as things stand `now`."""
    with store.read() as connection:
        found = report_cases.answered(connection, period, now)
    return ResponseReport(
        period=period,
        total=next(iter(found["all"]), None),
        by_severity=tuple(sorted(found["severity"], key=lambda one: one.key)),
        by_reason=tuple(found["reason"]),
        by_agent=tuple(found["agent"]),
        by_campaign=tuple(found["campaign"]),
    )
