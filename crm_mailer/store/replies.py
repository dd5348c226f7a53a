"""What mails are and say, and the facts by which a mail finds its customer, touch and order."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass
from datetime import date, datetime
from typing import Any

import sqlalchemy as sa

from crm_mailer.model import address as addresses
from crm_mailer.model.errors import NotFound
from crm_mailer.model.reply import Evidence, Intent, ReplyKind, Rung, Severity
from crm_mailer.model.sentence import Sentence
from crm_mailer.model.touch import TouchKind
from crm_mailer.store.engine import upsert
from crm_mailer.store.tables import (
    bounces,
    customers,
    messages,
    orders,
    replies,
    spam_reports,
    touches,
)

#: States in which a mail may have reached the customer.
_SENT = ("accepted", "in_doubt")


@dataclass(frozen=True, slots=True, kw_only=True)
class NewReply:
    """A mail as understood, to be kept."""

    kind: ReplyKind
    received_at: datetime
    inbound_id: int | None = None
    channel: str = "email"
    message_id: str = ""
    sender: str = ""
    subject: str = ""
    own_text: str = ""
    full_text: str = ""
    language: str = ""
    intent: Intent | None = None
    severity: Severity | None = None
    asks: str | None = None
    reasons: tuple[str, ...] = ()
    evidence: tuple[Evidence, ...] = ()
    customer_id: int | None = None
    touch_id: int | None = None
    order_id: int | None = None
    rung: Rung = Rung.NONE
    return_on: date | None = None
    is_copy: bool = False
    #: The learner's probability of a complaint; None where there is no learner.
    chance: float | None = None
    #: The sum of the evidence; None for machines.
    score: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplyRow:
    """A mail as kept, with the customer's name and what it was an answer to."""

    id: int
    inbound_id: int | None
    channel: str
    kind: str
    received_at: datetime
    sender: str
    subject: str
    own_text: str
    full_text: str
    language: str
    intent: str | None
    severity: str | None
    asks: str | None
    reasons: tuple[str, ...]
    evidence: tuple[Evidence, ...]
    customer_id: int | None
    touch_id: int | None
    order_id: int | None
    rung: str
    return_on: date | None
    is_copy: bool
    learnt_at: datetime | None
    customer: str
    campaign: str
    order_number: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TouchFact:
    """What a touch tells of an answer to it. `address` is where its mail went."""

    id: int
    customer_id: int | None
    order_id: int | None
    address: str
    is_test: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class CustomerFact:
    """What listening asks about a customer."""

    id: int
    address: str
    language: str


def add(connection: sa.Connection, reply: NewReply) -> int:
    """Keep a reply; its id. Doing it again for the same mail changes nothing."""
    values = {
        **asdict(reply),
        "reasons": list(reply.reasons),
        "evidence": [asdict(evidence) for evidence in reply.evidence],
    }
    statement = upsert(connection, replies).values(**values).returning(replies.c.id)
    if reply.inbound_id is None:
        return int(connection.execute(statement).scalar_one())
    statement = statement.on_conflict_do_nothing(index_elements=["inbound_id"])
    made = connection.execute(statement).scalar_one_or_none()
    if made is not None:
        return int(made)
    query = sa.select(replies.c.id).where(replies.c.inbound_id == reply.inbound_id)
    return int(connection.execute(query).scalar_one())


def has_twin(
    connection: sa.Connection, *, message_id: str, sender: str, kind: ReplyKind, inbound_id: int
) -> bool:
    """Whether the same mail came before in another copy (other Received lines)."""
    if not message_id:
        return False
    query = sa.select(replies.c.id).where(
        replies.c.message_id == message_id,
        replies.c.sender == sender,
        replies.c.kind == kind.value,
        replies.c.inbound_id != inbound_id,
    )
    return connection.execute(query.limit(1)).first() is not None


def add_spam_report(
    connection: sa.Connection,
    *,
    inbound_id: int,
    touch_id: int | None,
    customer_id: int | None,
    recipient: str,
    feedback_type: str,
    at: datetime,
) -> bool:
    """Keep a spam report; true when it is new."""
    statement = (
        upsert(connection, spam_reports)
        .values(
            inbound_id=inbound_id,
            touch_id=touch_id,
            customer_id=customer_id,
            recipient=recipient,
            feedback_type=feedback_type,
            at=at,
        )
        .on_conflict_do_nothing(index_elements=["inbound_id"])
        .returning(spam_reports.c.id)
    )
    return connection.execute(statement).first() is not None


def find_touch(connection: sa.Connection, touch_id: int) -> TouchFact | None:
    """The touch that a token names, and where its mail went."""
    query = (
        sa.select(
            touches.c.id,
            touches.c.customer_id,
            touches.c.order_id,
            (touches.c.kind == TouchKind.TEST.value).label("is_test"),
            sa.func.coalesce(messages.c.rcpt_to, customers.c.email, "").label("address"),
        )
        .outerjoin(customers, customers.c.id == touches.c.customer_id)
        .outerjoin(messages, messages.c.touch_id == touches.c.id)
        .where(touches.c.id == touch_id)
    )
    row = connection.execute(query).one_or_none()
    return TouchFact(**row._asdict()) if row is not None else None


