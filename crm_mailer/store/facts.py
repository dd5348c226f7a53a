"""Small facts about this database: switches, and what is remembered from one round to the next."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from functools import lru_cache
from typing import Any

import sqlalchemy as sa

from crm_mailer.store.engine import upsert_for
from crm_mailer.store.prepared import Prepared
from crm_mailer.store.tables import facts


def find(connection: sa.Connection, name: str) -> Any:
    """The value of a fact; None where it is not known."""
    return connection.execute(sa.select(facts.c.value).where(facts.c.name == name)).scalar()


def changed_at(connection: sa.Connection, name: str) -> datetime | None:
    """When a fact was noted last."""
    found: datetime | None = connection.execute(
        sa.select(facts.c.changed_at).where(facts.c.name == name)
    ).scalar()
    return found


def find_all(connection: sa.Connection, prefix: str) -> dict[str, Any]:
    """All facts whose names begin alike, by the rest of their names."""
    return {name: json.loads(text) for name, text in find_texts(connection, prefix).items()}


def find_texts(connection: sa.Connection, prefix: str) -> dict[str, str]:
    """The same with their values as they are kept, as JSON."""
    rows = _texts(connection.dialect.name).rows(connection, {"prefix": prefix})
    return {name.removeprefix(prefix): text for name, text in rows}


@lru_cache(maxsize=4)
def _texts(_dialect: str) -> Prepared:
    given = sa.bindparam("prefix", type_=sa.Text)
    starts = sa.func.substr(facts.c.name, 1, sa.func.length(given)) == given
    return Prepared(sa.select(facts.c.name, facts.c.value).where(starts))


def put(connection: sa.Connection, name: str, value: Any, now: datetime) -> None:
    """Note a fact, in place of what was known."""
    put_all(connection, {name: value}, now)


def put_all(connection: sa.Connection, values: Mapping[str, Any], now: datetime) -> None:
    """Note several facts at once, by their names."""
    rows = [{"name": name, "value": value, "changed_at": now} for name, value in values.items()]
    if rows:
        connection.execute(_putting(connection.dialect.name), rows)


@lru_cache(maxsize=4)
def _putting(dialect: str) -> Any:
    """Made once: planning notes one fact for each campaign, minute by minute."""
    statement = upsert_for(dialect, facts)
    return statement.on_conflict_do_update(
        index_elements=["name"],
        set_={"value": statement.excluded.value, "changed_at": statement.excluded.changed_at},
    )


def forget(connection: sa.Connection, name: str) -> None:
    """The fact does not hold any more."""
    connection.execute(sa.delete(facts).where(facts.c.name == name))
