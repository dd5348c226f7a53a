"""The command `preview`: one mail as its reader would get it, looked at or tried out."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click

from crm_mailer.cli import pass_app, show
from crm_mailer.cli.options import Command, as_json_option
from crm_mailer.definitions.problems import did_you_mean
from crm_mailer.i18n import _, say
from crm_mailer.model.errors import CannotWrite, NotFound

if TYPE_CHECKING:
    from crm_mailer.app import App
    from crm_mailer.app.mail_tests import Sent
    from crm_mailer.rendering.preview import Preview

#: The widths of a picture: a phone, and a mail program's column.
WIDTHS = (375, 720)
_file = click.Path(path_type=Path, dir_okay=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What the options say."""

    campaign: str
    step: str
    customer: str
    language: str
    order: str
    arm: str
    is_every_language: bool
    is_opened: bool
    is_text_only: bool
    html: Path | None
    eml: Path | None
    png: Path | None
    to: tuple[str, ...]
    is_suppressed_too: bool
    is_served: bool
    port: int | None
    as_json: bool

    @property
    def which(self) -> dict[str, str]:
        """Whose mail, as the verbs take it."""
        names = ("step", "customer", "language", "order", "arm")
        return {name: getattr(self, name) for name in names}


@click.command(cls=Command)
@click.argument("campaign", default="")
@click.option("--step", default="", metavar="ID", help=_("Which mail of it; else the first."))
@click.option("--customer", default="", metavar="EMAIL|ID", help=_("The reader; else made up."))
@click.option("--language", "--lang", default="", metavar="xx",
              help=_("Another language than their own."))  # fmt: skip
@click.option("--all-languages", "is_every_language", is_flag=True,
              help=_("In every language of the template."))  # fmt: skip
@click.option("--order", default="", metavar="NUMBER", help=_("The order it is about."))
@click.option("--arm", default="", metavar="ID", help=_("This arm of the step's A/B test."))
@click.option("--open", "is_opened", is_flag=True, help=_("Look at it in the browser."))
@click.option("--text", "is_text_only", is_flag=True, help=_("Print the text part alone."))
@click.option("--html", type=_file, help=_("Write the HTML part to this file."))
@click.option("--eml", type=_file, help=_("Write the whole mail to this file."))
@click.option("--png", type=_file,
              help=_("Write pictures of it, 375 and 720 pixels wide, to such files."))  # fmt: skip
@click.option("--to", multiple=True, metavar="EMAIL",
              help=_("Send it to this address, marked as a test."))  # fmt: skip
@click.option("--even-suppressed", "is_suppressed_too", is_flag=True,
              help=_("Send the test to a suppressed address, too."))  # fmt: skip
@click.option("--serve", "is_served", is_flag=True,
              help=_("Show all templates on a local page that reloads at each save."))  # fmt: skip
@click.option("--port", type=click.IntRange(0, 65_535), help=_("The page's port; else 8026."))
@as_json_option
@pass_app
def preview(app: App, /, **options: Any) -> None:
    """Show a mail of CAMPAIGN as a customer would get it. With --to, send it as a test."""
    asked = Asked(**options)
    if asked.is_served:
        _serve(app, asked)
    elif not asked.campaign:
        raise click.UsageError(_("name a campaign, or look at all templates with --serve"))
    elif "/" in asked.campaign:
        _refuse_template(app, asked.campaign)
    elif asked.to:
        _try_out(app, asked)
    else:
        _look(app, asked)


@click.command("test-send", cls=Command)
@click.argument("campaign")
@click.option("--to", multiple=True, required=True, metavar="EMAIL", help=_("Where it goes."))
@click.option("--step", default="", metavar="ID", help=_("Which mail of it; else the first."))
@click.option("--customer", default="", metavar="EMAIL|ID", help=_("The reader; else made up."))
@click.option("--language", "--lang", default="", metavar="xx",
              help=_("Another language than their own."))  # fmt: skip
@as_json_option
@click.pass_context
def test_send(context: click.Context, /, **options: Any) -> None:
    """Send a mail of CAMPAIGN to an address, marked as a test: `preview --to`."""
    context.invoke(preview, **options)


