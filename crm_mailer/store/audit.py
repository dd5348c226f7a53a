"""Counts every planned mail by its fate, and looks for what in the ledger contradicts itself."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from crm_mailer.model.delivery import OutcomeKind, Verdict
from crm_mailer.model.touch import SETTLED, TouchState
from crm_mailer.store import archiving, doubts
from crm_mailer.store.claims import POWER_CUT
from crm_mailer.store.tables import deliveries, evidence, messages, touches


@dataclass(frozen=True, slots=True, kw_only=True)
class Audit:
    """Where every planned mail is, and what in the ledger does not add up."""

    total: int
    states: dict[str, int]
    #: Sentence -> number of mails; empty when the ledger is sound.
    troubles: dict[str, int]
    #: Of those in doubt, how many are counted as sent since nothing was heard for so long.
    probably_sent: int = 0

    @property
    def is_sound(self) -> bool:
        """Whether the states add up to the total and nothing contradicts itself."""
        return not self.troubles and sum(self.states.values()) == self.total


def audit(connection: sa.Connection, now: datetime) -> Audit:
    """Count every mail by its state and look for contradictions."""
    by_state = connection.execute(
        sa.select(touches.c.state, sa.func.count().label("number")).group_by(touches.c.state)
    )
    found = {
        sentence: connection.scalar(sa.select(sa.func.count()).select_from(query.subquery())) or 0
        for sentence, query in _contradictions(now).items()
    }
    return Audit(
        total=connection.scalar(sa.select(sa.func.count()).select_from(touches)) or 0,
        states={row.state: row.number for row in by_state},
        troubles={sentence: number for sentence, number in found.items() if number},
        probably_sent=doubts.count_probably_sent(connection, now),
    )


def _contradictions(now: datetime) -> dict[str, sa.Select[Any]]:
    ids = sa.select(touches.c.id)
    accepted, doubtful = _is("accepted"), _is("in_doubt")
    is_settled = sa.or_(*(touches.c.state == state.value for state in sorted(SETTLED)))
    is_here = ~archiving.is_archived(touches.c.id)
    late = sa.and_(_is("claimed"), touches.c.claimed_until < now)
    waits = sa.text("touches.state IN ('planned','deferred')")
    return {
        "accepted, but no server is on record as having taken it": ids.where(
            accepted, ~_has("accepted"), ~_has_evidence(), is_here
        ),
        "accepted more than once": _accepted_twice(),
        "a server took it, but it does not count as accepted": _taken_and_not_accepted(),
        "accepted, but its message is not on record": ids.where(
            accepted, ~_is_written(), touches.c.reason != POWER_CUT, is_here
        ),
        "its message has no Message-ID": _without_id(),
        "in doubt, but no attempt is on record that ended so": ids.where(
            doubtful, ~_has("unknown")
        ),
        "refused, but no server is on record as having said so": ids.where(
            _is("refused"), ~_has("refused"), is_here
        ),
        "claimed by a sender whose time is over": ids.where(late),
        "waits for no moment: it would never leave": ids.where(waits, touches.c.next_at.is_(None)),
        "has a fate, but nobody knows since when": ids.where(
            is_settled, touches.c.settled_at.is_(None)
        ),
        "tried more often than it was claimed": _tried_too_often(),
        "evidence about a mail that does not exist": _orphaned_evidence(),
        "evidence that a server took it, but it does not count as accepted": _evidence_ignored(),
    }


def _is(state: str) -> sa.ColumnElement[bool]:
    return touches.c.state == TouchState(state).value


def _has(outcome: str) -> sa.ColumnElement[bool]:
    return sa.exists().where(
        deliveries.c.touch_id == touches.c.id, deliveries.c.outcome == OutcomeKind(outcome).value
    )


def _has_evidence() -> sa.ColumnElement[bool]:
    return sa.exists().where(
        evidence.c.touch_id == touches.c.id, evidence.c.verdict == Verdict.ACCEPTED.value
    )


def _is_written() -> sa.ColumnElement[bool]:
    return sa.exists().where(messages.c.touch_id == touches.c.id)


def _accepted_twice() -> sa.Select[Any]:
    return (
        sa.select(deliveries.c.touch_id)
        .where(deliveries.c.outcome == OutcomeKind.ACCEPTED.value)
        .group_by(deliveries.c.touch_id)
        .having(sa.func.count() > 1)
    )


def _taken_and_not_accepted() -> sa.Select[Any]:
    """Whatever becomes of it later, what a server has taken stays accepted."""
    return (
        sa.select(touches.c.id)
        .join(deliveries, deliveries.c.touch_id == touches.c.id)
        .where(
            touches.c.state != TouchState.ACCEPTED.value,
            deliveries.c.outcome == OutcomeKind.ACCEPTED.value,
        )
    )


def _without_id() -> sa.Select[Any]:
    return sa.select(messages.c.touch_id).where(messages.c.message_id.in_(("", "<>")))


def _tried_too_often() -> sa.Select[Any]:
    return (
        sa.select(touches.c.id)
        .join(deliveries, deliveries.c.touch_id == touches.c.id)
        .where(deliveries.c.attempt > touches.c.attempts)
    )


def _orphaned_evidence() -> sa.Select[Any]:
    owner = sa.exists().where(touches.c.id == evidence.c.touch_id)
    return sa.select(evidence.c.id).where(~owner)


def _evidence_ignored() -> sa.Select[Any]:
    return (
        sa.select(evidence.c.touch_id)
        .join(touches, touches.c.id == evidence.c.touch_id)
        .where(
            evidence.c.verdict == Verdict.ACCEPTED.value,
            touches.c.state != TouchState.ACCEPTED.value,
        )
    )
