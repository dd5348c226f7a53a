"""Makes a task for an agent of each customer who grew into a key customer."""

from __future__ import annotations

from datetime import datetime, timedelta

import sqlalchemy as sa

from crm_mailer.model.score import ScoreReason
from crm_mailer.model.task import TaskKind, TaskState
from crm_mailer.store import facts
from crm_mailer.store import tables as t
from crm_mailer.store.engine import Instant, upsert

#: How far changes of marks were looked through.
FACT = "growth.seen"
#: So long an agent has to open a personal channel.
DUE_IN = timedelta(days=3)
_TEXT = "Grew into a key customer: thank them in person and open a direct channel ("


def is_due(connection: sa.Connection) -> bool:
    """Whether marks changed since the last look."""
    newest = connection.scalar(sa.select(sa.func.max(t.score_changes.c.id))) or 0
    return newest > (facts.find(connection, FACT) or 0)


def add_tasks(connection: sa.Connection, now: datetime) -> int:
    """A task for each who moved since the last look; returns how many.

    An order must have made the movement, not an edited profile; who is no key customer any more,
    or has such a task open, gets none. Each movement makes one task, however often one looks.
    """
    change, task = t.score_changes.c, t.tasks.alias("other").c
    seen = facts.find(connection, FACT) or 0
    newest = connection.scalar(sa.select(sa.func.max(change.id))) or 0
    if newest <= seen:
        return 0
    is_waiting = sa.exists().where(
        task.customer_id == change.customer_id,
        task.kind == TaskKind.KEY_CUSTOMER.value,
        task.state == TaskState.OPEN.value,
    )
    # of several movements of one customer the last one counts
    moved = (
        sa.select(sa.func.max(change.id).label("id"))
        .where(
            change.id > seen,
            change.id <= newest,
            change.reason == ScoreReason.ORDER.value,
            change.value_class_before.startswith("general_", autoescape=True),
            change.value_class.startswith("key_", autoescape=True),
        )
        .group_by(change.customer_id)
        .subquery("moved")
    )
    movement = sa.literal("key-customer:") + sa.cast(change.id, sa.Text)
    query = (
        sa.select(
            sa.literal(TaskKind.KEY_CUSTOMER.value),
            movement,
            change.customer_id,
            sa.literal(_TEXT) + sa.func.replace(t.scores.c.value_class, "_", " ") + ")",
            sa.literal(now, Instant),
            sa.literal(now + DUE_IN, Instant),
        )
        .join_from(moved, t.score_changes, change.id == moved.c.id)
        .join(t.scores, t.scores.c.customer_id == change.customer_id)
        .where(t.scores.c.value_class.startswith("key_", autoescape=True), ~is_waiting)
    )
    columns = ["kind", "key", "customer_id", "text", "created_at", "due_at"]
    statement = upsert(connection, t.tasks).from_select(columns, query).on_conflict_do_nothing()
    done = connection.execute(statement, execution_options={"preserve_rowcount": True})
    facts.put(connection, FACT, newest, now)
    return done.rowcount
