"""Commands of privacy: what is held about a person, handing it out, erasing it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from crm_mailer.cli import pass_app, show
from crm_mailer.cli.options import Group, as_json_option, by_option
from crm_mailer.i18n import _, among, n_, say
from crm_mailer.model.errors import CannotWrite
from crm_mailer.model.sentence import Sentence

if TYPE_CHECKING:
    from crm_mailer.app import App
    from crm_mailer.app.privacy import Erasure
    from crm_mailer.app.retention import Purge

_who = click.argument("who", metavar="CUSTOMER")


@click.group(cls=Group)
def privacy() -> None:
    """What is held about a person: list it, hand it out, erase it.

    CUSTOMER is a mail address, a number of `customer list`, or a name on a platform.
    """


@privacy.command()
@_who
@click.option(
    "--out",
    type=click.Path(dir_okay=False, path_type=Path),
    help=_("A file: .zip with the mails, else JSON; without it JSON on the screen."),
)
@pass_app
def export(app: App, who: str, out: Path | None) -> None:
    """Hand out everything that is held about CUSTOMER."""
    from crm_mailer.app import privacy as verbs

    found = verbs.export(app, who)
    if out is None:
        click.echo(verbs.as_json(found), nl=False)
        return
    is_zip = out.suffix.lower() == ".zip"
    content = verbs.as_zip(app, found) if is_zip else verbs.as_json(found).encode()
    try:
        out.touch(mode=0o600)
        out.write_bytes(content)
    except OSError as error:
        raise CannotWrite(
            Sentence("{out} cannot be written: {why}", out=out, why=error.strerror or error)
        ) from error
    show.good(_("all that is held about {customer} is in {file}").format(
        customer=found.customer, file=out))  # fmt: skip


@privacy.command()
@_who
@click.option(
    "--confirm",
    default="",
    metavar="TEXT",
    help=_("The address (without one the number), instead of being asked for it."),
)
@click.option("--even-open", is_flag=True, help=_("Also where a case is open."))
@by_option
@as_json_option
@pass_app
def erase(app: App, who: str, confirm: str, even_open: bool, by: str, as_json: bool) -> None:
    """Erase CUSTOMER: name, address, mails, replies, everything that says who it is.

    Orders and mails stay as figures without a person. The address is kept as a keyed hash, so that
    no import brings it back into marketing.
    """
    from crm_mailer.app import privacy as verbs

    found = verbs.export(app, who)
    if not confirm:
        show.note(_("{number} rows are held about {customer}; erasing cannot be undone").format(
            number=f"{found.rows:,}", customer=found.customer))  # fmt: skip
        confirm = click.prompt(_("type {customer} to go on").format(customer=found.customer))
    if confirm.strip().casefold() != found.customer.casefold():
        raise click.UsageError(_("that is not {customer}: nothing was erased").format(
            customer=found.customer))  # fmt: skip
    done = verbs.erase(app, str(found.customer_id), by=by, is_forced=even_open)
    if as_json:
        show.json_(done)
    else:
        _show_erasure(done)


@privacy.command()
@as_json_option
@pass_app
def replay(app: App, as_json: bool) -> None:
    """Erase again whom the journal names: after a backup was restored."""
    from crm_mailer.app import privacy as verbs

    swept = verbs.replay(app)
    if as_json:
        show.json_(swept)
        return
    show.good(n_("1 person was erased again", "{number} persons were erased again", swept.erased))
    if swept.suppressed:
        show.note(n_("1 person has ordered since: kept, and gets no mail",
                     "{number} persons have ordered since: kept, and get no mail",
                     swept.suppressed))  # fmt: skip


@privacy.command()
@click.option("--countries", is_flag=True, help=_("Count persons by country instead."))
@click.option("--year", type=click.IntRange(2000, 2200), help=_("The year; else this one."))
@as_json_option
@pass_app
def inventory(app: App, countries: bool, year: int | None, as_json: bool) -> None:
    """List which tables hold what about persons, how long, and what erasing makes of it."""
    from crm_mailer.app import privacy as verbs
    from crm_mailer.app import retention

    if countries or year is not None:
        _countries(app, year, as_json=as_json)
        return
    found = verbs.inventory()
    if as_json:
        show.json_(found)
        return
    show.table(
        [_("table"), _("holds"), _("kept for"), _("when erased")],
        [(one.table, _(one.holds), _(one.kept), _(one.on_erasure)) for one in found],
    )
    if done := retention.last(app):
        _show_purge(app, done)


def _countries(app: App, year: int | None, *, as_json: bool) -> None:
    from crm_mailer.app import people_counts

    of, found = people_counts.by_country(app, year)
    if as_json:
        show.json_({"year": of, "countries": found})
        return
    show.table(
        [_("country"), among("people", "held"), _("new in {year}").format(year=of),
         _("worked on in {year}").format(year=of), _("note")],
        [
            (one.country or _("unknown"), one.held, one.fresh, one.worked_on, say(one.note))
            for one in found
        ],
        right=(1, 2, 3),
        empty=_("no customer fits"),
    )  # fmt: skip


@privacy.command()
@click.option("--dry-run", is_flag=True, help=_("Only count."))
@by_option
@as_json_option
@pass_app
def purge(app: App, dry_run: bool, by: str, as_json: bool) -> None:
    """Take away what is older than the shop keeps it, as the daemon does every night.

    The section `retention` of crm-mailer.toml says how long that is.
    """
    from crm_mailer.app import retention

    done = retention.purge(app, by=by, is_dry=dry_run)
    if as_json:
        show.json_(done)
        return
    _show_purge(app, done, is_dry=dry_run)


def _show_purge(app: App, done: Purge, *, is_dry: bool = False) -> None:
    show.table(
        [_("table"), _("older than"), _("rows that would go") if is_dry else _("rows that went")],
        [
            (among("purge", one.table), show.local(one.before, app.zone), f"{one.rows:,}")
            for one in done.purged
        ],
        title=_("purge of {moment}").format(moment=show.local(done.at, app.zone)),
        right=(2,),
    )  # fmt: skip
    if done.since is not None:
        show.note(_("the one before was at {moment}").format(
            moment=show.local(done.since, app.zone)))  # fmt: skip
    if done.stuck:
        show.warn(_("{mails} could not be removed: {fault}").format(
            mails=n_("1 mail as it came", "{number} mails as they came", done.stuck),
            fault=done.fault))  # fmt: skip


def _show_erasure(done: Erasure) -> None:
    show.good(_("customer {number} is erased").format(number=done.customer_id))
    show.table(
        [_("table"), _("deleted"), _("emptied")],
        [
            (name, done.deleted.get(name, ""), done.emptied.get(name, ""))
            for name in {**done.deleted, **done.emptied}
        ],
        right=(1, 2),
    )
    if done.files:
        show.note(
            n_("1 file with a mail is gone", "{number} files with mails are gone", done.files)
        )
    if done.files_left:
        show.warn(_("these files of yours still name the address:"))
        for name in done.files_left:
            show.line(f"  {name}")
    if not done.is_scrubbed:
        show.warn(_("the database's file may hold traces in free places: stop what works on it, "
                    "then `crm-mailer privacy replay`"))  # fmt: skip
