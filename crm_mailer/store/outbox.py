"""The outbox as people see it: every planned mail with its fate, and the switches over them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from crm_mailer.model.touch import SkipReason, Touch, TouchState
from crm_mailer.store import claims, deliveries, facts, health
from crm_mailer.store.deliveries import Delivery
from crm_mailer.store.tables import bounces, customers, messages, touches
from crm_mailer.store.tables import deliveries as delivery_rows

#: Reasons that a person may have mended: a template, a header, a missing language.
MENDABLE = (SkipReason.TEMPLATE_ERROR, SkipReason.HEADER_GUARD, SkipReason.NO_LANGUAGE)


@dataclass(frozen=True, slots=True, kw_only=True)
class OutboxLine:
    """One planned mail in a list."""

    id: int
    campaign: str
    step: str
    customer_id: int
    address: str
    subject: str
    state: TouchState
    reason: str
    next_at: datetime | None
    settled_at: datetime | None
    attempts: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """All that is known of one mail."""

    touch: Touch
    address: str
    detail: str
    settled_at: datetime | None
    message_id: str = ""
    mail_from: str = ""
    rcpt_to: str = ""
    subject: str = ""
    language: str = ""
    template_version: str = ""
    sha256: str = ""
    rendered_at: datetime | None = None
    has_content: bool = False
    deliveries: tuple[Delivery, ...] = ()
    bounces: tuple[BounceLine, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class BounceLine:
    """A machine's no that came back later."""

    at: datetime
    kind: str
    status: str
    diagnostic: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Audit:
    """Where every planned mail is, and what in the ledger does not add up."""

    total: int
    states: dict[str, int]
    #: Sentence -> number of mails; empty when the ledger is sound.
    troubles: dict[str, int]

    @property
    def is_sound(self) -> bool:
        """Whether the states add up to the total and nothing contradicts itself."""
        return not self.troubles and sum(self.states.values()) == self.total


def list_(
    connection: sa.Connection,
    *,
    states: Sequence[TouchState] = (),
    campaign: str | None = None,
    limit: int = 50,
) -> list[OutboxLine]:
    """Mails, the newest first."""
    query = (
        sa.select(touches, customers.c.email, messages.c.subject)
        .join(customers, customers.c.id == touches.c.customer_id)
        .outerjoin(messages, messages.c.touch_id == touches.c.id)
        .order_by(touches.c.id.desc())
        .limit(limit)
    )
    if states:
        query = query.where(touches.c.state.in_([state.value for state in states]))
    if campaign is not None:
        query = query.where(touches.c.campaign == campaign)
    return [_line(row) for row in connection.execute(query)]


def find(connection: sa.Connection, touch_id: int) -> Record | None:
    """The record of one mail; None where there is none by this number."""
    row = connection.execute(
        sa.select(touches, customers.c.email)
        .join(customers, customers.c.id == touches.c.customer_id)
        .where(touches.c.id == touch_id)
    ).first()
    if row is None:
        return None
    back = connection.execute(
        sa.select(bounces).where(bounces.c.touch_id == touch_id).order_by(bounces.c.at)
    )
    return Record(
        touch=claims.touch_of(row),
        address=row.email or "",
        detail=row.detail,
        settled_at=row.settled_at,
        deliveries=tuple(deliveries.list_(connection, touch_id)),
        bounces=tuple(
            BounceLine(at=one.at, kind=one.kind, status=one.status, diagnostic=one.diagnostic)
            for one in back
        ),
        **_message(connection, touch_id),
    )


def content(connection: sa.Connection, touch_id: int) -> bytes | None:
    """The exact bytes of an order mail; None where they were not kept."""
    query = sa.select(messages.c.content).where(messages.c.touch_id == touch_id)
    found: bytes | None = connection.execute(query).scalar()
    return found


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
    )


