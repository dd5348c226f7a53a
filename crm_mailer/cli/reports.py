"""Commands of reports: report complaints, reviews, health, worklist and so on."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import date
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from rich.text import Text

from crm_mailer.cli import pass_app, show
from crm_mailer.cli.options import Day, Group, as_json_option
from crm_mailer.i18n import _, joined, say

if TYPE_CHECKING:
    from crm_mailer.app import App
    from crm_mailer.reporting.workbook import Sheet
    from crm_mailer.reporting.worklists import Worklist

#: Rows of each table in the terminal; Excel and --json have all.
_SHOWN = 12
_STYLES = {"ok": "green", "warn": "yellow", "bad": "bold red"}
#: Letters of a complaint that one line of the terminal shows.
_LINE = 100


def period_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """From which day until which."""
    last = click.option("--until", "last", type=Day(), help=_("The last day; else today."))
    first = click.option("--from", "first", type=Day(), help=_("The first day; else 90 days back."))
    return first(last(command))


def file_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Where to write it to, instead of the terminal."""
    force = click.option("--force", is_flag=True, help=_("Replace the file if there is one."))
    xlsx = click.option(
        "--xlsx", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE",
        help=_("Write an Excel workbook."),
    )  # fmt: skip
    return as_json_option(xlsx(force(command)))


@click.group(cls=Group)
def report() -> None:
    """Reports: complaints, reviews, health, agents, and what to do today."""


@report.command()
@period_options
@click.option("--limit", default=10, show_default=True, type=click.IntRange(0, 10_000),
              help=_("So many of the complaints themselves."))  # fmt: skip
@file_options
@pass_app
def complaints(
    app: App, first: date | None, last: date | None, limit: int, as_json: bool, xlsx: Path | None,
    force: bool,
) -> None:  # fmt: skip
    """Show what customers complain about, by reason, product, country, campaign and month."""
    from crm_mailer.app import reports
    from crm_mailer.cli import report_pages as pages

    found = reports.complaint_report(
        app, first, last, newest=0 if xlsx else limit,
        products=None if xlsx or as_json else _SHOWN + 1,
    )  # fmt: skip
    if xlsx:
        every = reports.every_complaint(app, found.period)
        _write(app, xlsx, pages.complaint_sheets(found, every), _("Complaints"), force)
    elif as_json:
        _json(found)
    else:
        _show([pages.complaint_overview(found), *pages.complaint_counts(found)])
        for one in found.newest:
            show.line(f"{show.local(one.at, app.zone)}  {one.customer}  {one.reason}", style="dim")
            show.line(f"  {_short(one.text)}")


@report.command()
@period_options
@file_options
@pass_app
def reviews(
    app: App, first: date | None, last: date | None, as_json: bool, xlsx: Path | None, force: bool
) -> None:
    """Show the stars of each product, what buyers love and what they complain about."""
    from crm_mailer.app import reports
    from crm_mailer.cli import report_pages as pages

    found = reports.review_report(app, first, last)
    _tell(app, found, lambda: pages.review_sheets(found), _("Reviews"), as_json, xlsx, force)


@report.command()
@period_options
@file_options
@pass_app
def health(
    app: App, first: date | None, last: date | None, as_json: bool, xlsx: Path | None, force: bool
) -> None:
    """Show the figures by which marketplaces judge the shop, with formulas and limits."""
    from crm_mailer.app import reports
    from crm_mailer.cli import report_pages as pages

    found = reports.health_report(app, first, last)
    _tell(app, found, lambda: pages.health_sheets(found), _("Shop health"), as_json, xlsx, force)


@report.command()
@period_options
@file_options
@pass_app
def agents(
    app: App, first: date | None, last: date | None, as_json: bool, xlsx: Path | None, force: bool
) -> None:
    """Show each agent's cases, first answers, solutions, satisfaction and recovered orders."""
    from crm_mailer.app import reports
    from crm_mailer.cli import report_pages as pages

    found = reports.agent_report(app, first, last)
    _tell(app, found, lambda: pages.agent_sheets(found), _("Agents"), as_json, xlsx, force)


@report.command("response-times")
@period_options
@file_options
@pass_app
def response_times(
    app: App, first: date | None, last: date | None, as_json: bool, xlsx: Path | None, force: bool
) -> None:
    """Show how fast cases were answered and solved, and how many too late."""
    from crm_mailer.app import reports
    from crm_mailer.cli import report_pages as pages

    found = reports.response_report(app, first, last)
    title = _("Response times")
    _tell(app, found, lambda: pages.response_sheets(found), title, as_json, xlsx, force)


