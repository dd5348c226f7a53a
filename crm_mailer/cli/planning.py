"""Commands of marketers: plan, apply, simulate, campaign."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import click

from crm_mailer.cli import pass_app, plan_page, show, when
from crm_mailer.cli.options import Command, Day, Group, as_json_option
from crm_mailer.i18n import _, n_
from crm_mailer.model.campaign import Mode
from crm_mailer.model.errors import NotPossible

if TYPE_CHECKING:
    from crm_mailer.app import App

#: `plan --exit-code`: there are mails to plan.
WORK_TO_DO = 10
#: Before more mails than this are planned by hand, a person types their number.
ASK_ABOVE = 500
#: How far `simulate` goes where nothing is said.
A_MONTH = timedelta(days=30)


@click.command(cls=Command)
@click.argument("campaigns", nargs=-1, metavar="[CAMPAIGN]...")
@click.option("--on", type=Day(), metavar="DATE", help=_("Look as if it were this day."))
@click.option(
    "--save",
    metavar="FILE",
    type=click.Path(path_type=Path, dir_okay=False),
    help=_("Keep the plan in a file that `apply FILE` carries out."),
)
@click.option(
    "--diff",
    metavar="FILE",
    type=click.Path(path_type=Path, exists=True),
    help=_("Show what an edited campaign file would change."),
)
@as_json_option
@click.option("--exit-code", is_flag=True, help=_("Leave with 10 when there are mails to plan."))
@pass_app
def plan(
    app: App,
    campaigns: tuple[str, ...],
    on: date | None,
    save: Path | None,
    diff: Path | None,
    as_json: bool,
    exit_code: bool,
) -> None:
    """Show who would get what and when, and who not and why. Writes nothing."""
    from crm_mailer.app import planning, plans

    if diff is not None:
        _show_diff(app, diff, as_json=as_json)
        return
    report = planning.plan(app, campaigns, on=on)
    saved = plans.save(app, campaigns, save) if save is not None else None
    if as_json:
        show.json_(report)
    else:
        plan_page.plan(app, report, is_detailed=bool(campaigns))
    if saved is not None and saved.planned:
        show.good(
            _("saved: `crm-mailer apply {file}` does it, if nothing has changed").format(file=save)
        )
    elif saved is not None:
        show.good(
            _("saved in {file}; no mail is planned: there is nothing to do").format(file=save)
        )
    if exit_code and report.planned:
        raise click.exceptions.Exit(WORK_TO_DO)  # fmt: skip


def _show_diff(app: App, path: Path, *, as_json: bool) -> None:
    from crm_mailer.app import plan_diffs
    from crm_mailer.cli import campaign_page

    found = plan_diffs.diff(app, path)
    if as_json:
        show.json_(found)
    else:
        campaign_page.difference(found)


@click.command(cls=Command)
@click.argument("campaigns", nargs=-1, metavar="[CAMPAIGN]... | FILE")
@click.option("--yes", is_flag=True, help=_("Do not ask, however many mails there are."))
@click.option(
    "--ask-above",
    type=click.IntRange(0),
    default=ASK_ABOVE,
    show_default=True,
    help=_("Ask before more mails than this are planned."),
)
@as_json_option
@pass_app
def apply(app: App, campaigns: tuple[str, ...], yes: bool, ask_above: int, as_json: bool) -> None:
    """Plan and save: the daemon does the same every minute.

    With the FILE of a saved plan it does exactly that, or says what has changed since.
    """
    from crm_mailer.app import planning, plans

    saved = _saved_plan(campaigns)
    if not yes:
        _confirm(_number(app, campaigns, saved), ask_above)
    done = plans.apply_saved(app, saved) if saved is not None else None
    report = done.report if done else planning.apply(app, campaigns, is_by_hand=True)
    if as_json:
        show.json_(report)
    else:
        before = done.before if done else {}
        plan_page.applied(app, report, before, is_detailed=bool(campaigns))


def _saved_plan(campaigns: tuple[str, ...]) -> Path | None:
    """The file that is meant; campaigns have ids without a dot or a slash."""
    names = [name for name in campaigns if "." in name or "/" in name]
    if names and len(campaigns) > 1:
        raise click.UsageError(_("name one file of a saved plan, or campaigns"))
    return Path(names[0]) if names else None


def _number(app: App, campaigns: tuple[str, ...], saved: Path | None) -> int:
    """How many mails are about to be planned."""
    from crm_mailer.app import planning, plans

    if saved is not None:
        return sum(one.planned for one in plans.read(saved).campaigns)
    return planning.count_new(app, campaigns)


def _confirm(mails: int, ask_above: int) -> None:
    """A person types the number before so many mails are planned."""
    if mails <= ask_above:
        return
    question = _("{mails} will be planned. Type the number to go on").format(
        mails=n_("1 mail", "{number} mails", mails)
    )
    try:
        typed = click.prompt(question, default="", show_default=False, err=True)
    except click.Abort as error:
        if not isinstance(error.__context__, EOFError):
            raise  # Ctrl-C
        raise NotPossible(
            _("nobody is there to type the number of mails: nothing was planned"),
            hint=_("`--yes` does not ask; `--ask-above` sets where it begins to"),
        ) from None
    if typed.strip().replace(",", "") != str(mails):
        raise NotPossible(
            _("the number does not match: nothing was planned"),
            hint=_("`--yes` does not ask; `--ask-above` sets where it begins to"),
        )


@click.command(cls=Command)
@click.option("--from", "start", type=Day(), metavar="DATE", help=_("The first day; else today."))
@click.option("--to", "end", type=Day(), metavar="DATE", help=_("The last day; else a month on."))
@as_json_option
@pass_app
def simulate(app: App, start: date | None, end: date | None, as_json: bool) -> None:
    """Live through days to come on a copy of the database; nothing leaves."""
    from crm_mailer.app import rehearsal
    from crm_mailer.cli import campaign_page

    first = start or app.clock.now().astimezone(app.zone).date()
    done = rehearsal.simulate(app, first, end or first + A_MONTH)
    if as_json:
        show.json_(done)
    else:
        modes = {one.mode for one in app.definitions.campaigns.values()}
        campaign_page.rehearsal(done, are_all_drafts=modes == {Mode.DRAFT})


@click.group(cls=Group)
def campaign() -> None:
    """Campaigns: what is defined, and how far each has come."""


campaign.add_command(when.festivals)
campaign.add_command(when.hours)


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


@campaign.command("results")
@click.argument("name", metavar="CAMPAIGN")
@as_json_option
@pass_app
def campaign_results(app: App, name: str, as_json: bool) -> None:
    """Show orders, replies and money that followed, by arm and beside a hold-out."""
    from crm_mailer.app import planning
    from crm_mailer.cli import campaign_page

    found = planning.results(app, name)
    if as_json:
        show.json_(found)
    else:
        campaign_page.results(found)


@campaign.command()
@click.argument("name", metavar="CAMPAIGN")
@pass_app
def release(app: App, name: str) -> None:
    """Let the held mails of a campaign in manual mode go."""
    from crm_mailer.app import outbox

    found = outbox.release(app, name)
    show.good(_("{mails} of {name} may leave when due").format(
        mails=n_("1 mail", "{number} mails", found.mails), name=name))  # fmt: skip
    if found.unallowed:
        mails = n_("1 mail", "{number} mails", found.unallowed)
        show.warn(_("{mails} go once their benefit is allowed").format(mails=mails))
        show.note(_("`crm-mailer benefit show {benefit}` tells who waits; approve or deny").format(
            benefit=next(iter(found.benefits), "ID")))  # fmt: skip
