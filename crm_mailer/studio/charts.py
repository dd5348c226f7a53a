"""Charts as SVG: pure functions from figures to markup.

Colours come from the stylesheets (`assets/base.css`, `assets/charts.css`) by class, never inline.
A shade always goes with a number, a pattern, a dash or a sign, so that charts are readable in grey
and by colour-blind people. Each has a title and a description for those who listen; the page puts
the table with the figures behind it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from markupsafe import Markup, escape

from crm_mailer.i18n import joined

#: Shades of a heat map: 0 is nothing, the last the most.
SHADES = 6
#: Kinds of line and of fill that can be told apart without colour.
KINDS = 10
_ONE_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tile:
    """A field of a heat map: `value` sets the shade, `text` stands in it, `hint` is read aloud."""

    column: int
    row: int
    value: float
    text: str
    hint: str = ""
    href: str = ""
    #: A second, smaller line.
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One line of a chart: points (x, y), each between 0 and 1."""

    name: str
    points: Sequence[tuple[float, float]]
    has_area: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Sign:
    """Something marked on a chart at x, y (0 to 1): a letter in a shape, explained by `hint`."""

    x: float
    y: float
    letter: str
    hint: str
    kind: str = ""
    #: Signs below the axis stand in rows, so that those of a kind do not cover others.
    row: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """A bar: its length stands for `value`, and `text` is written behind it."""

    name: str
    value: float
    text: str
    href: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Band:
    """So much goes from one kind on the left to one on the right."""

    before: str
    after: str
    value: int


def heat_map(
    tiles: Sequence[Tile],
    *,
    key: str,
    title: str,
    about: str,
    columns: Sequence[str],
    rows: Sequence[str],
    column_title: str,
    row_title: str,
    outlines: Sequence[tuple[int, int, int, int, str]] = (),
) -> Markup:
    """Fields in rows (the first at the top) and columns; the darker, the more.

    Args:
        tiles: the fields; `column` and `row` count from 0.
        key: makes the ids of this chart unique on its page.
        title: what is shown.
        about: what can be seen in it, in a sentence.
        columns: their names.
        rows: their names.
        column_title: what the columns stand for.
        row_title: what the rows stand for.
        outlines: groups of fields (column, row, columns, rows, name), drawn around them.
    """
    wide, high, left, top = 118, 74, 52, 8
    most = max((tile.value for tile in tiles), default=0.0)
    shades = {(tile.column, tile.row): _shade(tile, most) for tile in tiles}
    parts = [_tile(tile, most, left + tile.column * wide, top + tile.row * high, wide, high)
             for tile in tiles]  # fmt: skip
    for column, row, across, down, name in outlines:
        place = (left + column * wide, top + row * high)
        shade = shades.get((column, row), 0)
        parts.append(_outline(*place, across * wide, down * high, name, shade))
    bottom = top + len(rows) * high
    for number, name in enumerate(columns):
        parts.append(_text(left + (number + 0.5) * wide, bottom + 18, name, "label middle"))
    for number, name in enumerate(rows):
        parts.append(_text(left - 10, top + (number + 0.5) * high + 4, name, "label end"))
    parts.append(_text(left + len(columns) * wide / 2, bottom + 38, column_title, "label middle"))
    middle = top + len(rows) * high / 2
    parts.append(Markup(
        '<text class="label middle" transform="translate(12 {}) rotate(-90)">{}</text>'
    ).format(_n(middle), row_title))  # fmt: skip
    return _chart(parts, left + len(columns) * wide + 2, bottom + 46, key, title, about)


def lines(
    drawn: Sequence[Line],
    *,
    key: str,
    title: str,
    about: str,
    x_labels: Sequence[tuple[float, str]],
    y_labels: Sequence[tuple[float, str]],
    signs: Sequence[Sign] = (),
    now: float | None = None,
    now_name: str = "",
    is_small: bool = False,
) -> Markup:
    """Lines over time with a grid; `signs` are set on them, `now` is a line from top to bottom.

    A small chart is for half of a page: its letters are as large there as those of others.
    """
    wide, high, left, top = (440 if is_small else 760), (170 if is_small else 220), 52, 16
    foot = top + high + 22 + 23 * max((sign.row + 1 for sign in signs), default=0)
    parts: list[Markup] = []
    for at, name in y_labels:
        y = top + (1 - at) * high
        parts.append(_rule(left, y, left + wide, y, "grid"))
        parts.append(_text(left - 8, y + 4, name, "label end"))
    parts.append(_rule(left, top + high, left + wide, top + high, "axis"))
    parts.extend(_text(left + at * wide, foot - 4, name, "label middle") for at, name in x_labels)
    if now is not None and 0 <= now <= 1:
        x = left + now * wide
        parts.append(_rule(x, top - 4, x, top + high, "now"))
        parts.append(_text(x, top - 7, now_name, "label middle"))
    for number, line in enumerate(drawn):
        spots = [(left + x * wide, top + (1 - y) * high) for x, y in line.points]
        path = " ".join(f"{_n(x)},{_n(y)}" for x, y in spots)
        if line.has_area and spots:
            ground = f"{_n(spots[0][0])},{top + high} {path} {_n(spots[-1][0])},{top + high}"
            parts.append(Markup('<polygon class="area" points="{}"/>').format(ground))
        style = ("line", "line alt", "line third")[number % 3]
        parts.append(Markup('<polyline class="{}" points="{}"/>').format(style, path))
    parts.extend(_sign(sign, left + sign.x * wide, top, high) for sign in signs)
    return _chart(parts, left + wide + 26, foot + 4, key, title, about)


