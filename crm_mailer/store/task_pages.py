"""Open tasks as a list is read: what is due first comes first, a page at a time."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from crm_mailer.model.task import TaskState
from crm_mailer.store.tables import customers, orders, tasks


@dataclass(frozen=True, slots=True, kw_only=True)
class Stop:
    """Where a page ended; `due_at` is None among those that are never due."""

    due_at: datetime | None
    task: int


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenTask:
    """A task with whom and what it is about."""

    id: int
    kind: str
    text: str
    due_at: datetime | None
    customer: str
    customer_id: int | None
    order_number: str

    @property
    def stop(self) -> Stop:
        """Where the next page begins, were this the last of its page."""
        return Stop(due_at=self.due_at, task=self.id)


def page(connection: sa.Connection, *, kind: str, after: Stop | None, limit: int) -> list[OpenTask]:
    """Open tasks by due time, those that are never due last."""
    found: list[OpenTask] = []
    if after is None or after.due_at is not None:
        found = _read(connection, _due(after), kind, limit)
        after = None
    if len(found) < limit:
        found += _read(connection, _never_due(after), kind, limit - len(found))
    return found


def kinds(connection: sa.Connection) -> dict[str, int]:
    """How many open tasks there are of each kind."""
    query = (
        sa.select(tasks.c.kind, sa.func.count())
        .where(tasks.c.state == TaskState.OPEN.value)
        .group_by(tasks.c.kind)
        .order_by(tasks.c.kind)
    )
    return {str(kind): int(number) for kind, number in connection.execute(query)}


def _due(after: Stop | None) -> sa.Select[Any]:
    query = _select().where(tasks.c.due_at.is_not(None)).order_by(tasks.c.due_at, tasks.c.id)
    if after is None or after.due_at is None:
        return query
    later = (tasks.c.due_at > after.due_at) | (tasks.c.id > after.task)
    return query.where(tasks.c.due_at >= after.due_at, later)


def _never_due(after: Stop | None) -> sa.Select[Any]:
    query = _select().where(tasks.c.due_at.is_(None)).order_by(tasks.c.id)
    return query if after is None else query.where(tasks.c.id > after.task)


def _read(
    connection: sa.Connection, query: sa.Select[Any], kind: str, limit: int
) -> list[OpenTask]:
    if kind:
        query = query.where(tasks.c.kind == kind)
    return [
        OpenTask(
            id=row.id,
            kind=row.kind,
            text=row.text,
            due_at=row.due_at,
            customer=row.name or row.email or "",
            customer_id=row.customer_id,
            order_number=row.number or "",
        )
        for row in connection.execute(query.limit(limit))
    ]


def _select() -> sa.Select[Any]:
    return (
        sa.select(
            tasks.c.id, tasks.c.kind, tasks.c.text, tasks.c.due_at, tasks.c.customer_id,
            customers.c.name, customers.c.email, orders.c.number,
        )
        .outerjoin(customers, customers.c.id == tasks.c.customer_id)
        .outerjoin(orders, orders.c.id == tasks.c.order_id)
        .where(tasks.c.state == TaskState.OPEN.value)
    )  # fmt: skip