def _refuse_template(app: App, name: str) -> NoReturn:
    """A template's name, or its file, in place of a campaign's: say whose mail it is.

    Raises:
        NotFound: always.
    """
    template = name.removeprefix("templates/").split(".")[0]
    if template not in app.templates.names:
        raise NotFound(
            _("there is no campaign `{name}`").format(name=name),
            hint=did_you_mean(template, (*app.definitions.campaigns, *app.templates.names)),
        )
    found = (
        f"crm-mailer preview {campaign.id} --step {step.id}"
        for campaign in app.definitions.campaigns.values()
        for step in campaign.steps
        if template == step.template
    )
    command = next(found, "crm-mailer preview --serve")
    raise NotFound(
        _("`{name}` is a template, and a campaign's name belongs here").format(name=name),
        hint=_("`{command}` shows it").format(command=command),
    )


def _look(app: App, asked: Asked) -> None:
    from crm_mailer.app import rendering

    if asked.is_every_language:
        mails = rendering.preview_all(app, asked.campaign, **asked.which)
    else:
        mails = [rendering.preview(app, asked.campaign, **asked.which)]
    for mail in mails:
        _write(mail, asked)
    if asked.as_json:
        show.json_(mails if asked.is_every_language else mails[0])
        return
    for mail in mails:
        if asked.is_text_only:
            show.raw(mail.text.rstrip("\n"))
        else:
            _show(mail)
        if mail is not mails[-1]:
            show.line()
        if asked.is_opened:
            _open(mail)


def _show(mail: Preview) -> None:
    show.heading(mail.subject)
    show.facts(
        [
            (_("From"), mail.sender),
            (_("To"), mail.recipient),
            (_("Language"), mail.language),
            (_("Stands at"), say(mail.place)),
            (_("Anchored"), say(mail.anchored)),
            (_("Size"), f"{len(mail.content) / 1000:.1f} kB"),
        ]
    )
    for note in (mail.fallback, mail.made_up):
        if note:
            show.warn(say(note))
    show.line()
    show.raw(mail.text.rstrip("\n"))
    show.line()
    show.heading(_("Headers"))
    show.facts(mail.headers)


# ------------------------------------------------------------------ files


def _write(mail: Preview, asked: Asked) -> None:
    part = f".{mail.language}" if asked.is_every_language else ""
    for path, content in ((asked.html, mail.html.encode()), (asked.eml, mail.content)):
        if path is not None:
            _write_file(path.with_name(f"{path.stem}{part}{path.suffix}"), content)
    if asked.png is not None:
        from crm_mailer.app import chromium

        made = chromium.pictures(mail.html, WIDTHS, chromium.find())
        for width, picture in zip(WIDTHS, made, strict=True):
            name = f"{asked.png.stem}{part}-{width}{asked.png.suffix or '.png'}"
            _write_file(asked.png.with_name(name), picture)


def _write_file(path: Path, content: bytes) -> None:
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


# ------------------------------------------------------------------ tests and the page


def _try_out(app: App, asked: Asked) -> None:
    from crm_mailer.app import mail_tests

    if asked.is_every_language:
        raise click.UsageError(_("a test is sent in one language at a time: use --language"))
    sent = mail_tests.send(
        app,
        asked.campaign,
        asked.to,
        is_suppressed_too=asked.is_suppressed_too,
        **asked.which,
    )
    if asked.as_json:
        show.json_(sent)
    else:
        _show_sent(app, sent)
    if sent.report.lane_fault is not None:
        raise sent.report.lane_fault.error()


def _show_sent(app: App, sent: Sent) -> None:
    kinds = {one.kind for one in app.settings.accounts} or {"folder"}
    words = show.taken(kinds.pop()) if len(kinds) == 1 else _("accepted")
    for mail in sent.mails:
        show.heading(mail.subject)
        fate = words if mail.outcome == "accepted" else show.word(mail.outcome)
        show.facts([(_("To"), mail.to), (_("Mail"), mail.number), (_("State"), fate)])
    if sent.report.is_paused:
        show.warn(_("sending is paused; `crm-mailer resume` goes on"))
    if any(mail.outcome != "accepted" for mail in sent.mails):
        show.note(_("`crm-mailer outbox show NUMBER` tells more; a test waits for one hour"))


def _serve(app: App, asked: Asked) -> None:
    from crm_mailer.app.showroom import Showroom
    from crm_mailer.studio.preview import server
    from crm_mailer.web import serving

    room = Showroom(app, asked.customer)
    door = serving.open_port(asked.port, usual=server.USUAL_PORT)
    address = f"http://{serving.LOOPBACK}:{door.getsockname()[1]}/"
    show.good(_("all templates: {address}").format(address=address))
    show.note(_("the page reloads when you save a file; Ctrl-C ends it"))
    if asked.is_opened:
        import webbrowser

        webbrowser.open(address)
    server.serve(room, door)
