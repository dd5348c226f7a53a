"""What was imported, when, with which figures."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from crm_mailer.store.tables import import_runs


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportRun:
    """One import. `digest`: SHA-256 of the file."""

    kind: str
    file_name: str
    digest: str
    mapping: str
    at: datetime
    counts: Mapping[str, int]


def add(connection: sa.Connection, run: ImportRun) -> None:
    """Write down an import."""
    connection.execute(
        sa.insert(import_runs).values(
            kind=run.kind,
            file_name=run.file_name,
            digest=run.digest,
            mapping=run.mapping,
            at=run.at,
            counts=dict(run.counts),
        )
    )


def list_(connection: sa.Connection, *, limit: int = 50) -> list[ImportRun]:
    """The newest imports first."""
    query = sa.select(import_runs).order_by(import_runs.c.id.desc()).limit(limit)
    return [
        ImportRun(
            kind=row.kind,
            file_name=row.file_name,
            digest=row.digest,
            mapping=row.mapping,
            at=row.at,
            counts=row.counts,
        )
        for row in connection.execute(query)
    ]