def call_off(connection: sa.Connection, campaign: str) -> None:
    """Order mails of a campaign that are in doubt stay so: there is no second attempt."""
    connection.execute(
        sa.update(touches)
        .where(touches.c.campaign == campaign, touches.c.state == TouchState.IN_DOUBT.value)
        .values(next_at=None)
    )


def retry(
    connection: sa.Connection,
    now: datetime,
    *,
    campaign: str | None = None,
    is_refused_too: bool = False,
) -> int:
    """Make mails due now: deferred ones, and those that a fault of a template left out.

    Args:
        is_refused_too: also mails refused for a fault of ours, such as a missing SPF record.
    """
    mendable = sa.and_(
        touches.c.state == TouchState.SKIPPED.value,
        touches.c.reason.in_([reason.value for reason in MENDABLE]),
    )
    ours = sa.exists().where(
        delivery_rows.c.touch_id == touches.c.id,
        delivery_rows.c.attempt == touches.c.attempts,
        delivery_rows.c.blame == "us",
    )
    wanted = [touches.c.state == TouchState.DEFERRED.value, mendable]
    if is_refused_too:
        wanted.append(sa.and_(touches.c.state == TouchState.REFUSED.value, ours))
    statement = sa.update(touches).where(
        sa.or_(*wanted), sa.or_(touches.c.expires_at.is_(None), touches.c.expires_at > now)
    )
    if campaign is not None:
        statement = statement.where(touches.c.campaign == campaign)
    tried = sa.case(
        (touches.c.attempts > 0, TouchState.DEFERRED.value), else_=TouchState.PLANNED.value
    )
    return connection.execute(
        statement.values(state=tried, reason="", next_at=now, settled_at=None)
    ).rowcount


def set_paused(connection: sa.Connection, is_paused: bool, now: datetime) -> None:
    """Stop all sending, or let it go on; a running sender obeys within one cycle."""
    facts.put(connection, health.PAUSED, is_paused, now)


def _contradictions(now: datetime) -> dict[str, sa.Select[Any]]:
    ids = sa.select(touches.c.id)

    def has(outcome: str) -> sa.ColumnElement[bool]:
        return sa.exists().where(
            delivery_rows.c.touch_id == touches.c.id, delivery_rows.c.outcome == outcome
        )

    written = sa.exists().where(messages.c.touch_id == touches.c.id)
    twice = (
        sa.select(delivery_rows.c.touch_id)
        .where(delivery_rows.c.outcome == "accepted")
        .group_by(delivery_rows.c.touch_id)
        .having(sa.func.count() > 1)
    )
    accepted = touches.c.state == TouchState.ACCEPTED.value
    doubtful = touches.c.state == TouchState.IN_DOUBT.value
    late = sa.and_(touches.c.state == TouchState.CLAIMED.value, touches.c.claimed_until < now)
    return {
        "accepted, but no server is on record as having taken it": ids.where(
            accepted, ~has("accepted")
        ),
        "accepted more than once": twice,
        "accepted, but its message is not on record": ids.where(accepted, ~written),
        "in doubt, but no attempt is on record that ended so": ids.where(doubtful, ~has("unknown")),
        "claimed by a sender whose time is over": ids.where(late),
    }


def _line(row: Any) -> OutboxLine:
    return OutboxLine(
        id=row.id,
        campaign=row.campaign,
        step=row.step,
        customer_id=row.customer_id,
        address=row.email or "",
        subject=row.subject or "",
        state=TouchState(row.state),
        reason=row.reason,
        next_at=row.next_at,
        settled_at=row.settled_at,
        attempts=row.attempts,
    )


def _message(connection: sa.Connection, touch_id: int) -> dict[str, Any]:
    names = (
        "message_id mail_from rcpt_to subject language template_version sha256 rendered_at".split()
    )
    row = connection.execute(
        sa.select(
            *(messages.c[name] for name in names),
            messages.c.content.is_not(None).label("has_content"),
        ).where(messages.c.touch_id == touch_id)
    ).first()
    return {} if row is None else {**row._mapping, "has_content": bool(row.has_content)}
