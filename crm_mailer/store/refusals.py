"""What servers refused at hand-over: read once each, by the table of reasons of bounces."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

import sqlalchemy as sa

from crm_mailer.model import address as addresses
from crm_mailer.model.bounce import BounceReason
from crm_mailer.model.suppression import SuppressionReason
from crm_mailer.store import facts, pauses
from crm_mailer.store.engine import upsert
from crm_mailer.store.tables import customers, deliveries, messages, refusals, suppressions, touches

#: The fact that keeps how far was read, as an id of deliveries.
_READ = "refusals:read"
#: A sender may commit a delivery after another one took a later id: so far back is looked again.
_OVERLAP = 20_000


class Refusal(NamedTuple):
    """An attempt that a server refused, and what it said."""

    delivery_id: int
    touch_id: int
    address: str
    phase: str
    code: int
    status: str
    text: str
    host: str
    at: datetime


def list_new(connection: sa.Connection, limit: int) -> list[Refusal]:
    """Refusals that nobody understood yet, the first first."""
    # after a power cut the message itself may be lost
    mailed = sa.func.coalesce(messages.c.rcpt_to, customers.c.email)
    one = deliveries.c
    query = (
        sa.select(one.id, one.touch_id, mailed, one.phase, one.code, one.status, one.text,
                  one.host, one.at)
        .join_from(deliveries, touches, touches.c.id == one.touch_id)
        .outerjoin(customers, customers.c.id == touches.c.customer_id)
        .outerjoin(messages, messages.c.touch_id == one.touch_id)
        .where(
            sa.text("deliveries.outcome = 'refused'"),
            one.id > (facts.find(connection, _READ) or 0) - _OVERLAP,
            ~sa.exists().where(refusals.c.delivery_id == one.id),
            mailed.is_not(None),
        )
        .order_by(one.id)
        .limit(limit)
    )  # fmt: skip
    return [Refusal._make(row) for row in connection.execute(query)]


def add(connection: sa.Connection, refusal: Refusal, reason: BounceReason) -> bool:
    """Keep why a mail was refused; False where another process did so first."""
    statement = (
        upsert(connection, refusals)
        .values(
            delivery_id=refusal.delivery_id,
            touch_id=refusal.touch_id,
            recipient=addresses.key(refusal.address),
            kind=reason.kind.value,
            reason=reason.value,
            at=refusal.at,
        )
        .on_conflict_do_nothing(index_elements=["delivery_id"])
        .returning(refusals.c.delivery_id)
    )
    return connection.execute(statement).first() is not None


def mark_read(connection: sa.Connection, delivery_id: int, now: datetime) -> None:
    """All refusals up to this one are understood."""
    if delivery_id > (facts.find(connection, _READ) or 0):
        facts.put(connection, _READ, delivery_id, now)


def scopes_of(connection: sa.Connection, touch_id: int) -> tuple[str, str]:
    """Lane and campaign of a touch, as pauses name them: `lane:gmail/marketing`, `campaign:x`."""
    one = touches.c
    query = sa.select(one.provider, one.stream, one.campaign).where(one.id == touch_id)
    row = connection.execute(query).first()
    if row is None:
        return "", ""
    return f"{pauses.LANE}{row.provider}/{row.stream}", f"{pauses.CAMPAIGN}{row.campaign}"


def source_of(touch_id: int) -> str:
    """How a suppression names the attempt that it comes from."""
    return f"smtp:touch:{touch_id}"


def spare(connection: sa.Connection, refusal: Refusal) -> bool:
    """Take back that the address is dead, which only the code of this refusal had said."""
    statement = sa.delete(suppressions).where(
        suppressions.c.address_key == addresses.key(refusal.address),
        suppressions.c.reason == SuppressionReason.HARD_BOUNCE.value,
        suppressions.c.source == source_of(refusal.touch_id),
    )
    return connection.execute(statement).rowcount > 0
