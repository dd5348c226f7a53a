"""Commands of the outbox: every planned mail, its fate, and the switches over it."""

from __future__ import annotations

import sys
import time
from datetime import date, datetime, tzinfo
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import click

from crm_mailer.cli import Doors, outbox_page, pass_app, progress, show
from crm_mailer.cli.asking import confirm
from crm_mailer.cli.options import (
    Command,
    Day,
    Group,
    Number,
    as_json_option,
    by_option,
    number_argument,
)
from crm_mailer.cli.outbox_alerts import alerts
from crm_mailer.cli.outbox_webhooks import webhooks
from crm_mailer.i18n import _, n_
from crm_mailer.model.address import OTHER, PROVIDERS
from crm_mailer.model.touch import TouchState

if TYPE_CHECKING:
    from crm_mailer.app import App

campaign_option = click.option("--campaign", help=_("Only the mails of this campaign."))
customer_option = click.option(
    "--customer", help=_("Only to this one: an address, a number, a name on a platform.")
)


@click.group(cls=Group)
def outbox() -> None:
    """The outbox: every planned mail and its fate."""


outbox.add_command(alerts)
outbox.add_command(webhooks)


@outbox.command("list")
@click.option(
    "--state",
    "states",
    multiple=True,
    type=click.Choice([state.value for state in TouchState]),
    help=_("Only mails in this state; may be given more than once."),
)
@campaign_option
@click.option(
    "--provider",
    type=click.Choice([*PROVIDERS, OTHER]),
    help=_("Only to mailboxes of this provider group."),
)
@customer_option
@click.option(
    "--since",
    type=Day(),
    metavar="DATE",
    help=_("Only settled, or else planned for, on this day or later."),
)
@click.option("--limit", default=50, type=click.IntRange(1, 100_000), show_default=True)
@as_json_option
@pass_app
def list_(
    app: App,
    states: tuple[str, ...],
    campaign: str | None,
    provider: str | None,
    customer: str | None,
    since: date | None,
    limit: int,
    as_json: bool,
) -> None:
    """List mails, the newest first."""
    from crm_mailer.app import outbox as verbs

    which = verbs.wanted(
        app,
        states=[TouchState(state) for state in states],
        campaign=campaign,
        provider=provider,
        customer=customer,
        since=_midnight(since, app.zone),
    )
    lines = verbs.list_(app, which, limit=limit)
    if as_json:
        show.json_(lines)
    else:
        is_narrowed = bool(states or campaign or provider or customer or since)
        outbox_page.lines(app, lines, is_narrowed=is_narrowed)


@outbox.command("show")
@number_argument
@click.option("--eml", "--source", "is_eml", is_flag=True, help=_("Its exact bytes."))
@click.option("--recipe", "is_recipe", is_flag=True, help=_("What it was made from."))
@as_json_option
@pass_app
def show_(app: App, number: int, is_eml: bool, is_recipe: bool, as_json: bool) -> None:
    """Show the record of mail NUMBER: when, to whom, what the server said.

    With --eml its bytes: those of order mails are kept, a marketing mail is made again where that
    gives the same.
    """
    from crm_mailer.app import outbox as verbs
    from crm_mailer.app import recipes

    if is_eml:
        sys.stdout.buffer.write(recipes.content(app, number))
    elif is_recipe:
        made = recipes.recipe(app, number)
        if as_json:
            show.json_(made)
        else:
            outbox_page.recipe(app, made)
    else:
        record = verbs.show(app, number)
        if as_json:
            show.json_(record)
        else:
            outbox_page.record(app, record)


@outbox.command()
@as_json_option
@pass_app
def audit(app: App, as_json: bool) -> None:
    """Count every planned mail and check that the ledger adds up."""
    from crm_mailer.app import outbox as verbs

    found = verbs.audit(app)
    if as_json:
        show.json_(found)
    else:
        outbox_page.audit(found)
    if not found.is_sound:
        raise click.exceptions.Exit(1)


@outbox.command()
@click.argument("campaign", required=False)
@customer_option
@click.option("--number", type=Number(), help=_("Only this mail."))
@click.option("--yes", is_flag=True, help=_("Do not ask."))
@pass_app
def cancel(
    app: App, campaign: str | None, customer: str | None, number: int | None, yes: bool
) -> None:
    """End what has not left of CAMPAIGN, to a customer, or one mail."""
    from crm_mailer.app import outbox as verbs

    which = verbs.wanted(app, campaign=campaign, customer=customer, number=number)
    found = verbs.count_open(app, which)
    if not found:
        show.note(_("nothing to end: none of these mails waits to leave"))
        return
    if not yes:
        confirm(n_("End 1 mail that has not left?",
                   "End {number} mails that have not left?", found))  # fmt: skip
    outbox_page.cancelled(verbs.cancel(app, which), campaign)


