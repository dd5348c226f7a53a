"""Planned mails with their attempts, written straight into the ledger."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from crm_mailer.store import tables as t
from crm_mailer.store.engine import Store
from tests.conftest import NOON


def mail(
    store: Store,
    state: str,
    *outcomes: str,
    at: datetime = NOON,
    stream: str = "marketing",
    campaign: str = "spring",
    written: bool = True,
    phase: str = "dot",
    code: int = 0,
    number: int = 0,
    **changes: Any,
) -> int:
    """One mail in `state`, after attempts that ended so, a minute apart; its number."""
    with store.write() as connection:
        last = connection.scalar(sa.select(sa.func.max(t.touches.c.id))) or 0
        number = number or last + 1
        address = f"c{number}@gmail.com"
        person = {"id": number, "email": address, "email_key": address}
        connection.execute(sa.insert(t.customers).values(created_at=at, changed_at=at, **person))
        settled = state in ("accepted", "refused", "expired", "skipped")
        values = {
            "id": number,
            "campaign": campaign,
            "step": "hello",
            "anchor": "order:1",
            "customer_id": number,
            "stream": stream,
            "provider": "gmail",
            "template": "t",
            "state": state,
            "anchored_at": at,
            "due_at": at - timedelta(hours=1),
            "planned_at": at - timedelta(days=1),
            "next_at": at if state in ("planned", "deferred") else None,
            "settled_at": at if settled else None,
            "attempts": len(outcomes),
        }
        connection.execute(sa.insert(t.touches).values({**values, **changes}))
        if written:
            connection.execute(
                sa.insert(t.messages).values(
                    touch_id=number,
                    message_id=f"<{number}@shop.example>",
                    rcpt_to=address,
                    subject=f"Hello {number}",
                    sha256="-",
                    rendered_at=at,
                )
            )
        for attempt, outcome in enumerate(outcomes, start=1):
            connection.execute(
                sa.insert(t.deliveries).values(
                    touch_id=number,
                    attempt=attempt,
                    outcome=outcome,
                    phase=phase,
                    code=code,
                    text="the line was lost" if outcome == "unknown" else "said",
                    blame="site",
                    host="relay.example:25",
                    at=at + timedelta(minutes=attempt - 1),
                )
            )
    return number


def state_of(store: Store, number: int) -> str:
    with store.read() as connection:
        query = sa.select(t.touches.c.state).where(t.touches.c.id == number)
        return str(connection.scalar(query))


def row_of(store: Store, number: int) -> Any:
    with store.read() as connection:
        return connection.execute(sa.select(t.touches).where(t.touches.c.id == number)).one()
