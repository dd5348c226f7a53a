"""Figures for the status screen, and who works on the database."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from crm_mailer.model.case import UNDER_WAY
from crm_mailer.model.touch import TouchKind
from crm_mailer.store import pauses, said
from crm_mailer.store import tables as t


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """Counts of what is known and of what waits."""

    customers: int
    customers_without_address: int
    orders: int
    orders_without_address: int
    touches: dict[str, int]
    due: int
    replies: int
    inbound_quarantined: int
    cases_open: int
    cases_overdue: int
    suppressions: int
    last_order_at: datetime | None
    last_sync_at: datetime | None
    mailbox_trouble: str


def figures(connection: sa.Connection, now: datetime) -> Figures:
    """All counts at `now`."""
    open_case = t.cases.c.state.in_(sorted(UNDER_WAY))
    no_address = t.customers.c.email_key.is_(None)
    is_no_test = t.touches.c.kind != TouchKind.TEST.value
    by_state = connection.execute(
        sa.select(t.touches.c.state, sa.func.count().label("number"))
        .where(is_no_test)
        .group_by(t.touches.c.state)
    )
    due = is_no_test & t.touches.c.state.in_(("planned", "deferred")) & (t.touches.c.next_at <= now)
    return Figures(
        customers=_count(connection, t.customers),
        customers_without_address=_count(connection, t.customers, no_address),
        orders=_count(connection, t.orders),
        orders_without_address=_count(connection, t.orders.join(t.customers), no_address),
        touches={row.state: row.number for row in by_state},
        due=_count(connection, t.touches, due),
        replies=_count(connection, t.replies, t.replies.c.kind == "human"),
        inbound_quarantined=_count(connection, t.inbound, t.inbound.c.state == "quarantined"),
        cases_open=_count(connection, t.cases, open_case),
        cases_overdue=_count(
            connection,
            t.cases,
            open_case & (t.cases.c.due_at < now) & t.cases.c.first_response_at.is_(None),
        ),
        suppressions=_count(connection, t.suppressions),
        last_order_at=connection.scalar(sa.select(sa.func.max(t.orders.c.placed_at))),
        last_sync_at=connection.scalar(sa.select(sa.func.max(t.mailboxes.c.synced_at))),
        mailbox_trouble=said.tell(
            connection.scalar(
                sa.select(t.mailboxes.c.trouble).where(t.mailboxes.c.trouble != "").limit(1)
            )
            or ""
        ),
    )


def is_paused(connection: sa.Connection) -> bool:
    """Whether a person has stopped all sending."""
    return pauses.load(connection).everything is not None


def daemon(connection: sa.Connection, now: datetime) -> str:
    """Which daemons run, and since when; empty when none does."""
    rows = connection.execute(
        sa.select(t.leases)
        .where(t.leases.c.name.startswith("daemon"), t.leases.c.until > now)
        .order_by(t.leases.c.since, t.leases.c.name)
    )
    return ", ".join(f"pid {row.pid} on {row.host} since {row.since:%F %T}Z" for row in rows)


def _count(
    connection: sa.Connection,
    source: sa.FromClause,
    condition: sa.ColumnElement[bool] | None = None,
) -> int:
    query = sa.select(sa.func.count()).select_from(source)
    return connection.scalar(query if condition is None else query.where(condition)) or 0
