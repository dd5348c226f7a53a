"""Writes tables into an Excel workbook that opens without a question and can do no harm."""

from __future__ import annotations

import os
import re
import secrets
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from zoneinfo import ZoneInfo

import xlsxwriter
from xlsxwriter.exceptions import XlsxWriterException

from crm_mailer.model.errors import CannotWrite, NotPossible
from crm_mailer.model.sentence import Sentence

#: Excel's own bounds; the first row is the header.
MAX_ROWS, MAX_LETTERS = 1_048_575, 32_767
#: Such a text would be a formula, were it typed into a cell or read from a CSV file.
_FORMULA = re.compile(r"[\s\"']*[=+\-@\t\r＝＋－＠|%]")
#: What XML, and so a workbook, cannot hold.
_FORBIDDEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
_BAD_NAME = re.compile(r"[\[\]:*?/\\]")
#: Rows of a table that a chart shows: more bars than these are not told apart.
_CHARTED = 15


class Kind(StrEnum):
    """What the cells of a column hold."""

    TEXT = "text"
    #: Long text, folded.
    WORDS = "words"
    COUNT = "count"
    #: From 0 to 1.
    SHARE = "share"
    DECIMAL = "decimal"
    MONEY = "money"
    INSTANT = "instant"
    DAY = "day"


_WIDTHS = {Kind.TEXT: 22, Kind.WORDS: 70, Kind.COUNT: 12, Kind.SHARE: 10, Kind.DECIMAL: 12,
           Kind.MONEY: 13, Kind.INSTANT: 17, Kind.DAY: 12}  # fmt: skip
