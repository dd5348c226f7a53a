"""Cases as a board shows them: by state and due time, narrowed, a page at a time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from crm_mailer.model.case import UNDER_WAY, Case, CaseState
from crm_mailer.store import cases as store_cases
from crm_mailer.store.tables import (
    case_events,
    cases,
    customers,
    order_items,
    orders,
    replies,
    touches,
)

#: A column is counted so far: who reads more?
COUNTED = 1_000
#: Letters of the customer's words on a card.
_EXCERPT = 240


@dataclass(frozen=True, slots=True, kw_only=True)
class Narrowing:
    """Which cases are wanted; what is empty is not asked."""

    #: Whose; "" for nobody's, None for anybody's.
    owner: str | None = None
    is_overdue: bool = False
    #: A code such as `nad.damaged`, or the first part of one.
    reason: str = ""
    severity: str = ""
    campaign: str = ""
    #: A sku, or a part of a title.
    product: str = ""
    country: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a page ended: the time that orders the column, and the case."""

    at: datetime
    case: int


@dataclass(frozen=True, slots=True, kw_only=True)
class BoardCase:
    """A case with what stands on its card."""

    case: Case
    customer: str
    email: str
    country: str
    is_flagged: bool
    order_number: str
    campaign: str
    words: str

    @property
    def place(self) -> Place:
        """Where the next page begins, were this the last of its page."""
        ended = self.case.closed_at if self.case.state not in UNDER_WAY else None
        return Place(at=ended or self.case.due_at, case=self.case.id)


def page(
    connection: sa.Connection,
    state: CaseState,
    narrowing: Narrowing,
    *,
    now: datetime,
    after: Place | None,
    limit: int,
) -> list[BoardCase]:
    """Cases of one state: what is due first comes first; of those that ended, the latest."""
    at = _ordering(state)
    order = (at, cases.c.id) if state in UNDER_WAY else (at.desc(), cases.c.id.desc())
    query = (
        sa.select(
            cases, customers.c.name, customers.c.email, customers.c.country,
            customers.c.is_flagged, orders.c.number, touches.c.campaign,
            sa.func.substr(replies.c.own_text, 1, _EXCERPT).label("words"),
        )
        .join(customers, customers.c.id == cases.c.customer_id)
        .outerjoin(orders, orders.c.id == cases.c.order_id)
        .outerjoin(touches, touches.c.id == cases.c.touch_id)
        .outerjoin(replies, replies.c.id == cases.c.reply_id)
        .where(*_wanted(state, narrowing, now))
        .order_by(*order)
        .limit(limit)
    )  # fmt: skip
    if after is not None:
        query = query.where(_is_behind(state, after))
    return [_on_board(row) for row in connection.execute(query)]


def count(
    connection: sa.Connection, state: CaseState, narrowing: Narrowing, *, now: datetime
) -> int:
    """How many there are, at most `COUNTED` + 1."""
    few = sa.select(cases.c.id).where(*_wanted(state, narrowing, now)).limit(COUNTED + 1)
    return connection.scalar(sa.select(sa.func.count()).select_from(few.subquery())) or 0


def last_event(connection: sa.Connection, case_id: int) -> int:
    """The number of the last act on a case or on one that was merged into it; 0 for none."""
    together = sa.select(cases.c.id).where(
        sa.or_(cases.c.id == case_id, cases.c.merged_into_id == case_id)
    )
    query = sa.select(sa.func.max(case_events.c.id)).where(case_events.c.case_id.in_(together))
    return connection.scalar(query) or 0


def owners(connection: sa.Connection) -> list[str]:
    """Who has cases under way."""
    query = (
        sa.select(cases.c.owner)
        .where(cases.c.state.in_([state.value for state in UNDER_WAY]), cases.c.owner != "")
        .distinct()
        .order_by(cases.c.owner)
        .limit(100)
    )
    return list(connection.scalars(query))


