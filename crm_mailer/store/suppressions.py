"""Addresses that must not be mailed, and why: one row for each address and reason."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

import sqlalchemy as sa

from crm_mailer.model import address as addresses
from crm_mailer.model.campaign import Stream
from crm_mailer.model.suppression import SCOPES, Scope, Suppression, SuppressionReason
from crm_mailer.store.engine import upsert
from crm_mailer.store.tables import suppressions

#: How many addresses one statement asks for; SQLite takes at most 32,766 values.
ASKED_AT_ONCE = 5_000


def add(
    connection: sa.Connection,
    address: str,
    reason: SuppressionReason,
    *,
    source: str,
    at: datetime,
    evidence: str = "",
) -> bool:
    """Suppress an address; doing it again changes nothing. True when it is new."""
    statement = (
        upsert(connection, suppressions)
        .values(
            address_key=addresses.key(address),
            reason=reason.value,
            scope=SCOPES[reason].value,
            source=source,
            evidence=evidence[:500],
            at=at,
        )
        .on_conflict_do_nothing(index_elements=["address_key", "reason"])
        .returning(suppressions.c.id)
    )
    return connection.execute(statement).first() is not None


def find(connection: sa.Connection, address: str) -> list[Suppression]:
    """Every reason not to mail `address`, the widest first, then the oldest."""
    rows = connection.execute(
        sa.select(suppressions)
        .where(suppressions.c.address_key == addresses.key(address))
        .order_by(suppressions.c.scope, suppressions.c.at, suppressions.c.id)
    )
    return [_suppression(row) for row in rows]


def stopped(
    connection: sa.Connection, address_keys: Collection[str], stream: Stream
) -> dict[str, SuppressionReason]:
    """Which of these addresses must not get mail of `stream`, and why.

    Args:
        address_keys: as `model.address.key` makes them.
    """
    scopes = [Scope.ALL.value]
    if stream is Stream.MARKETING:
        scopes.append(Scope.MARKETING.value)
    wanted = sorted(set(address_keys))
    found: dict[str, SuppressionReason] = {}
    for start in range(0, len(wanted), ASKED_AT_ONCE):
        rows = connection.execute(
            sa.select(suppressions.c.address_key, suppressions.c.reason)
            .where(suppressions.c.address_key.in_(wanted[start : start + ASKED_AT_ONCE]))
            .where(suppressions.c.scope.in_(scopes))
            .order_by(suppressions.c.scope, suppressions.c.id)
        )
        for key, reason in rows:
            found.setdefault(key, SuppressionReason(reason))
    return found


def list_(
    connection: sa.Connection,
    *,
    reason: SuppressionReason | None = None,
    limit: int = 1_000,
) -> list[Suppression]:
    """The newest suppressions first."""
    query = sa.select(suppressions).order_by(suppressions.c.at.desc(), suppressions.c.id.desc())
    if reason is not None:
        query = query.where(suppressions.c.reason == reason.value)
    return [_suppression(row) for row in connection.execute(query.limit(limit))]


def lift(connection: sa.Connection, address: str, reason: SuppressionReason | None = None) -> int:
    """Mail the address again: take away one reason, or all. Returns how many went."""
    statement = sa.delete(suppressions).where(suppressions.c.address_key == addresses.key(address))
    if reason is not None:
        statement = statement.where(suppressions.c.reason == reason.value)
    return connection.execute(statement).rowcount


def _suppression(row: sa.Row[tuple[object, ...]]) -> Suppression:
    return Suppression(
        address=row.address_key,
        reason=SuppressionReason(row.reason),
        scope=Scope(row.scope),
        source=row.source,
        at=row.at,
    )
