"""How fast cases of a period were answered and solved, and what each agent did."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from crm_mailer.model.case import UNDER_WAY, CaseEventKind, CaseState
from crm_mailer.model.period import Period
from crm_mailer.model.sla import ClockName, Level
from crm_mailer.store import report_sql as sql
from crm_mailer.store import tables as t
from crm_mailer.store.report_sql import NO_SPREAD, Spread

#: A reminder has recovered an order that is paid so soon after it.
RECOVERY_WINDOW = timedelta(days=7)
_ENDED = (CaseState.RESOLVED.value, CaseState.CLOSED.value)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """Cases of one kind; times in seconds, as the wall clock counts."""

    key: str
    cases: int
    answered: int
    waiting: int
    late: int
    late_updates: int
    late_solutions: int
    solved: int
    response: Spread = NO_SPREAD
    solution: Spread = NO_SPREAD


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentFigures:
    """One agent's work; `name` is empty for cases that nobody has."""

    name: str
    cases: int = 0
    answered: int = 0
    solved: int = 0
    reopened: int = 0
    late: int = 0
    answers: int = 0
    rated: int = 0
    satisfaction: float | None = None
    reminded: int = 0
    recovered: int = 0
    response: Spread = NO_SPREAD


_case = t.cases.c
#: What answers are told apart by.
DIMENSIONS = ("severity", "reason", "agent", "campaign")
_COUNTS = ("cases", "answered", "waiting", "late", "late_updates", "late_solutions", "solved")


def answered(connection: sa.Connection, period: Period, now: datetime) -> dict[str, list[Answered]]:
    """Dimension -> its values, those with the most cases first; `all` has one for everything.

    Counts add up, so one query counts for every dimension. Medians do not: the times themselves
    are read, once.
    """
    counts: Counter[tuple[str, str, str]] = Counter()
    for row in connection.execute(_counts(period, now)):
        for dimension in (*DIMENSIONS, "all"):
            for what in _COUNTS:
                counts[dimension, _key(row, dimension), what] += row._mapping[what]
    times = _times(connection, period)
    found: dict[str, list[Answered]] = {name: [] for name in (*DIMENSIONS, "all")}
    for dimension, key in {(dimension, key) for dimension, key, _what in counts}:
        figures = {what: counts[dimension, key, what] for what in _COUNTS}
        response, solution = (sql.spread(times[dimension, key, what]) for what in _TIMES)
        found[dimension].append(Answered(key=key, **figures, response=response, solution=solution))
    for rows in found.values():
        rows.sort(key=lambda one: (-one.cases, one.key))
    return found


_TIMES = ("response", "solution")


def _counts(period: Period, now: datetime) -> Any:
    return (
        _by_dimensions(
            sa.func.count().label("cases"),
            sql.how_many(_case.first_response_at.is_not(None)).label("answered"),
            sql.how_many(_is_waiting()).label("waiting"),
            sql.how_many(_is_late(now)).label("late"),
            sql.how_many(_breached(ClockName.UPDATE)).label("late_updates"),
            sql.how_many(_breached(ClockName.SOLUTION)).label("late_solutions"),
            sql.how_many(_case.state.in_(_ENDED)).label("solved"),
        )
        .where(_opened(period))
        .group_by(_case.severity, _case.reason, _case.owner, t.touches.c.campaign)
    )


def _times(connection: sa.Connection, period: Period) -> dict[tuple[str, str, str], list[int]]:
    """Seconds from opening each case to its first answer, and to its end."""
    times: dict[tuple[str, str, str], list[int]] = defaultdict(list)
    opened = sql.seconds(_case.opened_at)
    query = _by_dimensions(
        (sql.seconds(_case.first_response_at) - opened).label("response"),
        (sql.seconds(_case.closed_at) - opened).label("solution"),
    ).where(_opened(period), sa.or_(_case.first_response_at.is_not(None),
                                    _case.closed_at.is_not(None)))  # fmt: skip
    for severity, reason, agent, campaign, *taken in connection.execute(query):
        keys = (("severity", severity), ("reason", reason), ("agent", agent),
                ("campaign", campaign), ("all", "all"))  # fmt: skip
        for what, seconds in zip(_TIMES, taken, strict=True):
            if seconds is not None:
                for dimension, key in keys:
                    times[dimension, key, what].append(seconds)
    return times


def _by_dimensions(*columns: Any) -> Any:
    campaign = sa.func.coalesce(t.touches.c.campaign, "").label("campaign")
    return sa.select(
        _case.severity, _case.reason, _case.owner.label("agent"), campaign, *columns
    ).select_from(t.cases.outerjoin(t.touches, t.touches.c.id == _case.touch_id))