def bars(drawn: Sequence[Bar], *, key: str, title: str, about: str) -> Markup:
    """Bars from left to right, the name before and the figure behind each."""
    left, wide, step = 172, 330, 30
    most = max((bar.value for bar in drawn), default=0.0) or 1.0
    parts = []
    for number, bar in enumerate(drawn):
        y = number * step
        length = max(1.0, wide * bar.value / most) if bar.value else 0.0
        shape = Markup(
            '<text class="name end" x="{}" y="{}">{}</text>'
            '<rect class="beam" x="{}" y="{}" width="{}" height="16" rx="3"/>'
            '<text class="label" x="{}" y="{}">{}</text>'
        ).format(left - 12, y + 18, _short(bar.name, 24), left, y + 5, _n(length),
                 _n(left + length + 9), y + 18, bar.text)  # fmt: skip
        parts.append(_linked(shape, bar.href))
    return _chart(parts, left + wide + 120, max(1, len(drawn)) * step + 4, key, title, about)


def sparkline(values: Sequence[float], *, title: str) -> Markup:
    """A small line for a row of a table; nothing where there are fewer than two values."""
    if len(values) < 2:
        return Markup("")
    low, high = min(values), max(values)
    span = (high - low) or 1
    wide, tall = 84, 22
    spots = [
        (3 + number * (wide - 6) / (len(values) - 1), tall - 4 - (value - low) / span * (tall - 8))
        for number, value in enumerate(values)
    ]
    path = " ".join(f"{_n(x)},{_n(y)}" for x, y in spots)
    return Markup(
        '<svg class="spark" viewBox="0 0 {} {}" width="{}" height="{}" role="img" aria-label="{}">'
        '<polyline class="line" points="{}"/><circle class="end" cx="{}" cy="{}" r="2.5"/></svg>'
    ).format(wide, tall, wide, tall, title, path, _n(spots[-1][0]), _n(spots[-1][1]))


def stacks(
    columns: Sequence[tuple[str, Mapping[str, int]]],
    *,
    names: Mapping[str, str],
    key: str,
    title: str,
    about: str,
) -> Markup:
    """A column for each month, filled from the top down in the order of `names` (code -> words)."""
    left, top, high = 8, 8, 300
    step = min(120, 640 / max(1, len(columns)))
    parts: list[Markup] = []
    kinds = {code: number for number, code in enumerate(names)}
    labels: list[tuple[float, str]] = []
    for place, (column, shares) in enumerate(columns):
        whole = sum(shares.values()) or 1
        y, x = float(top), left + place * step
        for code, name in names.items():
            tall = high * shares.get(code, 0) / whole
            if tall <= 0:
                continue
            told = f"{shares[code]:,} ({shares[code] / whole:.1%})"
            hint = joined((joined((column, name)), told), ": ")
            parts.append(_fill(x, y, step * 0.78, tall, kinds[code], hint))
            if place == len(columns) - 1:
                labels.append((y + tall / 2, name))
            y += tall
        parts.append(_text(x + step * 0.39, top + high + 18, column, "label middle"))
    end = left + len(columns) * step
    parts.extend(_apart(labels, end - step * 0.22 + 10, top, top + high))
    return _chart(
        [_patterns(key), *_keyed(parts, key)],
        max(840, end + 170),
        top + high + 28,
        key,
        title,
        about,
    )