def others_of(connection: sa.Connection, case_id: int, *, limit: int = 20) -> list[Case]:
    """Other cases of the same customer that are under way: what it might be merged into."""
    own = sa.select(cases.c.customer_id).where(cases.c.id == case_id).scalar_subquery()
    rows = connection.execute(
        sa.select(cases)
        .where(
            cases.c.customer_id == own,
            cases.c.id != case_id,
            cases.c.state.in_([state.value for state in UNDER_WAY]),
            cases.c.merged_into_id.is_(None),
        )
        .order_by(cases.c.id)
        .limit(limit)
    )
    return [store_cases.case_of(row) for row in rows]


def of_reply(connection: sa.Connection, reply_id: int) -> tuple[int, CaseState, str] | None:
    """The case that a reply opened or was written into, its state and its owner."""
    row = connection.execute(
        sa.select(cases.c.id, cases.c.state, cases.c.owner)
        .join(case_events, case_events.c.case_id == cases.c.id)
        .where(case_events.c.reply_id == reply_id)
        .order_by(cases.c.id.desc())
        .limit(1)
    ).first()
    return None if row is None else (int(row.id), CaseState(row.state), row.owner)


def _ordering(state: CaseState) -> sa.ColumnElement[Any]:
    return cases.c.due_at if state in UNDER_WAY else cases.c.closed_at


def _is_behind(state: CaseState, after: Place) -> sa.ColumnElement[bool]:
    at, own = _ordering(state), cases.c.id
    if state in UNDER_WAY:
        return (at >= after.at) & ((at > after.at) | (own > after.case))
    return (at <= after.at) & ((at < after.at) | (own < after.case))


def _wanted(
    state: CaseState, narrowing: Narrowing, now: datetime
) -> Iterator[sa.ColumnElement[bool]]:
    yield cases.c.state == state.value
    yield cases.c.merged_into_id.is_(None)
    if narrowing.owner is not None:
        yield cases.c.owner == narrowing.owner
    if narrowing.is_overdue:
        yield _is_late(state, now)
    if narrowing.severity:
        yield cases.c.severity == narrowing.severity
    if narrowing.reason:
        yield _is_of_reason(narrowing.reason)
    if narrowing.campaign:
        mail = touches.alias("answered")
        yield _is_one_of(mail, cases.c.touch_id, mail.c.campaign == narrowing.campaign)
    if narrowing.country:
        buyer = customers.alias("buyer")
        yield _is_one_of(buyer, cases.c.customer_id, buyer.c.country == narrowing.country)
    if narrowing.product:
        yield _is_about(narrowing.product)


def _is_late(state: CaseState, now: datetime) -> sa.ColumnElement[bool]:
    late = cases.c.deadline_at < now
    return late if state is CaseState.WAITING_CUSTOMER else sa.or_(cases.c.due_at < now, late)


def _is_of_reason(reason: str) -> sa.ColumnElement[bool]:
    group = cases.c.reason.startswith(f"{reason}.", autoescape=True)
    return sa.or_(cases.c.reason == reason, group)


def _is_one_of(
    table: sa.FromClause, number: sa.ColumnElement[int], wanted: sa.ColumnElement[bool]
) -> sa.ColumnElement[bool]:
    """Whether the row with a case's number is as wanted; looked up case by case."""
    return sa.exists().where(table.c.id == number, wanted)


def _is_about(product: str) -> sa.ColumnElement[bool]:
    named = sa.or_(
        order_items.c.sku == product, order_items.c.title.icontains(product, autoescape=True)
    )
    return sa.exists().where(order_items.c.order_id == cases.c.order_id, named)


def _on_board(row: sa.Row[Any]) -> BoardCase:
    return BoardCase(
        case=store_cases.case_of(row),
        customer=row.name or row.email or "",
        email=row.email or "",
        country=row.country or "",
        is_flagged=row.is_flagged,
        order_number=row.number or "",
        campaign=row.campaign or "",
        words=row.words or "",
    )
