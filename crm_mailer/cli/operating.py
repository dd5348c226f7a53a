"""Commands of the operator: run, status."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from crm_mailer.cli import fleet_page, pass_app, pausing, progress, show
from crm_mailer.cli.options import Command, as_json_option
from crm_mailer.i18n import _, joined, say
from crm_mailer.model import duty
from crm_mailer.model.duty import Duty

if TYPE_CHECKING:
    from crm_mailer.app import App
    from crm_mailer.app.operating import Status


class _Roles(click.ParamType["frozenset[Duty]"]):
    """A list of roles such as `plan,send`."""

    name = "roles"

    def convert(self, value: Any, param: Any, ctx: Any) -> frozenset[Duty]:
        """The roles, or a usage error."""
        try:
            return value if isinstance(value, frozenset) else duty.parse(value)
        except ValueError as error:
            known = duty.spelled(list(Duty))
            if not str(error):
                self.fail(_("no role is named; there are: {known}").format(known=known), param, ctx)
            self.fail(_("`{word}` is no role; there are: {known}").format(
                word=error, known=known), param, ctx)  # fmt: skip


@click.command(cls=Command)
@click.option("--roles", type=_Roles(), metavar="ROLES",
              help=_("What this daemon does, such as plan,listen or send,web; all but web "
                     "unless said."))  # fmt: skip
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
    roles: frozenset[Duty] | None,
    studio: bool,
    studio_host: str,
    studio_port: int | None,
    public: bool,
    public_port: int | None,
    metrics_port: int | None,
    metrics_host: str,
) -> None:
    """Run the daemon: plan, send, listen and learn until stopped.

    Several hosts may share a PostgreSQL database and its roles: plan (segments, plans, webhooks to
    other programs), send, listen (mailboxes, webhooks from others, cases), web (studio and public
    pages, or the one that is named).
    """
    from crm_mailer.cli.beside import Beside
    from crm_mailer.daemon import Daemon

    app.set_up_logs()
    has_studio = studio or studio_port is not None
    has_public = public or public_port is not None
    given = frozenset(duty.NEEDED if roles is None else roles)
    if has_studio or has_public:
        given |= {Duty.WEB}
    elif Duty.WEB in given:
        has_studio = has_public = True
    with Beside(app) as beside:
        if has_studio:
            beside.open_studio(studio_host, studio_port)
        if has_public:
            beside.open_public_pages(public_port)
        if metrics_port is not None:
            beside.open_metrics(metrics_host, metrics_port)
        Daemon(app, roles=given).run()


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


def _show_status(app: App, state: Status) -> None:
    figures = state.figures
    touches = figures.touches
    show.facts([
        (_("shop"), f"{app.definitions.shop.name}  ({state.home})"),
        (_("now"), show.local(state.now, app.zone)),
        (_("database"), state.database),
        (_("sending"), _("REFUSED: {why}").format(why=say(state.restored)) if state.restored
         else _("PAUSED: `crm-mailer resume` goes on") if state.is_paused
         else state.mail_server or _("sandbox")),
        (_("sending rests"), say(state.resting)),
        (_("mailbox"), state.mailbox or _("not configured")),
        *_mailbox_facts(app, state),
        (_("daemon"), say(state.daemon) or _("not running")),
        (_("campaigns"), _("{live} live of {all}").format(
            live=state.campaigns_live, all=state.campaigns)),
        (_("problems in files"), state.problems or ""),
        (_("customers"), _people(figures.customers, figures.customers_without_address)),
        (_("orders"), _people(figures.orders, figures.orders_without_address)),
        (_("mails"), joined(f"{show.word(one)} {touches[one]:,}" for one in sorted(touches))),
        (_("in doubt, probably sent"), state.probably_sent or ""),
        (_("due now"), figures.due),
        (_("warming up"), joined(map(progress.warming, state.held_back), "; ")),
        *fleet_page.lag(app, state),
        (_("replies from people"), figures.replies),
        (_("unreadable mails"), figures.inbound_quarantined or ""),
        (_("open cases"), _("{open}, {overdue} overdue").format(
            open=figures.cases_open, overdue=figures.cases_overdue)),
        (_("suppressed addresses"), figures.suppressions),
        (_("last purge"), _last_purge(app)),
    ])  # fmt: skip
    fleet_page.tables(app, state)
    _show_troubles(app, state)
    fleet_page.warnings(state)
    if state.marks:
        show.warn(say(state.marks))
    if state.next_step:
        show.note(_("Next: {command}").format(command=_(state.next_step)))


def _last_purge(app: App) -> str:
    from crm_mailer.app import retention

    done = retention.last(app)
    return "" if done is None else _("{moment}, {rows} rows").format(
        moment=show.local(done.at, app.zone), rows=f"{done.rows:,}")  # fmt: skip


def _mailbox_facts(app: App, state: Status) -> list[tuple[str, object]]:
    """How each mailbox is; named where there are several."""
    facts: list[tuple[str, object]] = []
    for box in state.mailboxes:
        name = f" {box.name}" if len(state.mailboxes) > 1 else ""
        facts += [
            (_("mailbox trouble") + name, say(box.trouble)),
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
            # what a breaker says names it already
            what=said.get(stop.reason)
            or f"{pausing.name_of(stop.scope)} {stop.reason}".strip(),
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