def bands(
    drawn: Sequence[Band],
    *,
    names: Mapping[str, str],
    key: str,
    title: str,
    about: str,
    heads: tuple[str, str],
) -> Markup:
    """Bands from the kinds on the left to those on the right, as wide as so many went that way."""
    left, wide, top, high, gap = 190, 380, 30, 330, 5
    whole = sum(band.value for band in drawn) or 1
    room = high - gap * (len(names) - 1)
    kinds = {code: number for number, code in enumerate(names)}
    parts: list[Markup] = [
        _text(left - 10, 16, heads[0], "label end"),
        _text(left + wide + 10, 16, heads[1], "label"),
    ]
    starts = _posts([(b.before, b.value) for b in drawn], names, whole, room, top, gap)
    ends = _posts([(b.after, b.value) for b in drawn], names, whole, room, top, gap)
    for side, posts in ((0, starts), (1, ends)):
        x = left + side * (wide - 10)
        labels = []
        for code, (y, tall, total) in posts.items():
            parts.append(
                _fill(x, y, 10, tall, kinds[code], joined((names[code], f"{total:,}"), ": "))
            )
            labels.append((y + tall / 2, f"{names[code]} {total:,}"))
        place = left - 10 if side == 0 else left + wide + 10
        parts.extend(_apart(labels, place, top, top + high, is_end=side == 0))
    used = {(side, code): 0.0 for side in (0, 1) for code in names}
    order = list(names)
    for band in sorted(drawn, key=lambda b: (order.index(b.before), order.index(b.after))):
        tall = room * band.value / whole
        y1 = starts[band.before][0] + used[0, band.before]
        y2 = ends[band.after][0] + used[1, band.after]
        used[0, band.before] += tall
        used[1, band.after] += tall
        rises = order.index(band.after) < order.index(band.before)
        style = "band rise" if rises else "band fall" if band.after != band.before else "band"
        hint = joined((f"{names[band.before]} → {names[band.after]}", f"{band.value:,}"), ": ")
        parts.append(_band(left + 10, y1, left + wide - 10, y2, tall, style, hint))
    return _chart(
        [_patterns(key), *_keyed(parts, key)], left + wide + 190, top + high + 8, key, title, about
    )


def time_labels(
    start: datetime, end: datetime, spell: Callable[[datetime], str], most: int = 6
) -> list[tuple[float, str]]:
    """Places (0 to 1) and names of a few days between two moments."""
    span = end - start
    if span <= timedelta(0):
        return [(0.0, spell(start))]
    days = max(1, round(span / _ONE_DAY / most))
    found, at = [], start
    while at <= end:
        found.append(((at - start) / span, spell(at)))
        at += timedelta(days=days)
    return found


# ------------------------------------------------------------------ pieces


def _chart(
    parts: Sequence[Markup], wide: float, high: float, key: str, title: str, about: str
) -> Markup:
    head = Markup(
        '<svg class="chart" id="{key}" viewBox="0 0 {wide} {high}" role="{role}" '
        'aria-labelledby="{key}-t {key}-d"><title id="{key}-t">{title}</title>'
        '<desc id="{key}-d">{about}</desc>'
    )
    body = Markup("").join(parts)
    role = "group" if "<a " in body else "img"
    head = head.format(key=key, wide=_n(wide), high=_n(high), role=role, title=title, about=about)
    return head + body + Markup("</svg>")


def _shade(tile: Tile, most: float) -> int:
    """By the root of the value: else one large field would make all others look alike."""
    if not tile.value or not most:
        return 0
    return 1 + int((SHADES - 1) * (tile.value / most) ** 0.5)


def _tile(tile: Tile, most: float, x: float, y: float, wide: float, high: float) -> Markup:
    shade = _shade(tile, most)
    note = (
        _text(x + wide / 2, y + high / 2 + 27, tile.note, f"n{shade} middle") if tile.note else ""
    )
    shape = Markup(
        '<rect class="heat h{}" x="{}" y="{}" width="{}" height="{}" rx="5"/>'
        '<text class="in n{} middle" x="{}" y="{}">{}</text>{}'
    ).format(shade, x + 1, y + 1, wide - 2, high - 2, shade, _n(x + wide / 2),
             _n(y + high / 2 + 9), tile.text, note)  # fmt: skip
    if tile.hint:
        shape = Markup("<g><title>{}</title>{}</g>").format(tile.hint, shape)
    return _linked(shape, tile.href)


def _outline(x: float, y: float, wide: float, high: float, name: str, shade: int) -> Markup:
    shape = Markup('<rect class="outline" x="{}" y="{}" width="{}" height="{}" rx="7"/>').format(
        x - 1, y - 1, wide + 2, high + 2
    )
    return shape + _text(x + 9, y + 17, name, f"group n{shade}")


def _linked(shape: Markup, href: str) -> Markup:
    return Markup('<a href="{}">{}</a>').format(href, shape) if href else shape


