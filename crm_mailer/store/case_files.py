"""What is known around a case: the customer, their orders, what we sent and what they wrote."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import sqlalchemy as sa

from crm_mailer.model.address import key
from crm_mailer.model.customer import Customer, Gender, Occupation
from crm_mailer.model.errors import NotFound
from crm_mailer.model.money import Money
from crm_mailer.model.order import OrderState
from crm_mailer.model.reply import Evidence
from crm_mailer.model.score import Score
from crm_mailer.model.sentence import Sentence
from crm_mailer.store import scores
from crm_mailer.store.tables import (
    customer_identities,
    customer_tags,
    customers,
    messages,
    order_items,
    orders,
    replies,
    suppressions,
    touches,
)

#: So many addresses before and after a misspelt one are looked at for the one that is meant.
_NEAR = 25


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownCustomer:
    """A customer as an agent should know them before answering."""

    customer: Customer
    score: Score | None
    tags: tuple[str, ...]
    classes: tuple[str, ...]
    flag_reason: str
    #: Why the address takes no mail at all or no marketing, such as hard_bounce.
    suppressed: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownOrder:
    """An order in one line, with what was bought."""

    id: int
    number: str
    platform: str
    state: OrderState
    placed_at: datetime
    amount: Money
    items: tuple[str, ...]
    carrier: str
    tracking_number: str
    expected_at: datetime | None
    note: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SentMail:
    """A touch that left, or would have."""

    at: datetime
    campaign: str
    step: str
    subject: str
    state: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class WrittenReply:
    """What the customer wrote, and which words were understood as what."""

    id: int
    at: datetime
    kind: str
    channel: str
    language: str
    subject: str
    text: str
    intent: str
    reasons: tuple[str, ...]
    evidence: tuple[Evidence, ...]


def find_by_address(connection: sa.Connection, who: str) -> int:
    """The customer with this mail address, or with this name on one of the platforms.

    Raises:
        NotFound: there is none; the hint names the nearest address.
    """
    wanted = key(who)
    found = connection.scalar(sa.select(customers.c.id).where(customers.c.email_key == wanted))
    if found is not None:
        return int(found)
    accounts = customer_identities.c
    named = connection.scalars(
        sa.select(accounts.customer_id)
        .where(accounts.buyer_id == who.strip(), accounts.platform.not_like("#%"))
        .distinct()
        .limit(2)
    ).all()
    if len(named) == 1:
        return int(named[0])
    near = difflib.get_close_matches(wanted, _neighbours(connection, wanted), 1, cutoff=0.75)
    raise NotFound(
        Sentence("there is no customer `{who}`", who=who),
        hint=Sentence("did you mean {near}?", near=near[0])
        if near
        else "`crm-mailer customer list` has all",
    )


def _neighbours(connection: sa.Connection, wanted: str) -> list[str]:
    """The mail addresses before and after one in the order of the alphabet."""
    address = customers.c.email_key
    after = sa.select(address).where(address >= wanted).order_by(address)
    before = sa.select(address).where(address < wanted).order_by(address.desc())
    return [
        found
        for query in (after, before)
        for found in connection.scalars(query.limit(_NEAR))
        if found is not None
    ]


def get_customer(
    connection: sa.Connection, customer_id: int, *, now: datetime, place: ZoneInfo
) -> KnownCustomer:
    """The customer of a case; days since the last order are counted in `place`."""
    row = connection.execute(sa.select(customers).where(customers.c.id == customer_id)).one()
    tags = connection.execute(
        sa.select(customer_tags.c.tag)
        .where(customer_tags.c.customer_id == customer_id)
        .order_by(customer_tags.c.tag)
    ).scalars()
    stops = connection.execute(
        sa.select(suppressions.c.reason).where(suppressions.c.address_key == key(row.email or ""))
    ).scalars()
    classes = (row.personality, row.buying_behaviour, row.shopping_age, row.occupation)
    return KnownCustomer(
        customer=_customer(row),
        score=scores.find(connection, customer_id, now=now, place=place),
        tags=tuple(tags),
        classes=tuple(one for one in classes if one),
        flag_reason=row.flag_reason,
        suppressed=tuple(stops),
    )


def list_orders(
    connection: sa.Connection, customer_id: int, order_id: int | None, *, limit: int = 6
) -> list[KnownOrder]:
    """The order in question and the customer's latest others, oldest first."""
    in_question = sa.case((orders.c.id == (order_id or 0), 0), else_=1)
    rows = connection.execute(
        sa.select(orders)
        .where(orders.c.customer_id == customer_id)
        .order_by(in_question, orders.c.placed_at.desc(), orders.c.id.desc())
        .limit(limit)
    ).all()
    items = _items(connection, [row.id for row in rows])
    found = [_order(row, items.get(row.id, ())) for row in rows]
    return sorted(found, key=lambda order: (order.placed_at, order.id))


