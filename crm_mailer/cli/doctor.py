"""The command that looks at everything outside the shop's files."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click

from crm_mailer.cli import pass_app, show
from crm_mailer.cli.options import Command, as_json_option
from crm_mailer.i18n import _, among, joined, say

if TYPE_CHECKING:
    from crm_mailer.app import App
    from crm_mailer.app.doctor import Finding


@click.command(cls=Command)
@click.option("--offline", is_flag=True, help=_("Ask no server and no DNS."))
@as_json_option
@pass_app
def doctor(app: App, offline: bool, as_json: bool) -> None:
    """Check the surroundings: database, disk, clock, mail servers, DNS, public address.

    Nothing is sent and nothing is changed. Ends with 1 when something is at fault.
    """
    from crm_mailer.app import doctor as verbs

    found: list[Finding] = []
    for one in verbs.examine(app, now=datetime.now(UTC), is_offline=offline):
        found.append(one)
        if not as_json:
            _show(one)
    faults = sum(one.grade is verbs.Grade.FAULT for one in found)
    if as_json:
        show.json_({"faults": faults, "findings": found})
    elif faults:
        show.error(_("{number} to be mended before mail is sent").format(number=faults))
    else:
        show.good(_("nothing stands in the way of sending"))
    sys.exit(1 if faults else 0)


def _show(one: Finding) -> None:
    name, blank, which = one.what.partition(" ")
    line = joined((f"{among('doctor', name)}{blank}{which}", one.said), ": ")
    match one.grade.value:
        case "ok":
            show.good(line)
        case "warning":
            show.warn(line)
        case "fault":
            show.error(line)
        case _:
            show.note(f"- {line}")
    if one.remedy:
        show.note("  " + _("help: {hint}").format(hint=say(one.remedy)))
