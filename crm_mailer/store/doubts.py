"""Mails in doubt: which there are, what happens to them next, and the evidence that settles them.

After the final dot has left and no answer was heard, nobody knows whether the server took the
mail (RFC 1047). What comes back later does: a bounce, an answer, a click, the relay's own log, or
a person who looked.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from crm_mailer.model.delivery import EvidenceKind, OutcomeKind, Phase, Verdict
from crm_mailer.model.reply import ReplyKind, Rung
from crm_mailer.model.touch import TouchKind, TouchState
from crm_mailer.store.engine import Instant, upsert
from crm_mailer.store.tables import customers, deliveries, evidence, messages, replies, touches

#: So long without evidence, a mail in doubt is taken to have been sent.
PROBABLY_AFTER = timedelta(hours=72)
#: Who may say that a mail did not leave: nothing else can know.
MAY_DENY = frozenset({EvidenceKind.RELAY_LOG, EvidenceKind.OPERATOR})
#: Matches by a token of ours, which only a reader of the mail can know.
PROVEN = frozenset({Rung.ADDRESS_TOKEN, Rung.MESSAGE_ID, Rung.RETURNED_TOKEN})
#: What machines send back about a mail.
REPORTS = frozenset({ReplyKind.BOUNCE, ReplyKind.SPAM_REPORT})
#: How much of the evidence's own words is kept.
TEXT_LENGTH = 500
#: Ids asked for in one statement.
CHUNK = 5_000

#: The words of a partial index: an engine uses it only for exactly this condition.
_IN_DOUBT = sa.text("touches.state = 'in_doubt'")
_UNKNOWN = deliveries.c.outcome == OutcomeKind.UNKNOWN.value


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What was learnt later about a mail that was in doubt."""

    kind: EvidenceKind
    verdict: Verdict
    at: datetime
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Doubt:
    """A mail that may have been sent."""

    id: int
    campaign: str
    step: str
    #: None: a test, which is nobody's.
    customer_id: int | None
    address: str
    subject: str
    stream: str
    provider: str
    message_id: str
    #: The earliest moment at which it may have left, and when the doubt arose.
    earliest_at: datetime
    since: datetime
    #: How many attempts ended in doubt, and how many were answered with a no to the final dot.
    doubts: int
    refusals: int
    #: Where, and why nobody knows.
    host: str
    why: str
    #: When order mail is tried once more; None: never.
    next_at: datetime | None
    #: Whether a sender tries it once more at this moment.
    is_claimed: bool

    def is_probably_sent(self, now: datetime) -> bool:
        """Whether it is counted as sent, since nothing was heard for so long."""
        return now - self.since >= PROBABLY_AFTER


def settle_by_evidence(
    connection: sa.Connection,
    touch_id: int,
    kind: EvidenceKind,
    at: datetime,
    text: str,
    verdict: Verdict = Verdict.ACCEPTED,
) -> bool:
    """Settle a mail in doubt by what was learnt later; whether it was in doubt.

    Taken: it is accepted, at the time of the attempt, and is not tried again, not even where a
    sender has it in its hands for a second attempt and has not begun. Not taken: it is due at
    once. Of a mail that is not in doubt, and done a second time, nothing changes.

    Args:
        connection: a write turn.
        touch_id: whose mail.
        kind: what shows it.
        at: when it was learnt.
        text: the words of the bounce, the line of the log, who said so.
        verdict: what it shows.

    Raises:
        ValueError: this kind of evidence cannot show that a mail was not sent.
    """
    if verdict is Verdict.NOT_SENT and kind not in MAY_DENY:
        raise ValueError(f"a {kind} cannot show that a mail was not sent")
    change = _accepted(at) if verdict is Verdict.ACCEPTED else _not_sent(at)
    if not connection.execute(change.where(touches.c.id == touch_id)).rowcount:
        return False
    if verdict is Verdict.NOT_SENT:
        _disprove(connection, touch_id)
    _keep(connection, touch_id, kind, at, text, verdict)
    return True


@dataclass(frozen=True, slots=True)
class Heard:
    """A received mail that answers one in doubt, by a token of ours."""

    touch_id: int
    kind: EvidenceKind
    at: datetime
    text: str


