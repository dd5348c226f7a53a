"""Commands about segments: look, count while editing, explain, export, report, import a list."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from crm_mailer.cli import pass_app, show
from crm_mailer.cli.options import Group, as_json_option
from crm_mailer.cli.rfm import warn_of_marks
from crm_mailer.i18n import _, joined, n_, say
from crm_mailer.model.errors import CrmMailerError

if TYPE_CHECKING:
    from crm_mailer.app import App
    from crm_mailer.app.segmenting import SegmentPage
    from crm_mailer.app.segments import Count

#: Seconds between two looks at a file that is being edited.
_PAUSE = 0.3


@click.group(cls=Group)
def segment() -> None:
    """Segments: named rules over customers."""


@segment.command("run")
@click.option("--rebuild", is_flag=True, help=_("Score every customer anew from the orders."))
@as_json_option
@pass_app
def run_(app: App, rebuild: bool, as_json: bool) -> None:
    """Bring scores, attributes and memberships up to date."""
    from crm_mailer.app import segmenting

    mended = segmenting.rebuild(app) if rebuild else 0
    report = segmenting.run(app)
    if app.definitions.errors:
        show.warn(_("some files have errors, see `crm-mailer check`; segments that cannot be "
                    "read keep their members"))  # fmt: skip
    if as_json:
        show.json_(report)
        return
    show.note(_("customers: {scored} scored, {rolled} with another R, {unscored} without a paid "
                "order any more, {described} with an address read; traits concluded: "
                "{classified}").format(
        scored=report.scored + mended, rolled=report.rolled, unscored=report.unscored,
        described=report.described, classified=report.classified))  # fmt: skip
    if report.grown:
        show.good(n_("1 customer grew into a key customer: see `crm-mailer case tasks`",
                     "{number} customers grew into key customers: see `crm-mailer case tasks`",
                     report.grown))  # fmt: skip
    show.table([_("segment"), _("came in"), _("went out")],
               [(one.segment, one.came_in or "", one.left or "") for one in report.changes
                if one.came_in or one.left],
               right=(1, 2), empty=_("nobody came into a segment or left one"))  # fmt: skip


@segment.command("list")
@as_json_option
@pass_app
def list_(app: App, as_json: bool) -> None:
    """List all segments with their members."""
    from crm_mailer.app import segmenting, segments

    lines = segmenting.list_segments(app)
    warn_of_marks(app)
    if as_json:
        show.json_(lines)
        return
    odd = {0: _("nobody"), segments.everybody(app) or None: _("everybody")}
    show.table([_("segment"), _("members"), _("name"), ""],
               [(one.id, f"{one.members:,}", one.name, odd.get(one.members, "")) for one in lines],
               right=(1,), empty=_("no segment: write one in campaigns/segments/"))  # fmt: skip


@segment.command("show")
@click.argument("segment_id", metavar="SEGMENT|FILE")
@click.option("--sql", is_flag=True, help=_("Only the SQL that finds its members."))
@as_json_option
@pass_app
def show_(app: App, segment_id: str, sql: bool, as_json: bool) -> None:
    """Show one segment: its rule in words and some members."""
    from crm_mailer.app import segmenting

    page = segmenting.show(app, segment_id)
    warn_of_marks(app)
    if as_json:
        show.json_(page)
    elif sql:
        show.raw(page.sql)
    else:
        _show_page(page)


@segment.command()
@click.argument("target", metavar="SEGMENT|FILE")
@click.option("--watch", is_flag=True, help=_("Count anew each time the file is saved."))
@as_json_option
@pass_app
def count(app: App, target: str, watch: bool, as_json: bool) -> None:
    """Count for whom the rule of a segment, or of a file, holds now; nothing is saved."""
    from crm_mailer.app import segments

    if watch:
        _watch(app, target)
        return
    found = segments.count(app, target)
    warn_of_marks(app)
    if as_json:
        show.json_({"segment": found.segment, "customers": found.customers,
                    "of": found.everybody, "warning": found.warning})  # fmt: skip
        return
    _show_problems(found)
    show.line(f"{found.customers:,}")
    _warn(found)


@segment.command()
@click.argument("target", metavar="SEGMENT|FILE")
@click.option("--to", "path", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE",
              help=_("The CSV file; else standard output."))  # fmt: skip
@click.option("--force", is_flag=True, help=_("Replace the file if there is one."))
@pass_app
def export(app: App, target: str, path: Path | None, force: bool) -> None:
    """Write the customers for whom the rule holds now as CSV, without phone and street."""
    from crm_mailer.app import segments

    if path is None:
        segments.export(app, target, sys.stdout)
        return
    with segments.new_file(path, is_forced=force) as file:
        number = segments.export(app, target, file)
    told = n_("1 customer written", "{number} customers written", number)
    show.good(joined((told, path), ": "))


@segment.command("import")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--id", "id_", required=True, help=_("The segment's id, such as spring-fair."))
@click.option("--name", default="", help=_("Its name for people."))
@as_json_option
@pass_app
def import_(app: App, file: Path, id_: str, name: str, as_json: bool) -> None:
    """Make a segment of a list: a CSV FILE of mail addresses or customer numbers."""
    from crm_mailer.app import segments

    made = segments.make(app, file, id_=id_, name=name)
    if as_json:
        show.json_({"segment": made.segment, "path": made.path, "entries": made.entries,
                    "customers": made.customers})  # fmt: skip
        return
    for problem in made.problems:
        told = say(problem.message)
        show.warn(f"{told} ({say(problem.help)})" if problem.help else told)
    show.good(_("{path}: {entries} entries, {customers} of them are customers").format(
        path=made.path, entries=made.entries, customers=made.customers))  # fmt: skip


@segment.command()
@click.argument("target", metavar="[SEGMENT|FILE]", required=False, default="")
@click.option("--by", multiple=True, metavar="FIELD",
              help=_("Such as gender, country, product; more than one is fine."))  # fmt: skip
@click.option("--across", default="", metavar="FIELD",
              help=_("Cross it with another, such as value_class."))  # fmt: skip
@click.option("--xlsx", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE",
              help=_("Write an Excel workbook."))  # fmt: skip
@click.option("--force", is_flag=True, help=_("Replace the file if there is one."))
@as_json_option
@pass_app
def report(
    app: App, target: str, by: tuple[str, ...], across: str, xlsx: Path | None, force: bool,
    as_json: bool,
) -> None:  # fmt: skip
    """Show how customers spread over gender, age, country, language, products and classes."""
    from crm_mailer.app import reports, segments
    from crm_mailer.cli import segment_pages as pages

    found = segments.report(app, target, by=by, across=across)
    warn_of_marks(app)
    if xlsx:
        reports.write(app, xlsx, pages.sheets(found), title=_("Customers"), is_forced=force)
        show.good(_("written: {path}").format(path=xlsx))
    elif as_json:
        show.json_(found)
    else:
        for one in found:
            pages.show_distribution(one)


@segment.command()
@click.argument("segment_id", metavar="SEGMENT|FILE")
@click.option("--customer", "who", required=True, help=_("Mail address or number."))
@as_json_option
@pass_app
def explain(app: App, segment_id: str, who: str, as_json: bool) -> None:
    """Say why a customer is in a segment, or not."""
    from crm_mailer.app import segmenting
    from crm_mailer.cli.segmenting import show_explanation

    found = segmenting.explain(app, segment_id, who)
    warn_of_marks(app)
    if as_json:
        show.json_(found)
    else:
        show_explanation(app, found)


def _show_page(page: SegmentPage) -> None:
    show.heading(joined((page.id, page.name), ": "))
    show.line(page.note)
    for depth, words in page.rule:
        show.line(f"{'  ' * (depth + 1)}{say(words)}")
    show.line(n_("1 member", "{number} members", page.members))
    for one in page.sample:
        show.line(f"  {one.id}  {one.name}  {one.email}", style="dim")


def _watch(app: App, target: str) -> None:
    """Tell each new number until the person ends it."""
    from crm_mailer.app import segments

    before: int | None = None
    show.note(_("counting {target} each time it is saved; Ctrl-C ends").format(target=target))
    try:
        for found in segments.watch(app, target, _wait):
            if isinstance(found, CrmMailerError):
                show.trouble(found)
                continue
            _show_problems(found)
            moved = "" if before is None else f"  ({found.customers - before:+,})"
            show.line(_("{number} of {all}{moved}, counted in {took} ms").format(
                number=f"{found.customers:,}", all=f"{found.everybody:,}", moved=moved,
                took=round(found.took * 1000)))  # fmt: skip
            _warn(found)
            before = found.customers
    except KeyboardInterrupt:
        show.note("")


def _wait() -> bool:
    time.sleep(_PAUSE)
    return True


def _show_problems(found: Count) -> None:
    show.faults(found.problems)


def _warn(found: Count) -> None:
    if found.warning == "nobody":
        show.warn(_("the rule holds for nobody: `segment explain` tells which part fails"))
    elif found.warning:
        show.warn(_("the rule holds for every customer there is"))
