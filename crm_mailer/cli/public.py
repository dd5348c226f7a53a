"""The command that serves the public pages."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from crm_mailer.cli import pass_app, show
from crm_mailer.cli.options import Command
from crm_mailer.i18n import _

if TYPE_CHECKING:
    from crm_mailer.app import App


@click.command(cls=Command)
@click.option("--host", default="127.0.0.1", metavar="ADDRESS", show_default=True,
              help=_("The address to listen on; a proxy here needs no other."))  # fmt: skip
@click.option("--port", type=click.IntRange(0, 65_535), help=_("Another port than 8027."))
@click.option("--grants", metavar="ROLE",
              help=_("Print what a role of PostgreSQL must be allowed, and end."))  # fmt: skip
@pass_app
def public(app: App, host: str, port: int | None, grants: str | None) -> None:
    """Serve the public pages: unsubscribe, preferences, web versions, links, webhooks."""
    from crm_mailer.app import public_door

    if grants is not None:
        click.echo("\n".join(public_door.grants(grants)))
        return
    from crm_mailer.public import server
    from crm_mailer.web import serving

    app.set_up_logs()
    with app.store.read():
        pass  # who cannot use the database learns it now, not with the first visitor
    name = app.shop.name  # nor do they meet the pages of a shop whose file is wrong
    door = serving.open_port(port, usual=server.USUAL_PORT, host=host)
    show.good(_("The public pages of {shop} are at {address}").format(
        shop=name, address=serving.address_of(door)))  # fmt: skip
    _tell_public_url(app)
    server.serve(app, door)


def _tell_public_url(app: App) -> None:
    public_url = app.shop_or_default.public_url
    if public_url.startswith("https://"):
        show.note(_("Links in mails lead to {url}: a proxy must send that here").format(
            url=public_url))  # fmt: skip
    else:
        show.warn(_("No mail leads here yet: set `public_url` (https) in shop.yaml"))
