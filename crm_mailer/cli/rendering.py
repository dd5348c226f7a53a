"""The command `preview`: one mail as its reader would get it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from crm_mailer.cli import pass_app, show
from crm_mailer.cli.options import Command, as_json_option
from crm_mailer.i18n import _
from crm_mailer.model.errors import CannotWrite

if TYPE_CHECKING:
    from crm_mailer.app import App
    from crm_mailer.rendering import Preview

_file = click.Path(path_type=Path, dir_okay=False)


@click.command(cls=Command)
@click.argument("campaign")
@click.option("--step", default="", metavar="ID", help=_("Which mail of it; else the first."))
@click.option("--customer", default="", metavar="EMAIL|ID", help=_("The reader; else made up."))
@click.option("--language", default="", metavar="xx", help=_("Another language than their own."))
@click.option("--order", default="", metavar="NUMBER", help=_("The order it is about."))
@click.option("--open", "is_opened", is_flag=True, help=_("Look at it in the browser."))
@click.option("--text", "is_text_only", is_flag=True, help=_("Print the text part alone."))
@click.option("--html", type=_file, help=_("Write the HTML part to this file."))
@click.option("--eml", type=_file, help=_("Write the whole mail to this file."))
@as_json_option
@pass_app
def preview(
    app: App,
    campaign: str,
    step: str,
    customer: str,
    language: str,
    order: str,
    is_opened: bool,
    is_text_only: bool,
    html: Path | None,
    eml: Path | None,
    as_json: bool,
) -> None:
    """Show a mail of CAMPAIGN as a customer would get it. Nothing is sent or saved."""
    from crm_mailer.app import rendering

    mail = rendering.preview(
        app, campaign, step=step, customer=customer, language=language, order=order
    )
    _write(mail, html, eml)
    if as_json:
        show.json_(mail)
    elif is_text_only:
        show.raw(mail.text.rstrip("\n"))
    else:
        _show(mail)
    if is_opened:
        _open(mail)


def _show(mail: Preview) -> None:
    show.heading(mail.subject)
    show.facts(
        [
            (_("From"), mail.sender),
            (_("To"), mail.recipient),
            (_("Language"), mail.language),
            (_("Stands at"), mail.place),
            (_("Anchored"), mail.anchored),
            (_("Size"), f"{len(mail.content) / 1000:.1f} kB"),
        ]
    )
    for note in (mail.fallback, mail.made_up):
        if note:
            show.warn(note)
    show.line()
    show.raw(mail.text.rstrip("\n"))
    show.line()
    show.heading(_("Headers"))
    show.facts(mail.headers)


def _write(mail: Preview, html: Path | None, eml: Path | None) -> None:
    for path, content in ((html, mail.html.encode()), (eml, mail.content)):
        if path is None:
            continue
        try:
            path.write_bytes(content)
        except OSError as error:
            raise CannotWrite(
                _("{file} cannot be written: {why}").format(file=path, why=error.strerror),
                hint=_("choose a folder that is there, and of your own"),
            ) from error
        show.good(_("written: {file}").format(file=path))


def _open(mail: Preview) -> None:
    import tempfile
    import webbrowser

    with tempfile.NamedTemporaryFile(prefix="preview-", suffix=".html", delete=False) as file:
        file.write(mail.html.encode())
    try:
        webbrowser.get().open(f"file://{file.name}")
        show.note(file.name)
    except webbrowser.Error:
        show.warn(_("no browser is found here: look at {file}").format(file=file.name))
