"""Cases, reviews and tasks that an agent has to look at today."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from crm_mailer.model.case import CaseState
from crm_mailer.model.task import TaskState
from crm_mailer.store import tables as t

#: A review that is older is answered no more.
ANSWER_WITHIN = timedelta(days=60)


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """One thing that waits for an agent, with what it is about."""

    id: int
    code: str
    at: datetime
    due_at: datetime | None
    customer: str
    country: str
    order_number: str
    text: str


def cases() -> Any:
    """Cases in which we owe the customer something, the nearest time first."""
    case = t.cases.c
    return (
        _columns(t.cases, case.reason, case.opened_at, case.due_at, case.owner)
        .where(case.state.in_((CaseState.NEW.value, CaseState.OPEN.value)))
        .order_by(case.due_at, case.id)
    )


def reviews(now: datetime) -> Any:
    """Reviews that nobody answered, the worst first."""
    review = t.reviews.c
    code = sa.case((review.stars <= 2, "review_bad"), (review.stars == 3, "review_middling"),
                   else_="review_good")  # fmt: skip
    due = sa.null()
    return (
        _columns(t.reviews, code, review.at, due, review.comment)
        .where(review.answered_at.is_(None), review.at >= now - ANSWER_WITHIN)
        .order_by(sa.case((review.stars <= 3, review.stars), else_=4), review.at.desc(), review.id)
    )


def tasks(until: datetime) -> Any:
    """Tasks that are due before an instant, the most urgent first."""
    task = t.tasks.c
    return (
        _columns(t.tasks, task.kind, task.created_at, task.due_at, task.text)
        .where(
            task.state == TaskState.OPEN.value, sa.or_(task.due_at.is_(None), task.due_at < until)
        )
        .order_by(task.due_at, task.id)
    )


def rows(connection: sa.Connection, query: Any, limit: int) -> list[Waiting]:
    """The first rows of a list."""
    return [
        Waiting(
            id=row.id,
            code=row.code,
            at=row.at,
            due_at=row.due_at,
            customer=row.name or "",
            country=row.country or "",
            order_number=row.number or "",
            text=row.text,
        )
        for row in connection.execute(query.limit(limit))
    ]


def _columns(table: sa.Table, code: Any, at: Any, due_at: Any, text: Any) -> Any:
    """A list over a table that knows the customer and the order, or the order's customer."""
    buyer = sa.func.coalesce(table.c.customer_id, t.orders.c.customer_id)
    source = table.outerjoin(t.orders, t.orders.c.id == table.c.order_id).outerjoin(
        t.customers, t.customers.c.id == buyer
    )
    return sa.select(
        table.c.id, code.label("code"), at.label("at"), due_at.label("due_at"),
        t.customers.c.name, t.customers.c.country, t.orders.c.number, text.label("text"),
    ).select_from(source)  # fmt: skip
