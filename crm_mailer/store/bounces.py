"""Bounces: what reports said of each address, and the score by which an address is given up."""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa

from crm_mailer.model import address as addresses
from crm_mailer.model.reply import BounceKind, Rung
from crm_mailer.store.engine import upsert
from crm_mailer.store.tables import bounces, refusals, replies

#: A report matched so is about a mail of ours; anybody can write any other.
BELIEVED = (Rung.ADDRESS_TOKEN, Rung.MESSAGE_ID, Rung.RETURNED_TOKEN, Rung.ADDRESS_AND_TIME)
_DAY = 86_400


def add(
    connection: sa.Connection,
    *,
    inbound_id: int,
    touch_id: int | None,
    recipient: str,
    kind: BounceKind,
    reason: str,
    action: str,
    status: str,
    diagnostic: str,
    remote_host: str,
    message_id: str,
    at: datetime,
) -> bool:
    """Keep what a report says about one address; true when it is new."""
    statement = (
        upsert(connection, bounces)
        .values(
            inbound_id=inbound_id,
            touch_id=touch_id,
            recipient=addresses.key(recipient),
            kind=kind.value,
            reason=reason,
            action=action,
            status=status,
            diagnostic=diagnostic,
            remote_host=remote_host,
            message_id=message_id,
            at=at,
        )
        .on_conflict_do_nothing(index_elements=["inbound_id", "recipient"])
        .returning(bounces.c.id)
    )
    return connection.execute(statement).first() is not None


def soft_days(connection: sa.Connection, recipient: str, *, since: datetime) -> int:
    """On how many different days (UTC) since then an address did not take mail of ours for now.

    Bounces that came back count, and what servers said at hand-over.
    """
    address = addresses.key(recipient)
    came_back = (
        sa.select((bounces.c.at.cast(sa.BigInteger) // _DAY).label("day"))
        .join(replies, replies.c.inbound_id == bounces.c.inbound_id)
        .where(
            bounces.c.recipient == address,
            bounces.c.kind == BounceKind.SOFT.value,
            bounces.c.at >= since,
            replies.c.rung.in_([rung.value for rung in BELIEVED]),
        )
    )
    said = sa.select((refusals.c.at.cast(sa.BigInteger) // _DAY).label("day")).where(
        refusals.c.recipient == address,
        refusals.c.kind == BounceKind.SOFT.value,
        refusals.c.at >= since,
    )
    days = sa.union(came_back, said).subquery()
    return int(connection.execute(sa.select(sa.func.count()).select_from(days)).scalar_one())
