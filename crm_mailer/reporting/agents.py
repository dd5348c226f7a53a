"""What each agent did in a period, with care: figures help to share work, not to rank people."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from crm_mailer.model.period import Period
from crm_mailer.store import report_cases
from crm_mailer.store.engine import Store
from crm_mailer.store.report_cases import AgentFigures


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentReport:
    """Agents by their cases; what nobody took stands last, under an empty name."""

    period: Period
    agents: tuple[AgentFigures, ...]


def agent_report(store: Store, period: Period, *, now: datetime) -> AgentReport:
    """The agents who had cases, wrote answers or reminded buyers in the period."""
    with store.read() as connection:
        cases = report_cases.agents(connection, period, now)
        answers = report_cases.answers(connection, period)
        reminders = report_cases.reminders_by_agent(connection, period)
    found = []
    for name in {*cases, *answers, *reminders}:
        reminded, recovered = reminders.get(name, (0, 0))
        figures: dict[str, Any] = {"name": name, **cases.get(name, {})}
        found.append(
            AgentFigures(
                **figures,
                answers=answers.get(name, 0),
                reminded=reminded,
                recovered=recovered,
            )
        )
    found.sort(key=lambda one: (not one.name, -one.cases, one.name))
    return AgentReport(period=period, agents=tuple(found))