def _key(row: sa.Row[Any], dimension: str) -> str:
    return "all" if dimension == "all" else str(row._mapping[dimension])


def agents(connection: sa.Connection, period: Period, now: datetime) -> dict[str, dict[str, Any]]:
    """Agent -> figures of the cases that they own and were opened in the period."""
    query = (
        sa.select(
            _case.owner,
            sa.func.count().label("cases"),
            sql.how_many(_case.first_response_at.is_not(None)).label("answered"),
            sql.how_many(_case.state.in_(_ENDED)).label("solved"),
            sql.how_many(_was_reopened()).label("reopened"),
            sql.how_many(_is_late(now)).label("late"),
            sa.func.count(_case.satisfaction).label("rated"),
            sa.func.avg(_case.satisfaction).label("satisfaction"),
        )
        .where(_opened(period))
        .group_by(_case.owner)
    )
    found = {row.owner: dict(row._mapping) for row in connection.execute(query)}
    for row in found.values():
        name = row.pop("owner")
        row["name"] = name
        row["satisfaction"] = None if row["satisfaction"] is None else float(row["satisfaction"])
    taken = sql.seconds(_case.first_response_at) - sql.seconds(_case.opened_at)
    spreads = sql.spreads(
        connection, key=_case.owner, value=taken, source=t.cases, where=_opened(period)
    )
    for name, spread in spreads.items():
        found[name]["response"] = spread
    return found


def answers(connection: sa.Connection, period: Period) -> dict[str, int]:
    """Who wrote how many answers to customers in the period."""
    done = t.case_events.c
    query = (
        sa.select(done.by, sa.func.count().label("number"))
        .where(
            done.kind == CaseEventKind.ANSWERED.value, done.by != "", sql.within(done.at, period)
        )
        .group_by(done.by)
    )
    return {row.by: row.number for row in connection.execute(query)}


def reminders_by_agent(connection: sa.Connection, period: Period) -> dict[str, tuple[int, int]]:
    """Agent -> orders that they wrote about before these were paid, and those paid thereafter."""
    wrote, order = t.agent_replies.c, t.orders.c
    about = sa.func.coalesce(t.touches.c.order_id, t.tasks.c.order_id)
    source = (
        t.agent_replies.join(t.touches, t.touches.c.id == wrote.touch_id)
        .outerjoin(t.tasks, t.tasks.c.id == wrote.task_id)
        .join(t.orders, order.id == about)
    )
    unpaid = sa.or_(order.paid_at > wrote.at, order.paid_at.is_(None) & ~order.is_counted)
    soon = order.paid_at <= sql.seconds(wrote.at) + int(RECOVERY_WINDOW.total_seconds())
    query = (
        sa.select(
            wrote.by,
            sa.func.count(sa.distinct(order.id)).label("reminded"),
            sa.func.count(sa.distinct(sa.case((soon, order.id)))).label("recovered"),
        )
        .select_from(source)
        .where(sql.within(wrote.at, period), unpaid, wrote.by != "")
        .group_by(wrote.by)
    )
    return {row.by: (row.reminded, row.recovered) for row in connection.execute(query)}


def _opened(period: Period) -> sql.Condition:
    return sql.within(_case.opened_at, period) & _case.merged_into_id.is_(None)


def _is_waiting() -> sql.Condition:
    return _case.first_response_at.is_(None) & _case.state.in_(sorted(UNDER_WAY))


def _is_late(now: datetime) -> sql.Condition:
    """First answers that came after their time, or are owed since then.

    `due_at` may tell of a later clock by now; what was told as a breach stays one.
    """
    answer = sa.func.coalesce(sql.seconds(_case.first_response_at), int(now.timestamp()))
    owed = sa.or_(_case.first_response_at.is_not(None), _case.state.in_(sorted(UNDER_WAY)))
    return sa.or_(_breached(ClockName.FIRST_RESPONSE), owed & (sql.seconds(_case.due_at) < answer))


def _breached(clock: ClockName) -> sql.Condition:
    told = t.case_escalations.c
    return _case.id.in_(
        sa.select(told.case_id).where(told.clock == clock.value, told.level == Level.BREACH.value)
    )


def _was_reopened() -> sql.Condition:
    done = t.case_events.c
    return sa.exists(
        sa.select(1).where(done.case_id == _case.id, done.kind == CaseEventKind.REOPENED.value)
    )
