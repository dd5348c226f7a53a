"""Commands about segments and scores: segment ..., rfm."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import click
from rich.text import Text

from crm_mailer.cli import pass_app, show
from crm_mailer.cli.options import Command, Group, as_json_option
from crm_mailer.i18n import _, n_

if TYPE_CHECKING:
    from crm_mailer.app import App
    from crm_mailer.app.segmenting import CustomerScore, Explanation, SegmentPage
    from crm_mailer.store.scores import Cell

#: Backgrounds of the heat map from few to many, readable in grey.
_HEAT = ("", "on grey19", "on grey30", "on grey42", "black on grey66", "black on grey85")


@click.group(cls=Group)
def segment() -> None:
    """Segments: named rules over customers."""


@segment.command("run")
@click.option("--rebuild", is_flag=True, help=_("Score every customer anew from the orders."))
@as_json_option
@pass_app
def run_(app: App, rebuild: bool, as_json: bool) -> None:
    """Bring scores, attributes and memberships up to date."""
    from crm_mailer.app import segmenting

    mended = segmenting.rebuild(app) if rebuild else 0
    report = segmenting.run(app)
    if app.definitions.errors:
        show.warn(_("some files have errors, see `crm-mailer check`; segments that cannot be "
                    "read keep their members"))  # fmt: skip
    if as_json:
        show.json_(report)
        return
    show.note(_("customers: {scored} scored, {rolled} with another R, {unscored} without a paid "
                "order any more, {described} with an address read, {classified} classified").format(
        scored=report.scored + mended, rolled=report.rolled, unscored=report.unscored,
        described=report.described, classified=report.classified))  # fmt: skip
    show.table([_("segment"), _("came in"), _("left")],
               [(one.segment, one.came_in or "", one.left or "") for one in report.changes
                if one.came_in or one.left],
               right=(1, 2), empty=_("nobody came into a segment or left one"))  # fmt: skip


@segment.command("list")
@as_json_option
@pass_app
def list_(app: App, as_json: bool) -> None:
    """List all segments with their members."""
    from crm_mailer.app import segmenting

    lines = segmenting.list_segments(app)
    if as_json:
        show.json_(lines)
        return
    show.table([_("segment"), _("members"), _("name")],
               [(one.id, f"{one.members:,}", one.name) for one in lines],
               right=(1,), empty=_("no segment: write one in campaigns/segments/"))  # fmt: skip


@segment.command("show")
@click.argument("segment_id", metavar="SEGMENT")
@click.option("--sql", is_flag=True, help=_("Only the SQL that finds its members."))
@as_json_option
@pass_app
def show_(app: App, segment_id: str, sql: bool, as_json: bool) -> None:
    """Show one segment: its rule in words and some members."""
    from crm_mailer.app import segmenting

    page = segmenting.show(app, segment_id)
    if as_json:
        show.json_(page)
    elif sql:
        show.raw(page.sql)
    else:
        _show_page(page)


@segment.command()
@click.argument("segment_id", metavar="SEGMENT")
@as_json_option
@pass_app
def count(app: App, segment_id: str, as_json: bool) -> None:
    """Count for whom the rule holds now; nothing is saved."""
    from crm_mailer.app import segmenting

    number = segmenting.count(app, segment_id)
    if as_json:
        show.json_({"segment": segment_id, "customers": number})
    else:
        show.line(f"{number:,}")


@segment.command()
@click.argument("segment_id", metavar="SEGMENT")
@click.option("--customer", "who", required=True, help=_("Mail address or number."))
@as_json_option
@pass_app
def explain(app: App, segment_id: str, who: str, as_json: bool) -> None:
    """Say why a customer is in a segment, or not."""
    from crm_mailer.app import segmenting

    found = segmenting.explain(app, segment_id, who)
    if as_json:
        show.json_(found)
    else:
        show_explanation(app, found)


@click.command(cls=Command)
@click.option("--customer", "who", help=_("One customer's marks: mail address or number."))
@as_json_option
@pass_app
def rfm(app: App, who: str | None, as_json: bool) -> None:
    """Show how recently, how often and for how much customers buy."""
    from crm_mailer.app import segmenting

    if who is not None:
        score = segmenting.customer_score(app, who)
        show.json_(score) if as_json else _show_score(score)
        return
    cells = segmenting.rfm_cells(app)
    if as_json:
        show.json_(cells)
    else:
        show_heat_map(cells)


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


def show_heat_map(cells: Sequence[Cell]) -> None:
    """Customers by R (down) and F (across): the more, the brighter."""
    by_place = {(cell.r, cell.f): cell for cell in cells}
    most = max((cell.customers for cell in cells), default=0)
    if not most:
        show.note(_("no customer has a paid order yet: import orders, then `segment run`"))
        return
    rows = [
        (f"R {r}", *(_heat(by_place.get((r, f)), most) for f in range(1, 6)), _row_sum(cells, r))
        for r in range(5, 0, -1)
    ]
    show.table([_("customers"), *(f"F {f}" for f in range(1, 6)), _("all")], rows,
               right=(1, 2, 3, 4, 5, 6),
               title=_("R: 5 bought lately, F: 5 buys often"))  # fmt: skip


def _heat(cell: Cell | None, most: int) -> Text:
    if cell is None:
        return Text("·", style="dim")
    return Text(f" {cell.customers:,} ", style=_HEAT[1 + (len(_HEAT) - 2) * cell.customers // most])


def _row_sum(cells: Sequence[Cell], r: int) -> str:
    return f"{sum(cell.customers for cell in cells if cell.r == r):,}"


def _show_score(found: CustomerScore) -> None:
    if found.score is None:
        show.line(_("{customer} has no paid order, so no score").format(customer=found.customer))
        return
    score = found.score
    show.heading(f"{found.customer}: {score.r} + {score.f} + {score.m} = {score.total}")
    for words in found.words:
        show.line(f"  {words}")
    show.line(f"  {show.word(found.rfm_segment)}, {show.word(found.value_class)}")


def _show_page(page: SegmentPage) -> None:
    show.heading(f"{page.id}: {page.name}")
    show.line(page.note)
    for depth, words in page.rule:
        show.line(f"{'  ' * (depth + 1)}{words}")
    show.line(n_("1 member", "{number} members", page.members))
    for one in page.sample:
        show.line(f"  {one.id}  {one.name}  {one.email}", style="dim")
