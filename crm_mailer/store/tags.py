"""What people noted about a customer: tags and notes."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from crm_mailer.model.customer import BuyingBehaviour, Personality
from crm_mailer.store import attributes
from crm_mailer.store import tables as t
from crm_mailer.store.engine import upsert

_PERSONALITIES = [personality.value for personality in Personality]
_BEHAVIOURS = [behaviour.value for behaviour in BuyingBehaviour]


@dataclass(frozen=True, slots=True, kw_only=True)
class Tag:
    """A word on a customer. A pinned one holds against what rules conclude."""

    tag: str
    is_pinned: bool
    set_by: str
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """What a person wrote down about a customer."""

    at: datetime
    by: str
    text: str


def add(
    connection: sa.Connection,
    customer_id: int,
    tag: str,
    *,
    now: datetime,
    by: str = "",
    is_pinned: bool = False,
) -> None:
    """Put a tag on a customer; a tag that is there is dated anew.

    A personality or a buying behaviour takes the place of the one before, and counts at once.
    """
    for names in (_PERSONALITIES, _BEHAVIOURS):
        if tag in names:
            _remove(connection, customer_id, [name for name in names if name != tag])
    values = {"is_pinned": is_pinned, "set_by": by, "at": now}
    query = upsert(connection, t.customer_tags).values(customer_id=customer_id, tag=tag, **values)
    connection.execute(
        query.on_conflict_do_update(index_elements=["customer_id", "tag"], set_=values)
    )
    _conclude(connection, customer_id)


def remove(connection: sa.Connection, customer_id: int, tag: str) -> bool:
    """Take a tag off; whether it was there."""
    was_there = _remove(connection, customer_id, [tag])
    _conclude(connection, customer_id)
    return was_there


def list_tags(connection: sa.Connection, customer_id: int) -> list[Tag]:
    """A customer's tags by name."""
    rows = connection.execute(
        sa.select(t.customer_tags)
        .where(t.customer_tags.c.customer_id == customer_id)
        .order_by(t.customer_tags.c.tag)
    )
    return [
        Tag(tag=row.tag, is_pinned=bool(row.is_pinned), set_by=row.set_by, at=row.at)
        for row in rows
    ]


def has_new(connection: sa.Connection, since: datetime | None) -> bool:
    """Whether a tag was set at `since` or later (None: ever)."""
    query = sa.select(t.customer_tags.c.id).limit(1)
    if since is not None:
        query = query.where(t.customer_tags.c.at >= since)
    return connection.scalar(query) is not None


def add_note(
    connection: sa.Connection, customer_id: int, text: str, *, now: datetime, by: str = ""
) -> None:
    """Write something down about a customer."""
    connection.execute(
        sa.insert(t.customer_notes).values(customer_id=customer_id, at=now, by=by, text=text)
    )


def _remove(connection: sa.Connection, customer_id: int, tags: list[str]) -> bool:
    done = connection.execute(
        sa.delete(t.customer_tags).where(
            t.customer_tags.c.customer_id == customer_id, t.customer_tags.c.tag.in_(tags)
        )
    )
    return done.rowcount > 0


def _conclude(connection: sa.Connection, customer_id: int) -> None:
    attributes.set_behaviours(connection, customer_id)
    attributes.set_personalities(connection, customer_id)
