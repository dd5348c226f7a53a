"""Charts of the reports as SVG: bars that are told apart by shade, place and words, not by hue."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from markupsafe import Markup, escape

#: Rows that a chart shows; the table behind it has more.
MOST = 12
#: Of the drawing, in its own units.
WIDTH, LABEL, BAR, GAP, FIGURE = 580, 196, 15, 11, 58
#: The shades of up to five series, as classes of the stylesheet.
SHADES = ("", " s2", " s3", " s4", " s5")


def chart(table: Mapping[str, Any]) -> Markup:
    """The chart of a report's table; nothing where there is none, or nothing to show."""
    wanted, rows = table["chart"], list(table["rows"][:MOST])
    if wanted is None or not rows:
        return Markup("")
    columns = [place for place in wanted["columns"] if place < len(table["columns"])]
    series = [str(table["columns"][place]["title"]) for place in columns]
    kinds = [str(table["columns"][place]["kind"]) for place in columns]
    values = [[_number(row[place]) for place in columns] for row in rows]
    sums = [[value or 0 for value in one] for one in values]
    most = max((sum(one) if wanted["is_stacked"] else max(one) for one in sums), default=0)
    if most <= 0:
        return Markup("")
    labels = [str(row[0]) for row in rows]
    draw = _stacked if wanted["is_stacked"] else _side_by_side
    height, shapes = draw(labels, values, kinds, most)
    legend, top = _legend(series)
    return Markup(
        '<svg class="chart" viewBox="0 0 {width} {height}" role="img" aria-label="{title}">'
        '{legend}<g transform="translate(0 {top})">{shapes}</g></svg>'
    ).format(
        width=WIDTH, height=height + top, title=wanted["title"], legend=legend, top=top,
        shapes=shapes,
    )  # fmt: skip


def _side_by_side(
    labels: Sequence[str],
    values: Sequence[Sequence[float | None]],
    kinds: Sequence[str],
    most: float,
) -> tuple[int, Markup]:
    """A group of bars for each row; how high it is, and the shapes."""
    shapes, y = [], 0
    room = WIDTH - LABEL - FIGURE
    for label, row in zip(labels, values, strict=True):
        tall = BAR * len(row)
        shapes.append(_label(label, y + tall / 2 + 4))
        for place, (value, kind) in enumerate(zip(row, kinds, strict=True)):
            wide = round(room * (value or 0) / most, 1)
            at = y + BAR * place
            shapes.append(_bar(LABEL, at, wide, place))
            shapes.append(_figure(LABEL + wide + 6, at + BAR - 4, _written(value, kind)))
        y += tall + GAP
    return y, Markup("").join(shapes)


def _stacked(
    labels: Sequence[str],
    values: Sequence[Sequence[float | None]],
    _kinds: Sequence[str],
    _most: float,
) -> tuple[int, Markup]:
    """One bar for each row, all as long: parts of a whole."""
    shapes, y = [], 0
    room = WIDTH - LABEL - FIGURE
    for label, row in zip(labels, values, strict=True):
        total = sum(value or 0 for value in row)
        shapes.append(_label(label, y + BAR - 3))
        x = float(LABEL)
        for place, value in enumerate(row):
            wide = round(room * (value or 0) / total, 1) if total else 0
            shapes.append(_bar(x, y, max(wide - 1, 0), place))
            x += wide
        shapes.append(_figure(LABEL + room + 8, y + BAR - 3, f"{total:,.0f}"))
        y += BAR + GAP
    return y, Markup("").join(shapes)


def _legend(series: Sequence[str]) -> tuple[Markup, int]:
    """What each shade is; nothing is needed for one."""
    if len(series) < 2:
        return Markup(""), 0
    step = (WIDTH - LABEL) / len(series)
    shapes = [
        Markup('{bar}<text x="{x}" y="12">{name}</text>').format(
            bar=_bar(LABEL + step * place, 1, 14, place), x=LABEL + step * place + 20, name=name
        )
        for place, name in enumerate(series)
    ]
    return Markup("").join(shapes), 30


def _bar(x: float, y: float, wide: float, place: int) -> Markup:
    return Markup('<rect class="length{shade}" x="{x}" y="{y}" width="{w}" height="{h}"/>').format(
        shade=SHADES[place % len(SHADES)], x=round(x, 1), y=y, w=wide, h=BAR - 2
    )


def _label(text: str, y: float) -> Markup:
    short = text if len(text) <= 30 else text[:29] + "…"
    return Markup(
        '<text x="{x}" y="{y}" text-anchor="end"><title>{text}</title>{short}</text>'
    ).format(x=LABEL - 10, y=round(y, 1), text=text, short=escape(short))


def _figure(x: float, y: float, text: str) -> Markup:
    return Markup('<text class="figure" x="{x}" y="{y}">{text}</text>').format(
        x=round(x, 1), y=y, text=text
    )


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) else None


def _written(value: float | None, kind: str) -> str:
    if value is None:
        return "–"
    if kind == "share":
        return f"{value:.1%}"
    return f"{value:,.1f}" if kind in ("decimal", "money") else f"{value:,.0f}"
