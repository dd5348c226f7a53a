"""The command about consent: whether the shop may write to a customer, and what they said."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

import click

from crm_mailer.cli import pass_app, show
from crm_mailer.cli.options import Command, as_json_option, by_option
from crm_mailer.i18n import _, say

if TYPE_CHECKING:
    from crm_mailer.app import App

_DAY = click.DateTime(["%Y-%m-%d"])


@click.command("consent", cls=Command)
@click.argument("who", metavar="CUSTOMER")
@click.option("--yes/--no", "is_yes", default=None, help=_("What the customer said."))
@click.option("--proof", default="", help=_("Where it can be seen, such as a form or a letter."))
@click.option("--on", type=_DAY, help=_("The day on which it was said; else today."))
@click.option("--until", type=_DAY, help=_("The last day of a yes that ends."))
@click.option("--text", default="", help=_("Which version of your words was agreed to."))
@by_option
@as_json_option
@pass_app
def consent(
    app: App,
    who: str,
    is_yes: bool | None,
    proof: str,
    on: datetime | None,
    until: datetime | None,
    text: str,
    by: str,
    as_json: bool,
) -> None:
    """Say whether the law lets us write to CUSTOMER; --yes or --no writes down what they said."""
    from crm_mailer.app import consents

    if is_yes is None:
        found = consents.told(app, who)
    else:
        found = consents.note(
            app,
            who,
            is_yes=is_yes,
            proof=proof,
            on=on.date() if on else None,
            until=until.date() if until else None,
            text_version=text,
            by=by,
        )
    if as_json:
        show.json_(found)
        return
    for one in found:
        show.line(say(one))
