"""The studio's pages of segments: the list, one with its facets, writing a rule, a file of it."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

from starlette.background import BackgroundTask
from starlette.responses import FileResponse, Response
from starlette.routing import Route

from crm_mailer.app import figures, names, segment_looks, segments
from crm_mailer.app.segment_looks import SegmentOne, Tried
from crm_mailer.i18n import _, say
from crm_mailer.studio import charts, formats, rfm_pages
from crm_mailer.studio.charts import Bar, Line
from crm_mailer.studio.desk import Asked, Desk, Done
from crm_mailer.studio.roles import Role


def routes(desk: Desk) -> list[Route]:
    """All of them; fixed names come before `{name}`."""
    return [
        *desk.page("/segments", "segments", look),
        *rfm_pages.routes(desk),
        *desk.page("/segments/new", "segments-edit", look_new),
        *desk.page("/segments/try", "segments-try", look_tried),
        *desk.act("/segments/save", save, Role.MARKETER),
        *desk.act("/segments/count", count, Role.VIEWER),
        *desk.act("/segments/recount", recount, Role.VIEWER),
        *desk.fetch("/segments/{name}/export.csv", export, Role.MARKETER),
        *desk.page("/segments/{name}/edit", "segments-edit", look_edit),
        *desk.page("/segments/{name}", "segments-one", look_one),
    ]


def look(asked: Asked) -> Mapping[str, Any]:
    """All segments with how they changed."""
    rows, at = segment_looks.overview(asked.app)
    errors = [
        {"place": one.place, "message": one.message}
        for one in asked.app.definitions.errors
        if "/segments/" in one.file
    ]
    return {
        "segments": rows,
        "counted_at": at,
        "faults": errors,
        "lines": {row.id: charts.sparkline(row.line, title=_line_words(row.line)) for row in rows},
    }


def look_one(asked: Asked) -> Mapping[str, Any]:
    """One segment."""
    one = segment_looks.show(asked.app, asked.path["name"], has_sql=asked.query.get("sql") == "now")
    return {
        "segment": one,
        "rule": [(depth, say(words)) for depth, words in one.rule],
        "chart": _size_chart(one),
        "facets": _facets(one),
    }


def look_new(asked: Asked) -> Mapping[str, Any]:
    """The page on which a new segment is written."""
    given = asked.query.get("text", "")
    text = given or segment_looks.read_text(asked.app, "")
    tried = _tried(asked, text, is_counted=bool(given))
    return {"name": "", "text": text, "seen": "", "tried": tried}


def look_edit(asked: Asked) -> Mapping[str, Any]:
    """The page on which a segment's file is edited."""
    name = names.segment(asked.app, asked.path["name"]).id
    saved = segment_looks.read_text(asked.app, name)
    given = asked.query.get("text", "")
    text = given or saved
    seen = asked.query.get("seen") or segment_looks.digest(saved)
    tried = _tried(asked, text, is_counted=bool(given))
    return {"name": name, "text": text, "seen": seen, "tried": tried}


def look_tried(asked: Asked) -> Mapping[str, Any]:
    """What a rule would find; asked for while it is written, nothing is saved."""
    return {"tried": _tried(asked, asked.query.get("text", ""))}


def save(asked: Asked) -> Done:
    """Write the file."""
    name = asked.form.get("name", "")
    found = segment_looks.save_text(
        asked.app, name, asked.form.get("text", ""), seen=asked.form.get("seen", "")
    )
    said = _("The segment {name} is saved; its members are brought up to date by the next run.")
    return Done(to=f"/segments/{quote(found.id)}/edit", said=said.format(name=found.id))


def count(asked: Asked) -> Done:
    """Count a rule without saving it, for browsers without scripts."""
    name = asked.form.get("name", "")
    query = urlencode({key: asked.form.get(key, "") for key in ("text", "seen")})
    return Done(to=f"/segments/{quote(name)}/edit?{query}" if name else f"/segments/new?{query}")


