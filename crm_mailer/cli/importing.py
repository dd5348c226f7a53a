"""The command `import`: files of orders, customers, suppressions, reviews and ratings."""

from __future__ import annotations

import codecs
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from crm_mailer.cli import pass_app, show
from crm_mailer.cli.options import Group, as_json_option
from crm_mailer.i18n import _, joined, n_, say
from crm_mailer.model.sentence import sentence

if TYPE_CHECKING:
    from crm_mailer.app import App
    from crm_mailer.importing import ImportReport

F = TypeVar("F", bound=Callable[..., Any])

#: Exit code of `--strict` where rows were left out: the input was not all right (EX_DATAERR).
BAD_ROWS = 65
SHOWN = 20


@click.group("import", cls=Group)
def import_() -> None:
    """Take in orders, customers, suppressions, reviews or ratings from a file."""


def _file(command: F) -> F:
    return click.argument("file", type=click.Path(path_type=Path))(command)


def _encoding(_ctx: click.Context, _option: click.Parameter, name: str) -> str:
    try:
        return codecs.lookup(name).name if name else ""
    except LookupError:
        raise click.BadParameter(
            _("there is no encoding `{name}`; such as gb18030, cp1251, cp1252").format(name=name)
        ) from None


def _mapping(command: F) -> F:
    command = click.option(
        "--platform", default="", metavar="NAME", help=_("Where the orders come from.")
    )(command)
    return click.option(
        "--map", "map_name", default="", metavar="NAME|FILE", help=_("Column map; else found.")
    )(command)


def _manner(command: F) -> F:
    for option in (
        as_json_option,
        click.option("--strict", is_flag=True, help=_("Exit 65 when a row was left out.")),
        click.option("--dry-run", "is_dry_run", is_flag=True, help=_("Tell all, write nothing.")),
        click.option(
            "--encoding",
            default="",
            metavar="NAME",
            callback=_encoding,
            help=_("Of text that is not UTF-8; else found."),
        ),
    ):
        command = option(command)
    return command


@import_.command()
@_file
@_mapping
@_manner
@pass_app
def orders(app: App, /, file: Path, *, as_json: bool, strict: bool, **manner: Any) -> None:
    """Take the orders in FILE in: csv, tsv, txt, xlsx or xls of any platform."""
    from crm_mailer.app import importing

    report = importing.import_orders(app, file, progress=_progress(), **manner)
    _finish(report, as_json=as_json, is_strict=strict)


@import_.command()
@_file
@_mapping
@_manner
@pass_app
def customers(app: App, /, file: Path, *, as_json: bool, strict: bool, **manner: Any) -> None:
    """Take the customers in FILE in: it completes those that are known."""
    from crm_mailer.app import importing

    report = importing.import_customers(app, file, progress=_progress(), **manner)
    _finish(report, as_json=as_json, is_strict=strict)


@import_.command()
@_file
@_manner
@pass_app
def suppressions(app: App, /, file: Path, *, as_json: bool, strict: bool, **manner: Any) -> None:
    """Stop marketing mail to each address in FILE."""
    from crm_mailer.app import importing

    report = importing.import_suppressions(app, file, progress=_progress(), **manner)
    _finish(report, as_json=as_json, is_strict=strict)


@import_.command()
@_file
@_mapping
@_manner
@pass_app
def reviews(app: App, /, file: Path, *, as_json: bool, strict: bool, **manner: Any) -> None:
    """Take reviews in: FILE has an order number, stars, a comment, a day."""
    from crm_mailer.app import importing

    report = importing.import_reviews(app, file, progress=_progress(), **manner)
    _finish(report, as_json=as_json, is_strict=strict)


@import_.command()
@_file
@click.option("--platform", default="", metavar="NAME", help=_("Where the ratings come from."))
@_manner
@pass_app
def ratings(app: App, /, file: Path, *, as_json: bool, strict: bool, **manner: Any) -> None:
    """Take the detailed ratings of the shop in: a platform, a period, averages of stars."""
    from crm_mailer.app import importing

    report = importing.import_ratings(app, file, progress=_progress(), **manner)
    _finish(report, as_json=as_json, is_strict=strict)


