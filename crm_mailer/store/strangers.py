"""Letters and tasks that name no customer, and may be a person's who became one or was erased."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime

import sqlalchemy as sa

from crm_mailer.model.address import key
from crm_mailer.model.task import TaskKind
from crm_mailer.store import tables as t
from crm_mailer.store.bulk import batches

#: Values in one statement.
AT_ONCE = 5_000


def letters(connection: sa.Connection) -> Iterator[tuple[int, str, datetime]]:
    """Number, writer and time of each letter that has its text."""
    reply = t.replies.c
    query = sa.select(reply.id, reply.sender, reply.received_at).where(reply.sender != "")
    for row in connection.execute(query, execution_options={"yield_per": AT_ONCE}):
        yield tuple(row)


def tasks_about(
    connection: sa.Connection, things: Mapping[str, Sequence[int | str]]
) -> Iterator[int]:
    """Tasks that name no customer: by the letter or review that made them.

    What a platform asks for is known by its text alone; other texts may mention somebody else.
    """
    task = t.tasks.c
    keys = [f"reply:{one}" for one in things["replies"]]
    for review in things["reviews"]:
        keys += [f"review:{review}", *(f"review:{review}:{stars}" for stars in range(1, 6))]
    for part in batches(keys, AT_ONCE):
        yield from connection.scalars(sa.select(task.id).where(task.key.in_(list(part))))
    wanted = [_whole(str(one)) for one in things["addresses"]]
    query = sa.select(task.id, task.text).where(
        task.customer_id.is_(None), task.kind == TaskKind.ADMIN.value
    )
    for row in connection.execute(query):
        if any(one.search(key(row.text)) for one in wanted):
            yield row.id


def _whole(address: str) -> re.Pattern[str]:
    """The address, and not as the end or the beginning of a longer one."""
    return re.compile(rf"(?<![\w.+-]){re.escape(address)}(?![\w-]|\.\w)")
