"""Commands of the operator: init, run, status, db."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from crm_mailer.cli import Doors, pass_app, pausing, show
from crm_mailer.cli.options import Command, Group, as_json_option
from crm_mailer.home import KEY_FILE
from crm_mailer.i18n import _, say

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
@click.option("--studio", is_flag=True, help=_("Open the studio as well, for this machine."))
@click.option("--studio-host", metavar="ADDRESS", default="127.0.0.1", show_default=True,
              help=_("Where the studio listens; any other address needs users."))  # fmt: skip
@click.option("--studio-port", type=click.IntRange(0, 65_535),
              help=_("Another port than 8025."))  # fmt: skip
@click.option("--public", is_flag=True, help=_("Serve the public pages as well."))
@click.option("--public-port", type=click.IntRange(0, 65_535),
              help=_("Another port than 8027."))  # fmt: skip
@click.option(
    "--metrics-port",
    type=click.IntRange(0, 65_535),
    help=_("Answer monitoring programs on this port: /metrics, /healthz, /readyz."),
)
@click.option(
    "--metrics-host",
    metavar="ADDRESS",
    default="127.0.0.1",
    show_default=True,
    help=_("Where monitoring programs ask."),
)
@pass_app
def run(
    app: App,
    studio: bool,
    studio_host: str,
    studio_port: int | None,
    public: bool,
    public_port: int | None,
    metrics_port: int | None,
    metrics_host: str,
) -> None:
    """Run the daemon: plan, send, listen and learn until stopped."""
    from crm_mailer import logs
    from crm_mailer.cli.beside import Beside
    from crm_mailer.daemon import Daemon

    logs.set_up(app.settings.log_level)
    with Beside(app) as beside:
        if studio or studio_port is not None:
            beside.open_studio(studio_host, studio_port)
        if public or public_port is not None:
            beside.open_public_pages(public_port)
        if metrics_port is not None:
            beside.open_metrics(metrics_host, metrics_port)
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
    """The database: upgrade, check, back up, copy."""


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


@db.command()
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@pass_app
def backup(app: App, file: Path) -> None:
    """Keep the database aside in FILE, also while the daemon runs."""
    from crm_mailer.app import databases

    kept = databases.backup(app.store, file)
    show.good(_("{file}: {size} MB").format(file=kept.file, size=round(kept.size / 1e6, 1)))
    show.note(_("Not in it: {key} (links in mails need it) and {folder} (large received mails)")
              .format(key=app.home / KEY_FILE, folder=app.raw_folder))  # fmt: skip


@db.command("copy")
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
            show.note(f"{table}: {done[table]:,}")

    found = databases.copy(source, target, datetime.now(UTC), told)
    if as_json:
        show.json_(found)
        return
    show.good(_("{rows} rows of {tables} tables: both databases are the same").format(
        rows=f"{sum(one.rows for one in found):,}", tables=len(found)))  # fmt: skip
    show.note(_("Next: set `database` in crm-mailer.toml to the new address"))


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
    said = {str(alert.message): say(alert.message) for alert in state.alerts}
    for stop in state.pauses:
        show.warn(_("paused since {when}: {what}").format(
            when=show.local(stop.at, app.zone),
            what=f"{pausing.name_of(stop.scope)} {said.get(stop.reason, stop.reason)}".strip(),
        ))  # fmt: skip
        show.note("  " + _("help: {hint}").format(hint=pausing.resume_command(stop.scope)))
    stopped = {stop.reason for stop in state.pauses}
    for alert in state.alerts:
        if alert.message not in stopped:
            show.warn(_("since {when}: {what}").format(
                when=show.local(alert.first_at, app.zone), what=say(alert.message)))  # fmt: skip
        if alert.hint:
            show.note("  " + _("help: {hint}").format(hint=say(alert.hint)))


def _people(number: int, without: int) -> str:
    if not without:
        return f"{number:,}"
    return _("{number}, {without} without a mail address").format(
        number=f"{number:,}", without=f"{without:,}"
    )