def recount(asked: Asked) -> Done:
    """Count again what the pages show; of one segment its facets."""
    name = asked.form.get("name", "")
    if name:
        figures.count_facets(asked.app, names.segment(asked.app, name).id)
        return Done(to=f"/segments/{quote(name)}", said=_("Counted again."))
    figures.count_all(asked.app)
    return Done(to="/segments", said=_("Counted again."))


def export(asked: Asked) -> Response:
    """The customers of a segment, as it holds now, for a spreadsheet."""
    one = names.segment(asked.app, asked.path["name"])
    handle, name = tempfile.mkstemp(suffix=".csv")
    path = Path(name)
    with os.fdopen(handle, "w", encoding="utf-8-sig", newline="") as file:
        segments.export(asked.app, one.id, file)
    return FileResponse(
        path,
        media_type="text/csv; charset=utf-8",
        filename=f"{one.id}.csv",
        background=BackgroundTask(path.unlink, missing_ok=True),
    )


def _tried(asked: Asked, text: str, *, is_counted: bool = True) -> Mapping[str, Any]:
    tried = segment_looks.try_text(asked.app, text, is_counted=is_counted)
    return {
        "id": tried.id,
        "name": tried.name,
        "customers": tried.customers,
        "everybody": tried.everybody,
        "took": tried.took,
        "words": _count_words(tried),
        "rule": [(depth, say(words)) for depth, words in tried.rule],
        "problems": [
            {"line": one.line, "message": one.message, "help": one.help, "code": one.code,
             "is_error": one.is_error}
            for one in tried.problems
        ],
    }  # fmt: skip


def _count_words(tried: Tried) -> str:
    if tried.customers is None:
        return _("This is no segment yet.") if not tried.id else ""
    part = tried.customers / tried.everybody if tried.everybody else 0.0
    return _("{number} of {everybody} customers ({share})").format(
        number=f"{tried.customers:,}", everybody=f"{tried.everybody:,}", share=formats.share(part)
    )


def _size_chart(one: SegmentOne) -> Any:
    """How many members there were, day by day; nothing where less than two days are known."""
    if len(one.line) < 2:
        return ""
    first, last = one.line[0][0], one.line[-1][0]
    most = max(number for _day, number in one.line) or 1
    span = max(1, (last - first).days)
    points = [((day - first).days / span, number / most) for day, number in one.line]
    labels = [(0.0, f"{first:%m-%d}"), (1.0, f"{last:%m-%d}")]
    return charts.lines(
        [Line(name=_("members"), points=points, has_area=True)],
        key="members",
        title=_("Members of {name} over time").format(name=one.id),
        about=_line_words([number for _day, number in one.line]),
        x_labels=labels,
        y_labels=[(0.0, "0"), (0.5, f"{most / 2:,.0f}"), (1.0, f"{most:,}")],
        is_small=True,
    )


def _line_words(values: Any) -> str:
    if len(values) < 2:
        return ""
    return _("from {first} to {last} members").format(
        first=f"{values[0]:,}", last=f"{values[-1]:,}"
    )


def _facets(one: SegmentOne) -> list[dict[str, Any]]:
    """Each way to tell the members apart, as a chart and as rows."""
    if one.facets is None or not one.facets.customers:
        return []
    titles = {
        "country": _("Country"),
        "language": _("Language"),
        "value_class": _("Value class"),
        "address_kind": _("Kind of address"),
        "provider": _("Provider"),
    }
    whole = one.facets.customers
    found = []
    for kind, title in titles.items():
        rows = [
            (_kind_words(kind, value), number, number / whole)
            for value, number in one.facets.kinds.get(kind, [])
        ]
        chart = charts.bars(
            [
                Bar(name=name, value=number, text=f"{number:,} · {formats.share(part)}")
                for name, number, part in rows
            ],
            key=f"facet-{kind}",
            title=title,
            about=_("{first} is the largest").format(first=rows[0][0]) if rows else "",
        )
        found.append({"kind": kind, "title": title, "rows": rows, "chart": chart})
    return found


def _kind_words(kind: str, value: str) -> str:
    if value == "*":
        return _("others")
    if not value:
        return _("unknown")
    return formats.word(value) if kind in ("value_class", "address_kind") else value
