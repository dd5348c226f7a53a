"""A rule in words for one customer, as several commands show it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.text import Text

from crm_mailer.cli import show
from crm_mailer.i18n import _, say
from crm_mailer.model.sentence import NOT_KNOWN

if TYPE_CHECKING:
    from crm_mailer.app import App
    from crm_mailer.app.segmenting import Explanation
    from crm_mailer.segmenting.rules import Finding


def known_words(finding: Finding) -> str:
    """What is known of the customer that a part of a rule asks for."""
    if finding.known == NOT_KNOWN:
        return say(finding.known)
    return _("known: {value}").format(value=say(finding.known))


def show_explanation(app: App, found: Explanation) -> None:
    """Each part of a rule with a tick or a cross, and what is known of the customer."""
    verdict = (
        _("{customer} is in {segment}") if found.holds else _("{customer} is not in {segment}")
    )
    show.heading(verdict.format(customer=found.customer, segment=found.segment))
    for finding in found.findings:
        mark = ("✓ ", "green") if finding.holds else ("✗ ", "red")
        known = f"   ({show.clean(known_words(finding))})" if finding.known else ""
        show.out().print(
            Text.assemble("  " * finding.depth, mark, show.clean(say(finding.text)), (known, "dim"))
        )
    if found.since is not None:
        show.note(_("since {moment}").format(moment=show.local(found.since, app.zone)))
    elif found.holds:
        show.note(_("comes in at the next `crm-mailer segment run`"))
