"""Commands that stop sending and let it go on: pause, resume."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from crm_mailer.cli import pass_app, show
from crm_mailer.cli.options import Command, as_json_option
from crm_mailer.i18n import _, n_, say

if TYPE_CHECKING:
    from crm_mailer.app import App


def _scopes(command: Any) -> Any:
    """The options that name what is meant."""
    for option in (
        click.option("--account", metavar="NAME", help=_("Only what leaves by this account.")),
        click.option(
            "--lane", metavar="LANE",
            help=_("Only mail to a provider or of a stream, such as gmail or gmail/marketing."),
        ),
        click.option("--campaign", metavar="ID", help=_("Only this campaign.")),
    ):  # fmt: skip
        command = option(command)
    return command


@click.command(cls=Command)
@_scopes
@click.option("--reason", default="", help=_("Why, for those who look at `status`."))
@click.option("--list", "is_list", is_flag=True, help=_("Show what is paused, and stop nothing."))
@as_json_option
@pass_app
def pause(
    app: App,
    campaign: str | None,
    lane: str | None,
    account: str | None,
    reason: str,
    is_list: bool,
    as_json: bool,
) -> None:
    """Stop all sending, or a part of it, until `resume`."""
    from crm_mailer.app import pausing

    if is_list:
        show_pauses(app, as_json=as_json)
        return
    done = pausing.pause(app, campaign=campaign, lane=lane, account=account, reason=reason)
    if as_json:
        show.json_(done)
        return
    what = name_of(done.scope)
    command = resume_command(done.scope)
    if done.is_new:
        show.good(words(done.scope))
    else:
        show.note(_("{what} was paused already; `{command}` goes on").format(
            what=what, command=command))  # fmt: skip
    if done.mails:
        show.note(n_("1 mail that was due waits", "{number} mails that were due wait", done.mails))


@click.command(cls=Command)
@_scopes
@as_json_option
@pass_app
def resume(
    app: App, campaign: str | None, lane: str | None, account: str | None, as_json: bool
) -> None:
    """Let what was paused go on."""
    from crm_mailer.app import pausing

    done = pausing.resume(app, campaign=campaign, lane=lane, account=account)
    if as_json:
        show.json_(done)
        return
    what = name_of(done.scope)
    if done.was_resting:
        show.good(_("{what} rested after a fault; it is tried at once").format(what=what))
    elif done.is_new:
        show.good(_("{what} goes on").format(what=what))
    else:
        show.note(_("{what} was not paused").format(what=what))
    if done.mails:
        show.note(n_("1 mail is let go", "{number} mails are let go", done.mails))
    for one in pausing.list_pauses(app):
        show.warn(_("still paused: {what}; `{command}` goes on").format(
            what=name_of(one.scope), command=resume_command(one.scope)))  # fmt: skip


def show_pauses(app: App, *, as_json: bool = False) -> None:
    """What is paused, by whom and why."""
    from crm_mailer.app import alerting, pausing

    found = pausing.list_pauses(app)
    if as_json:
        show.json_(found)
        return
    # what a breaker says is kept as an alert, which can be said in any language
    said = {str(one.message): say(one.message) for one in alerting.list_open(app)}
    by = {"person": _("a person"), "breaker": _("a breaker")}
    show.table(
        [_("paused"), _("by"), show.when(_("since"), app.zone, app.clock.now()), _("why")],
        [(name_of(one.scope), by.get(one.by, one.by), show.short(one.at, app.zone),
          said.get(one.reason, one.reason))
         for one in found],
        empty=_("nothing is paused"),
    )  # fmt: skip


def name_of(scope: str) -> str:
    """What a scope is called by people."""
    kind, _colon, name = scope.partition(":")
    names = {
        "campaign": _("campaign {name}"),
        "lane": _("lane {name}"),
        "account": _("account {name}"),
    }
    return names[kind].format(name=name) if kind in names else _("all sending")


def words(scope: str) -> str:
    """What stands still, and how it goes on, as a sentence."""
    return _("{what} is paused; `{command}` goes on").format(
        what=name_of(scope), command=resume_command(scope)
    )


def resume_command(scope: str) -> str:
    """What to type to let it go on."""
    kind, _colon, name = scope.partition(":")
    return f"crm-mailer resume --{kind} {name}" if name else "crm-mailer resume"
