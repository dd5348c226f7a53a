"""Commands of the blacklist: customer flag add, list, remove."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from crm_mailer.cli import pass_app, show
from crm_mailer.cli.options import Group, Number, as_json_option, by_option
from crm_mailer.i18n import _, joined
from crm_mailer.model.flag import FlagKind

if TYPE_CHECKING:
    from crm_mailer.app import App
    from crm_mailer.store.flags import ListedFlag

_who = click.argument("who", metavar="CUSTOMER")


@click.group(cls=Group)
def flag() -> None:
    """The blacklist: buyers to beware of, with reason and evidence."""


@flag.command()
@_who
@click.argument("reason")
@click.option(
    "--kind",
    type=click.Choice([kind.value for kind in FlagKind]),
    default=FlagKind.OTHER.value,
    show_default=True,
    help=_("What the buyer does."),
)
@click.option("--evidence", default="", metavar="TEXT|LINK", help=_("What shows it."))
@click.option("--case", type=Number(), help=_("The case in which it was seen."))
@by_option
@pass_app
def add(
    app: App, who: str, reason: str, kind: str, evidence: str, case: int | None, by: str
) -> None:
    """Blacklist CUSTOMER for REASON: no marketing, and agents are warned."""
    from crm_mailer.app import customers

    is_new = customers.flag(
        app, who, reason, kind=FlagKind(kind), evidence=evidence, case=case, by=by
    )
    if is_new:
        show.good(_("flagged: no more marketing mail"))
    else:
        show.note(_("this flag stands already"))


@flag.command("list")
@click.argument("who", metavar="[CUSTOMER]", default="")
@click.option("--all", "is_past", is_flag=True, help=_("Those that were taken off, too."))
@click.option(
    "--limit",
    type=click.IntRange(1, 10_000),
    default=100,
    show_default=True,
    help=_("At most so many."),
)
@as_json_option
@pass_app
def list_(app: App, who: str, is_past: bool, limit: int, as_json: bool) -> None:
    """List the blacklist, or the flags of one CUSTOMER."""
    from crm_mailer.app import customers

    found = customers.list_flags(app, who, is_past=is_past, limit=limit)
    if as_json:
        show.json_(found)
        return
    show.table(
        [
            _("customer"),
            show.when(_("since"), app.zone, app.clock.now()),
            _("kind"),
            _("reason"),
            _("evidence"),
            _("by"),
            _("taken off"),
        ],
        [_row(app, one) for one in found],
        empty=_("nobody is on the blacklist"),
    )


@flag.command()
@_who
@click.argument("why")
@by_option
@pass_app
def remove(app: App, who: str, why: str, by: str) -> None:
    """Take CUSTOMER off the blacklist; WHY is kept with the history."""
    from crm_mailer.app import customers

    customers.unflag(app, who, why, by=by)
    show.good(_("not flagged any more"))


def _row(app: App, one: ListedFlag) -> tuple[object, ...]:
    own = one.flag
    case = _("case {number}").format(number=own.case_id) if own.case_id else ""
    off = show.short(own.removed_at, app.zone)[:10]
    return (
        f"{one.customer or one.email or '-'} ({own.customer_id})",
        show.short(own.at, app.zone)[:10],
        show.word(own.kind),
        own.reason,
        joined(filter(None, (own.evidence, case))),
        own.by,
        f"{off} {own.removed_why}".strip(),
    )
