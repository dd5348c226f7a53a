"""The command `check`: every fault in what marketers wrote, as a compiler tells it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from crm_mailer.cli import pass_app, show
from crm_mailer.cli.options import Command, as_json_option
from crm_mailer.i18n import _, joined, n_, say
from crm_mailer.model.sentence import pack

if TYPE_CHECKING:
    from crm_mailer.app import App
    from crm_mailer.app.checking import CheckReport

#: There are errors.
FAILED = 1
#: `--schema` without a folder.
PRINTED = "-"


@click.command(cls=Command)
@click.option("--explain", "code", metavar="CODE", help=_("Say more about a code such as CRM113."))
@click.option(
    "--schema",
    "folder",
    metavar="[FOLDER]",
    is_flag=False,
    flag_value=PRINTED,
    help=_("JSON Schemas for editors, printed or written into FOLDER."),
)
@click.option("--sentences", "is_packed", is_flag=True, hidden=True)
@as_json_option
@pass_app
def check(app: App, code: str | None, folder: str | None, is_packed: bool, as_json: bool) -> None:
    """Check campaigns, segments, curves, shop and templates."""
    from crm_mailer.app import checking

    if code:
        show.raw(say(checking.explain(code)))
    elif folder:
        _schemas(folder)
    else:
        _check(checking.check(app), as_json=as_json, is_packed=is_packed)


def _check(report: CheckReport, *, as_json: bool, is_packed: bool) -> None:
    """Packed: for a program of ours, which says the words in several languages."""
    if as_json:
        found = [problem.as_json() for problem in report.problems]
        show.json_([_packed(one) for one in found] if is_packed else found)
    else:
        page(report)
    if report.errors:
        raise click.exceptions.Exit(FAILED)


def _packed(finding: dict[str, str | int]) -> dict[str, object]:
    return {name: pack(value) for name, value in finding.items()}


def _schemas(folder: str) -> None:
    from crm_mailer.app import checking
    from crm_mailer.definitions import schema

    if folder == PRINTED:
        show.json_(dict(schema.schemas()))
        return
    for path in checking.write_schemas(Path(folder)):
        show.good(_("written: {file}").format(file=path))


def page(report: CheckReport) -> None:
    """Every finding with its place, then the sum."""
    from crm_mailer.definitions.problems import Severity

    for problem in report.problems:
        show.raw(say(problem.as_text()) + "\n")
    read = _("{campaigns} campaigns, {segments} segments, {curves} curves").format(
        campaigns=report.campaigns, segments=report.segments, curves=report.curves
    )
    warnings, advice = (report.count(one) for one in (Severity.WARNING, Severity.ADVICE))
    parts = [
        *([n_("1 error", "{number} errors", report.errors)] if report.errors else []),
        *([n_("1 warning", "{number} warnings", warnings)] if warnings else []),
        *([n_("1 piece of advice", "{number} pieces of advice", advice)] if advice else []),
    ]
    if not parts:
        show.good(_("no problems: {read}").format(read=read))
        return
    told = _("{count}; usable: {read}").format(count=joined(parts), read=read)
    remedy = _("`crm-mailer check --explain CODE` says more about a code")
    if report.errors:
        show.error(told, remedy)
    elif warnings:
        show.warn(told)
    else:
        show.good(told)
