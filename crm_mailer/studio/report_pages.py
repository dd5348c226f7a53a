"""The studio's pages of reports: each on screen with charts and tables, and as Excel."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import date, timedelta
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeVar

from starlette.responses import Response
from starlette.routing import Route

from crm_mailer.app import App, remembered, reports
from crm_mailer.cli import report_pages as tables
from crm_mailer.i18n import _, joined
from crm_mailer.model import period as periods
from crm_mailer.model.errors import NotFound, NotPossible
from crm_mailer.model.period import Period
from crm_mailer.reporting.cases import in_words
from crm_mailer.reporting.workbook import Kind, Sheet, Toned
from crm_mailer.store.report_complaints import Complaint
from crm_mailer.studio import given
from crm_mailer.studio.desk import Asked, Desk
from crm_mailer.studio.roles import Role

T = TypeVar("T")
#: Rows of a table on screen, products and complaints among them; Excel has all.
ROWS, PRODUCTS, NEWEST = 60, 30, 20
#: Seconds that who asks first waits for a report.
PATIENCE = 60.0
XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
_FIGURES = frozenset({Kind.COUNT, Kind.SHARE, Kind.DECIMAL, Kind.MONEY})


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """A report as tables. `newest` has complaints in their own words, where it is about those."""

    title: str
    period: Period
    sheets: Iterable[Sheet]
    newest: tuple[Complaint, ...] = ()


#: Makes a report; `is_whole` for Excel.
Make = Callable[[App, date | None, date | None, bool], Told]


def routes(desk: Desk) -> list[Route]:
    """All of them."""
    return [
        *desk.fetch("/reports/{name}.xlsx", excel, Role.MARKETER),
        *desk.page("/reports/{name}", "reports", look),
        *desk.page("/reports", "reports", look),
    ]


def look(asked: Asked) -> Mapping[str, Any]:
    """One report; of complaints where none is named."""
    name = asked.path.get("name", "complaints")
    told = _told(asked, name, is_whole=False)
    today = asked.app.clock.now().astimezone(asked.app.zone).date()
    return {
        "name": name,
        "names": _titles(),
        "title": told.title,
        "first": told.period.first,
        "last": told.period.last,
        "zone_name": str(told.period.place),
        "spans": _spans(today),
        "tables": [_table(sheet) for sheet in told.sheets],
        "newest": told.newest,
        "reasons": {one.reason: in_words(one.reason) for one in told.newest},
    }


def excel(asked: Asked) -> Response:
    """The same as a workbook, all of it."""
    name = asked.path["name"]
    told = _told(asked, name, is_whole=True)
    days = f"{told.period.first}-{told.period.last}"
    return _workbook(asked.app, told.sheets, told.title, f"{name}-{days}.xlsx")


def worklists(asked: Asked) -> Response:
    """What is to be done today, as a workbook."""
    lists = reports.every_worklist(asked.app, limit=10_000)
    today = asked.app.clock.now().astimezone(asked.app.zone).date()
    sheets = tables.worklist_sheets(lists)
    return _workbook(asked.app, sheets, _("Worklists"), f"worklists-{today}.xlsx")


def _workbook(app: App, sheets: Iterable[Sheet], title: str, name: str) -> Response:
    with TemporaryDirectory(prefix="crm-mailer-") as folder:
        path = Path(folder) / "report.xlsx"
        reports.write(app, path, sheets, title=title, is_forced=True)
        content = path.read_bytes()
    headers = {"content-disposition": f'attachment; filename="{name}"'}
    return Response(content, media_type=XLSX, headers=headers)


def _told(asked: Asked, name: str, *, is_whole: bool) -> Told:
    if name not in REPORTS:
        raise NotFound(
            _("there is no report `{name}`").format(name=name[:60]),
            hint=_("they are: {names}").format(names=joined(REPORTS)),
        )
    asks = asked.query.get
    return REPORTS[name](
        asked.app, given.day(asks("from", "")), given.day(asks("until", "")), is_whole
    )


# ------------------------------------------------------------------ the reports


def _complaints(app: App, first: date | None, last: date | None, is_whole: bool) -> Told:
    if is_whole:
        found = reports.complaint_report(app, first, last, newest=0)
        every = reports.every_complaint(app, found.period)
        whole = tables.complaint_sheets(found, every)
        return Told(title=_("Complaints"), period=found.period, sheets=whole)
    found = _counted(
        app,
        ("complaints", first, last),
        lambda: reports.complaint_report(app, first, last, newest=NEWEST, products=PRODUCTS),
    )
    sheets = (tables.complaint_overview(found), *tables.complaint_counts(found))
    return Told(title=_("Complaints"), period=found.period, sheets=sheets, newest=found.newest)


def _plain(
    name: str,
    find: Callable[[App, date | None, date | None], Any],
    lay_out: Callable[[Any], Iterable[Sheet]],
) -> Make:
    """A report whose tables say nothing of the days that they are about: a workbook must."""

    def make(app: App, first: date | None, last: date | None, is_whole: bool) -> Told:
        if is_whole:
            found = find(app, first, last)
            told = tables.period_in_words(found.period)
            sheets = (replace(one, notes=(told, *one.notes)) for one in lay_out(found))
            return Told(title=_titles()[name], period=found.period, sheets=sheets)
        found = _counted(app, (name, first, last), lambda: find(app, first, last))
        return Told(title=_titles()[name], period=found.period, sheets=lay_out(found))

    return make


def _counted(app: App, key: tuple[object, ...], count: Callable[[], T]) -> T:
    """A report as it was counted last; who asks first waits for it."""
    today = app.clock.now().astimezone(app.zone).date()
    told = remembered.of(app).ask(("report", today, *key), count, patience=PATIENCE, is_slow=True)
    if told.value is None:
        raise NotPossible(
            _("the figures are still being counted"), hint=_("load the page again in a minute")
        )
    return told.value


#: How each report is made.
REPORTS: Mapping[str, Make] = {
    "complaints": _complaints,
    "reviews": _plain("reviews", reports.review_report, tables.review_sheets),
    "response-times": _plain("response-times", reports.response_report, tables.response_sheets),
    "health": _plain("health", reports.health_report, tables.health_sheets),
    "agents": _plain("agents", reports.agent_report, tables.agent_sheets),
    "recovery": _plain("recovery", reports.recovery_report, tables.recovery_sheets),
}


def _titles() -> dict[str, str]:
    """What each report is called, in the reader's language."""
    return {
        "complaints": _("Complaints"),
        "reviews": _("Reviews"),
        "response-times": _("Response times"),
        "health": _("Shop health"),
        "agents": _("Agents"),
        "recovery": _("Payment reminders"),
    }


