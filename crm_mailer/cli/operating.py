"""Commands of the operator: init, run, status, db."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from crm_mailer.cli import Doors, pass_app, pausing, show
from crm_mailer.cli.options import Command, Group, as_json_option
from crm_mailer.i18n import _

if TYPE_CHECKING:
    from crm_mailer.app import App
    from crm_mailer.app.operating import Status


@click.command(cls=Command)
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False))
def init(folder: Path) -> None:
    """Make a shop in FOLDER: starter campaigns, templates and settings."""
    from crm_mailer.app import open_app, operating

    written = operating.init(folder)
    app = open_app(str(folder))
    operating.upgrade_database(app)
    app.close()
    show.good(_("{count} files written in {folder}; nothing that was there has changed").format(
        count=len(written), folder=folder))  # fmt: skip
    show.note(_("Next: edit {file}, then").format(file=folder / "campaigns" / "shop.yaml"))
    show.note(f"  crm-mailer --home {folder} import orders FILE\n"
              f"  crm-mailer --home {folder} check\n"
              f"  crm-mailer --home {folder} plan")  # fmt: skip


@click.command(cls=Command)
@pass_app
def run(app: App) -> None:
    """Run the daemon: plan, send, listen and learn until stopped."""
    from crm_mailer import logs
    from crm_mailer.daemon import Daemon

    logs.set_up(app.settings.log_level)
    Daemon(app).run()


@click.command(cls=Command)
@as_json_option
@pass_app
def status(app: App, as_json: bool) -> None:
    """Show the shop on one screen, with the next sensible command."""
    from crm_mailer.app import operating

    state = operating.status(app)
    if as_json:
        show.json_(state)
    else:
        _show_status(app, state)


@click.group(cls=Group)
def db() -> None:
    """The database: upgrade, check."""


@db.command()
@click.pass_obj
def upgrade(doors: Doors) -> None:
    """Bring the database to this program's schema."""
    from crm_mailer.app import open_app, operating

    app = open_app(doors.home)
    operating.upgrade_database(app)
    app.close()
    show.good(_("the database has this program's schema"))


@db.command()
@pass_app
def verify(app: App) -> None:
    """Check that the database has this program's schema."""
    show.good(_("{database} is as it should be").format(
        database=app.store.url.render_as_string()))  # fmt: skip


def _show_status(app: App, state: Status) -> None:
    figures = state.figures
    touches = figures.touches
    show.facts([
        (_("shop"), f"{app.definitions.shop.name}  ({state.home})"),
        (_("now"), show.local(state.now, app.zone)),
        (_("database"), state.database),
        (_("sending"), _("PAUSED: `crm-mailer resume` goes on") if state.is_paused
         else state.mail_server or _("sandbox")),
        (_("sending rests"), state.resting),
        (_("mailbox"), state.mailbox or _("not configured")),
        *_mailbox_facts(app, state),
        (_("daemon"), state.daemon or _("not running")),
        (_("workers"), ", ".join(state.workers)),
        (_("campaigns"), _("{live} live of {all}").format(
            live=state.campaigns_live, all=state.campaigns)),
        (_("problems in files"), state.problems or ""),
        (_("customers"), _people(figures.customers, figures.customers_without_address)),
        (_("orders"), _people(figures.orders, figures.orders_without_address)),
        (_("mails"), ", ".join(f"{show.word(one)} {touches[one]:,}" for one in sorted(touches))),
        (_("in doubt, probably sent"), state.probably_sent or ""),
        (_("due now"), figures.due),
        (_("replies from people"), figures.replies),
        (_("unreadable mails"), figures.inbound_quarantined or ""),
        (_("open cases"), _("{open}, {overdue} overdue").format(
            open=figures.cases_open, overdue=figures.cases_overdue)),
        (_("suppressed addresses"), figures.suppressions),
    ])  # fmt: skip
    _show_troubles(app, state)
    if state.next_step:
        show.note(_("Next: {command}").format(command=_(state.next_step)))


def _mailbox_facts(app: App, state: Status) -> list[tuple[str, object]]:
    """How each mailbox is; named where there are several."""
    facts: list[tuple[str, object]] = []
    for box in state.mailboxes:
        name = f" {box.name}" if len(state.mailboxes) > 1 else ""
        facts += [
            (_("mailbox trouble") + name, box.trouble),
            (_("last fetched") + name, show.local(box.synced_at, app.zone)),
            (_("mails missing") + name, box.missing or ""),
        ]
    return facts


def _show_troubles(app: App, state: Status) -> None:
    """What is stopped, and what a person should look at, with the remedy."""
    for stop in state.pauses:
        show.warn(_("paused since {when}: {what}").format(
            when=show.local(stop.at, app.zone),
            what=f"{pausing.name_of(stop.scope)} {stop.reason}".strip()))  # fmt: skip
        show.note("  " + _("help: {hint}").format(hint=pausing.resume_command(stop.scope)))
    stopped = {stop.reason for stop in state.pauses}
    for alert in state.alerts:
        if alert.message not in stopped:
            show.warn(_("since {when}: {what}").format(
                when=show.local(alert.first_at, app.zone), what=alert.message))  # fmt: skip
        if alert.hint:
            show.note("  " + _("help: {hint}").format(hint=alert.hint))


def _people(number: int, without: int) -> str:
    if not without:
        return f"{number:,}"
    return _("{number}, {without} without a mail address").format(
        number=f"{number:,}", without=f"{without:,}"
    )