@import_.command()
@as_json_option
@pass_app
def maps(app: App, as_json: bool) -> None:
    """List the column maps, where each comes from and how sure it is."""
    from crm_mailer.app import importing

    known = importing.maps(app)
    if as_json:
        show.json_(known)
        return
    show.table(
        [_("map"), _("for"), _("sure"), _("source")],
        [
            (one.name, sentence(one.title), show.word(one.confidence), sentence(one.source))
            for one in known
        ],
    )


def _progress() -> Callable[[int], None] | None:
    """Says how far it is, where a person looks on."""
    if not sys.stderr.isatty():
        return None
    return lambda rows: click.echo(f"\r{rows:,} ...", err=True, nl=False)


def _finish(report: ImportReport, *, as_json: bool, is_strict: bool) -> None:
    if as_json:
        show.json_(report)
    else:
        _show(report)
    if is_strict and report.rows_bad:
        raise SystemExit(BAD_ROWS)


def _show(report: ImportReport) -> None:
    how = joined(word for word in (report.format, report.encoding) if word)
    told = _("{file} ({how})").format(file=report.file_name, how=how)
    if report.map_name:
        told = _("{told}, read with the map `{map}`").format(told=told, map=report.map_name)
    show.good(told)
    show.facts(_figures(report))
    if not report.counts.get("rows"):
        show.warn(_("the file has a header and no row"))
    _show_sample(report)
    _show_problems(report)
    for note in report.notes:
        show.warn(say(note))
    if report.orders_without_address:
        show.warn(
            n_("1 order has no mail address", "{number} orders have no mail address",
               report.orders_without_address)
            + _(": `crm-mailer import customers FILE` may bring it")
        )  # fmt: skip
    if report.is_dry_run:
        show.note(_("Nothing was written: this was a dry run."))


def _figures(report: ImportReport) -> list[tuple[str, object]]:
    words = {
        "orders_new": (_("Orders"), _("{count} new")),
        "orders_changed": (_("Orders"), _("{count} changed")),
        "orders_unchanged": (_("Orders"), _("{count} unchanged")),
        "orders_left_out": (_("Orders"), _("{count} left out")),
        "customers_new": (_("Customers"), _("{count} new")),
        "customers_changed": (_("Customers"), _("{count} changed")),
        "customers_unchanged": (_("Customers"), _("{count} unchanged")),
        "customers_merged": (_("Customers"), _("{count} merged")),
        "reviews": (_("Reviews"), _("{count} taken in")),
        "ratings_new": (_("Ratings"), _("{count} new")),
        "ratings_changed": (_("Ratings"), _("{count} changed")),
        "ratings_unchanged": (_("Ratings"), _("{count} unchanged")),
        "addresses_new": (_("Addresses"), _("{count} new")),
        "addresses_known": (_("Addresses"), _("{count} known before")),
        "rows": (_("Rows"), _("{count} read")),
        "rows_bad": (_("Rows"), _("{count} not imported")),
    }
    lines: dict[str, list[str]] = {}
    for name, (label, word) in words.items():
        if count := report.counts.get(name):
            lines.setdefault(label, []).append(word.format(count=f"{count:,}"))
    return [(label, joined(parts)) for label, parts in lines.items()]


def _show_sample(report: ImportReport) -> None:
    """The first rows, where a person should look at them: when trying out, or after a guess."""
    is_guess = any("guessed" in note for note in report.notes)
    if len(report.sample) > 1 and (report.is_dry_run or is_guess):
        show.heading(_("First rows as they were read"))
        show.facts(zip(report.sample[0], report.sample[1], strict=False))


def _show_problems(report: ImportReport) -> None:
    if not report.problem_count:
        return
    show.table(
        [_("row"), _("column"), _("problem"), _("remedy")],
        [
            (one.row, say(one.column), say(one.what), say(one.hint))
            for one in report.problems[:SHOWN]
        ],
        title=joined(
            (
                n_("1 problem", "{number} problems", report.problem_count),
                n_("1 row not imported", "{number} rows not imported", report.rows_bad),
            )
        ),
        right=[0],
    )
    if report.problem_count > SHOWN:
        more = report.problem_count - SHOWN
        show.note(_("... and {count} more (`--json` lists them)").format(count=f"{more:,}"))
