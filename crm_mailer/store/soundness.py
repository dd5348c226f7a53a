"""Whether a database is whole: its schema, its pages, what refers to what, and its ledger."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from crm_mailer.model.sentence import Sentence
from crm_mailer.store import audit, migrate, witnesses
from crm_mailer.store.tables import metadata

#: So many findings of one kind are named; more say nothing new.
NAMED = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One thing that was looked at. `faults` is empty where all is well."""

    what: str
    said: str
    faults: tuple[str, ...] = ()

    @property
    def is_well(self) -> bool:
        """Whether nothing was found."""
        return not self.faults


def look(connection: sa.Connection, now: datetime) -> Iterator[Check]:
    """Look at one thing after the other; each is told as soon as it is known."""
    yield _schema(connection)
    if witnesses.is_half(connection):
        yield Check(
            what=Sentence("copy"),
            said=Sentence("not complete"),
            faults=(Sentence("rows are missing: `crm-mailer db copy SOURCE TARGET` goes on"),),
        )
    if connection.dialect.name == "sqlite":
        yield _pages(connection)
        yield _references(connection)
    else:
        yield _constraints(connection)
    yield _ledger(connection, now)


def _schema(connection: sa.Connection) -> Check:
    """Every table, column, index and constraint; of a newer schema what we need."""
    from alembic.autogenerate import compare_metadata  # slow to import
    from alembic.migration import MigrationContext

    options = {"compare_type": False, "include_object": _is_compared(connection)}
    context = MigrationContext.configure(connection, opts=options)
    is_ahead = migrate.is_ahead(connection)
    faults = [
        _named(one) for one in _flat(compare_metadata(context, metadata))
        if not (is_ahead and str(one[0]).startswith("remove_"))
    ]  # fmt: skip
    version = migrate.current(connection)
    said = Sentence("schema {version}, {number} tables", version=version,
                    number=len(metadata.tables))  # fmt: skip
    return Check(what=Sentence("schema"), said=said, faults=tuple(faults))


def _is_compared(connection: sa.Connection) -> Any:
    """Partitions of a server are no tables of ours, and what is extra in them is no fault."""
    names = set(metadata.tables)

    def compared(_object: object, name: str | None, type_: str, is_there: bool, *_: object) -> bool:
        if connection.dialect.name != "postgresql":
            return True
        return type_ != "unique_constraint" and not (
            type_ == "table" and is_there and name not in names
        )

    return compared


def _flat(found: Any) -> Iterator[tuple[Any, ...]]:
    for one in found:
        if isinstance(one, list):
            yield from _flat(one)
        else:
            yield one


def _named(one: tuple[Any, ...]) -> str:
    """What differs: `add_column` of Alembic is a column that is missing."""
    kind, *rest = one
    what = kind.removeprefix("add_").removeprefix("remove_")
    names = [part.name if hasattr(part, "name") else part for part in rest]
    name = " ".join(str(part) for part in names if isinstance(part, str))
    if kind.startswith("add_"):
        return Sentence("missing: {what} {name}", what=what, name=name)
    if kind.startswith("remove_"):
        return Sentence("not ours: {what} {name}", what=what, name=name)
    return Sentence("differs: {what} {name}", what=what, name=name)


def _pages(connection: sa.Connection) -> Check:
    """Every page, every index."""
    rows = connection.exec_driver_sql(f"PRAGMA integrity_check({NAMED})").scalars().all()
    faults = tuple(str(row) for row in rows if row != "ok")
    return Check(
        what=Sentence("pages"), said=Sentence("every page and every index was read"), faults=faults
    )


def _references(connection: sa.Connection) -> Check:
    rows = connection.exec_driver_sql("PRAGMA foreign_key_check").all()
    found: dict[tuple[str, str], int] = {}
    for table, _row, target, _number in rows:
        found[table, target] = found.get((table, target), 0) + 1
    return _references_said([(table, target, count) for (table, target), count in found.items()])


def _constraints(connection: sa.Connection) -> Check:
    """The server sees to them itself, save those that somebody left unproven."""
    rows = connection.exec_driver_sql(
        "SELECT conrelid::regclass::text, conname FROM pg_constraint "
        "WHERE NOT convalidated AND contype IN ('f', 'c') ORDER BY 1, 2"
    ).all()
    faults = tuple(
        Sentence("not proven: {name} of {table}", name=name, table=table) for table, name in rows
    )
    return Check(
        what=Sentence("references"), said=Sentence("the server watches over them"), faults=faults
    )


def _references_said(found: list[tuple[str, str, int]]) -> Check:
    faults = tuple(
        Sentence("{number} rows of {table} refer to {target} that are not there",
                 number=number, table=table, target=target)
        for table, target, number in found
    )  # fmt: skip
    return Check(what=Sentence("references"), said=Sentence("every row finds what it refers to"),
                 faults=faults)  # fmt: skip


def _ledger(connection: sa.Connection, now: datetime) -> Check:
    """Whether every planned mail has one fate, and nothing contradicts it."""
    found = audit.audit(connection, now)
    faults = [
        Sentence("{number} mails: {what}", number=number, what=Sentence(what))
        for what, number in found.troubles.items()
    ]
    said = Sentence("{total} mails, each with one fate", total=f"{found.total:,}")
    return Check(what=Sentence("ledger"), said=said, faults=tuple(faults))
