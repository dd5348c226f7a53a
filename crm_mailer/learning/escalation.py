"""Tells of cases that are late or nearly so: once for each clock and level."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, tzinfo

from crm_mailer.learning import clocks, filing, sayings
from crm_mailer.learning.clocks import Reading
from crm_mailer.learning.followups import Move
from crm_mailer.model.case import Case
from crm_mailer.model.case import CaseEvent as Event
from crm_mailer.model.case import CaseEventKind as Did
from crm_mailer.model.sentence import Sentence
from crm_mailer.model.sla import ClockName, Level, ServiceLevels
from crm_mailer.store import alerts, escalations
from crm_mailer.store import cases as store_cases
from crm_mailer.store.engine import Connection, Store

#: What each clock waits for.
_WAITS_FOR = {
    ClockName.FIRST_RESPONSE: sayings.FIRST_ANSWER,
    ClockName.UPDATE: sayings.AN_ANSWER,
    ClockName.SOLUTION: sayings.A_SOLUTION,
    ClockName.DEADLINE: sayings.THE_DEADLINE,
}
_PAGE = 500


def escalate(store: Store, levels: ServiceLevels, *, now: datetime) -> int:
    """Tell of every clock that ran out, or nearly; how many there were.

    One transaction for each case: a crash loses nothing and tells nothing twice.
    """
    told = 0
    tried: set[int] = set()
    while True:
        with store.read() as connection:
            due = escalations.list_due(connection, now, limit=_PAGE)
        if not set(due) - tried:
            return told
        for case_id in due:
            if case_id not in tried:
                tried.add(case_id)
                with store.write() as connection:
                    told += _tell(connection, case_id, levels, now)


def retime(store: Store, levels: ServiceLevels, *, now: datetime) -> int:
    """Work out the times of all cases under way anew, for rules that changed; how many."""
    done = last = 0
    while True:
        with store.read() as connection:
            page = escalations.list_under_way(connection, after=last, limit=_PAGE)
        if not page:
            return done
        with store.write() as connection:
            for case_id in page:
                case = store_cases.get(connection, case_id, for_change=True)
                filing.set_times(connection, case, levels, now=now)
        done += len(page)
        last = page[-1]


def _tell(connection: Connection, case_id: int, levels: ServiceLevels, now: datetime) -> int:
    case = store_cases.get(connection, case_id, for_change=True)
    found = clocks.readings(case, store_cases.list_events(connection, case_id), levels, now)
    events = []
    for reading, level in clocks.reached(found, now):
        is_new = escalations.add(
            connection, case_id, clock=reading.clock, level=level, since=reading.since, now=now
        )
        if is_new:
            told = sentence(reading, level, levels.calendar.place)
            events.append(_event(reading, level, told, levels.warn, now))
            _raise_alert(connection, case, reading.clock, told, levels.warn, now)
    if events:
        filing.save(connection, Move(case=case, events=tuple(events)), levels)
    else:
        filing.set_times(connection, case, levels, now=now)
    return len(events)


def _event(reading: Reading, level: Level, told: str, warn: Sequence[str], now: datetime) -> Event:
    ref = f"{reading.clock.value}/{level.value}"
    text = sayings.TOLD.format(what=told, whom=", ".join(warn)) if warn else told
    return Event(kind=Did.ESCALATED, at=now, ref=ref, text=text)


def _raise_alert(
    connection: Connection,
    case: Case,
    clock: ClockName,
    told: str,
    warn: Sequence[str],
    now: datetime,
) -> None:
    message = Sentence(
        "case {number} ({severity}, {who}): {what}",
        number=case.id,
        severity=str(case.severity),
        who=case.owner or Sentence("nobody has it"),
        what=sayings.heard(told),
    )
    hint: str = f"`crm-mailer case show {case.id}`"
    if warn:
        hint = Sentence("tell {whom}: {what}", whom=", ".join(warn), what=hint)
    alerts.raise_(connection, filing.cause(case.id, clock), message, hint=hint, now=now)


def sentence(reading: Reading, level: Level, place: tzinfo) -> str:
    """What is late, and by when it was or is due, by the clock of `place`."""
    due = f"{reading.due_at.astimezone(place):%Y-%m-%d %H:%M %Z}" if reading.due_at else ""
    what = _WAITS_FOR[reading.clock]
    if level is Level.BREACH:
        return sayings.OVERDUE.format(what=what, due=due)
    return sayings.DUE.format(what=what, due=due)