# ------------------------------------------------------------------ on screen


def _spans(today: date) -> list[dict[str, Any]]:
    """Periods to choose with one click."""
    month = today.replace(day=1)
    before = month - timedelta(days=1)
    year = today.replace(month=1, day=1)
    return [
        {"name": _("30 days"), "first": today - timedelta(days=29), "last": today},
        {
            "name": _("90 days"),
            "first": today - timedelta(days=periods.USUAL_DAYS - 1),
            "last": today,
        },
        {"name": _("this month"), "first": month, "last": today},
        {"name": _("last month"), "first": before.replace(day=1), "last": before},
        {"name": _("this year"), "first": year, "last": today},
    ]


def _table(sheet: Sheet) -> dict[str, Any]:
    rows = [[_cell(value) for value in row] for row in islice(sheet.rows, ROWS + 1)]
    chart = sheet.chart
    return {
        "name": sheet.name,
        "columns": [
            {"title": one.title, "kind": one.kind.value, "is_figure": one.kind in _FIGURES}
            for one in sheet.columns
        ],
        "rows": rows[:ROWS],
        "is_cut": len(rows) > ROWS,
        "empty": sheet.empty,
        "notes": list(sheet.notes),
        "chart": None
        if chart is None
        else {
            "title": chart.title,
            "columns": list(chart.columns),
            "shape": chart.shape,
            "is_stacked": chart.is_stacked,
        },
    }


def _cell(value: object) -> object:
    """A value as JSON has it; a tone is kept beside its text."""
    return {"text": value.text, "tone": value.tone} if isinstance(value, Toned) else value
