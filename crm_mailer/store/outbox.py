"""The outbox as people see it: every planned mail with its fate, and the switches over them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from crm_mailer.model.touch import SkipReason, Touch, TouchState
from crm_mailer.store import cancelling, claims, deliveries, doubts
from crm_mailer.store import touches as touch_rows
from crm_mailer.store.audit import Audit as Audit
from crm_mailer.store.audit import audit as audit
from crm_mailer.store.deliveries import Delivery
from crm_mailer.store.doubts import Evidence
from crm_mailer.store.engine import Instant
from crm_mailer.store.tables import agent_replies, bounces, customers, messages, touches
from crm_mailer.store.tables import deliveries as delivery_rows

#: Reasons that a person may have mended: a template, a header, a missing language, no code left.
MENDABLE = (
    SkipReason.TEMPLATE_ERROR,
    SkipReason.HEADER_GUARD,
    SkipReason.NO_LANGUAGE,
    SkipReason.BENEFIT_EMPTY,
)


#: How far back `pulse` looks.
PULSE = timedelta(minutes=1)
#: From fewer seconds no rate can be told.
SHORTEST = timedelta(seconds=5)


@dataclass(frozen=True, slots=True, kw_only=True)
class OutboxLine:
    """One planned mail in a list."""

    id: int
    campaign: str
    step: str
    #: None: a test, which is nobody's.
    customer_id: int | None
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
    #: What was learnt later, while it was in doubt.
    evidence: tuple[Evidence, ...] = ()
    bounces: tuple[BounceLine, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class BounceLine:
    """A machine's no that came back later."""

    at: datetime
    kind: str
    status: str
    diagnostic: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """What a mail was made from; `snapshot` is the compressed JSON of the fields that it used."""

    campaign: str
    campaign_version: str
    step: str
    template: str
    template_version: str
    language: str
    message_id: str
    sha256: str
    rendered_at: datetime
    snapshot: bytes = b""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pulse:
    """What goes on in the outbox at one moment, as the ledger tells it."""

    at: datetime
    #: Attempts of the last minute, by outcome, and by receiving provider group and outcome.
    outcomes: dict[str, int]
    by_provider: dict[str, dict[str, int]]
    #: Mails that could leave now, by provider group; in a sender's hands; in doubt at all.
    due: dict[str, int]
    claimed: int
    in_doubt: int
    #: When the next mail is due, if none is due now.
    next_at: datetime | None
    #: The first attempt of the last minute; None where there was none.
    first_at: datetime | None = None

    @property
    def rate(self) -> float:
        """Mails a second that were settled, over the last minute.

        While mails are on their way it counts from the first of them: a round that has just begun
        would seem slow, and its end far away.
        """
        settled = sum(self.outcomes.values()) - self.outcomes.get("deferred", 0)
        span = PULSE
        if self.claimed and self.first_at is not None:
            span = min(PULSE, max(self.at - self.first_at, SHORTEST))
        return settled / span.total_seconds()

    def seconds_left(self, held_back: int = 0) -> float | None:
        """How long what is due will take at this rate; None where it cannot be told.

        Args:
            held_back: how many of it will not leave now.
        """
        waiting = sum(self.due.values()) + self.claimed
        if not waiting:
            return 0.0
        going = waiting - held_back
        return going / self.rate if self.rate and going > 0 else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which mails to list, end or try again; what is None or empty does not narrow."""

    states: Sequence[TouchState] = ()
    campaign: str | None = None
    provider: str | None = None
    customer_id: int | None = None
    number: int | None = None
    #: Settled, or else planned for, at this moment or later.
    since: datetime | None = None

    def conditions(self) -> list[sa.ColumnElement[bool]]:
        """As conditions over `touches`."""
        touch = touches.c
        asked = [
            (self.campaign, touch.campaign),
            (self.provider, touch.provider),
            (self.customer_id, touch.customer_id),
            (self.number, touch.id),
        ]
        found = [column == value for value, column in asked if value is not None]
        if self.states:
            found.append(touch.state.in_([state.value for state in self.states]))
        if self.since is not None:
            found.append(sa.func.coalesce(touch.settled_at, touch.due_at) >= self.since)
        return found


#: All mails.
EVERYTHING = Wanted()


def list_(
    connection: sa.Connection, wanted: Wanted = EVERYTHING, *, limit: int = 50
) -> list[OutboxLine]:
    """Mails, the newest first."""
    # an agent's letter has its subject before it is rendered
    subject = sa.func.coalesce(messages.c.subject, agent_replies.c.subject).label("subject")
    # a test has no customer
    address = sa.func.coalesce(customers.c.email, messages.c.rcpt_to).label("email")
    query = (
        sa.select(touches, address, subject)
        .outerjoin(customers, customers.c.id == touches.c.customer_id)
        .outerjoin(messages, messages.c.touch_id == touches.c.id)
        .outerjoin(agent_replies, agent_replies.c.touch_id == touches.c.id)
        .where(*wanted.conditions())
        .order_by(touches.c.id.desc())
        .limit(limit)
    )
    return [_line(row) for row in connection.execute(query)]


def find(connection: sa.Connection, touch_id: int) -> Record | None:
    """The record of one mail; None where there is none by this number."""
    row = connection.execute(
        sa.select(*claims.TOUCH, touches.c.detail, touches.c.settled_at, customers.c.email)
        .outerjoin(customers, customers.c.id == touches.c.customer_id)
        .where(touches.c.id == touch_id)
    ).first()
    if row is None:
        return None
    back = connection.execute(
        sa.select(bounces).where(bounces.c.touch_id == touch_id).order_by(bounces.c.at)
    )
    message = _message(connection, touch_id)
    return Record(
        touch=claims.touch_of(row),
        address=row.email or message.get("rcpt_to", ""),
        detail=row.detail,
        settled_at=row.settled_at,
        deliveries=tuple(deliveries.list_(connection, touch_id)),
        evidence=tuple(doubts.evidence_of(connection, touch_id)),
        bounces=tuple(
            BounceLine(at=one.at, kind=one.kind, status=one.status, diagnostic=one.diagnostic)
            for one in back
        ),
        **message,
    )


def content(connection: sa.Connection, touch_id: int) -> bytes | None:
    """The exact bytes of an order mail; None where they were not kept."""
    query = sa.select(messages.c.content).where(messages.c.touch_id == touch_id)
    found: bytes | None = connection.execute(query).scalar()
    return found


def pulse(connection: sa.Connection, now: datetime) -> Pulse:
    """What was tried in the last minute, and what waits."""
    touch, waits = touches.c, sa.text("touches.state IN ('planned','deferred')")
    number = sa.func.count().label("number")
    tried = connection.execute(
        sa.select(
            touch.provider,
            delivery_rows.c.outcome,
            number,
            sa.func.min(delivery_rows.c.at, type_=Instant).label("first_at"),
        )
        .join_from(delivery_rows, touches, touch.id == delivery_rows.c.touch_id)
        .where(delivery_rows.c.at > now - PULSE, delivery_rows.c.at <= now)
        .group_by(touch.provider, delivery_rows.c.outcome)
    )
    outcomes: dict[str, int] = {}
    by_provider: dict[str, dict[str, int]] = {}
    firsts: list[datetime] = []
    for provider, outcome, times, first_at in tried:
        firsts.append(first_at)
        outcomes[outcome] = outcomes.get(outcome, 0) + times
        by_provider.setdefault(provider, {})[outcome] = times
    due = connection.execute(
        sa.select(touch.provider, number)
        .where(waits, touch.next_at <= now)
        .group_by(touch.provider)
    )
    waiting = {row.provider: row.number for row in due}
    later = sa.select(sa.func.min(touch.next_at)).where(waits, touch.next_at > now)
    return Pulse(
        at=now,
        outcomes=outcomes,
        by_provider=by_provider,
        due=waiting,
        claimed=_count(connection, sa.text("touches.state = 'claimed'")),
        in_doubt=doubts.count(connection),
        next_at=None if waiting else connection.scalar(later),
        first_at=min(firsts, default=None),
    )


def _count(connection: sa.Connection, condition: sa.TextClause) -> int:
    return connection.scalar(sa.select(sa.func.count()).select_from(touches).where(condition)) or 0


def recipe(connection: sa.Connection, touch_id: int) -> Recipe | None:
    """What a mail was made from; None where it was never rendered."""
    query = (
        sa.select(messages, touches.c.campaign, touches.c.campaign_version, touches.c.step)
        .join(touches, touches.c.id == messages.c.touch_id)
        .where(messages.c.touch_id == touch_id)
    )
    row = connection.execute(query).first()
    if row is None:
        return None
    return Recipe(
        campaign=row.campaign,
        campaign_version=row.campaign_version,
        step=row.step,
        template=row.template,
        template_version=row.template_version,
        language=row.language,
        message_id=row.message_id,
        sha256=row.sha256,
        rendered_at=row.rendered_at,
        snapshot=bytes(row.snapshot or b""),
    )


def call_off(connection: sa.Connection, wanted: Wanted) -> int:
    """Order mails that are in doubt stay so: there is no second attempt. How many had one."""
    return connection.execute(
        sa.update(touches).where(*wanted.conditions(), _tried_again()).values(next_at=None)
    ).rowcount


def _tried_again() -> sa.ColumnElement[bool]:
    """In doubt, and to be tried once more."""
    return sa.and_(touches.c.state == TouchState.IN_DOUBT.value, touches.c.next_at.is_not(None))


def cancel_claimed(connection: sa.Connection, wanted: Wanted) -> int:
    """Mark those that senders have in their hands; how many are newly marked."""
    return cancelling.mark(connection, wanted.conditions())


def is_any_claimed(connection: sa.Connection, wanted: Wanted) -> bool:
    """Whether senders still hold some that are not marked."""
    return cancelling.has_unmarked(connection, wanted.conditions())


def count_open(connection: sa.Connection, wanted: Wanted) -> int:
    """How many of the mails that are wanted may yet leave, those in a sender's hands included."""
    states = [one.value for one in (*touch_rows.UNSENT, TouchState.CLAIMED)]
    is_open = sa.or_(touches.c.state.in_(states), _tried_again())
    query = sa.select(sa.func.count()).select_from(touches).where(*wanted.conditions(), is_open)
    return connection.scalar(query) or 0


def list_unsent(connection: sa.Connection, wanted: Wanted) -> Sequence[int]:
    """What has not left of the mails that are wanted, and is in no sender's hands."""
    states = [state.value for state in touch_rows.UNSENT]
    query = sa.select(touches.c.id).where(*wanted.conditions(), touches.c.state.in_(states))
    return connection.execute(query).scalars().all()


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
    if row is not None:
        return {**row._mapping, "has_content": bool(row.has_content)}
    letter = connection.execute(
        sa.select(agent_replies.c.subject, agent_replies.c.language).where(
            agent_replies.c.touch_id == touch_id
        )
    ).first()
    return {} if letter is None else dict(letter._mapping)