def find_customer(connection: sa.Connection, address: str) -> CustomerFact | None:
    """The customer with this address."""
    return _customer(connection, customers.c.email_key == addresses.key(address))


def find_customer_by_id(connection: sa.Connection, customer_id: int) -> CustomerFact | None:
    """The customer with this id."""
    return _customer(connection, customers.c.id == customer_id)


def sent_lately(
    connection: sa.Connection, customer_id: int, *, since: datetime, limit: int = 2
) -> list[int]:
    """Touches of which mail went out to a customer since then, newest first."""
    query = (
        sa.select(touches.c.id)
        .where(
            touches.c.customer_id == customer_id,
            touches.c.state.in_(_SENT),
            touches.c.settled_at >= since,
        )
        .order_by(touches.c.settled_at.desc(), touches.c.id.desc())
        .limit(limit)
    )
    return list(connection.execute(query).scalars())


def find_order(
    connection: sa.Connection, numbers: Collection[str], customer_id: int | None
) -> tuple[int, int | None] | None:
    """The order with one of these numbers and its customer; the customer's own first.

    A number that several orders share and none of which is the customer's finds nothing.
    """
    if not numbers:
        return None
    query = sa.select(orders.c.id, orders.c.customer_id).where(orders.c.number.in_(list(numbers)))
    found = [(int(row.id), row.customer_id) for row in connection.execute(query.limit(20))]
    own = [pair for pair in found if customer_id is not None and pair[1] == customer_id]
    if own:
        return own[0]
    return found[0] if len(found) == 1 and customer_id is None else None


def has_unanswered(
    connection: sa.Connection, customer_id: int, *, since: datetime, until: datetime
) -> bool:
    """Whether the customer wrote in that time, and no mail of ours went out after it."""
    wrote = sa.select(sa.func.max(replies.c.received_at)).where(
        replies.c.customer_id == customer_id,
        replies.c.kind == ReplyKind.HUMAN.value,
        replies.c.received_at.between(since, until),
    )
    last = connection.execute(wrote).scalar_one_or_none()
    if last is None:
        return False
    sent = sa.select(touches.c.id).where(
        touches.c.customer_id == customer_id,
        touches.c.kind == "case_reply",
        touches.c.settled_at >= last,
    )
    return connection.execute(sent.limit(1)).first() is None


def get(connection: sa.Connection, reply_id: int) -> ReplyRow:
    """One reply.

    Raises:
        NotFound: there is none.
    """
    row = connection.execute(_rows().where(replies.c.id == reply_id)).one_or_none()
    if row is None:
        raise NotFound(
            Sentence("there is no reply {reply_id}", reply_id=reply_id),
            hint="see `crm-mailer inbox list`",
        )
    return _row(row)


def list_(
    connection: sa.Connection,
    *,
    kinds: Sequence[str] = (),
    intents: Sequence[str] = (),
    customer_id: int | None = None,
    limit: int = 50,
) -> list[ReplyRow]:
    """The newest replies first."""
    query = _rows().order_by(replies.c.received_at.desc(), replies.c.id.desc()).limit(limit)
    if kinds:
        query = query.where(replies.c.kind.in_(list(kinds)))
    if intents:
        query = query.where(replies.c.intent.in_(list(intents)))
    if customer_id is not None:
        query = query.where(replies.c.customer_id == customer_id)
    return [_row(row) for row in connection.execute(query)]


def list_bounces(connection: sa.Connection, inbound_id: int) -> list[dict[str, Any]]:
    """What the report in a mail says, address by address."""
    query = sa.select(bounces).where(bounces.c.inbound_id == inbound_id).order_by(bounces.c.id)
    return [row._asdict() for row in connection.execute(query)]


def counts(connection: sa.Connection) -> dict[str, int]:
    """How many replies of each kind."""
    query = sa.select(replies.c.kind, sa.func.count()).group_by(replies.c.kind)
    return {str(kind): int(number) for kind, number in connection.execute(query)}


def _rows() -> sa.Select[Any]:
    return (
        sa.select(
            replies,
            sa.func.coalesce(customers.c.name, customers.c.email, "").label("customer"),
            sa.func.coalesce(touches.c.campaign, "").label("campaign"),
            sa.func.coalesce(orders.c.number, "").label("order_number"),
        )
        .outerjoin(customers, customers.c.id == replies.c.customer_id)
        .outerjoin(touches, touches.c.id == replies.c.touch_id)
        .outerjoin(orders, orders.c.id == replies.c.order_id)
    )


def _row(row: sa.Row[Any]) -> ReplyRow:
    values = {name: getattr(row, name) for name in ReplyRow.__dataclass_fields__}
    values["reasons"] = tuple(values["reasons"] or ())
    values["evidence"] = tuple(Evidence(**told) for told in values["evidence"] or ())
    return ReplyRow(**values)


def _customer(connection: sa.Connection, where: sa.ColumnElement[bool]) -> CustomerFact | None:
    query = sa.select(
        customers.c.id,
        sa.func.coalesce(customers.c.email, "").label("address"),
        customers.c.language,
    ).where(where)
    row = connection.execute(query).one_or_none()
    return CustomerFact(**row._asdict()) if row is not None else None
