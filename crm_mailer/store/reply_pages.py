"""What came, as a list is read: newest first, narrowed, a page at a time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from crm_mailer.store.tables import customers, judgements, orders, replies, touches

#: Letters of a mail in a list.
_EXCERPT = 240


@dataclass(frozen=True, slots=True, kw_only=True)
class Sieve:
    """Which replies are wanted; what is empty is not asked."""

    kind: str = ""
    intent: str = ""
    language: str = ""
    rung: str = ""
    severity: str = ""
    #: Only those whose writer nobody knows.
    is_unmatched: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Spot:
    """One place in the list."""

    at: datetime
    reply: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedReply:
    """A mail in one line."""

    id: int
    received_at: datetime
    kind: str
    channel: str
    sender: str
    customer: str
    customer_id: int | None
    subject: str
    words: str
    language: str
    intent: str
    severity: str
    reasons: tuple[str, ...]
    rung: str
    campaign: str
    order_number: str
    #: Whether an agent said that it is a complaint, or that it is none; None where nobody did.
    judged: bool | None

    @property
    def spot(self) -> Spot:
        """Its place."""
        return Spot(at=self.received_at, reply=self.id)


def page(
    connection: sa.Connection, sieve: Sieve, *, after: Spot | None, limit: int
) -> list[ListedReply]:
    """The newest replies first, from behind `after` on."""
    query: sa.Select[Any] = (
        sa.select(
            replies.c.id, replies.c.received_at, replies.c.kind, replies.c.channel,
            replies.c.sender, replies.c.customer_id, replies.c.subject, replies.c.language,
            replies.c.intent, replies.c.severity, replies.c.reasons, replies.c.rung,
            sa.func.substr(replies.c.own_text, 1, _EXCERPT).label("words"),
            sa.func.coalesce(customers.c.name, customers.c.email, "").label("customer"),
            sa.func.coalesce(touches.c.campaign, "").label("campaign"),
            sa.func.coalesce(orders.c.number, "").label("order_number"),
            judgements.c.is_complaint.label("judged"),
        )
        .outerjoin(customers, customers.c.id == replies.c.customer_id)
        .outerjoin(touches, touches.c.id == replies.c.touch_id)
        .outerjoin(orders, orders.c.id == replies.c.order_id)
        .outerjoin(judgements, judgements.c.reply_id == replies.c.id)
        .where(*_wanted(sieve))
        .order_by(replies.c.received_at.desc(), replies.c.id.desc())
        .limit(limit)
    )  # fmt: skip
    if after is not None:
        query = query.where(_is_older(after))
    return [_listed(row) for row in connection.execute(query)]


def neighbours(connection: sa.Connection, sieve: Sieve, spot: Spot) -> tuple[int, int]:
    """The numbers of the next newer and the next older reply in the same list; 0 for none."""
    wanted = list(_wanted(sieve))
    newer = (
        sa.select(replies.c.id)
        .where(*wanted, _is_newer(spot))
        .order_by(replies.c.received_at, replies.c.id)
        .limit(1)
    )
    older = (
        sa.select(replies.c.id)
        .where(*wanted, _is_older(spot))
        .order_by(replies.c.received_at.desc(), replies.c.id.desc())
        .limit(1)
    )
    return connection.scalar(newer) or 0, connection.scalar(older) or 0


def languages(connection: sa.Connection, *, limit: int = 60) -> list[str]:
    """The languages in which customers wrote: one look into an index for each of them."""
    found: list[str] = []
    last = ""
    while len(found) < limit:
        query = sa.select(sa.func.min(replies.c.language)).where(replies.c.language > last)
        known = connection.scalar(query)
        if not known:
            return found
        found.append(known)
        last = known
    return found


def _wanted(sieve: Sieve) -> Iterator[sa.ColumnElement[bool]]:
    for column, value in (
        (replies.c.kind, sieve.kind),
        (replies.c.intent, sieve.intent),
        (replies.c.language, sieve.language),
        (replies.c.rung, sieve.rung),
        (replies.c.severity, sieve.severity),
    ):
        if value:
            yield column == value
    if sieve.is_unmatched:
        yield replies.c.customer_id.is_(None)


def _is_older(spot: Spot) -> sa.ColumnElement[bool]:
    at, own = replies.c.received_at, replies.c.id
    # the first part is what the index is entered by
    return (at <= spot.at) & ((at < spot.at) | (own < spot.reply))


def _is_newer(spot: Spot) -> sa.ColumnElement[bool]:
    at, own = replies.c.received_at, replies.c.id
    return (at >= spot.at) & ((at > spot.at) | (own > spot.reply))


def _listed(row: sa.Row[Any]) -> ListedReply:
    values = row._asdict()
    values["reasons"] = tuple(values["reasons"] or ())
    for name in ("words", "intent", "severity"):
        values[name] = values[name] or ""
    return ListedReply(**values)
