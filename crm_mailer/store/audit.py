"""Counts every planned mail by its fate, and looks for what in the ledger contradicts itself."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from crm_mailer.model.delivery import OutcomeKind, Verdict
from crm_mailer.model.touch import SETTLED, TouchState
from crm_mailer.store import archiving, doubts
from crm_mailer.store.claims import POWER_CUT
from crm_mailer.store.tables import (
    curve_states,
    deliveries,
    evidence,
    messages,
    plan_runs,
    touches,
)

#: So many mails or campaigns are named for each trouble.
NAMED = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Audit:
    """Where every planned mail is, and what in the ledger does not add up."""

    total: int
    states: dict[str, int]
    #: Sentence -> number of mails; empty when the ledger is sound.
    troubles: dict[str, int]
    #: Of those in doubt, how many are counted as sent since nothing was heard for so long.
    probably_sent: int = 0
    #: Sentence -> the first few mails by number, or campaigns by name; and what to do about it.
    examples: dict[str, tuple[str, ...]] = field(default_factory=dict)
    remedies: dict[str, str] = field(default_factory=dict)

    @property
    def is_sound(self) -> bool:
        """Whether nothing is missing and nothing contradicts itself."""
        return not self.troubles


@dataclass(frozen=True, slots=True)
class _Trouble:
    number: int
    examples: tuple[str, ...]


def audit(connection: sa.Connection, now: datetime) -> Audit:
    """Count every mail by its state, and look for what is missing and for contradictions."""
    by_state = connection.execute(
        sa.select(touches.c.state, sa.func.count().label("number")).group_by(touches.c.state)
    )
    states = {row.state: row.number for row in by_state}
    found = {
        sentence: _counted(connection, query) for sentence, query in _contradictions(now).items()
    }
    found[GONE] = _fewer_than_planned(connection)
    found = {sentence: one for sentence, one in found.items() if one.number}
    return Audit(
        total=sum(states.values()),
        states=states,
        troubles={sentence: one.number for sentence, one in found.items()},
        probably_sent=doubts.count_probably_sent(connection, now),
        examples={sentence: one.examples for sentence, one in found.items()},
        remedies={sentence: REMEDIES[sentence] for sentence in found},
    )


def _counted(connection: sa.Connection, query: sa.Select[Any]) -> _Trouble:
    number = connection.scalar(sa.select(sa.func.count()).select_from(query.subquery())) or 0
    if not number:
        return _Trouble(0, ())
    return _Trouble(number, tuple(str(row[0]) for row in connection.execute(query.limit(NAMED))))


_BROUGHT_BACK = (
    "rows are missing: `crm-mailer db verify` looks at the whole database; if they stay missing, "
    "bring back the last backup: what has left since is known beside the database"
)
_CHANGED = (
    "a row was changed by something else than this program: `crm-mailer outbox show NUMBER` tells "
    "what is known of the mail"
)
_TAKEN_OVER = (
    "the next `crm-mailer send`, or the daemon, puts them right or calls them in doubt: then "
    "`crm-mailer outbox doubt resolve NUMBER`"
)
_AGAIN = "`crm-mailer outbox cancel --number NUMBER` ends it"
#: Planning keeps how many mails it saved, for `retention.logs_days`.
GONE = "planned, but not in the ledger any more"
#: Sentence -> what to do.
REMEDIES = {
    GONE: _BROUGHT_BACK,
    "an attempt is on record of a mail that is not": _BROUGHT_BACK,
    "a message is on record of a mail that is not": _BROUGHT_BACK,
    "accepted, but no server is on record as having taken it": _BROUGHT_BACK,
    "accepted more than once": _CHANGED,
    "a server took it, but it does not count as accepted": _CHANGED,
    "accepted, but its message is not on record": _BROUGHT_BACK,
    "its message has no Message-ID": _CHANGED,
    "in doubt, but no attempt is on record that ended so": _BROUGHT_BACK,
    "refused, but no server is on record as having said so": _BROUGHT_BACK,
    "claimed by a sender whose time is over": _TAKEN_OVER,
    "claimed, but by nobody or without an end": _TAKEN_OVER,
    "waits for no moment: it would never leave": _AGAIN,
    "has a fate, but nobody knows since when": _CHANGED,
    "tried more often than it was claimed": _CHANGED,
    "evidence about a mail that does not exist": _BROUGHT_BACK,
    "evidence that a server took it, but it does not count as accepted": _CHANGED,
}


def _contradictions(now: datetime) -> dict[str, sa.Select[Any]]:
    ids = sa.select(touches.c.id)
    accepted, doubtful = _is("accepted"), _is("in_doubt")
    is_settled = sa.or_(*(touches.c.state == state.value for state in sorted(SETTLED)))
    is_here = ~archiving.is_archived(touches.c.id)
    is_claimed = sa.text("touches.state = 'claimed'")
    is_nobodys = sa.or_(touches.c.owner == "", touches.c.claimed_until.is_(None))
    late = sa.and_(is_claimed, touches.c.claimed_until < now, touches.c.owner != "")
    waits = sa.text("touches.state IN ('planned','deferred')")
    return {
        "an attempt is on record of a mail that is not": _of_no_mail(deliveries),
        "a message is on record of a mail that is not": _of_no_mail(messages),
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
        "claimed, but by nobody or without an end": ids.where(is_claimed, is_nobodys),
        "waits for no moment: it would never leave": ids.where(waits, touches.c.next_at.is_(None)),
        "has a fate, but nobody knows since when": ids.where(
            is_settled, touches.c.settled_at.is_(None)
        ),
        "tried more often than it was claimed": _tried_too_often(),
        "evidence about a mail that does not exist": _orphaned_evidence(),
        "evidence that a server took it, but it does not count as accepted": _evidence_ignored(),
    }


def _of_no_mail(table: sa.Table) -> sa.Select[Any]:
    """Rows whose touch is gone, once for each touch."""
    is_there = sa.exists().where(touches.c.id == table.c.touch_id)
    return sa.select(table.c.touch_id).where(~is_there).distinct()


def _fewer_than_planned(connection: sa.Connection) -> _Trouble:
    """What acts of planning saved, since the oldest of a campaign that is kept, and is not there.

    Memory curves count what they moved as well: of them it cannot be told.
    """
    curve, kept = curve_states.c, _kept_acts(connection.dialect.name)
    saved = {row.campaign: row.saved or 0 for row in connection.execute(sa.select(kept))}
    # all touches are read once, in their own order: by an index it takes five times as long
    rows = connection.execute(
        sa.select(
            kept.c.campaign,
            sa.func.sum(sa.case((touches.c.planned_at >= kept.c.at, 1), else_=0)).label("number"),
        )
        .select_from(touches)
        .outerjoin(kept, kept.c.campaign == touches.c.campaign)
        .group_by(kept.c.campaign)
    )
    here = {row.campaign: row.number for row in rows}
    missing = {name: number - here.get(name, 0) for name, number in saved.items()}
    missing = {name: number for name, number in sorted(missing.items()) if number > 0}
    if missing:
        some = sa.select(curve.campaign).where(curve.campaign.in_(list(missing))).distinct()
        for name in connection.scalars(some):
            del missing[name]
    return _Trouble(sum(missing.values()), tuple(missing)[:NAMED])


def _kept_acts(dialect: str) -> sa.Subquery:
    """Campaign, how many mails its acts of planning saved, and when the first of these was."""
    run = plan_runs.c
    counts: sa.ColumnElement[Any] = sa.type_coerce(run.counts, sa.Text)
    counts = (
        sa.cast(counts, sa.JSON) if dialect == "postgresql" else sa.type_coerce(counts, sa.JSON)
    )
    saved = counts["saved"].as_integer()
    return (
        sa.select(run.campaign, sa.func.sum(saved).label("saved"), sa.func.min(run.at).label("at"))
        .group_by(run.campaign)
        .subquery("kept")
    )


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
    return sa.select(evidence.c.touch_id).where(~owner)


def _evidence_ignored() -> sa.Select[Any]:
    return (
        sa.select(evidence.c.touch_id)
        .join(touches, touches.c.id == evidence.c.touch_id)
        .where(
            evidence.c.verdict == Verdict.ACCEPTED.value,
            touches.c.state != TouchState.ACCEPTED.value,
        )
    )
