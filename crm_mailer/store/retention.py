"""Which rows are older than a shop keeps them, and taking them away in short turns."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from crm_mailer.model.case import UNDER_WAY
from crm_mailer.store import partitions, web_events
from crm_mailer.store import tables as t
from crm_mailer.store.engine import Store

#: Rows that go in one write turn.
TURN = 2_000
#: The words of a partial index.
_HAS_RAW = sa.text("state = 'done' AND (raw IS NOT NULL OR raw_path <> '')")

#: A SELECT of the keys of rows from before a moment.
Old = Callable[[sa.Connection, datetime], sa.Select[Any]]


def _signals(_connection: sa.Connection, before: datetime) -> sa.Select[Any]:
    one = t.signals.c
    return sa.select(one.touch_id, one.kind).where(one.learnt_at < before, one.at < before)


def _page_acts(_connection: sa.Connection, before: datetime) -> sa.Select[Any]:
    one = t.page_acts.c
    return sa.select(one.id).where(one.at < before, one.taken_at.is_not(None))


def _web_events(connection: sa.Connection, before: datetime) -> sa.Select[Any]:
    one = t.web_events.c
    digested = web_events.cursor(connection)
    return sa.select(one.id).where(one.at < before, one.id <= digested)


def _plan_runs(_connection: sa.Connection, before: datetime) -> sa.Select[Any]:
    """The last one of each campaign stays: it says how many were left out."""
    one, later = t.plan_runs.c, t.plan_runs.alias()
    is_last = ~sa.exists().where(later.c.campaign == one.campaign, later.c.id > one.id)
    return sa.select(one.id).where(one.at < before, ~is_last)


def _hook_requests(_connection: sa.Connection, before: datetime) -> sa.Select[Any]:
    one = t.hook_requests.c
    return sa.select(one.id).where(one.state == "done", one.received_at < before)


def _failed_hook_requests(_connection: sa.Connection, before: datetime) -> sa.Select[Any]:
    """Each may be an order that nobody retried."""
    one = t.hook_requests.c
    return sa.select(one.id).where(one.state == "failed", one.received_at < before)


def _alerts(_connection: sa.Connection, before: datetime) -> sa.Select[Any]:
    return sa.select(t.alerts.c.cause).where(t.alerts.c.ended_at < before)


#: Table, or word and table -> which of its rows are old. Only what nothing refers to.
OLD: Mapping[str, Old] = {
    "signals": _signals,
    "page_acts": _page_acts,
    "web_events": _web_events,
    "plan_runs": _plan_runs,
    "hook_requests": _hook_requests,
    "failed hook_requests": _failed_hook_requests,
    "alerts": _alerts,
}


def count(connection: sa.Connection, table: str, before: datetime) -> int:
    """How many rows of a table are older."""
    query = OLD[table](connection, before).subquery()
    return int(connection.scalar(sa.select(sa.func.count()).select_from(query)) or 0)


def delete(connection: sa.Connection, name: str, before: datetime) -> int:
    """Take away at most `TURN` of them; how many."""
    old = OLD[name](connection, before).limit(TURN)
    table = t.metadata.tables[name.rpartition(" ")[2]]
    keys = list(table.primary_key.columns)
    key: Any = keys[0] if len(keys) == 1 else sa.tuple_(*keys)
    gone = connection.execute(sa.delete(table).where(key.in_(old)))
    if name == "web_events":
        web_events.step_back(connection)
    return gone.rowcount


def drop_requests(store: Store, before: datetime) -> int:
    """On PostgreSQL, let whole months of requests go that are older; how many rows that were."""
    with store.read() as connection:
        digested = web_events.cursor(connection)
        closed = [
            part
            for part in partitions.list_(connection, "web_events")
            if part.until is not None and part.until <= digested
        ]
        parts = [part for part in closed if _is_old(connection, part, before)]
    number = 0
    for part in parts:
        with partitions.unless_used(store) as connection:
            here = sa.table(part.name)
            rows = connection.scalar(sa.select(sa.func.count()).select_from(here)) or 0
            partitions.drop(connection, part)
            number += rows
    return number


def _is_old(connection: sa.Connection, part: partitions.Partition, before: datetime) -> bool:
    here = sa.table(part.name, sa.column("at", sa.BigInteger))
    last = connection.scalar(sa.select(sa.func.max(here.c.at)))
    return last is None or last < int(before.timestamp())


# ------------------------------------------------------------------ mails as they came


def last_fetched(connection: sa.Connection) -> int:
    """The number of the last mail that was fetched; they are given in that order."""
    return connection.scalar(sa.select(sa.func.max(t.inbound.c.id))) or 0


def list_raw(
    connection: sa.Connection,
    before: datetime,
    last: int,
    *,
    without: Collection[int] = (),
    limit: int | None = TURN,
) -> Sequence[tuple[int, str]]:
    """Mails that came long ago, were understood, and whose bytes are here: number and file.

    Mails of who has an open case stay as they are.

    Args:
        connection: inside `store.read()`.
        before: when they came to the mailbox.
        last: the last mail that was fetched before then: an old mailbox may be new to the shop.
        without: mails to leave out.
        limit: at most so many.
    """
    mail, reply, case = t.inbound.c, t.replies.c, t.cases.c
    of_case = sa.exists().where(
        reply.inbound_id == mail.id,
        sa.or_(case.reply_id == reply.id, case.customer_id == reply.customer_id),
        case.state.in_(sorted(UNDER_WAY)),
    )
    query = sa.select(mail.id, mail.raw_path).where(
        _HAS_RAW, mail.received_at < before, mail.id <= last, ~of_case
    )
    if without:
        query = query.where(mail.id.not_in(list(without)))
    rows = connection.execute(query.order_by(mail.received_at).limit(limit))
    return [(row.id, row.raw_path) for row in rows]


def files_of_others(
    connection: sa.Connection, names: Sequence[str], inbound_ids: Sequence[int]
) -> set[str]:
    """Those of the files that other mails than these have as well: the same one came twice."""
    mail = t.inbound.c
    query = sa.select(mail.raw_path).where(
        mail.raw_path.in_(list(names)), mail.id.not_in(list(inbound_ids))
    )
    return set(connection.scalars(query)) if names else set()


def drop_raw(connection: sa.Connection, inbound_ids: Sequence[int]) -> int:
    """Let go of the bytes; what the mails said and what came of them stays."""
    mail = t.inbound.c
    return connection.execute(
        sa.update(t.inbound).where(mail.id.in_(list(inbound_ids))).values(raw=None, raw_path="")
    ).rowcount
