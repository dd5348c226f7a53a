"""A rule in words for one customer, as several commands show it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.text import Text

from crm_mailer.cli import show
from crm_mailer.i18n import _

if TYPE_CHECKING:
    from crm_mailer.app import App
    from crm_mailer.app.segmenting import Explanation


def show_explanation(app: App, found: Explanation) -> None:
    """Each part of a rule with a tick or a cross, and what is known of the customer."""
    verdict = (
        _("{customer} is in {segment}") if found.holds else _("{customer} is not in {segment}")
    )
    show.heading(verdict.format(customer=found.customer, segment=found.segment))
    for finding in found.findings:
        mark = ("✓ ", "green") if finding.holds else ("✗ ", "red")
        known = f"   ({_('known')}: {show.clean(finding.known)})" if finding.known else ""
        show.out().print(
            Text.assemble("  " * finding.depth, mark, show.clean(finding.text), (known, "dim"))
        )
    if found.since is not None:
        show.note(_("since {moment}").format(moment=show.local(found.since, app.zone)))
    elif found.holds:
        show.note(_("comes in at the next `crm-mailer segment run`"))