def list_sent(
    connection: sa.Connection, customer_id: int, *, until: datetime, limit: int = 20
) -> list[SentMail]:
    """The latest mails to the customer that were due before `until`, oldest first."""
    at = sa.func.coalesce(touches.c.settled_at, touches.c.due_at)
    rows = connection.execute(
        sa.select(touches, messages.c.subject, at.label("at"))
        .outerjoin(messages, messages.c.touch_id == touches.c.id)
        .where(touches.c.customer_id == customer_id, touches.c.due_at <= until)
        .order_by(touches.c.due_at.desc(), touches.c.id.desc())
        .limit(limit)
    ).all()
    return [
        SentMail(
            at=row.settled_at or row.due_at,
            campaign=row.campaign,
            step=row.step,
            subject=row.subject or "",
            state=row.state,
            reason=row.reason,
        )
        for row in reversed(rows)
    ]


def list_written(
    connection: sa.Connection, customer_id: int, *, limit: int = 20
) -> list[WrittenReply]:
    """What the customer wrote last, oldest first; second copies left out."""
    rows = connection.execute(
        sa.select(replies)
        .where(replies.c.customer_id == customer_id, replies.c.is_copy.is_(False))
        .order_by(replies.c.received_at.desc(), replies.c.id.desc())
        .limit(limit)
    ).all()
    return [_written(row) for row in reversed(rows)]


def _written(row: sa.Row[Any]) -> WrittenReply:
    return WrittenReply(
        id=row.id,
        at=row.received_at,
        kind=row.kind,
        channel=row.channel,
        language=row.language,
        subject=row.subject,
        text=row.own_text,
        intent=row.intent or "",
        reasons=tuple(row.reasons or ()),
        evidence=tuple(
            Evidence(code=one["code"], weight=one.get("weight", 0), words=one.get("words", ""))
            for one in row.evidence or ()
        ),
    )


def _items(connection: sa.Connection, order_ids: list[int]) -> dict[int, tuple[str, ...]]:
    found: dict[int, tuple[str, ...]] = {}
    for row in connection.execute(
        sa.select(order_items)
        .where(order_items.c.order_id.in_(order_ids))
        .order_by(order_items.c.order_id, order_items.c.line)
    ):
        title = row.title or row.sku
        found[row.order_id] = (*found.get(row.order_id, ()), f"{row.quantity} x {title}")
    return found


def _order(row: sa.Row[Any], items: tuple[str, ...]) -> KnownOrder:
    return KnownOrder(
        id=row.id,
        number=row.number,
        platform=row.platform,
        state=OrderState(row.state),
        placed_at=row.placed_at,
        amount=Money(minor=row.amount_minor, currency=row.currency),
        items=items,
        carrier=row.carrier,
        tracking_number=row.tracking_number,
        expected_at=row.expected_at,
        note=row.note,
    )


def _customer(row: sa.Row[Any]) -> Customer:
    return Customer(
        id=row.id,
        email=row.email,
        name=row.name,
        given_name=row.given_name,
        family_name=row.family_name,
        patronymic=row.patronymic,
        phone=row.phone,
        gender=Gender(row.gender) if row.gender else None,
        language=row.language,
        country=row.country,
        city=row.city,
        time_zone=row.time_zone,
        address_kind=row.address_kind,
        occupation=Occupation(row.occupation) if row.occupation else None,
        source_platform=row.source_platform,
        is_flagged=row.is_flagged,
        created_at=row.created_at,
    )