def heard_of(kind: ReplyKind) -> EvidenceKind:
    """As what kind of evidence a received mail counts."""
    return EvidenceKind.BOUNCE if kind in REPORTS else EvidenceKind.REPLY


def heard(connection: sa.Connection) -> list[Heard]:
    """Answers to mails in doubt that came before it was known that they are in doubt.

    A sender that died is found late; until then its mails count as being sent.
    """
    query = (
        sa.select(touches.c.id, replies.c.kind, replies.c.received_at, replies.c.subject)
        .join(replies, replies.c.touch_id == touches.c.id)
        .where(_IN_DOUBT, replies.c.rung.in_(sorted(PROVEN)))
        .order_by(replies.c.id)
    )
    return [
        Heard(row.id, heard_of(ReplyKind(row.kind)), row.received_at, row.subject)
        for row in connection.execute(query)
    ]


def evidence_of(connection: sa.Connection, touch_id: int) -> list[Evidence]:
    """All that was learnt later about a mail, oldest first."""
    rows = connection.execute(
        sa.select(evidence)
        .where(evidence.c.touch_id == touch_id)
        .order_by(evidence.c.at, evidence.c.id)
    )
    return [
        Evidence(
            kind=EvidenceKind(row.kind), verdict=Verdict(row.verdict), at=row.at, text=row.text
        )
        for row in rows
    ]


def list_(
    connection: sa.Connection,
    *,
    campaign: str | None = None,
    touch_ids: Sequence[int] | None = None,
    limit: int | None = None,
) -> list[Doubt]:
    """Mails in doubt, oldest first; those tried once more at this moment among them."""
    tried = _rows(_tried_again(), campaign, touch_ids, limit)
    rows = [
        *connection.execute(_rows(_IN_DOUBT, campaign, touch_ids, limit)),
        *connection.execute(tried),
    ]
    rows.sort(key=lambda row: row.id)
    rows = rows[:limit]
    attempts = _attempts(connection, [row.id for row in rows])
    return [_doubt(row, attempts.get(row.id, [])) for row in rows]


def count(connection: sa.Connection, campaign: str | None = None) -> int:
    """How many mails are in doubt."""
    query = sa.select(sa.func.count()).select_from(touches).where(_IN_DOUBT)
    return connection.scalar(_of(query, campaign)) or 0


def count_probably_sent(connection: sa.Connection, now: datetime) -> int:
    """How many mails in doubt are old enough to be counted as sent."""
    last = (
        sa.select(sa.func.max(deliveries.c.at))
        .where(deliveries.c.touch_id == touches.c.id, _UNKNOWN)
        .scalar_subquery()
    )
    query = (
        sa.select(sa.func.count())
        .select_from(touches)
        .where(_IN_DOUBT, last <= now - PROBABLY_AFTER)
    )
    return connection.scalar(query) or 0


def _of(query: sa.Select[Any], campaign: str | None) -> sa.Select[Any]:
    return query if campaign is None else query.where(touches.c.campaign == campaign)


# ------------------------------------------------------------------ settling


def _accepted(at: datetime) -> sa.Update:
    left_at = (
        sa.select(sa.func.max(deliveries.c.at))
        .where(deliveries.c.touch_id == touches.c.id, _UNKNOWN)
        .scalar_subquery()
    )
    is_letter = touches.c.kind == TouchKind.CASE_REPLY.value
    return (
        sa.update(touches)
        .where(sa.or_(touches.c.state == TouchState.IN_DOUBT.value, _tried_again()))
        .values(
            state=TouchState.ACCEPTED.value,
            reason="",
            # the text of an agent's letter stands there
            detail=sa.case((is_letter, touches.c.detail), else_=""),
            next_at=None,
            settled_at=sa.func.coalesce(left_at, sa.literal(at, Instant)),
            owner="",
            claimed_until=None,
        )
    )


def _not_sent(at: datetime) -> sa.Update:
    return (
        sa.update(touches)
        .where(touches.c.state == TouchState.IN_DOUBT.value)
        .values(
            state=TouchState.DEFERRED.value,
            reason="",
            next_at=at,
            settled_at=None,
            owner="",
            claimed_until=None,
        )
    )


