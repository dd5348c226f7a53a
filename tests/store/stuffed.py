"""A person stuffed into every table: each column that may say who it is says so."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

import sqlalchemy as sa

from crm_mailer.store import tables as t
from crm_mailer.store.engine import Instant
from crm_mailer.store.privacy_map import IMPERSONAL, PLACES

#: Columns that take certain words only.
WORDS = {
    ("touches", "state"): "accepted",
    ("inbound", "state"): "done",
    ("benefit_grants", "state"): "granted",
    ("signals", "kind"): "click",
    ("deliveries", "outcome"): "refused",
    ("hook_requests", "state"): "done",
    ("webhook_messages", "state"): "told",
    ("web_events", "kind"): "click",
    ("cases", "state"): "closed",
}
OF_PLACE = {place.table: place for place in PLACES}


@dataclass(slots=True, kw_only=True)
class Stuffed:
    """A person, and the rows that speak of them: table -> keys."""

    number: int
    email: str
    name: str
    phone: str
    ids: dict[str, Any] = field(default_factory=dict)

    @property
    def words(self) -> str:
        """What a text says that speaks of the person."""
        return f"{self.name} <{self.email}> {self.phone}"


def stuff(connection: sa.Connection, number: int, *, name: str, now: datetime) -> Stuffed:
    """A new person with a row in every table that is about persons."""
    first, last = name.split()
    someone = Stuffed(
        number=number,
        email=f"{first}.{last}@example.com".lower(),
        name=name,
        phone=f"+1555000{number}{number}{number}{number}",
    )
    tables = sorted(t.metadata.sorted_tables, key=lambda one: one.name == "web_events")
    for table in tables:  # that one names its mail without a reference
        if table.name in IMPERSONAL and table.name != "mailboxes":
            continue
        row = {column.name: _value(column, someone, now) for column in table.c}
        row = {name: value for name, value in row.items() if value is not _SKIPPED}
        done = connection.execute(sa.insert(table).values(row))
        someone.ids[table.name] = row.get("id") or next(iter(done.inserted_primary_key or ()))
    return someone


_SKIPPED = object()


def _value(column: sa.Column[Any], someone: Stuffed, now: datetime) -> Any:
    table = column.table.name
    place = OF_PLACE.get(table)
    if column.name == "id" and column.primary_key and column.autoincrement is not False:
        return _SKIPPED
    if column.foreign_keys:
        return someone.ids.get(next(iter(column.foreign_keys)).column.table.name, _SKIPPED)
    if (table, column.name) in WORDS:
        return WORDS[table, column.name]
    if table == "customers" and column.name in ("email", "email_key"):
        return someone.email
    if table == "customers" and column.name in ("name", "phone"):
        return getattr(someone, column.name)
    if column.name in ("recipient", "sender", "rcpt_to", "address_key"):
        return someone.email
    if column.name == "touch_id":
        return someone.ids["touches"]
    harmless = place is None or column.name in place.harmless
    text = f"x{someone.number}" if harmless else f"{someone.words} {table}.{column.name}"
    return _typed(column, text, someone, now)


def _typed(column: sa.Column[Any], text: str, someone: Stuffed, now: datetime) -> Any:
    kind = type(column.type).__name__
    if isinstance(column.type, Instant):
        return _SKIPPED if column.name == "erased_at" else now
    if kind == "JsonText":
        return {"said": text}
    if kind in ("Packed", "LargeBinary"):
        return text.encode()
    if isinstance(column.type, sa.Boolean):
        return False
    if isinstance(column.type, sa.Date):
        return date(2026, 11, 2)
    if isinstance(column.type, sa.Float):
        return 1.0
    if isinstance(column.type, sa.Text):
        return text
    return _SKIPPED if column.nullable else someone.number


def rows(connection: sa.Connection) -> dict[str, list[dict[str, Any]]]:
    """Every row of every table."""
    return {
        table.name: [dict(row._mapping) for row in connection.execute(sa.select(table))]
        for table in t.metadata.sorted_tables
    }
