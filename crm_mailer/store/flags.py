"""The blacklist: buyers to beware of, why, on what evidence, and how a flag came off again."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from crm_mailer.model.flag import Flag, FlagKind, NewFlag
from crm_mailer.store.tables import customer_flags, customers


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedFlag:
    """A flag as a list shows it: with its customer."""

    flag: Flag
    customer: str
    email: str


def add(connection: sa.Connection, new: NewFlag, now: datetime) -> bool:
    """Put the customer on the blacklist; False where the same flag stands already.

    Other flags may stand beside it; the latest is what agents are told first.
    """
    _lock(connection, new.customer_id)
    same = sa.select(customer_flags.c.id).where(
        customer_flags.c.customer_id == new.customer_id,
        customer_flags.c.kind == new.kind.value,
        customer_flags.c.reason == new.reason,
        customer_flags.c.evidence == new.evidence,
        customer_flags.c.case_id.is_not_distinct_from(new.case_id),
        customer_flags.c.removed_at.is_(None),
    )
    if connection.execute(same.limit(1)).first():
        return False
    connection.execute(
        customer_flags.insert().values(
            customer_id=new.customer_id,
            kind=new.kind.value,
            reason=new.reason,
            evidence=new.evidence,
            case_id=new.case_id,
            by=new.by,
            at=now,
        )
    )
    refresh(connection, new.customer_id, now)
    return True


def remove(
    connection: sa.Connection, customer_id: int, why: str, *, by: str, now: datetime
) -> list[Flag]:
    """Take the customer off the blacklist; the flags that stood. They stay as history."""
    _lock(connection, customer_id)
    standing = [one for one in list_of(connection, customer_id) if one.stands]
    connection.execute(
        customer_flags.update()
        .where(customer_flags.c.customer_id == customer_id, customer_flags.c.removed_at.is_(None))
        .values(removed_at=now, removed_by=by, removed_why=why)
    )
    refresh(connection, customer_id, now)
    return standing


def refresh(connection: sa.Connection, customer_id: int, now: datetime) -> None:
    """Bring the customer's own mark to what the flags say."""
    standing = [one for one in list_of(connection, customer_id) if one.stands]
    reason = standing[-1].reason if standing else ""
    connection.execute(
        customers.update()
        .where(
            customers.c.id == customer_id,
            sa.or_(customers.c.is_flagged.is_not(bool(standing)),
                   customers.c.flag_reason != reason),
        )
        .values(is_flagged=bool(standing), flag_reason=reason, changed_at=now)
    )  # fmt: skip


def list_of(connection: sa.Connection, customer_id: int) -> list[Flag]:
    """All flags that a customer has, or had, oldest first."""
    rows = connection.execute(
        sa.select(customer_flags)
        .where(customer_flags.c.customer_id == customer_id)
        .order_by(customer_flags.c.at, customer_flags.c.id)
    )
    return [_flag(row) for row in rows]


def list_all(
    connection: sa.Connection, *, customer_id: int | None, is_past: bool, limit: int
) -> list[ListedFlag]:
    """Flags, the latest first.

    Args:
        connection: inside `store.read()`.
        customer_id: of this customer only.
        is_past: those that were taken off again, too.
        limit: at most so many.
    """
    query = (
        sa.select(customer_flags, customers.c.name, customers.c.email)
        .join(customers, customers.c.id == customer_flags.c.customer_id)
        .order_by(customer_flags.c.at.desc(), customer_flags.c.id.desc())
        .limit(limit)
    )
    if customer_id is not None:
        query = query.where(customer_flags.c.customer_id == customer_id)
    if not is_past:
        query = query.where(customer_flags.c.removed_at.is_(None))
    return [
        ListedFlag(flag=_flag(row), customer=row.name, email=row.email or "")
        for row in connection.execute(query)
    ]


def _lock(connection: sa.Connection, customer_id: int) -> None:
    """Two agents at once must not leave the mark and the history at odds."""
    connection.execute(
        sa.select(customers.c.id).where(customers.c.id == customer_id).with_for_update()
    ).all()


def _flag(row: Any) -> Flag:
    return Flag(
        id=row.id,
        customer_id=row.customer_id,
        kind=FlagKind(row.kind),
        reason=row.reason,
        evidence=row.evidence,
        case_id=row.case_id,
        by=row.by,
        at=row.at,
        removed_at=row.removed_at,
        removed_by=row.removed_by,
        removed_why=row.removed_why,
    )
