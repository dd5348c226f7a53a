from __future__ import annotations

from io import BytesIO
from zipfile import ZipFile

import pytest

from crm_mailer.studio import report_charts
from tests.studio.conftest import Studio

NAMES = ["complaints", "reviews", "response-times", "health", "agents", "recovery"]


@pytest.mark.parametrize("name", NAMES)
def test_each_report_is_a_page_data_and_a_workbook(studio: Studio, name: str) -> None:
    page = studio.get(f"/reports/{name}")
    told = studio.json(f"/reports/{name}.json")
    book = studio.get(f"/reports/{name}.xlsx")

    assert page.status == 200
    assert told["tables"]
    assert all(len(row) == len(one["columns"]) for one in told["tables"] for row in one["rows"])
    assert "xl/workbook.xml" in ZipFile(BytesIO(book.body)).namelist()
    assert f'filename="{name}-' in book.headers["content-disposition"]


def test_complaints_are_counted_drawn_and_told_in_their_words(studio: Studio) -> None:
    page = studio.get("/reports").text
    tables = {one["name"]: one for one in studio.json("/reports.json")["tables"]}

    assert tables["By reason"]["rows"][0][:3] == ["damaged goods", "nad.damaged", 1]
    assert tables["By country"]["rows"][0][:2] == ["RU", 1]
    assert tables["By campaign"]["rows"][0][:2] == ["shipped", 1]
    assert '<svg class="chart"' in page
    assert "I am &lt;i&gt;very&lt;/i&gt; unhappy" in page


def test_the_period_is_chosen(studio: Studio) -> None:
    told = studio.json("/reports/complaints.json", **{"from": "2026-01-01", "until": "2026-06-30"})

    assert (told["first"], told["last"]) == ("2026-01-01", "2026-06-30")
    assert told["tables"][1]["rows"] == []
    assert "nothing yet" in studio.get("/reports/complaints?from=2026-01-01&until=2026-06-30").text


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/reports/odd", 404),
        ("/reports/odd.xlsx", 404),
        ("/reports/complaints?from=yesterday", 400),
        ("/reports/complaints?from=2026-05-01&until=2026-04-01", 400),
        ("/reports/complaints.xlsx?until=x", 400),
        ("/reports/complaints?from=0001-01-01", 400),
    ],
)
def test_what_is_no_report_is_told(studio: Studio, path: str, status: int) -> None:
    assert studio.get(path).status == status


def test_a_chart_is_as_long_as_its_figures_and_never_markup() -> None:
    table = {
        "name": "x", "is_cut": False,
        "columns": [
            {"title": "<b>", "kind": "text"}, {"title": "complaints", "kind": "count"},
            {"title": "praise", "kind": "count"},
        ],
        "rows": [["<script>", 10, 5], ["b", None, 20]],
        "chart": {"title": '"t"', "columns": [1, 2], "shape": "bar", "is_stacked": False},
    }  # fmt: skip
    drawn = str(report_charts.chart(table))
    widths = [float(part.split('"')[0]) for part in drawn.split(' width="')[1:]]

    assert "<script>" not in drawn
    assert "&lt;script&gt;" in drawn
    longest = max(widths)
    # the two of the legend, then each row's bars
    assert [round(one / longest, 2) for one in widths[2:]] == [0.5, 0.25, 0.0, 1.0]


@pytest.mark.parametrize(
    ("chart", "rows"),
    [(None, [["a", 1]]), ({"title": "t", "columns": [1], "shape": "bar", "is_stacked": True}, []),
     ({"title": "t", "columns": [1], "shape": "bar", "is_stacked": False}, [["a", 0]])],
    ids=["no-chart", "no-rows", "all-nothing"],
)  # fmt: skip
def test_nothing_is_drawn_where_there_is_nothing(chart: object, rows: list[object]) -> None:
    columns = [{"title": "a", "kind": "text"}, {"title": "b", "kind": "count"}]
    assert report_charts.chart({"columns": columns, "rows": rows, "chart": chart}) == ""
