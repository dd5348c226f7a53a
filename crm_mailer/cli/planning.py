"""Commands of marketers: check, plan, apply, curve, campaign."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING

import click

from crm_mailer.cli import pass_app, plan_page, show
from crm_mailer.cli.options import Command, Day, Group, as_json_option
from crm_mailer.i18n import _, n_

if TYPE_CHECKING:
    from crm_mailer.app import App

#: `plan --exit-code`: there are mails to plan.
WORK_TO_DO = 10
#: `check`: there are errors.
CHECK_FAILED = 1


@click.command(cls=Command)
@as_json_option
@click.option("--explain", "code", metavar="CODE", help=_("Say more about a code such as CRM113."))
@pass_app
def check(app: App, as_json: bool, code: str | None) -> None:
    """Check campaigns, segments, curves, shop and templates."""
    from crm_mailer.app import planning

    if code:
        show.raw(planning.explain(code))
        return
    report = planning.check(app)
    if as_json:
        show.json_([problem.as_json() for problem in report.problems])
    else:
        plan_page.check(report)
    if report.errors:
        raise click.exceptions.Exit(CHECK_FAILED)


@click.command(cls=Command)
@click.argument("campaigns", nargs=-1, metavar="[CAMPAIGN]...")
@click.option("--on", type=Day(), metavar="DATE", help=_("Look as if it were this day."))
@as_json_option
@click.option("--exit-code", is_flag=True, help=_("Leave with 10 when there are mails to plan."))
@pass_app
def plan(
    app: App, campaigns: tuple[str, ...], on: date | None, as_json: bool, exit_code: bool
) -> None:
    """Show who would get what and when, and who not and why. Writes nothing."""
    from crm_mailer.app import planning

    report = planning.plan(app, campaigns, on=on)
    if as_json:
        show.json_(report)
    else:
        plan_page.plan(app, report, is_detailed=bool(campaigns))
    if exit_code and report.planned:
        raise click.exceptions.Exit(WORK_TO_DO)


@click.command(cls=Command)
@click.argument("campaigns", nargs=-1, metavar="[CAMPAIGN]...")
@as_json_option
@pass_app
def apply(app: App, campaigns: tuple[str, ...], as_json: bool) -> None:
    """Plan and save: the daemon does the same every minute."""
    from crm_mailer.app import planning

    report = planning.apply(app, campaigns, is_by_hand=True)
    if as_json:
        show.json_(report)
    else:
        plan_page.applied(app, report)


@click.group(cls=Group)
def curve() -> None:
    """Memory curves: when to come back after an event."""


@curve.command("list")
@as_json_option
@pass_app
def curve_list(app: App, as_json: bool) -> None:
    """List the curves of curves.yaml."""
    from crm_mailer.app import planning

    found = planning.curves(app)
    if as_json:
        show.json_(found)
    else:
        plan_page.curves(found)


@curve.command("show")
@click.argument("name")
@click.option("--anchor", type=Day(), metavar="DATE", help=_("The day of the event; else now."))
@as_json_option
@pass_app
def curve_show(app: App, name: str, anchor: date | None, as_json: bool) -> None:
    """Show the dates of the curve NAME after an event."""
    from crm_mailer.app import planning

    view = planning.curve_view(app, name, anchor=anchor)
    if as_json:
        show.json_(view)
    else:
        plan_page.curve(app, view)


@click.group(cls=Group)
def campaign() -> None:
    """Campaigns: what is defined, and how far each has come."""


@campaign.command("list")
@as_json_option
@pass_app
def campaign_list(app: App, as_json: bool) -> None:
    """List the campaigns with their mode and numbers."""
    from crm_mailer.app import planning

    lines = planning.campaign_list(app)
    if as_json:
        show.json_(lines)
    else:
        plan_page.campaigns(lines)
        plan_page.left_out(app)


@campaign.command("show")
@click.argument("name", metavar="CAMPAIGN")
@as_json_option
@pass_app
def campaign_show(app: App, name: str, as_json: bool) -> None:
    """Show one campaign: steps, exits, numbers, and who was left out and why."""
    from crm_mailer.app import planning

    view = planning.campaign_view(app, name)
    if as_json:
        show.json_(view)
    else:
        plan_page.campaign(view)


@campaign.command()
@click.argument("name", metavar="CAMPAIGN")
@pass_app
def release(app: App, name: str) -> None:
    """Let the held mails of a campaign in manual mode go."""
    from crm_mailer.app import outbox

    number = outbox.release(app, name)
    show.good(_("{mails} of {name} may leave when due").format(
        mails=n_("1 mail", "{number} mails", number), name=name))  # fmt: skip
