"""What agents should do that is no complaint."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from crm_mailer.model.errors import NotFound, NotPossible
from crm_mailer.model.sentence import Sentence
from crm_mailer.model.task import NewTask, Task, TaskState
from crm_mailer.store import reviews
from crm_mailer.store.tables import customers, orders, tasks

#: The key of a task to answer a review.
_REVIEW = re.compile(r"review:(\d+)(?::|$)")


def add(connection: sa.Connection, task: NewTask, now: datetime) -> bool:
    """Make the task; False where one with its key is there already."""
    if connection.execute(sa.select(tasks.c.id).where(tasks.c.key == task.key)).first():
        return False
    connection.execute(
        tasks.insert().values(
            kind=task.kind.value,
            key=task.key,
            customer_id=task.customer_id,
            order_id=task.order_id,
            text=task.text,
            created_at=now,
            due_at=task.due_at,
        )
    )
    return True


def list_open(connection: sa.Connection, *, limit: int = 200) -> list[Task]:
    """Tasks that are not done, the most urgent first."""
    rows = connection.execute(
        _select().where(tasks.c.state == TaskState.OPEN).order_by(tasks.c.due_at, tasks.c.id)
        .limit(limit)
    )  # fmt: skip
    return [_task(row) for row in rows]


def count_open(connection: sa.Connection) -> int:
    """How many tasks are not done."""
    query = sa.select(sa.func.count()).where(tasks.c.state == TaskState.OPEN)
    return connection.scalar(query) or 0


def get(connection: sa.Connection, task_id: int) -> Task:
    """The task with this number.

    Raises:
        NotFound: there is none.
    """
    row = connection.execute(_select().where(tasks.c.id == task_id)).first()
    if row is None:
        raise NotFound(
            Sentence("there is no task {task_id}", task_id=task_id),
            hint="`crm-mailer case tasks` lists what is open",
        )
    return _task(row)


def finish(connection: sa.Connection, task_id: int, now: datetime) -> Task:
    """Mark a task as done.

    Raises:
        NotFound: there is no such task.
        NotPossible: it was done before.
    """
    task = get(connection, task_id)
    if task.state is TaskState.DONE:
        raise NotPossible(Sentence("task {task_id} is done already", task_id=task_id))
    connection.execute(
        tasks.update().where(tasks.c.id == task_id).values(state=TaskState.DONE.value, done_at=now)
    )
    key = connection.scalar(sa.select(tasks.c.key).where(tasks.c.id == task_id)) or ""
    if reviewed := _REVIEW.match(key):
        reviews.mark_answered(connection, int(reviewed[1]), now)
    return task


def _select() -> Any:
    return sa.select(
        tasks.c.id,
        tasks.c.kind,
        tasks.c.text,
        tasks.c.state,
        tasks.c.created_at,
        tasks.c.due_at,
        customers.c.name,
        customers.c.email,
        orders.c.number,
    ).select_from(
        tasks.outerjoin(customers, customers.c.id == tasks.c.customer_id).outerjoin(
            orders, orders.c.id == tasks.c.order_id
        )
    )


def _task(row: sa.Row[Any]) -> Task:
    return Task(
        id=row.id,
        kind=row.kind,
        text=row.text,
        state=TaskState(row.state),
        created_at=row.created_at,
        due_at=row.due_at,
        customer=row.name or row.email or "",
        order_number=row.number or "",
    )
