"""Commands about the whole database: db upgrade, verify, backup, restore, reconcile, copy."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, date, datetime, time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from crm_mailer.cli import Doors, pass_app, show
from crm_mailer.cli.archiving import archive
from crm_mailer.cli.options import Command, Day, Group, as_json_option, by_option
from crm_mailer.home import KEY_FILE
from crm_mailer.i18n import _, joined, say

if TYPE_CHECKING:
    from crm_mailer.app import App
    from crm_mailer.app.reconciling import Missing, Reconciled

_file = click.argument("file", type=click.Path(path_type=Path, dir_okay=False))


@click.group(cls=Group)
def db() -> None:
    """The database: upgrade, check, back up, restore, reconcile, copy, archive."""


db.add_command(archive)


@db.command(cls=Command)
@click.pass_obj
def upgrade(doors: Doors) -> None:
    """Bring the database to this program's schema.

    Of several hosts that do so at once, one does it. Where older programs could not go on with the
    new schema, they have to be stopped first.
    """
    from crm_mailer.app import open_app, operating

    app = open_app(doors.home)
    done = operating.upgrade_database(app)
    app.close()
    for name in done:
        show.note(_("migration {name}").format(name=name))
    show.good(_("the database has this program's schema"))


@db.command(cls=Command)
@as_json_option
@pass_app
def verify(app: App, as_json: bool) -> None:
    """Check the database: schema, pages, references, and that each mail has one fate.

    Every page and every row is read, so a large one takes minutes; nothing is changed.
    """
    from crm_mailer.app import databases

    found = []
    for one in databases.verify(app):
        found.append(one)
        if not as_json:
            line = joined((one.what, one.said), ": ")
            show.good(line) if one.is_well else show.warn(line)
            for fault in one.faults:
                show.note(f"  {say(fault)}")
    if as_json:
        show.json_(found)
    if not all(one.is_well for one in found):
        raise click.exceptions.Exit(1)
    if not as_json:
        show.good(_("{database} is as it should be").format(
            database=app.store.url.render_as_string()))  # fmt: skip


@db.command(cls=Command)
@_file
@pass_app
def backup(app: App, file: Path) -> None:
    """Keep the database aside in FILE, also while the daemon runs.

    On PostgreSQL this is pg_dump in its custom format.
    """
    from crm_mailer.app import databases

    kept = databases.backup(app.store, file, app.clock.now())
    show.good(_("{file}: {size} MB").format(file=kept.file, size=round(kept.size / 1e6, 1)))
    show.note(_("Not in it: {key} (links in mails need it) and {folder} (large received mails)")
              .format(key=app.home / KEY_FILE, folder=app.raw_folder))  # fmt: skip


@db.command(cls=Command)
@_file
@as_json_option
@click.pass_obj
def restore(doors: Doors, file: Path, as_json: bool) -> None:
    """Put the backup FILE in the place of the database.

    FILE is checked first, and the database that was there stays beside it. Nothing leaves from the
    restored one until `crm-mailer db reconcile`.
    """
    from crm_mailer.app import databases, open_app

    app = open_app(doors.home)
    doors.opened.append(app)
    done = databases.restore(app, file)
    if as_json:
        show.json_(done)
        return
    when = show.local(done.taken_at, app.zone) if done.taken_at else _("nobody knows when")
    show.good(_("{file} is the database now; it was made: {when}").format(
        file=done.file, when=when))  # fmt: skip
    if done.aside is not None:
        show.note(_("the replaced one: {file}").format(file=done.aside))
    for name in done.migrations:
        show.note(_("migration {name}").format(name=name))
    show.note(_("Next: {command}").format(command="crm-mailer db reconcile"))


@db.command(cls=Command)
@click.option("--yes", is_flag=True, help=_("Do it; without it, it is only shown."))
@click.option("--transactional", "order_mail", type=click.Choice(["hold", "resend"]),
              default="hold", show_default=True,
              help=_("Order mail that was due, of which nobody knows whether it left: hold it for "
                     "a person, or send it, perhaps for the second time."))  # fmt: skip
@click.option("--marketing", type=click.Choice(["skip", "send"]), default="skip",
              show_default=True,
              help=_("Marketing that was due and of which `journal` does not know that it left: "
                     "skip it, or send it, where `journal` knows the whole time."))  # fmt: skip
@click.option("--since", type=Day(), metavar="DAY",
              help=_("The day of the backup, where the database does not know it."))  # fmt: skip
@click.option("--without-mailbox", is_flag=True,
              help=_("Do not read the mailboxes first: opt-outs there are forgotten."))  # fmt: skip
@click.option("--alone", is_flag=True,
              help=_("The other hosts are gone: do not wait for what they know."))  # fmt: skip
@by_option
@as_json_option
@pass_app
def reconcile(
    app: App,
    yes: bool,
    order_mail: str,
    marketing: str,
    since: date | None,
    without_mailbox: bool,
    alone: bool,
    by: str,
    as_json: bool,
) -> None:
    """Bring a restored database to where mails may leave from it again.

    Who wanted no mail since the backup is put back; what left is marked so; marketing that was due
    and may have left is skipped. Without --yes all of it is only shown.
    """
    from crm_mailer.app import databases, reconciling

    begin = datetime.combine(since, time.min, UTC) if since is not None else None
    if not yes:
        found = reconciling.look(app, begin)
        show.json_(found) if as_json else _show_missing(app, found, order_mail)
        return
    databases.refuse_senders(app, is_told=begin is not None)
    done = reconciling.reconcile(
        app,
        by=by,
        since=begin,
        order_mail=reconciling.OrderMail(order_mail),
        marketing=reconciling.Marketing(marketing),
        is_mailbox_read=not without_mailbox,
        is_alone=alone,
        on_step=lambda what: None if as_json else show.note(say(what)),
    )
    show.json_(done) if as_json else _show_reconciled(done)


def _show_missing(app: App, found: Missing, order_mail: str) -> None:
    from crm_mailer.delivering import witness

    if found.why is None:
        show.good(_("nothing is to be reconciled: this is the database from which mails left last"))
        show.note(_("a copy that does not know it is one: say with --since when it was made"))
        return
    show.warn(say(witness.SENTENCES[found.why]))
    show.facts([
        (_("knows nothing since"),
         show.local(found.since, app.zone) if found.since else _("nobody knows when")),
        (_("mails left until"), show.local(found.until, app.zone)),
        (_("the folder knows what left since"), str(found.departures_from or _("never"))),
        (_("and who wants no mail since"), str(found.wishes_from or _("never"))),
        (_("left in that time"), f"{found.left:,}"),
        (_("may have left"), f"{found.in_doubt:,}" if found.in_doubt else ""),
        (_("of these it takes for unsent"), f"{found.takes_for_unsent:,}"),
        (_("wishes that it does not know"), f"{found.wishes:,}"),
        (_("marketing that was due"), f"{found.marketing_to_skip:,}"),
        (_("order mail that was due"), f"{found.order_mail:,}"),
        (_("held, may have been let go"), f"{found.held:,}" if found.held else ""),
        (_("other hosts"), joined(found.others)),
    ])  # fmt: skip
    show.note(_("`crm-mailer db reconcile --yes` puts the wishes back, reads the mailboxes "
                "({boxes}), erases again who was erased, marks as accepted what left, and skips "
                "other marketing that was due.").format(
        boxes=joined(found.mailboxes) or _("none is configured")))  # fmt: skip
    if found.order_mail:
        show.note(_("Order mail that was due is held for a person; `--transactional resend` sends "
                    "it, perhaps for the second time.") if order_mail == "hold" else
                  _("Order mail that was due is sent, perhaps for the second time."))  # fmt: skip
    if not found.mailboxes:
        show.note(_("Opt-outs that came in other ways (a list, a call): enter them before."))
    if found.others:
        show.note(_("Run it on each of the other hosts, too: what they sent only they know."))


def _show_reconciled(done: Reconciled) -> None:
    show.facts([
        (_("wishes put back"), f"{done.wishes:,}"),
        (_("received mails read"), f"{done.read:,}"),
        (_("persons erased again"), f"{done.erased:,}"),
        (_("had left: accepted"), f"{done.accepted:,}"),
        (_("may have left: in doubt"), f"{done.in_doubt:,}"),
        (_("marketing skipped"), f"{done.skipped:,}"),
        (_("order mail that was due"), f"{done.order_mail:,}"),
    ])  # fmt: skip
    if done.waits_for:
        show.warn(_("mails leave when it was done on these hosts, too: {hosts}").format(
            hosts=joined(done.waits_for)))  # fmt: skip
        return
    show.good(_("mails may leave again"))
    if done.order_mail:
        show.note(_("held order mail: `crm-mailer outbox list --state held`; what did not leave "
                    "goes on by `crm-mailer campaign release CAMPAIGN`"))  # fmt: skip
    show.note(_("Import again what was imported since the backup: orders, customers, lists."))


@db.command("copy", cls=Command)
@click.argument("source")
@click.argument("target")
@as_json_option
def copy_(source: str, target: str, as_json: bool) -> None:
    """Copy a whole database into an empty one, of either engine, and compare both row by row.

    SOURCE and TARGET are addresses, such as sqlite:///crm-mailer.db and
    postgresql+psycopg://user@host/shop. A copy that was broken off goes on where it stopped.
    """
    from crm_mailer.app import databases

    done: Counter[str] = Counter()

    def told(table: str, rows: int) -> None:
        done[table] += rows
        if not as_json:
            show.note(joined((table, f"{done[table]:,}"), ": "))

    found = databases.copy(source, target, datetime.now(UTC), told)
    if as_json:
        show.json_(found)
        return
    show.good(_("{rows} rows of {tables} tables: both databases are the same").format(
        rows=f"{sum(one.rows for one in found):,}", tables=len(found)))  # fmt: skip
    show.note(_("Next: set `database` in crm-mailer.toml to the new address"))
