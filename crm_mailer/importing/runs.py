"""What is told and kept of an import from a file without a column map."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from crm_mailer.importing.report import ImportReport, Tally
from crm_mailer.importing.sheets import Sheet
from crm_mailer.store import import_runs
from crm_mailer.store.engine import Connection

#: Rows that a report shows.
SAMPLE = 4


def report(
    kind: str,
    path: Path,
    sheet: Sheet,
    tally: Tally,
    rows: Sequence[Sequence[str]],
    *,
    is_dry_run: bool,
) -> ImportReport:
    """The figures so far."""
    return ImportReport(
        kind=kind,
        file_name=path.name,
        map_name="",
        format=sheet.format,
        encoding=sheet.encoding,
        is_dry_run=is_dry_run,
        counts={name: count for name, count in tally.counts.items() if count},
        problems=tuple(tally.problems),
        problem_count=tally.problem_count,
        notes=tuple(sheet.notes),
        sample=tuple(tuple(cells) for cells in rows[:SAMPLE]),
    )


def write_down(connection: Connection, digest: str, told: ImportReport, now: datetime) -> None:
    """Keep that the import was made."""
    import_runs.add(
        connection,
        import_runs.ImportRun(
            kind=told.kind,
            file_name=told.file_name,
            digest=digest,
            mapping=told.map_name,
            at=now,
            counts=told.counts,
        ),
    )