def _tried_again() -> sa.ColumnElement[bool]:
    """Order mail in doubt that a sender has claimed for its second attempt."""
    was_doubtful = sa.exists().where(deliveries.c.touch_id == touches.c.id, _UNKNOWN)
    return sa.and_(sa.text("touches.state = 'claimed'"), was_doubtful)


def _disprove(connection: sa.Connection, touch_id: int) -> None:
    """Its attempts count as deferred from now on: a later one is judged by itself."""
    connection.execute(
        sa.update(deliveries)
        .where(deliveries.c.touch_id == touch_id, _UNKNOWN)
        .values(outcome=OutcomeKind.DEFERRED.value)
    )


def _keep(
    connection: sa.Connection,
    touch_id: int,
    kind: EvidenceKind,
    at: datetime,
    text: str,
    verdict: Verdict,
) -> None:
    statement = upsert(connection, evidence).values(
        touch_id=touch_id,
        kind=kind.value,
        verdict=verdict.value,
        at=at,
        text=text[:TEXT_LENGTH],
    )
    changed = {name: statement.excluded[name] for name in ("verdict", "at", "text")}
    connection.execute(
        statement.on_conflict_do_update(index_elements=["touch_id", "kind"], set_=changed)
    )


# ------------------------------------------------------------------ looking


def _rows(
    condition: sa.ColumnElement[bool] | sa.TextClause,
    campaign: str | None,
    touch_ids: Sequence[int] | None,
    limit: int | None,
) -> sa.Select[Any]:
    query = (
        sa.select(
            touches,
            customers.c.email,
            messages.c.subject,
            messages.c.message_id,
            messages.c.rcpt_to,
        )
        .outerjoin(customers, customers.c.id == touches.c.customer_id)
        .outerjoin(messages, messages.c.touch_id == touches.c.id)
        .where(condition)
        # not the bare id: an engine would read all touches in its order
        .order_by(touches.c.id + 0)
        .limit(limit)
    )
    if touch_ids is not None:
        query = query.where(touches.c.id.in_(list(touch_ids)))
    return _of(query, campaign)


def _attempts(connection: sa.Connection, ids: Sequence[int]) -> dict[int, list[Any]]:
    found: dict[int, list[Any]] = {}
    for start in range(0, len(ids), CHUNK):
        query = (
            sa.select(deliveries)
            .where(deliveries.c.touch_id.in_(ids[start : start + CHUNK]))
            .order_by(deliveries.c.touch_id, deliveries.c.attempt)
        )
        for row in connection.execute(query):
            found.setdefault(row.touch_id, []).append(row)
    return found


def _doubt(row: Any, attempts: Sequence[Any]) -> Doubt:
    doubtful = [one for one in attempts if one.outcome == OutcomeKind.UNKNOWN]
    last = doubtful[-1] if doubtful else None
    before = [one.at for one in attempts if doubtful and one.attempt < doubtful[0].attempt]
    since = last.at if last is not None else row.due_at
    return Doubt(
        id=row.id,
        campaign=row.campaign,
        step=row.step,
        customer_id=row.customer_id,
        address=row.rcpt_to or row.email or "",
        subject=row.subject or "",
        stream=row.stream,
        provider=row.provider,
        message_id=row.message_id or "",
        earliest_at=min([*before[-1:], since]) if before else min(row.due_at, since),
        since=since,
        doubts=len(doubtful),
        refusals=sum(_is_no_to_the_dot(one) for one in attempts),
        host=last.host if last is not None else "",
        why=last.text if last is not None else "",
        next_at=row.next_at if row.state == TouchState.IN_DOUBT else None,
        is_claimed=row.state == TouchState.CLAIMED,
    )


def _is_no_to_the_dot(attempt: Any) -> bool:
    is_no = attempt.outcome in (OutcomeKind.DEFERRED, OutcomeKind.REFUSED)
    return is_no and attempt.phase == Phase.DOT.value and attempt.code >= 400
