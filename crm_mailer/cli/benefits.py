"""Commands about benefits: what was given and used, codes, and a person's word."""

from __future__ import annotations

import csv
import sys
from pathlib import Path
from typing import IO, TYPE_CHECKING

import click

from crm_mailer.cli import benefit_page, pass_app, show
from crm_mailer.cli.options import Command, Group, as_json_option, by_option
from crm_mailer.i18n import _, n_
from crm_mailer.model.errors import CannotWrite
from crm_mailer.model.sentence import Sentence

if TYPE_CHECKING:
    from crm_mailer.app import App
    from crm_mailer.store.benefit_figures import GrantLine

#: What the shop's own system is told of each code.
EXPORTED = ("code", "email", "valid_until", "campaign", "redeemed_at")
_name = click.argument("name", metavar="BENEFIT")


@click.group(cls=Group)
def benefit() -> None:
    """Benefits: coupons, free shipping and gifts, who has them, who used them."""


@benefit.command("list")
@as_json_option
@pass_app
def benefit_list(app: App, as_json: bool) -> None:
    """List the benefits with what was given and used, what is left, what it brought."""
    from crm_mailer.app import benefits

    found = benefits.list_(app)
    if as_json:
        show.json_(found)
    else:
        benefit_page.benefits(found)


@benefit.command("show")
@_name
@click.option("--limit", type=click.IntRange(1, 1000), default=20, show_default=True,
              help=_("So many grants and orders."))  # fmt: skip
@as_json_option
@pass_app
def benefit_show(app: App, name: str, limit: int, as_json: bool) -> None:
    """Show one BENEFIT: its rules and figures, who waits, who has it, which orders used it."""
    from crm_mailer.app import benefits

    view = benefits.show(app, name, limit=limit)
    if as_json:
        show.json_(view)
    else:
        benefit_page.benefit(app, view)


@benefit.command()
@_name
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@as_json_option
@pass_app
def load(app: App, name: str, file: Path, as_json: bool) -> None:
    """Put the codes of FILE into the pool of BENEFIT: one on each line, or a CSV with `code`."""
    from crm_mailer.app import benefits

    done = benefits.load(app, name, file)
    if as_json:
        show.json_(done)
        return
    show.good(_("{codes} loaded, {left} left to give").format(
        codes=n_("1 code", "{number} codes", done.new), left=f"{done.left:,}"))  # fmt: skip
    if done.known - done.others:
        show.note(n_("1 was there already", "{number} were there already",
                     done.known - done.others))  # fmt: skip
    if done.others:
        show.warn(n_("1 belongs to another benefit and was left out",
                     "{number} belong to another benefit and were left out",
                     done.others))  # fmt: skip


@benefit.command(cls=Command)
@_name
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE",
              help=_("Write to a file; else to the screen."))  # fmt: skip
@pass_app
def export(app: App, name: str, out: Path | None) -> None:
    """Write the codes of BENEFIT that were given, as CSV for the shop's own system."""
    from crm_mailer.app import benefits

    lines = benefits.given_codes(app, name)
    if out is None:
        _write(sys.stdout, lines)
        return
    try:
        # the mark at the beginning tells Excel that it is UTF-8
        with out.open("w", encoding="utf-8-sig", newline="") as file:
            _write(file, lines)
    except OSError as error:
        raise CannotWrite(
            Sentence("{out} cannot be written: {why}", out=out, why=error.strerror or error)
        ) from error
    show.good(_("{codes} written to {file}").format(
        codes=n_("1 code", "{number} codes", len(lines)), file=out))  # fmt: skip


def _write(file: IO[str], lines: list[GrantLine]) -> None:
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(EXPORTED)
    for line in lines:
        writer.writerow([
            _harmless(line.code),
            _harmless(line.email),
            line.valid_until.isoformat() if line.valid_until else "",
            line.campaign,
            line.redeemed_at.isoformat() if line.redeemed_at else "",
        ])  # fmt: skip


def _harmless(text: str) -> str:
    """A spreadsheet must not take it for a formula."""
    return f"'{text}" if text[:1] and text[0] in "=+-@\t\r＝＋－＠" else text


@benefit.command(cls=Command)
@_name
@click.argument("customer", required=False, default="")
@click.option("--all", "is_all", is_flag=True, help=_("Everybody who waits."))
@by_option
@pass_app
def approve(app: App, name: str, customer: str, is_all: bool, by: str) -> None:
    """Allow BENEFIT to CUSTOMER, or with --all to all who wait; their mails leave when due."""
    from crm_mailer.app import benefits

    _one_or_all(customer, is_all)
    number = benefits.decide(app, name, who=customer, is_allowed=True, by=by)
    show.good(n_("allowed to 1 customer", "allowed to {number} customers", number))


@benefit.command(cls=Command)
@_name
@click.argument("customer", required=False, default="")
@click.option("--all", "is_all", is_flag=True, help=_("Everybody who waits."))
@click.option("--why", default="", help=_("The reason, for whoever looks later."))
@by_option
@pass_app
def deny(app: App, name: str, customer: str, is_all: bool, why: str, by: str) -> None:
    """Deny BENEFIT to CUSTOMER, or with --all to all who wait; their mails are left out."""
    from crm_mailer.app import benefits

    _one_or_all(customer, is_all)
    number = benefits.decide(app, name, who=customer, is_allowed=False, by=by, why=why)
    show.good(n_("denied to 1 customer", "denied to {number} customers", number))


def _one_or_all(customer: str, is_all: bool) -> None:
    if bool(customer) == is_all:
        raise click.UsageError(_("name a customer, or say --all"))


@benefit.command()
@_name
@click.argument("customer")
@click.option("--order", default="", metavar="NUMBER", help=_("The order in which it was used."))
@as_json_option
@pass_app
def redeem(app: App, name: str, customer: str, order: str, as_json: bool) -> None:
    """Write down that CUSTOMER used BENEFIT, where no order shows it."""
    from crm_mailer.app import benefits

    line = benefits.redeem(app, name, customer, order=order)
    if as_json:
        show.json_(line)
    else:
        show.good(_("{benefit} of {customer} is used").format(benefit=name, customer=line.email))
