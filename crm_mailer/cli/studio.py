"""The commands of the studio: open it, its users, its log."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from crm_mailer.cli import Doors, pass_app, show
from crm_mailer.cli.options import Command, Group, as_json_option, by_option
from crm_mailer.i18n import _, n_, say
from crm_mailer.model.errors import NotPossible
from crm_mailer.model.sentence import Sentence
from crm_mailer.model.staff import Noted, Role, check_password, plain_name

if TYPE_CHECKING:
    from crm_mailer.app import App

role_option = click.option(
    "--role", required=True, type=click.Choice([role.value for role in Role]),
    help=_("What they may do; each may all that those before it may."),
)  # fmt: skip
file_option = click.option(
    "--password-file", type=click.Path(path_type=Path, dir_okay=False),
    help=_("For scripts: a file whose first line is the password."),
)  # fmt: skip


@click.group(cls=Group, invoke_without_command=True)
@click.option("--port", type=click.IntRange(0, 65_535), help=_("Another port than 8025."))
@click.option("--host", default="127.0.0.1", show_default=True,
              help=_("The address to listen on; any but this machine's needs users."))  # fmt: skip
@click.pass_context
def studio(ctx: click.Context, port: int | None, host: str) -> None:
    """Open the studio in a browser: campaigns, customers, replies, cases, the outbox."""
    if ctx.invoked_subcommand is None:
        open_(ctx.ensure_object(Doors).open(), host, port)


def open_(app: App, host: str, port: int | None) -> None:
    """Serve the studio until Ctrl-C.

    Raises:
        SettingsError: other machines could reach it, and nobody has a password.
        CannotWrite: the port is taken.
    """
    from crm_mailer.app import serving as places
    from crm_mailer.app import staff
    from crm_mailer.settings.values import is_loopback
    from crm_mailer.studio import server
    from crm_mailer.web import serving

    app.set_up_logs()
    places.check_host(app, host)
    door = serving.open_port(port, usual=server.USUAL_PORT, host=host)
    show.good(_("The studio is at {address}").format(address=serving.address_of(door)))
    if not is_loopback(host) and not app.settings.studio.https:
        show.warn(_("Passwords travel in the clear: put a proxy with https before it."))
    elif not staff.has_users(app):
        show.note(_("It is for this machine only. Ctrl-C ends it."))
    server.serve(app, door)


# ------------------------------------------------------------------ users


@studio.group(cls=Group)
def user() -> None:
    """Who may log in to the studio."""


@user.command()
@click.argument("name")
@role_option
@file_option
@by_option
@pass_app
def add(app: App, name: str, role: str, password_file: Path | None, by: str) -> None:
    """Let NAME log in; asks for a password twice."""
    from crm_mailer.app import staff
    from crm_mailer.app.clocks import SystemClock

    password = _password(plain_name(name), password_file)
    made = staff.add(app, name, Role(role), password, by=by, now=SystemClock().now())
    show.good(_("{name} may log in now").format(name=made.name))


@user.command("list")
@as_json_option
@pass_app
def list_(app: App, as_json: bool) -> None:
    """List who may log in."""
    from crm_mailer.app import staff

    found = staff.users(app)
    if as_json:
        show.json_(found)
        return
    show.table(
        [_("name"), _("their role"), _("last login"), _("password of")],
        [(one.name, show.word(one.role), show.local(one.seen_at, app.zone),
          show.local(one.password_at, app.zone)) for one in found],
        empty=_("nobody has a password: the studio is for this machine only"),
    )  # fmt: skip


@user.command()
@click.argument("name")
@by_option
@pass_app
def remove(app: App, name: str, by: str) -> None:
    """Let NAME in no more; open browsers are logged out."""
    from crm_mailer.app import staff
    from crm_mailer.app.clocks import SystemClock

    staff.remove(app, name, by=by, now=SystemClock().now())
    show.good(_("{name} may not log in any more").format(name=name))


@user.command()
@click.argument("name")
@role_option
@by_option
@pass_app
def role(app: App, name: str, role: str, by: str) -> None:
    """Give NAME another role, from the next page on."""
    from crm_mailer.app import staff
    from crm_mailer.app.clocks import SystemClock

    changed = staff.change_role(app, name, Role(role), by=by, now=SystemClock().now())
    show.good(_("{name} is {role} now").format(name=changed.name, role=show.word(changed.role)))


@user.command()
@click.argument("name")
@file_option
@by_option
@pass_app
def password(app: App, name: str, password_file: Path | None, by: str) -> None:
    """Give NAME another password; open browsers are logged out."""
    from crm_mailer.app import staff
    from crm_mailer.app.clocks import SystemClock

    new = _password(plain_name(name), password_file)
    ended = staff.change_password(app, name, new, by=by, now=SystemClock().now())
    sessions = n_("1 session has ended", "{number} sessions have ended", ended)
    show.good(_("{name} has a new password; {sessions}").format(name=name, sessions=sessions))


@studio.command(cls=Command)
@click.option("--what", type=click.Choice([one.value for one in Noted]), help=_("Only this kind."))
@click.option("--who", default="", help=_("Only by this user."))
@click.option("--limit", default=50, type=click.IntRange(1, 100_000), show_default=True)
@as_json_option
@pass_app
def audit(app: App, what: str | None, who: str, limit: int, as_json: bool) -> None:
    """Show who did what in the studio, the last first."""
    from crm_mailer.app import staff

    found = staff.log(app, what=what or "", who=who, limit=limit)
    if as_json:
        show.json_(found)
        return
    show.table(
        [_("when"), _("who"), _("what"), _("where"), _("it said"), _("from")],
        [(show.local(one.at, app.zone), one.who, show.word(one.what), one.path, say(one.said),
          one.address) for one in found],
        empty=_("nothing is written down yet"),
    )  # fmt: skip


def _password(name: str, path: Path | None) -> str:
    """The password, from a file or asked for twice; checked before it is asked for again."""
    if path is not None:
        try:
            found = path.read_text(encoding="utf-8").partition("\n")[0].rstrip("\r")
        except (OSError, UnicodeDecodeError) as error:
            raise NotPossible(
                Sentence("{path} cannot be read: {error}", path=path, error=error)
            ) from error
        check_password(name, found)
        return found
    first = _asked(_("Password"))
    check_password(name, first)
    if _asked(_("The same again")) != first:
        raise NotPossible("the two passwords differ", hint="nothing has changed; try again")
    return first


def _asked(for_what: str) -> str:
    """What is typed, unseen.

    Raises:
        NotPossible: nobody types: no terminal, the end of the input, or Ctrl-C.
    """
    try:
        return str(click.prompt(for_what, hide_input=True))
    except click.Abort as error:
        raise NotPossible(
            "no password was typed", hint="--password-file FILE has it on its first line"
        ) from error
