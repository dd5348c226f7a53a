"""A test of a mail that has left, written straight into the tables."""

from __future__ import annotations

import sqlalchemy as sa

from crm_mailer.model.campaign import Stream
from crm_mailer.store import mail_tests
from crm_mailer.store import tables as t
from crm_mailer.store.engine import Store
from tests.conftest import NOON


def tried(
    store: Store,
    address: str,
    message_id: str = "",
    *,
    outcome: str = "accepted",
    stream: Stream = Stream.MARKETING,
) -> int:
    """The number of a test that went to `address` and was answered so."""
    state = "in_doubt" if outcome == "unknown" else outcome
    with store.write() as connection:
        keys = connection.scalar(sa.select(sa.func.count()).select_from(t.touches))
        number = mail_tests.add(
            connection, step="win-back/hello", key=f"test:{keys}", email=address, stream=stream,
            now=NOON,
        )  # fmt: skip
        connection.execute(
            t.touches.update()
            .where(t.touches.c.id == number)
            .values(state=state, settled_at=NOON, attempts=1)
        )
        connection.execute(
            t.messages.insert().values(
                touch_id=number, message_id=message_id or f"<{number}@shop.example>",
                rcpt_to=address, subject="[Test] Hello", sha256="-", rendered_at=NOON,
            )
        )  # fmt: skip
        connection.execute(
            t.deliveries.insert().values(
                touch_id=number, attempt=1, outcome=outcome, phase="dot", blame="us", at=NOON
            )
        )
    return number
