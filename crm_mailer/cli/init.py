"""The command `init`: a new shop, and the program as a service of a machine."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import click

from crm_mailer.cli import show
from crm_mailer.cli.options import Command
from crm_mailer.i18n import _

if TYPE_CHECKING:
    from crm_mailer.app.system import Installed

_folder = click.Path(path_type=Path, file_okay=False)


def _completion(ctx: click.Context, _option: click.Parameter, shell: str | None) -> None:
    """Print the script and end, whatever else was said."""
    if shell and not ctx.resilient_parsing:
        from crm_mailer.cli import completion

        click.echo(completion.script(shell, ctx.find_root().command))
        ctx.exit()


@click.command(cls=Command)
@click.argument("folder", type=_folder, required=False)
@click.option("--system", is_flag=True,
              help=_("Set up a service of this machine instead: user, settings, units.")
              )  # fmt: skip
@click.option("--root", type=_folder, metavar="DIR",
              help=_("With --system: lay all of it out in DIR, to look at."))  # fmt: skip
@click.option("--completion", type=click.Choice(["bash", "zsh", "fish"]), is_eager=True,
              expose_value=False, callback=_completion,
              help=_("Print what makes this shell complete our words, and end."))  # fmt: skip
def init(folder: Path | None, system: bool, root: Path | None) -> None:
    """Make a shop in FOLDER: starter campaigns, templates and settings."""
    if system and folder is not None:
        raise click.UsageError(_("--system has a folder of its own: leave FOLDER out"))
    if root is not None and not system:
        raise click.UsageError(_("--root goes with --system"))
    if system:
        _set_up_service(root)
    elif folder is None:
        raise click.UsageError(_("where? name a folder, such as `crm-mailer init my-shop`"))
    else:
        _make_shop(folder)


def _make_shop(folder: Path) -> None:
    from crm_mailer.app import open_app, operating

    written = operating.init(folder)
    app = open_app(str(folder))
    operating.upgrade_database(app)
    app.close()
    show.good(_("{count} files written in {folder}; nothing that was there has changed").format(
        count=len(written), folder=folder))  # fmt: skip
    show.note(_("Next: edit {file}, then").format(file=folder / "campaigns" / "shop.yaml"))
    show.note(f"  crm-mailer --home {folder} import orders FILE\n"
              f"  crm-mailer --home {folder} check\n"
              f"  crm-mailer --home {folder} plan")  # fmt: skip


def _set_up_service(root: Path | None) -> None:
    from crm_mailer.app import system
    from crm_mailer.cli import share

    with tempfile.TemporaryDirectory() as work:
        share.write_in_english(Path(work))
        done = system.install(root.absolute() if root else system.MACHINE, Path(work) / "share")
    _tell(done, root)


def _tell(done: Installed, root: Path | None) -> None:
    if not done.written:
        show.good(_("all of it is there already"))
    for path in done.written:
        if "share" not in path.parts:
            show.good(_("written: {file}").format(file=path))
    beside = _("{file} was changed here and stays; the new one lies beside it, as .new")
    for path in done.kept:
        show.warn(beside.format(file=path))
    if root is not None:
        show.note(_("This was a trial in {folder}: no user made, nothing started.").format(
            folder=root))  # fmt: skip
    show.note(_("Next: edit {file}, then").format(file=done.settings))
    show.note(f"  sudoedit {done.settings.parent / 'smtp-password'}\n"
              f"  sudo crm-mailer-shop doctor\n"
              f"  sudo systemctl enable --now crm-mailer")  # fmt: skip