def _text(x: float, y: float, words: str, style: str) -> Markup:
    return Markup('<text class="{}" x="{}" y="{}">{}</text>').format(style, _n(x), _n(y), words)


def _rule(x1: float, y1: float, x2: float, y2: float, style: str) -> Markup:
    return Markup('<line class="{}" x1="{}" y1="{}" x2="{}" y2="{}"/>').format(
        style, _n(x1), _n(y1), _n(x2), _n(y2)
    )


def _sign(sign: Sign, x: float, top: float, high: float) -> Markup:
    """A letter in a circle at the foot, and a stem up to its place."""
    foot = top + high + 13 + 23 * sign.row
    return Markup(
        '<g class="sign {}"><title>{}</title><line class="stem" x1="{}" y1="{}" x2="{}" y2="{}"/>'
        '<circle cx="{}" cy="{}" r="9"/><text class="middle" x="{}" y="{}">{}</text></g>'
    ).format(sign.kind, sign.hint, _n(x), _n(top + (1 - sign.y) * high), _n(x), _n(foot - 9),
             _n(x), _n(foot), _n(x), _n(foot + 4), sign.letter)  # fmt: skip


def _fill(x: float, y: float, wide: float, tall: float, kind: int, hint: str) -> Markup:
    """A field with the shade and the pattern of its kind; `@` becomes the chart's key."""
    return Markup(
        '<g><title>{}</title><rect class="kind k{}" x="{}" y="{}" width="{}" height="{}"/>'
        '<rect fill="url(#@-p{})" x="{}" y="{}" width="{}" height="{}"/></g>'
    ).format(hint, kind % KINDS, _n(x), _n(y), _n(wide), _n(tall),
             kind % 5, _n(x), _n(y), _n(wide), _n(tall))  # fmt: skip


def _keyed(parts: Sequence[Markup], key: str) -> list[Markup]:
    return [Markup(part.replace("url(#@-p", f"url(#{escape(key)}-p")) for part in parts]


def _patterns(key: str) -> Markup:
    """Five fills over a shade: plain, lines down, lines up, dots, lines across."""
    inside = (
        "",
        '<path class="ink" d="M0 8L8 0"/>',
        '<path class="ink" d="M0 0L8 8"/>',
        '<circle class="dot" cx="4" cy="4" r="1.2"/>',
        '<path class="ink" d="M0 4H8"/>',
    )
    found = Markup("").join(
        Markup(
            '<pattern id="{}-p{}" width="8" height="8" patternUnits="userSpaceOnUse">{}</pattern>'
        ).format(key, number, Markup(drawn))
        for number, drawn in enumerate(inside)
    )
    return Markup("<defs>{}</defs>").format(found)


def _posts(
    ends: Sequence[tuple[str, int]],
    names: Mapping[str, str],
    whole: int,
    room: float,
    top: float,
    gap: float,
) -> dict[str, tuple[float, float, int]]:
    """Where each kind stands on one side: y, height, total."""
    totals = dict.fromkeys(names, 0)
    for code, value in ends:
        totals[code] += value
    found, y = {}, top
    for code, total in totals.items():
        if total:
            tall = room * total / whole
            found[code] = (y, tall, total)
            y += tall + gap
    return found


def _band(x1: float, y1: float, x2: float, y2: float, tall: float, style: str, hint: str) -> Markup:
    middle = (x1 + x2) / 2
    a, b, c, d = _n(y1), _n(y2), _n(y2 + tall), _n(y1 + tall)
    path = (
        f"M{_n(x1)} {a}C{_n(middle)} {a} {_n(middle)} {b} {_n(x2)} {b}"
        f"V{c}C{_n(middle)} {c} {_n(middle)} {d} {_n(x1)} {d}Z"
    )
    return Markup('<path class="{}" d="{}"><title>{}</title></path>').format(style, path, hint)


def _apart(
    labels: Sequence[tuple[float, str]],
    x: float,
    top: float,
    bottom: float,
    *,
    is_end: bool = False,
) -> list[Markup]:
    """Labels one below the other that do not touch, as near to their places as that allows."""
    step, found, low = 15.0, [], top - 15.0
    room = [bottom - step * (len(labels) - 1 - number) for number in range(len(labels))]
    for (y, words), last in zip(labels, room, strict=True):
        low = min(max(y, low + step), max(last, low + step))
        found.append(_text(x, low + 4, words, "name end" if is_end else "name"))
    return found


def _short(words: str, most: int) -> str:
    return words if len(words) <= most else words[: most - 1] + "…"


def _n(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0")
