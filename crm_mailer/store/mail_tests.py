"""Mails that a marketer sends to try one out: touches of kind `test`, written as they will leave.

They belong to no campaign and to no customer, so that no audience, report or cap sees them; what
counts mails of all kinds leaves them out by their kind.
"""

from __future__ import annotations

from datetime import datetime, timedelta

import sqlalchemy as sa

from crm_mailer.model import address as addresses
from crm_mailer.model.campaign import Stream
from crm_mailer.model.touch import TEST_CAMPAIGN, TouchKind, TouchState
from crm_mailer.store.tables import touches

#: Whoever tries a mail wants it now; later it would only surprise.
VALID_FOR = timedelta(hours=1)


def add(
    connection: sa.Connection, *, step: str, key: str, email: str, stream: Stream, now: datetime
) -> int:
    """A place in the outbox for one test mail; its number.

    Args:
        connection: a write turn.
        step: what is tried, such as `shipped/on-its-way`.
        key: unique for this mail.
        email: who gets it.
        stream: by whose accounts it leaves.
        now: the present instant.
    """
    return int(
        connection.execute(
            touches.insert()
            .values(
                kind=TouchKind.TEST.value,
                campaign=TEST_CAMPAIGN,
                step=step,
                anchor=key,
                stream=stream.value,
                provider=addresses.provider(email),
                template="",
                anchored_at=now,
                due_at=now,
                next_at=now,
                planned_at=now,
                expires_at=now + VALID_FOR,
                state=TouchState.PLANNED.value,
            )
            .returning(touches.c.id)
        ).scalar_one()
    )
