"""What every import does first and last: open and understand a file, take turns, report."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from crm_mailer.definitions.column_maps import ColumnMap, shipped_maps
from crm_mailer.importing import runs
from crm_mailer.importing.cells import decimal_mark
from crm_mailer.importing.dates import day_order
from crm_mailer.importing.header import Binding, bind
from crm_mailer.importing.report import ImportReport, Tally
from crm_mailer.importing.sheets import Sheet, open_sheet, peek
from crm_mailer.model import moment
from crm_mailer.model.sentence import Sentence
from crm_mailer.store import bulk
from crm_mailer.store.engine import Connection, Store

AMOUNTS = ("amount", "price", "line_total", "line_extra", "shipping_fee", "refunded")
TIMES = ("placed_at", "paid_at", "shipped_at", "received_at")
SAMPLE_ROWS = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """How the cells of one file are to be read."""

    place: ZoneInfo
    now: datetime
    day_order: str
    decimal_mark: str
    currency: str
    platform: str = ""
    file_name: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """A file that is understood: its cells, its map, how to read it."""

    sheet: Sheet
    binding: Binding
    reading: Reading
    sample: tuple[tuple[str, ...], ...]

    def rows(self, tally: Tally) -> Iterator[tuple[int, list[str]]]:
        """Row number and cells of each row after the header."""
        quoting = self.binding.map.quoting
        for number, cells in enumerate(self.sheet.rows(tally.problem, quoting=quoting), start=1):
            if number > self.binding.header_row and cells:
                yield number, cells


def open_file(
    path: Path,
    kind: str,
    *,
    column_map: ColumnMap | None,
    maps: Sequence[ColumnMap] | None,
    platform: str,
    shop_zone: ZoneInfo,
    shop_currency: str,
    now: datetime,
    encodings: Sequence[str],
) -> Opened:
    """Open the file, find its header and map, and see how it writes numbers and dates.

    Raises:
        SourceError: it cannot be read, or no map fits.
    """
    sheet = open_sheet(path, encodings)
    rows = peek(sheet)
    binding = bind(path, rows, kind, shipped_maps() if maps is None else maps, column_map)
    body = rows[binding.header_row :]
    chosen = binding.map
    mark = chosen.decimal
    if mark == "auto":
        mark = decimal_mark(_column(binding, body, AMOUNTS))
    order, is_sure = day_order(_column(binding, body, TIMES))
    if chosen.dates == "auto" and not is_sure:
        sheet.notes.append(
            Sentence(
                "dates such as 03/04/2026 were read day first: if that is wrong, say `dates: mdy` "
                "in a map of your own"
            )
        )
    reading = Reading(
        place=shop_zone if chosen.zone == "shop" else moment.zone(chosen.zone),
        now=now,
        day_order=order if chosen.dates == "auto" else chosen.dates,
        decimal_mark=mark,
        currency=shop_currency,
        platform=platform,
        file_name=path.name,
    )
    start = max(0, binding.header_row - 1)
    sample = tuple(tuple(cells) for cells in rows[start : start + SAMPLE_ROWS])
    return Opened(sheet=sheet, binding=binding, reading=reading, sample=sample)


@contextmanager
def turns(
    store_: Store, *, is_dry_run: bool
) -> Iterator[Callable[[], AbstractContextManager[Connection]]]:
    """Write transactions, one a chunk; for a dry run one for all, undone at the end."""
    if not is_dry_run:
        try:
            yield lambda: _wide(store_)
        finally:
            with store_.read() as connection:
                bulk.narrow(connection)
        return
    with suppress(_Rehearsed), store_.write() as connection:
        yield lambda: nullcontext(connection)
        raise _Rehearsed


@contextmanager
def _wide(store_: Store) -> Iterator[Connection]:
    with store_.write() as connection:
        bulk.widen(connection)
        yield connection


class _Rehearsed(Exception):
    """Undoes the one transaction of a dry run."""


def make_report(
    opened: Opened, path: Path, kind: str, tally: Tally, *, is_dry_run: bool
) -> ImportReport:
    """The figures so far."""
    return ImportReport(
        kind=kind,
        file_name=path.name,
        map_name=opened.binding.map.name,
        format=opened.sheet.format,
        encoding=opened.sheet.encoding,
        is_dry_run=is_dry_run,
        counts={name: number for name, number in tally.counts.items() if number},
        problems=tuple(tally.problems),
        problem_count=tally.problem_count,
        notes=(*opened.sheet.notes, *opened.binding.notes, *tally.sentences()),
        sample=opened.sample,
    )


def write_down(connection: Connection, opened: Opened, report: ImportReport, now: datetime) -> None:
    """Keep that the import was made."""
    runs.write_down(connection, opened.sheet.digest, report, now)


def _column(binding: Binding, rows: Sequence[Sequence[str]], fields: Sequence[str]) -> list[str]:
    places = [place for name in fields for place in binding.places.get(name, ())]
    return [cells[place] for cells in rows for place in places if place < len(cells)]