_FORMATS: dict[Kind, dict[str, Any]] = {
    Kind.TEXT: {"valign": "top"},
    Kind.WORDS: {"text_wrap": True, "valign": "top"},
    Kind.COUNT: {"num_format": "#,##0", "valign": "top"},
    Kind.SHARE: {"num_format": "0.0%", "valign": "top"},
    Kind.DECIMAL: {"num_format": "#,##0.00", "valign": "top"},
    Kind.MONEY: {"num_format": "#,##0.00", "valign": "top"},
    Kind.INSTANT: {"num_format": "yyyy-mm-dd hh:mm", "valign": "top", "align": "left"},
    Kind.DAY: {"num_format": "yyyy-mm-dd", "valign": "top", "align": "left"},
}
_TONES = {"ok": "#1b7f3b", "warn": "#b26a00", "bad": "#b3261e"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """The header of a column and what it holds; a width of 0 is the usual one.

    What `is_extra` is left out where there is little room, such as in a terminal.
    """

    title: str
    kind: Kind = Kind.TEXT
    width: int = 0
    is_extra: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Chart:
    """A chart of some columns, by their places, over the first column."""

    title: str
    columns: tuple[int, ...]
    #: bar (lying), column (standing) or line.
    shape: str = "bar"
    #: Parts of a whole: one bar each, all as long.
    is_stacked: bool = False


@dataclass(frozen=True, slots=True)
class Toned:
    """A text that is good or bad news: `ok`, `warn` or `bad`."""

    text: str
    tone: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Sheet:
    """One table with a name. `rows` may be read only once, and is not kept."""

    name: str
    columns: tuple[Column, ...]
    rows: Iterable[Sequence[object]]
    chart: Chart | None = None
    #: What is said where there is no row.
    empty: str = ""
    #: What to know about the figures, under the table.
    notes: tuple[str, ...] = ()
    #: Said under the table when there are more rows than Excel takes.
    cut: str = field(default="not all rows fit on a sheet")


def write(
    path: Path, sheets: Iterable[Sheet], *, place: ZoneInfo, title: str, is_forced: bool = False
) -> None:
    """Write the workbook at once or not at all; instants are shown as `place` writes them.

    Raises:
        NotPossible: the name is no Excel file's.
        CannotWrite: there is such a file already, or no file can be made there.
    """
    if path.suffix.lower() != ".xlsx":
        raise NotPossible(
            Sentence("{name} is no name of an Excel file", name=path.name),
            hint=Sentence("name it {stem}.xlsx", stem=path.stem or "report"),
        )
    with _new_file(path, is_forced=is_forced) as draft, _new_book(draft) as book:
        book.set_properties({"title": _clean(title)})
        painter = _Painter(book, place)
        for sheet in sheets:
            painter.add(sheet)


@contextmanager
def _new_book(draft: Path) -> Iterator[Any]:
    """A workbook that keeps its rows on the disk; what breaks leaves nothing there."""
    with TemporaryDirectory(prefix="crm-mailer-") as scratch:
        book = xlsxwriter.Workbook(
            str(draft),
            {
                "constant_memory": True,
                "tmpdir": scratch,
                "strings_to_formulas": False,
                "strings_to_urls": False,
                "strings_to_numbers": False,
            },
        )
        try:
            yield book
            book.close()
        finally:
            for page in book.worksheets():
                page.row_data_fh.close()


@contextmanager
def _new_file(path: Path, *, is_forced: bool) -> Iterator[Path]:
    """A draft beside the file, which takes its place when all is written."""
    exists = CannotWrite(
        Sentence("{path} is there already", path=path),
        hint="name another file, or add --force to replace it",
    )
    if path.exists() and not is_forced:
        raise exists
    if not path.parent.is_dir():
        raise CannotWrite(
            Sentence("there is no folder {folder}", folder=path.parent),
            hint="make it, or name another one",
        )
    draft = path.with_name(f".{path.stem[:100]}-{secrets.token_hex(4)}.xlsx")
    try:
        yield draft
        _put(draft, path, is_forced=is_forced)
    except FileExistsError as error:
        raise exists from error
    except (OSError, XlsxWriterException) as error:
        raise CannotWrite(
            Sentence(
                "{path} cannot be written: {why}",
                path=path,
                why=getattr(error, "strerror", None) or error,
            ),
            hint="look at the folder's name and rights, and at the free space",
        ) from error
    finally:
        draft.unlink(missing_ok=True)


def _put(draft: Path, path: Path, *, is_forced: bool) -> None:
    if not is_forced:
        try:
            os.link(draft, path)  # unlike a rename, it never takes a file's place
            return
        except FileExistsError:
            raise
        except OSError:  # a disk that knows no links, such as a memory stick
            if path.exists():
                raise FileExistsError from None
    draft.replace(path)


class _Painter:
    """Adds sheets to one workbook."""

    def __init__(self, book: Any, place: ZoneInfo) -> None:
        self.book = book
        self.place = place
        self.names: set[str] = set()
        header = {"bold": True, "bg_color": "#0B6E6E", "font_color": "white", "text_wrap": True,
                  "valign": "vcenter", "border": 1, "border_color": "#FFFFFF"}  # fmt: skip
        self.header = book.add_format(header)
        self.note = book.add_format({"italic": True, "font_color": "#666666"})
        self.formats = {kind: book.add_format(look) for kind, look in _FORMATS.items()}
        #: A cell that stays text also when somebody edits it.
        self.guarded = {
            kind: book.add_format({**look, "quote_prefix": True}) for kind, look in _FORMATS.items()
        }
        self.tones = {
            tone: book.add_format({"bold": True, "font_color": color, "valign": "top"})
            for tone, color in _TONES.items()
        }

    def add(self, sheet: Sheet) -> None:
        """Write one table, and its chart beside it."""
        name = self._name(sheet.name)
        page = self.book.add_worksheet(name)
        self._set_up(page, sheet)
        last = self._rows(page, sheet)
        page.autofilter(0, 0, max(last, 1), len(sheet.columns) - 1)
        line = last + 1
        for note in (*((sheet.empty,) if not last and sheet.empty else ()), *sheet.notes):
            line += 1
            page.write_string(line, 0, _clean(note), self.note)
        if sheet.chart and last:
            self._chart(page, name, sheet, min(last, _CHARTED))

    def _name(self, wanted: str) -> str:
        """A name that Excel takes, and that no sheet has yet."""
        base = _BAD_NAME.sub(" ", _clean(wanted)).strip(" '")[:28] or "Sheet"
        name, number = base, 1
        while name.lower() in self.names:
            number += 1
            name = f"{base} {number}"
        self.names.add(name.lower())
        return name

    def _set_up(self, page: Any, sheet: Sheet) -> None:
        page.freeze_panes(1, 0)
        page.hide_gridlines(2)
        page.set_landscape()
        page.fit_to_pages(1, 0)
        page.repeat_rows(0)
        for place, column in enumerate(sheet.columns):
            page.set_column(place, place, column.width or _WIDTHS[column.kind])
        page.set_row(0, 30)
        for place, column in enumerate(sheet.columns):
            page.write_string(0, place, _clean(column.title), self.header)

    def _rows(self, page: Any, sheet: Sheet) -> int:
        """Write all rows; the number of the last."""
        last = 0
        kinds = [column.kind for column in sheet.columns]
        for row in sheet.rows:
            if last >= MAX_ROWS - 8:
                page.write_string(last + 1, 0, _clean(sheet.cut), self.note)
                return last + 1
            last += 1
            for place, (kind, value) in enumerate(zip(kinds, row, strict=True)):
                # to write what is empty takes as long as a number, and nobody sees it
                if value is not None and value != "":
                    self._cell(page, last, place, kind, value)
        return last

    def _cell(self, page: Any, row: int, place: int, kind: Kind, value: object) -> None:
        match value:
            case Toned(text, tone):
                page.write_string(row, place, _clean(text), self.tones.get(tone))
            case datetime():
                local = value.astimezone(self.place).replace(tzinfo=None)
                page.write_datetime(row, place, local, self.formats[Kind.INSTANT])
            case date():
                page.write_datetime(row, place, value, self.formats[Kind.DAY])
            case bool() | str() | Path():
                text = _clean(str(value))
                guard = self.guarded if _FORMULA.match(text) else self.formats
                page.write_string(row, place, text, guard[kind])
            case int() | float():
                page.write_number(row, place, value, self.formats[kind])
            case _:
                page.write_string(row, place, _clean(str(value)), self.formats[kind])

    def _chart(self, page: Any, name: str, sheet: Sheet, last: int) -> None:
        assert sheet.chart is not None
        stacked = {"subtype": "percent_stacked"} if sheet.chart.is_stacked else {}
        chart = self.book.add_chart({"type": sheet.chart.shape, **stacked})
        colors = ("#0B6E6E", "#E39A3B", "#7A8B99", "#B3261E", "#5B8C5A")
        for column, color in zip(sheet.chart.columns, colors, strict=False):
            chart.add_series(
                {
                    "name": [name, 0, column],
                    "categories": [name, 1, 0, last, 0],
                    "values": [name, 1, column, last, column],
                    "fill": {"color": color},
                    "line": {"color": color},
                    "gap": 60,
                }
            )
        chart.set_title({"name": _clean(sheet.chart.title), "name_font": {"size": 12}})
        chart.set_legend(
            {"none": True} if len(sheet.chart.columns) == 1 else {"position": "bottom"}
        )
        if sheet.chart.shape == "bar":
            chart.set_y_axis({"reverse": True})
        bars = last if sheet.chart.is_stacked else last * len(sheet.chart.columns)
        tall = 120 + 22 * bars if sheet.chart.shape == "bar" else 320
        chart.set_size({"width": 640, "height": max(260, min(tall, 640))})
        page.insert_chart(1, len(sheet.columns) + 1, chart)


def _clean(text: str) -> str:
    """A text without what a workbook cannot hold, and no longer than a cell."""
    text = _FORBIDDEN.sub("�", text)
    if len(text) > MAX_LETTERS // 2 and len(text.encode("utf-16-le")) // 2 > MAX_LETTERS:
        text = text.encode("utf-16-le")[: 2 * (MAX_LETTERS - 1)].decode("utf-16-le", "ignore") + "…"
    return text
