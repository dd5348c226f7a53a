"""What breakers have counted, over all rounds and processes."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from crm_mailer.store import bulk
from crm_mailer.store.tables import tallies


@dataclass(slots=True, kw_only=True)
class Tally:
    """Counts of a campaign, a lane or an account since a person last let it go on."""

    scope: str
    since: datetime
    rendered: int = 0
    template_errors: int = 0
    errors_in_a_row: int = 0
    attempts: int = 0
    #: Dead addresses of a campaign, mails in doubt of an account.
    faults: int = 0
    #: The same by the hundred attempts, the last hundred at the end.
    recent: list[int] = field(default_factory=list)
    #: The kind of the last outcome, and how often it came in a row.
    sign: str = ""
    in_a_row: int = 0
    #: Provider -> refusal of the content that was met there last, and how often in a row.
    refusals: dict[str, tuple[str, int]] = field(default_factory=dict)


_QUERY = sa.select(tallies).where(tallies.c.scope.in_(sa.bindparam("scopes", expanding=True)))
_COLUMNS = (
    "since",
    "rendered",
    "template_errors",
    "errors_in_a_row",
    "attempts",
    "faults",
    "recent",
    "sign",
    "in_a_row",
    "refusals",
)


def load(
    connection: sa.Connection, scopes: Collection[str], *, is_alone: bool = False
) -> dict[str, Tally]:
    """What is counted of these scopes; those of which nothing is are not in the answer.

    Args:
        connection: in a write transaction where `is_alone`.
        scopes: such as `campaign:spring-sale`.
        is_alone: nobody else may change one until the transaction ends.
    """
    if is_alone:
        bulk.lock(connection, "tallies")
    found = {}
    for row in connection.execute(_QUERY, {"scopes": sorted(scopes)}):
        tally = Tally(scope=row.scope, **{name: getattr(row, name) for name in _COLUMNS})
        tally.refusals = {name: (text, number) for name, (text, number) in tally.refusals.items()}
        found[row.scope] = tally
    return found


def save(connection: sa.Connection, rows: Collection[Tally]) -> None:
    """Write counts as they are now; they were loaded `is_alone`."""
    if not rows:
        return
    connection.execute(
        _saving(connection.dialect.name),
        [{"scope": row.scope, **{name: getattr(row, name) for name in _COLUMNS}} for row in rows],
    )


def forget(connection: sa.Connection, scope: str) -> None:
    """Count anew."""
    connection.execute(sa.delete(tallies).where(tallies.c.scope == scope))


@cache
def _saving(dialect: str) -> Any:
    """Made once, for making it takes longer than running it."""
    insert = {"sqlite": sqlite, "postgresql": postgresql}[dialect].insert(tallies)
    return insert.on_conflict_do_update(
        index_elements=["scope"], set_={name: insert.excluded[name] for name in _COLUMNS}
    )
