from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from crm_mailer.learning import acts, followups
from crm_mailer.model.case import Case, CaseState
from crm_mailer.model.errors import NotPossible
from crm_mailer.model.reply import Severity
from tests.learning.shop import NOW

CASE = Case(
    id=7,
    customer_id=1,
    state=CaseState.NEW,
    reason="nad.quality",
    severity=Severity.P2,
    opened_at=NOW,
    due_at=NOW + timedelta(hours=8),
)


def test_a_note_on_a_new_case_shows_that_somebody_looked() -> None:
    move = acts.note(CASE, "x", by="Li", now=NOW, is_answer=False)

    assert move.case.state is CaseState.OPEN
    assert move.case.first_response_at is None


def test_only_the_first_answer_is_the_first_response() -> None:
    later = NOW + timedelta(hours=3)
    first = acts.note(CASE, "x", by="Li", now=NOW, is_answer=True).case

    second = acts.note(first, "y", by="Li", now=later, is_answer=True).case

    assert second.first_response_at == NOW
    assert second.state is CaseState.WAITING_CUSTOMER


def test_no_clock_runs_while_the_customer_has_the_turn() -> None:
    waiting = replace(CASE, state=CaseState.WAITING_CUSTOMER)

    assert followups.time_left(waiting, NOW + timedelta(days=9)) is None


def test_the_marketplaces_deadline_runs_on_while_the_customer_has_the_turn() -> None:
    waiting = replace(CASE, state=CaseState.WAITING_CUSTOMER, deadline_at=CASE.due_at)

    assert followups.time_left(waiting, NOW) == timedelta(hours=8)


def test_an_overdue_case_has_less_than_no_time_left() -> None:
    assert followups.time_left(CASE, NOW + timedelta(hours=9)) == timedelta(hours=-1)


def test_a_resolved_case_can_be_closed_and_a_closed_one_cannot() -> None:
    resolved = acts.close(CASE, "", by="", now=NOW, is_resolved=True).case
    closed = acts.close(resolved, "", by="", now=NOW, is_resolved=False).case

    with pytest.raises(NotPossible, match="case 7 is closed already"):
        acts.close(closed, "", by="", now=NOW, is_resolved=True)


def test_reopening_makes_the_turn_ours() -> None:
    closed = acts.close(CASE, "", by="", now=NOW, is_resolved=False).case

    case = acts.reopen(closed, "", by="", now=NOW + timedelta(days=3)).case

    assert (case.state, case.closed_at) == (CaseState.OPEN, None)


def test_an_open_case_cannot_be_reopened() -> None:
    with pytest.raises(NotPossible, match="not closed"):
        acts.reopen(CASE, "", by="", now=NOW)
