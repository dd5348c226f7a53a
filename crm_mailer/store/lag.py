"""How far behind the work is: what is due in each lane, what waits to be read, the last plan."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from crm_mailer.store.engine import Instant
from crm_mailer.store.tables import facts, inbound, touches

#: The words of a partial index: an engine uses it only for exactly this condition.
_WAITING = sa.text("touches.state IN ('planned','deferred')")


@dataclass(frozen=True, slots=True, kw_only=True)
class LaneLag:
    """What could leave now in one lane, and since when the oldest of it could."""

    stream: str
    provider: str
    due: int
    oldest_at: datetime


def lanes(connection: sa.Connection, now: datetime) -> list[LaneLag]:
    """Each lane in which something is due, the one that waits longest first."""
    oldest = sa.func.min(touches.c.next_at, type_=Instant)
    query = (
        sa.select(
            touches.c.stream,
            touches.c.provider,
            sa.func.count().label("due"),
            oldest.label("oldest_at"),
        )
        .where(_WAITING, touches.c.next_at <= now)
        .group_by(touches.c.stream, touches.c.provider)
    )
    found = [LaneLag(**row._mapping) for row in connection.execute(query)]
    return sorted(found, key=lambda one: (one.oldest_at, one.stream, one.provider))


def oldest_inbound_at(connection: sa.Connection) -> datetime | None:
    """When the oldest mail came that nobody has read yet; None where none waits."""
    query = sa.select(sa.func.min(inbound.c.received_at, type_=Instant))
    at: datetime | None = connection.scalar(query.where(inbound.c.state == "new"))
    return at


def planned_at(connection: sa.Connection) -> datetime | None:
    """When campaigns were last looked at; None where none was yet."""
    query = sa.select(sa.func.max(facts.c.changed_at, type_=Instant))
    at: datetime | None = connection.scalar(query.where(facts.c.name.startswith("look:")))
    return at
