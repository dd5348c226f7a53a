"""Saves a case with its log, and with the times that the log gives it by the shop's rules."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from crm_mailer.learning import clocks, followups
from crm_mailer.learning.followups import Move
from crm_mailer.model.case import Case
from crm_mailer.model.feedback import UnlearntReply
from crm_mailer.model.sla import DEFAULT_LEVELS, ClockName, ServiceLevels
from crm_mailer.store import alerts, escalations
from crm_mailer.store import cases as store_cases
from crm_mailer.store.engine import Connection


def save(connection: Connection, move: Move, levels: ServiceLevels = DEFAULT_LEVELS) -> Case:
    """Write a case as a move leaves it; the case with its number and due time."""
    case = move.case
    if not move.events:
        return case
    if move.is_new:
        case = replace(case, id=store_cases.add(connection, case, move.events))
    else:
        store_cases.save(connection, case, move.events)
    return set_times(connection, case, levels, now=move.events[-1].at)


def note_machine_mail(
    connection: Connection, reply: UnlearntReply, now: datetime, levels: ServiceLevels
) -> None:
    """Write a machine's answer into the customer's case, where one is under way."""
    if reply.customer_id is None or reply.is_copy:
        return
    store_cases.lock_customer(connection, reply.customer_id)
    cases = store_cases.list_of_customer(connection, reply.customer_id, for_change=True)
    move = followups.of_machine(reply, cases, now)
    if move is not None:
        save(connection, move, levels)


def set_times(connection: Connection, case: Case, levels: ServiceLevels, *, now: datetime) -> Case:
    """Bring the stored times of a case to what its log says; alerts that are over end."""
    events = store_cases.list_events(connection, case.id)
    found = clocks.readings(case, events, levels, now)
    told = escalations.list_told(connection, case.id)
    due_at = clocks.nearest(found) or case.due_at
    store_cases.set_times(connection, case.id, due_at=due_at, tell_at=clocks.tell_at(found, told))
    running = {(one.clock, one.since) for one in found if one.is_running}
    still_late = {clock for clock, _level, since in told if (clock, since) in running}
    for clock in {clock for clock, _level, _since in told} - still_late:
        alerts.end(connection, cause(case.id, clock), now)
    return replace(case, due_at=due_at)


def cause(case_id: int, clock: ClockName) -> str:
    """The name under which an alert about a late case is kept."""
    return f"case:{case_id}/{clock.value}"
