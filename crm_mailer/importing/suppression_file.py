"""Takes in a list of addresses that must not get marketing mail."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path

from crm_mailer.definitions.column_maps import fold
from crm_mailer.importing import runs
from crm_mailer.importing.cells import CellError
from crm_mailer.importing.identity import Addresses
from crm_mailer.importing.opening import turns
from crm_mailer.importing.report import Count, ImportReport, RowProblem, Tally
from crm_mailer.importing.sheets import open_sheet, peek
from crm_mailer.model.errors import SourceError
from crm_mailer.model.sentence import Sentence
from crm_mailer.model.suppression import SuppressionReason
from crm_mailer.store import suppressions
from crm_mailer.store.engine import Connection, Store

CHUNK = 5_000
HEADERS = ("email", "e mail", "email address", "address", "mail", "recipient", "邮箱", "邮件地址")


def import_suppressions(
    store_: Store,
    path: Path,
    *,
    now: datetime,
    is_dry_run: bool = False,
    encodings: Sequence[str] = (),
    progress: Callable[[int], None] | None = None,
) -> ImportReport:
    """Suppress each address in a file: a column called email or address, or the one with an @.

    Raises:
        SourceError: the file cannot be read or has no column of addresses; nothing was written.
    """
    sheet = open_sheet(path, encodings)
    rows = peek(sheet)
    column, first = _column(path, rows)
    tally, addresses = Tally(), Addresses()
    chunk: list[str] = []

    def save(connection: Connection) -> None:
        for email in chunk:
            is_new = suppressions.add(
                connection, email, SuppressionReason.IMPORTED, source=path.name, at=now
            )
            tally.add(Count.ADDRESSES_NEW if is_new else Count.ADDRESSES_KNOWN)
        chunk.clear()

    with turns(store_, is_dry_run=is_dry_run) as turn:
        for number, cells in enumerate(sheet.rows(tally.problem), start=1):
            if number < first or not cells:
                continue
            tally.add(Count.ROWS)
            email = _address(addresses, tally, number, cells, column)
            if email:
                chunk.append(email)
            if len(chunk) == CHUNK:
                with turn() as connection:
                    save(connection)
                if progress:
                    progress(tally.counts["rows"])
        with turn() as connection:
            save(connection)
            report = runs.report("suppressions", path, sheet, tally, rows, is_dry_run=is_dry_run)
            runs.write_down(connection, sheet.digest, report, now)
    return report


def _column(path: Path, rows: Sequence[Sequence[str]]) -> tuple[int, int]:
    """The column of addresses and the row (from 1) at which they begin."""
    header = [fold(cell) for cell in rows[0]] if rows else []
    for name in HEADERS:
        if name in header:
            return header.index(name), 2
    for row in rows[:5]:
        for place, cell in enumerate(row):
            if "@" in cell:
                return place, 1
    raise SourceError(
        Sentence(
            "{path} has no column of mail addresses; its first row is: {cells}",
            path=path,
            cells=", ".join(header) or Sentence("empty"),
        ),
        hint="call the column `email`",
    )


def _address(
    addresses: Addresses, tally: Tally, number: int, cells: Sequence[str], column: int
) -> str:
    text = cells[column] if column < len(cells) else ""
    try:
        found = addresses.read(text)
    except CellError as error:
        tally.problem(RowProblem(row=number, column="email", what=str(error), hint=error.hint))
        return ""
    return found.email if found else ""
