"""The studio's pages of marks: the map of R and F, and how customers move between its segments."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from starlette.routing import Route

from crm_mailer.app import figures, segment_looks
from crm_mailer.app.segment_looks import RfmCell, RfmMap
from crm_mailer.i18n import _, language
from crm_mailer.model.score import CHINESE_NAMES, RFM_SEGMENTS, RfmSegment, english_name
from crm_mailer.studio import charts
from crm_mailer.studio.charts import Band, Tile
from crm_mailer.studio.desk import Asked, Desk

#: What the map may show.
MEASURES = ("customers", "share", "value")
#: Who has no mark: no paid order yet, or none any more.
NOBODY = ""


def routes(desk: Desk) -> list[Route]:
    """Both pages."""
    return [
        *desk.page("/segments/rfm", "segments-rfm", look),
        *desk.page("/segments/moves", "segments-moves", look_moves),
    ]


def look(asked: Asked) -> Mapping[str, Any]:
    """The map, the ten segments, the eight classes."""
    found = segment_looks.rfm_map(asked.app)
    by = asked.query.get("by", "")
    by = by if by in MEASURES else MEASURES[0]
    return {
        "map": found,
        "by": by,
        "measures": {"customers": _("customers"), "share": _("share"), "value": _("USD spent")},
        "chart": _heat(found, by),
        "names": _names(),
        "limits": _limits(found),
    }


def look_moves(asked: Asked) -> Mapping[str, Any]:
    """From which segment to which customers went in a month, and how large each was."""
    months = figures.moves(asked.app)
    wanted = asked.query.get("month", "")
    month = wanted if wanted in months else next(iter(months), "")
    flows = months.get(month, [])
    names = _names()
    history = segment_looks.group_history(asked.app)
    return {
        "month": month,
        "months": [name for name, rows in months.items() if rows] or [month],
        "flows": flows,
        "names": names,
        "totals": _totals(flows),
        "chart": _bands(flows, names, month),
        "history": history,
        "stacks": _stacks(history, names),
    }


def group_name(code: str) -> str:
    """An RFM segment in the reader's language."""
    if not code:
        return _("no paid order")
    return CHINESE_NAMES[code] if language().startswith("zh") else english_name(code)


def _names() -> dict[str, str]:
    """Every RFM segment, the best first, and those without a mark."""
    return {code: group_name(code) for code in (*(one.value for one in RfmSegment), NOBODY)}


def _heat(found: RfmMap, by: str) -> Any:
    tiles = [_tile(cell, found, by) for cell in found.cells]
    outlines = [
        (low_f - 1, 5 - high_r, high_f - low_f + 1, high_r - low_r + 1, group_name(code.value))
        for code, (low_r, high_r, low_f, high_f) in RFM_SEGMENTS.items()
    ]
    best = max(found.cells, key=lambda cell: cell.customers)
    return charts.heat_map(
        tiles,
        key="rfm",
        title=_("Customers by R and F"),
        about=_("Most customers have R {r} and F {f}: {number}.").format(
            r=best.r, f=best.f, number=f"{best.customers:,}"
        ),
        columns=[f"F {mark}" for mark in range(1, 6)],
        rows=[f"R {mark}" for mark in range(5, 0, -1)],
        column_title=_("how often: orders"),
        row_title=_("how recently: last order"),
        outlines=outlines,
    )


def _tile(cell: RfmCell, found: RfmMap, by: str) -> Tile:
    part = cell.customers / found.customers if found.customers else 0.0
    money = cell.spent_usd_cents / 100
    shown = {
        "customers": (cell.customers, f"{cell.customers:,}"),
        "share": (cell.customers, f"{part:.1%}"),
        "value": (cell.spent_usd_cents, _money(money)),
    }
    value, text = shown[by]
    hint = _("R {r}, F {f}, {segment}: {number} customers ({share}), {money} USD").format(
        r=cell.r, f=cell.f, segment=group_name(cell.segment), number=f"{cell.customers:,}",
        share=f"{part:.1%}", money=f"{money:,.0f}",
    )  # fmt: skip
    return Tile(
        column=cell.f - 1,
        row=5 - cell.r,
        value=value,
        text=text,
        hint=hint,
        href=f"/customers?group={quote(cell.segment)}",
    )


def _money(value: float) -> str:
    """Short: 1.2 M, 340 k."""
    for size, sign in ((1_000_000, "M"), (1_000, "k")):
        if value >= size:
            return (
                f"{value / size:,.1f} {sign}"
                if value < 100 * size
                else f"{value / size:,.0f} {sign}"
            )
    return f"{value:,.0f}"


def _limits(found: RfmMap) -> list[tuple[int, str, str, str]]:
    """For each mark from 5 to 2: days, orders, US dollars."""
    profile = found.profile
    return [
        (5 - place, f"≤ {days:,}", f"≥ {orders:,}", f"≥ {cents / 100:,.0f}")
        for place, (days, orders, cents) in enumerate(
            zip(profile.r_days, profile.f_orders, profile.m_usd_cents, strict=True)
        )
    ]


def _totals(flows: list[tuple[str, str, int]]) -> dict[str, tuple[int, int]]:
    """Segment -> who came in, who left."""
    found: dict[str, list[int]] = {}
    for before, after, number in flows:
        if before != after:
            found.setdefault(after, [0, 0])[0] += number
            found.setdefault(before, [0, 0])[1] += number
    return {code: (came, left) for code, (came, left) in found.items()}


def _bands(flows: list[tuple[str, str, int]], names: Mapping[str, str], month: str) -> Any:
    drawn = [Band(before=a, after=b, value=number) for a, b, number in flows if a != b]
    if not drawn:
        return ""
    largest = max(drawn, key=lambda band: band.value)
    return charts.bands(
        drawn,
        names=names,
        key="moves",
        title=_("Moves between segments in {month}").format(month=month),
        about=_("The largest: {number} went from {before} to {after}.").format(
            number=f"{largest.value:,}",
            before=names[largest.before],
            after=names[largest.after],
        ),
        heads=(_("at the beginning of the month"), _("at its end")),
    )


def _stacks(history: list[tuple[str, dict[str, int]]], names: Mapping[str, str]) -> Any:
    if not history or not any(sum(sizes.values()) for _month, sizes in history):
        return ""
    return charts.stacks(
        history,
        names={code: name for code, name in names.items() if code},
        key="groups",
        title=_("Share of each segment, month by month"),
        about=_("{number} months; the best segments are at the top.").format(number=len(history)),
    )