@outbox.command()
@click.argument("campaign", required=False)
@click.option("--refused", is_flag=True, help=_("Also mails refused for a fault of ours."))
@pass_app
def retry(app: App, campaign: str | None, refused: bool) -> None:
    """Make deferred mails, and mails whose template was mended, due at once."""
    from crm_mailer.app import outbox as verbs

    number = verbs.retry(app, campaign=campaign, is_refused_too=refused)
    if number:
        mails = n_("1 mail is due now", "{number} mails are due now", number)
        show.good(_("{mails}: `crm-mailer send`").format(mails=mails))
    else:
        show.note(_("no mail waits for another try"))


@outbox.command()
@click.option("--once", is_flag=True, help=_("Look once and end."))
@as_json_option
@pass_app
def watch(app: App, once: bool, as_json: bool) -> None:
    """Watch what any process sends: the last minute, what is due, how long it will take."""
    if as_json:
        show.json_(_pulse(app))
    elif once:
        show.out().print(progress.panel(_pulse(app)))
    else:
        with progress.Panel() as panel, progress.stopped_by_keys():
            while True:
                began = time.monotonic()
                panel.show(_pulse(app))
                # a large outbox takes a while to count: look less often then
                time.sleep(max(1.0, 5 * (time.monotonic() - began)))


def _pulse(app: App) -> progress.View:
    from crm_mailer.app import delivering, pausing
    from crm_mailer.app import outbox as verbs

    stops = [one.scope for one in pausing.list_pauses(app)]
    return progress.of_pulse(verbs.pulse(app), delivering.held_back(app), stops)


@outbox.group(cls=Group, invoke_without_command=True)
@campaign_option
@click.option("--limit", default=50, type=click.IntRange(1, 100_000), show_default=True)
@click.option(
    "--postfix-log",
    "logs",
    multiple=True,
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help=_("Settle them by the log of the relay; files rotated away from it are read too."),
)
@click.option(
    "--log-zone",
    metavar="ZONE",
    help=_("Where the relay's clock hangs, such as Asia/Shanghai; else as here."),
)
@as_json_option
@click.pass_context
def doubt(
    ctx: click.Context,
    campaign: str | None,
    limit: int,
    logs: tuple[Path, ...],
    log_zone: str | None,
    as_json: bool,
) -> None:
    """List mails in doubt: they may have arrived, and nobody knows yet."""
    if ctx.invoked_subcommand is not None:
        return
    from crm_mailer.app import doubts

    app = ctx.ensure_object(Doors).open()
    found: Any
    if logs:
        found = doubts.read_log(app, logs, zone=_zone(log_zone), campaign=campaign)
        page: Any = outbox_page.log
    else:
        found = doubts.in_doubt(app, campaign=campaign, limit=limit)
        page = outbox_page.doubts
    if as_json:
        show.json_(found)
    else:
        page(app, found)


@doubt.command(cls=Command)
@click.argument("number", type=Number(), required=False)
@click.option("--sent/--not-sent", "is_sent", default=None, help=_("What is known of it."))
@click.option("--all", "is_all", is_flag=True, help=_("All that are in doubt of --campaign."))
@click.option("--campaign", help=_("With --all: whose mails."))
@click.option("--yes", is_flag=True, help=_("Do not ask."))
@by_option
@pass_app
def resolve(
    app: App,
    number: int | None,
    is_sent: bool | None,
    is_all: bool,
    campaign: str | None,
    yes: bool,
    by: str,
) -> None:
    """Settle mail NUMBER, because you know whether it was sent.

    What was not sent leaves at once. If it had arrived after all, it arrives twice.
    """
    from crm_mailer.app import doubts

    if is_sent is None:
        raise click.UsageError(_("say --sent or --not-sent"))
    if (number is None) == (not is_all) or is_all != (campaign is not None):
        raise click.UsageError(_("name one mail, or use --all together with --campaign"))
    if not is_sent and not yes:
        _ask(app, number, campaign)
    if number is not None:
        doubts.resolve(app, number, is_sent=is_sent, by=by)
        settled = 1
    else:
        settled = doubts.resolve_all(app, campaign=campaign or "", is_sent=is_sent, by=by)
    mails = n_("1 mail", "{number} mails", settled)
    if is_sent:
        show.good(_("{mails} settled: sent").format(mails=mails))
    else:
        show.good(_("{mails} settled: not sent, due at once").format(mails=mails))


def _ask(app: App, number: int | None, campaign: str | None) -> None:
    """Sending again what may have arrived is nothing to be done in passing."""
    from crm_mailer.app import doubts

    found = doubts.in_doubt(app, campaign=campaign, limit=100_000) if number is None else None
    mails = n_("1 mail", "{number} mails", 1 if found is None else found.total)
    show.warn(
        _("{mails} will be sent again. Whoever has the first one gets it twice, which costs trust "
          "and brings spam reports; marketing mail in doubt is better left alone.").format(
            mails=mails)
    )  # fmt: skip
    confirm(_("Send again?"))


def _midnight(day: date | None, place: ZoneInfo) -> datetime | None:
    return None if day is None else datetime(day.year, day.month, day.day, tzinfo=place)


def _zone(name: str | None) -> tzinfo | None:
    if name is None:
        return None
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        raise click.UsageError(
            _("`{name}` is no time zone such as Asia/Shanghai").format(name=name)
        ) from None
