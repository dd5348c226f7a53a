"""`crm-mailer outbox alerts`: what a person should look at, and who is told of it outside."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from crm_mailer.cli import pass_app, show
from crm_mailer.cli.options import Command, as_json_option
from crm_mailer.i18n import _, joined, say

if TYPE_CHECKING:
    from crm_mailer.app import App
    from crm_mailer.app.alerting import WayTold


@click.command(cls=Command)
@click.option("--try", "is_trial", is_flag=True, help=_("Tell a trial by each way of [alerts]."))
@as_json_option
@pass_app
def alerts(app: App, is_trial: bool, as_json: bool) -> None:
    """List what a person should look at; --try shows whether alerts arrive."""
    from crm_mailer.app import alerting

    if is_trial:
        _trial(alerting.try_out(app), as_json=as_json)
        return
    found = alerting.list_open(app)
    if as_json:
        show.json_(found)
        return
    show.table(
        [_("since"), _("what"), _("what to do"), _("times")],
        [
            (show.local(one.first_at, app.zone), say(one.message), say(one.hint), one.times)
            for one in found
        ],
        right=(3,),
        empty=_("nothing is open"),
    )


def _trial(done: list[WayTold], *, as_json: bool) -> None:
    if as_json:
        show.json_(done)
    for one in done if not as_json else ():
        if one.error:
            show.line("✗ " + joined((f"{show.word(one.way)} {one.place}", one.error), ": "))
        else:
            show.good(f"{show.word(one.way)} {one.place}")
    if any(one.error for one in done):
        raise SystemExit(1)