@report.command()
@period_options
@file_options
@pass_app
def recovery(
    app: App, first: date | None, last: date | None, as_json: bool, xlsx: Path | None, force: bool
) -> None:
    """Show which unpaid orders were paid after a reminder, by reason."""
    from crm_mailer.app import reports
    from crm_mailer.cli import report_pages as pages

    found = reports.recovery_report(app, first, last)
    title = _("Payment reminders")
    _tell(app, found, lambda: pages.recovery_sheets(found), title, as_json, xlsx, force)


@report.command()
@click.argument("name", required=False, default="")
@click.option("--limit", default=50, show_default=True, type=click.IntRange(1, 1_000_000),
              help=_("So many rows of a list."))  # fmt: skip
@file_options
@pass_app
def worklist(
    app: App, name: str, limit: int, as_json: bool, xlsx: Path | None, force: bool
) -> None:
    """Show what agents have to do today: how much of each, or the list NAME."""
    from crm_mailer.app import reports
    from crm_mailer.cli import report_pages as pages

    if name:
        lists = [reports.worklist(app, name, limit=limit)]
    else:
        lists = reports.every_worklist(app, limit=limit if xlsx else 0)
    if xlsx:
        _write(app, xlsx, pages.worklist_sheets(lists), _("Worklists"), force)
    elif as_json:
        show.json_(lists[0] if name else lists)
    elif name:
        _show_worklist(app, lists[0])
    else:
        _show([next(iter(pages.worklist_sheets(lists)))])


def _tell(
    app: App, found: Any, sheets: Callable[[], Iterable[Sheet]], title: str, as_json: bool,
    xlsx: Path | None, force: bool,
) -> None:  # fmt: skip
    """A report in the form that was asked for."""
    from crm_mailer.cli.report_pages import period_in_words

    if xlsx:
        told = period_in_words(found.period)
        dated = (replace(sheet, notes=(told, *sheet.notes)) for sheet in sheets())
        _write(app, xlsx, dated, title, force)
    elif as_json:
        _json(found)
    else:
        show.note(joined((title, period_in_words(found.period)), ": "))
        _show(sheets())


def _json(found: Any) -> None:
    data = show.plain(found)
    data["period"]["place"] = str(found.period.place)
    show.json_(data)


def _write(app: App, path: Path, sheets: Iterable[Sheet], title: str, force: bool) -> None:
    from crm_mailer.app import reports

    reports.write(app, path, sheets, title=title, is_forced=force)
    show.good(_("written: {path}").format(path=path))


def _show(sheets: Iterable[Sheet]) -> None:
    notes: dict[str, None] = {}
    for number, sheet in enumerate(sheets):
        if number:
            show.line()
        if _show_sheet(sheet):
            notes.update(dict.fromkeys(sheet.notes))
    for note in notes:
        show.note(note)


def _show_sheet(sheet: Sheet) -> bool:
    """One table; whether it has a row."""
    from crm_mailer.reporting.workbook import Kind

    rows = list(islice(sheet.rows, _SHOWN + 1))
    columns = [column for column in sheet.columns if not column.is_extra]
    numbers = (Kind.COUNT, Kind.SHARE, Kind.DECIMAL, Kind.MONEY)
    show.heading(sheet.name)
    show.table(
        [column.title for column in columns],
        [
            [
                _cell(column.kind, value)
                for column, value in zip(sheet.columns, row, strict=True)
                if not column.is_extra
            ]
            for row in rows[:_SHOWN]
        ],
        right=[at for at, column in enumerate(columns) if column.kind in numbers],
        empty=sheet.empty,
    )
    if len(rows) > _SHOWN:
        show.note(_("the first {number}; --xlsx and --json have all").format(number=_SHOWN))
    return bool(rows)


def _cell(kind: str, value: object) -> object:
    """A value as the terminal shows it."""
    tone = getattr(value, "tone", None)
    if tone is not None:
        return Text(str(getattr(value, "text", "")), style=_STYLES.get(tone, ""))
    if isinstance(value, (int, float)):
        forms = {"count": ",.0f", "share": ".1%", "decimal": ",.2f", "money": ",.2f"}
        return format(value, forms.get(kind, ""))
    return value


def _show_worklist(app: App, found: Worklist) -> None:
    from crm_mailer.cli.report_pages import todo_in_words

    now = app.clock.now()
    show.table(
        [_("number"), show.when(_("due"), app.zone, now), _("customer"), _("what to do"),
         _("note")],
        [
            (
                row.number,
                show.short(row.due_at or row.since, app.zone),
                row.customer,
                todo_in_words(row),
                _short(say(row.text)),
            )
            for row in found.rows
        ],
        empty=_("nothing to do"),
    )  # fmt: skip
    if found.count > len(found.rows):
        show.note(_("the first {shown} of {total}; --limit shows more").format(
            shown=len(found.rows), total=found.count))  # fmt: skip


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _LINE else line[: _LINE - 1] + "…"
