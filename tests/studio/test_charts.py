from __future__ import annotations

import itertools
import re
import xml.etree.ElementTree as ET
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from markupsafe import Markup

from crm_mailer.studio import charts
from crm_mailer.studio.charts import Band, Bar, Line, Sign, Tile

EVIL = '<script>alert("1")</script>'
NAMES = {"champions": "champions", "loyal": "loyal", "": "no paid order"}


def heat(*tiles: Tile) -> Markup:
    return charts.heat_map(
        tiles, key="rfm", title="By R and F", about="Most are champions.",
        columns=["F 1", "F 2"], rows=["R 2", "R 1"], column_title="how often",
        row_title="how recently", outlines=[(0, 0, 2, 1, "champions")],
    )  # fmt: skip


def lines(**more: object) -> Markup:
    drawn = [Line(name="recall", points=[(0.0, 1.0), (1.0, 0.2)], has_area=True)]
    given: dict[str, object] = {
        "key": "memory", "title": "Memory", "about": "falls", "x_labels": [(0.0, "day 1")],
        "y_labels": [(0.0, "0 %"), (1.0, "100 %")],
    }  # fmt: skip
    return charts.lines(drawn, **{**given, **more})  # type: ignore[arg-type]


def bands(*drawn: Band) -> Markup:
    return charts.bands(
        drawn, names=NAMES, key="moves", title="Moves", about="one", heads=("before", "after")
    )


def stacks() -> Markup:
    months = [("2026-10", {"champions": 3, "loyal": 1}), ("2026-11", {"champions": 4})]
    names = {"champions": "champions", "loyal": "loyal"}
    return charts.stacks(months, names=names, key="groups", title="Shares", about="two months")


ALL: dict[str, Callable[[], Markup]] = {
    "heat map": lambda: heat(Tile(column=0, row=0, value=3, text="3", hint="three", href="/x")),
    "lines": lambda: lines(signs=[Sign(x=0.5, y=1, letter="M", hint="a mail", row=1)], now=0.5),
    "bars": lambda: charts.bars([Bar(name="RU", value=2, text="2")], key="b", title="t", about="a"),
    "bands": lambda: bands(Band(before="loyal", after="champions", value=5)),
    "stacks": stacks,
    "sparkline": lambda: charts.sparkline([1, 2, 3], title="rising"),
}


@pytest.mark.parametrize("name", ALL)
def test_a_chart_is_sound_and_says_what_it_shows(name: str) -> None:
    drawn = ALL[name]()
    root = ET.fromstring(drawn)
    assert root.get("role") == ("group" if "href=" in drawn else "img")
    named = root.get("aria-label") or root.get("aria-labelledby")
    assert named
    for id_ in (root.get("aria-labelledby") or "").split():
        assert f'id="{id_}"' in drawn


@pytest.mark.parametrize("name", ALL)
def test_a_chart_has_no_style_of_its_own_and_no_script(name: str) -> None:
    drawn = ALL[name]()
    assert not re.search(r"style=|<script|\son\w+=", drawn)


def test_the_most_is_darkest_and_nothing_has_the_shade_of_nothing() -> None:
    drawn = heat(
        Tile(column=0, row=0, value=100, text="100"),
        Tile(column=1, row=0, value=25, text="25"),
        Tile(column=0, row=1, value=0, text="0"),
    )
    shades = re.findall(r'class="heat h(\d)"', drawn)
    assert shades == [str(charts.SHADES), "3", "0"]


def test_a_map_of_nothing_is_a_map_of_nothing() -> None:
    assert 'class="heat h0"' in heat(Tile(column=0, row=0, value=0, text="0"))


def test_what_customers_wrote_is_no_markup() -> None:
    drawn = heat(Tile(column=0, row=0, value=1, text=EVIL, hint=EVIL, href=f'"{EVIL}'))
    drawn += charts.bars([Bar(name=EVIL, value=1, text=EVIL)], key="x", title=EVIL, about=EVIL)
    assert "<script" not in drawn
    assert "&lt;script&gt;" in drawn


def test_bars_are_as_long_as_their_values() -> None:
    drawn = charts.bars(
        [Bar(name="a", value=10, text="10"), Bar(name="b", value=5, text="5"),
         Bar(name="c", value=0, text="0")],
        key="b", title="t", about="a",
    )  # fmt: skip
    long, half, none = (
        float(one) for one in re.findall(r'class="beam"[^>]* width="([\d.]+)"', drawn)
    )
    assert long == 2 * half
    assert none == 0


def test_a_line_lies_where_its_values_are() -> None:
    found = re.search(r'<polyline class="line" points="([^"]+)"', lines())
    assert found
    (x1, y1), (x2, y2) = (map(float, one.split(",")) for one in found[1].split())
    assert x1 < x2
    assert y1 < y2


def test_rising_and_falling_moves_are_told_apart() -> None:
    up = bands(Band(before="loyal", after="champions", value=5))
    down = bands(Band(before="champions", after="loyal", value=5))
    assert 'class="band rise"' in up
    assert 'class="band fall"' in down


def test_every_kind_has_a_pattern_beside_its_shade() -> None:
    drawn = stacks()
    assert set(re.findall(r'fill="url\(#(groups-p\d)\)"', drawn)) <= set(
        re.findall(r'<pattern id="(groups-p\d)"', drawn)
    )
    assert len(re.findall(r'class="kind k\d"', drawn)) == 3


def test_labels_never_cover_each_other() -> None:
    many = {str(number): f"kind {number}" for number in range(10)}
    shares = {code: 1 if code != "0" else 1000 for code in many}
    drawn = charts.stacks([("2026-11", shares)], names=many, key="g", title="t", about="a")
    places = [float(y) for y in re.findall(r'<text class="name" x="[\d.]+" y="([\d.]+)"', drawn)]
    assert len(places) == 10
    assert min(b - a for a, b in itertools.pairwise(places)) >= 14


@pytest.mark.parametrize("values", [[], [7]], ids=["none", "one"])
def test_a_sparkline_needs_two_days(values: list[float]) -> None:
    assert charts.sparkline(values, title="x") == ""


def test_days_below_a_line_are_spread_over_it() -> None:
    start = datetime(2026, 11, 1, tzinfo=UTC)
    found = charts.time_labels(start, start + timedelta(days=60), lambda one: f"{one:%d}", most=6)
    assert [name for _at, name in found][:2] == ["01", "11"]
    assert all(0 <= at <= 1 for at, _name in found)
    assert charts.time_labels(start, start, lambda one: "x") == [(0.0, "x")]
