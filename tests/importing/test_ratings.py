from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from crm_mailer.importing import Count, ImportReport, import_ratings
from crm_mailer.importing.cells import CellError
from crm_mailer.importing.periods import period
from crm_mailer.model.errors import SourceError
from tests.importing.desk import NOW, Desk

HEADER = "platform,period,item as described,communication,shipping speed,count\n"


def take(desk: Desk, content: str, **more: Any) -> ImportReport:
    path: Path = desk.text(content)
    return import_ratings(desk.store, path, shop_zone=ZoneInfo("UTC"), now=NOW, **more)


def kept(desk: Desk) -> list[Any]:
    return desk.all(
        "shop_ratings", "platform", "from_on", "until_on", "item_as_described", "communication",
        "shipping_speed", "ratings",
    )  # fmt: skip


def test_ratings_are_kept_by_platform_and_period(desk: Desk) -> None:
    report = take(desk, HEADER + "AliExpress,2026-09,4.8,4.7,4.55,312\nebay,2026-Q3,5,4,3,\n")

    assert report.count(Count.RATINGS_NEW) == 2
    assert kept(desk) == [
        ("aliexpress", date(2026, 9, 1), date(2026, 9, 30), 480, 470, 455, 312),
        ("ebay", date(2026, 7, 1), date(2026, 9, 30), 500, 400, 300, 0),
    ]


def test_a_later_file_brings_the_figures_up_to_date(desk: Desk) -> None:
    take(desk, HEADER + "ebay,2026-09,4.8,4.7,4.5,10\n")

    again = take(desk, HEADER + "ebay,2026-09,4.8,4.7,4.5,10\n")
    later = take(desk, HEADER + "ebay,2026-09,4.9,,,20\n")

    assert again.count(Count.RATINGS_UNCHANGED) == 1
    assert later.count(Count.RATINGS_CHANGED) == 1
    assert kept(desk) == [("ebay", date(2026, 9, 1), date(2026, 9, 30), 490, 470, 450, 20)]


def test_a_file_of_one_platform_needs_no_column_for_it(quick: Desk) -> None:
    take(
        quick, "开始;结束;描述相符;沟通;发货速度\n2026-09-01;2026-09-15;4,8;4,7;4,5\n",
        platform="aliexpress",
    )  # fmt: skip

    assert kept(quick) == [("aliexpress", date(2026, 9, 1), date(2026, 9, 15), 480, 470, 450, 0)]


@pytest.mark.parametrize(
    ("row", "column", "what"),
    [
        ("ebay,soon,4,4,4,1", "period", "`soon` is no"),
        ("ebay,2026-13,4,4,4,1", "period", "`2026-13` is no period"),
        ("ebay,2026-09-10..2026-09-01,4,4,4,1", "period", "before it begins"),
        ("ebay,2026-09,6,4,4,1", "item as described", "`6` is no average of stars"),
        ("ebay,2026-09,4,0,4,1", "communication", "`0` is no average"),
        ("ebay,2026-09,4,4,96%,1", "shipping speed", "`96%` is no average"),
        ("ebay,2026-09,4,4,4,many", "count", "no number of pieces"),
        ("ebay,2026-09,,,,5", "item as described", "no figure is told"),
        (",2026-09,4,4,4,5", "platform", "no platform is named"),
    ],
)
def test_a_bad_row_is_told_with_its_number_and_column(
    quick: Desk, row: str, column: str, what: str
) -> None:
    report = take(quick, HEADER + "wish,2026-09,4,4,4,1\n" + row + "\n")

    assert [(one.row, one.column) for one in report.problems] == [(3, column)]
    assert what in report.problems[0].what
    assert len(kept(quick)) == 1


@pytest.mark.parametrize(
    ("header", "what"),
    [
        ("platform,item as described\n", "`period`"),
        ("platform,period\n", "`item as described`"),
        ("period,communication\n", "`platform`"),
        ("", "`period`"),
    ],
)
def test_a_file_without_what_is_needed_is_refused(quick: Desk, header: str, what: str) -> None:
    with pytest.raises(SourceError, match="its columns are") as refused:
        take(quick, header + "1,2,3\n" if header else "x\n")

    assert what in str(refused.value)


def test_a_file_tried_out_writes_nothing(quick: Desk) -> None:
    report = take(quick, HEADER + "ebay,2026-09,4,4,4,1\n", is_dry_run=True)

    assert report.count(Count.RATINGS_NEW) == 1
    assert kept(quick) == []


@pytest.mark.parametrize(
    ("text", "first", "last"),
    [
        ("2026-02", "2026-02-01", "2026-02-28"),
        ("2026年2月", "2026-02-01", "2026-02-28"),
        ("02/2026", "2026-02-01", "2026-02-28"),
        ("Q4 2026", "2026-10-01", "2026-12-31"),
        ("2026-W01", "2025-12-29", "2026-01-04"),
        ("2026", "2026-01-01", "2026-12-31"),
        ("2026-09-01 to 2026-09-14", "2026-09-01", "2026-09-14"),
        ("2026-09-01 – 2026-09-14", "2026-09-01", "2026-09-14"),
    ],
)
def test_periods_are_read_as_people_write_them(text: str, first: str, last: str) -> None:
    assert period(text, date.fromisoformat) == (
        date.fromisoformat(first), date.fromisoformat(last)
    )  # fmt: skip


def test_a_week_that_does_not_exist_is_no_period() -> None:
    with pytest.raises(CellError, match="no period"):
        period("2026-W60", date.fromisoformat)
