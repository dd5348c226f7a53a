"""Whether payment reminders bring back orders, and why buyers had not paid."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from crm_mailer.model.period import Period
from crm_mailer.store import report_recovery
from crm_mailer.store.engine import Store
from crm_mailer.store.report_cases import RECOVERY_WINDOW
from crm_mailer.store.report_recovery import Recovered


@dataclass(frozen=True, slots=True, kw_only=True)
class RecoveryReport:
    """Reminded orders of a period; recovered is what was paid within `window_days` of the last
    reminder before the payment."""

    period: Period
    campaigns: tuple[str, ...]
    window_days: int
    total: Recovered
    by_reason: tuple[Recovered, ...]
    by_reminders: tuple[Recovered, ...]
    by_method: tuple[Recovered, ...]
    by_month: tuple[Recovered, ...]


def recovery_report(
    store: Store, period: Period, campaigns: Sequence[str], *, now: datetime
) -> RecoveryReport:
    """What the reminders of these campaigns did."""
    with store.read() as connection:
        found = report_recovery.recovered(connection, period, campaigns, now)
    return RecoveryReport(
        period=period,
        campaigns=tuple(campaigns),
        window_days=RECOVERY_WINDOW.days,
        total=_sum(found["reason"]),
        by_reason=tuple(found["reason"]),
        by_reminders=tuple(found["reminders"]),
        by_method=tuple(found["payment_method"]),
        by_month=tuple(found["month"]),
    )


def _sum(rows: Sequence[Recovered]) -> Recovered:
    return Recovered(
        key="",
        reminded=sum(row.reminded for row in rows),
        recovered=sum(row.recovered for row in rows),
        waiting=sum(row.waiting for row in rows),
        usd_cents=sum(row.usd_cents for row in rows),
    )
