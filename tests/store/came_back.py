"""Bounces and spam reports, written straight into the tables."""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa

from crm_mailer.store import tables as t
from crm_mailer.store.engine import Store
from tests.conftest import NOON


def spam_report(store: Store, touch_id: int | None, kind: str = "abuse") -> None:
    with store.write() as connection:
        values = {"touch_id": touch_id, "feedback_type": kind, "at": NOON}
        connection.execute(
            sa.insert(t.spam_reports).values(inbound_id=_inbound(connection), **values)
        )


def bounce(store: Store, touch_id: int, kind: str, at: datetime) -> None:
    with store.write() as connection:
        connection.execute(
            sa.insert(t.bounces).values(
                inbound_id=_inbound(connection),
                touch_id=touch_id,
                recipient=f"c{touch_id}@gmail.com",
                kind=kind,
                at=at,
            )
        )


def _inbound(connection: sa.Connection) -> int:
    number = (connection.scalar(sa.select(sa.func.max(t.inbound.c.id))) or 0) + 1
    if number == 1:
        connection.execute(sa.insert(t.mailboxes).values(id=1, account="a", folder="INBOX"))
    connection.execute(
        sa.insert(t.inbound).values(
            id=number,
            mailbox_id=1,
            uidvalidity=1,
            uid=number,
            digest=f"{number}",
            size=1,
            received_at=NOON,
        )
    )
    return number
