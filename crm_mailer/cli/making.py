"""The command `new`: begins a campaign, a segment or a template."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from crm_mailer.cli import pass_app, show
from crm_mailer.cli.options import Command, Group, as_json_option
from crm_mailer.i18n import _

if TYPE_CHECKING:
    from crm_mailer.app import App
    from crm_mailer.app.making import Made

_title = click.option("--title", default="", metavar="TEXT", help=_("What people call it."))
_from = click.option("--from", "copied", default="", metavar="NAME", help=_("Begin with this one."))


@click.group(cls=Group)
def new() -> None:
    """Begin a campaign, a segment or a template; nothing that is there is touched."""


@new.command(cls=Command)
@click.argument("name")
@click.option(
    "--kind",
    type=click.Choice(["lifecycle", "edm"]),
    default="lifecycle",
    show_default=True,
    help=_("What starts it: an event, or a day for all."),
)
@_from
@click.option("--template", default="", metavar="NAME", help=_("What its first step sends."))
@_title
@as_json_option
@pass_app
def campaign(
    app: App, name: str, kind: str, copied: str, template: str, title: str, as_json: bool
) -> None:
    """Write a commented campaign file, as a draft. NAME gives its id."""
    from crm_mailer.app import making
    from crm_mailer.model.campaign import Kind

    made = making.campaign(
        app, name, title=title, kind=Kind(kind), copied=copied, template=template
    )
    _tell(app, made, as_json)


@new.command(cls=Command)
@click.argument("name")
@_from
@_title
@as_json_option
@pass_app
def segment(app: App, name: str, copied: str, title: str, as_json: bool) -> None:
    """Write a commented segment file. NAME gives its id."""
    from crm_mailer.app import making

    _tell(app, making.segment(app, name, title=title, copied=copied), as_json)


@new.command(cls=Command)
@click.argument("name", metavar="STAGE/NAME")
@click.option("--language", "languages", multiple=True, metavar="xx", help=_("May be repeated."))
@_from
@click.option("--about-order", is_flag=True, help=_("It answers an order: no unsubscribe link."))
@as_json_option
@pass_app
def template(
    app: App, name: str, languages: tuple[str, ...], copied: str, about_order: bool, as_json: bool
) -> None:
    """Write a template in each language of the shop, or in those named."""
    from crm_mailer.app import making

    made = making.template(
        app, name, languages=languages, copied=copied, is_about_order=about_order
    )
    _tell(app, made, as_json)


def _tell(app: App, made: Made, as_json: bool) -> None:
    if as_json:
        show.json_(made)
        return
    for path in made.files:
        show.good(_("written: {file}").format(file=path.relative_to(app.home)))
    show.note(_("Next: edit it, then"))
    for command in made.next:
        show.note(f"  {command}")
