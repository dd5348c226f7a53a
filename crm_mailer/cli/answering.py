"""Commands that answer customers: case reply, case answer, case templates."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, TypeVar

import click

from crm_mailer.cli import pass_app, show
from crm_mailer.cli.options import Command, Number, as_json_option, by_option, number_argument
from crm_mailer.i18n import _, say
from crm_mailer.model.errors import CannotWrite, NotPossible

if TYPE_CHECKING:
    from crm_mailer.app import App
    from crm_mailer.app.answering import Draft, Wish

C = TypeVar("C", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What an agent says beside the number."""

    wish: Wish
    is_edited: bool
    is_sent: bool
    as_json: bool


def reply_options(command: C) -> C:
    """The options that `case reply` and `case answer` share."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


_OPTIONS = (
    click.option("--template", default="", metavar="NAME", help=_("Another canned reply.")),
    click.option("--language", default="", metavar="xx", help=_("Another language than theirs.")),
    click.option("--set", "values", multiple=True, metavar="BLANK=TEXT",
                 help=_("Fill in a blank, by its name or number.")),
    click.option("--text", type=click.File(encoding="utf-8", errors="replace"),
                 metavar="FILE", help=_("Your own words from a file, or from - (input).")),
    click.option("--sign", default="", metavar="NAME", help=_("Who signs; else the shop's agent.")),
    click.option("--edit", "is_edited", is_flag=True, help=_("Write in your editor.")),
    click.option("--again", "is_again", is_flag=True,
                 help=_("One more answer to a letter that was answered.")),
    click.option("--send", "is_sent", is_flag=True,
                 help=_("Into the outbox; else it is only shown.")),
    by_option,
    as_json_option,
)  # fmt: skip


@click.command(cls=Command)
@number_argument
@reply_options
@pass_app
def reply(app: App, /, number: int, **given: Any) -> None:
    """Answer the customer of case NUMBER: shows a draft; --send puts it into the outbox."""
    from crm_mailer.app import answering

    options = _options(given)
    _go_on(app, answering.draft_for_case(app, number, options.wish), options)


@click.command(cls=Command)
@click.argument("number", metavar="TASK", type=Number())
@reply_options
@pass_app
def answer(app: App, /, number: int, **given: Any) -> None:
    """Answer the question of TASK likewise; the task is done then."""
    from crm_mailer.app import answering

    options = _options(given)
    _go_on(app, answering.draft_for_task(app, number, options.wish), options)


@click.command(cls=Command)
@as_json_option
@pass_app
def templates(app: App, as_json: bool) -> None:
    """List the canned replies and what each is for."""
    from crm_mailer.app import answering

    found = answering.canned_replies(app)
    if as_json:
        show.json_(found)
        return
    show.table(
        [_("template"), _("languages"), _("suggested for")],
        [(one.name, " ".join(one.languages), " ".join(one.codes)) for one in found],
        empty=_("there is no template in templates/replies"),
    )


def _options(given: dict[str, Any]) -> Options:
    from crm_mailer.app.answering import Wish

    return Options(
        wish=Wish(
            template=given["template"],
            language=given["language"],
            values=dict(_pair(one) for one in given["values"]),
            text=_read(given["text"]),
            agent=given["sign"],
            by=given["by"],
            is_again=given["is_again"],
        ),
        is_edited=given["is_edited"],
        is_sent=given["is_sent"],
        as_json=given["as_json"],
    )


def _read(file: IO[str] | None) -> str | None:
    return None if file is None else file.read(200_000)


def _pair(text: str) -> tuple[str, str]:
    name, sign, value = text.partition("=")
    if not sign or not name.strip() or not value.strip():
        raise NotPossible(
            _("`{text}` fills in nothing").format(text=text),
            hint=_('such as --set "new ship date=12 May", or --set 1="12 May"'),
        )
    return name.strip(" []"), value.strip()


def _go_on(app: App, draft: Draft, options: Options) -> None:
    from crm_mailer.app import answering

    kept: Path | None = None
    if options.is_edited:
        draft, kept = _edit(app, draft)
    if options.is_sent:
        sent = answering.send(app, draft)
        if kept is not None:
            kept.unlink(missing_ok=True)
        if options.as_json:
            show.json_({"mail": sent.touch_id, "draft": draft})
            return
        show.good(_("mail {number} to {address} is in the outbox: `crm-mailer send`, "
                    "or the daemon sends it").format(
            number=sent.touch_id, address=draft.to))  # fmt: skip
        if sent.case is not None:
            show.note(_("case {number} is {state}").format(
                number=sent.case.id, state=show.word(sent.case.state)))  # fmt: skip
        return
    if options.as_json:
        show.json_(draft)
        return
    _show(draft)
    if kept is not None:
        show.note(_("your words are kept: `--text {file} --send` sends them").format(file=kept))


def _show(draft: Draft) -> None:
    show.heading(draft.subject)
    show.facts([
        (_("to"), draft.to or "-"),
        (_("language"), draft.language),
        (_("template"), draft.template),
        (_("because"), say(draft.why)),
        (_("answers"), draft.reply.in_reply_to),
    ])  # fmt: skip
    show.line()
    show.raw(draft.text.rstrip("\n"))
    show.line()
    for note in draft.notes:
        show.warn(say(note))
    if draft.answered:
        show.warn(_("this letter was answered already; --again sends another answer"))
    if draft.obstacle:
        show.warn(draft.obstacle)
        show.note(draft.remedy)
        return
    for place, name in enumerate(draft.blanks, start=1):
        show.note(_("to fill in, {place}: {name}").format(place=place, name=name))
    show.note(_("--set fills in blanks, --edit opens your editor, --send sends"))


def _edit(app: App, draft: Draft) -> tuple[Draft, Path]:
    """The draft as the editor left it; the words are kept in a file until they are sent."""
    from crm_mailer.app import answering

    written = click.edit(answering.as_file(draft), extension=".txt")
    draft = answering.edited(draft, written or answering.as_file(draft))
    name = f"case-{draft.case}" if draft.case is not None else f"task-{draft.task}"
    path = app.home / "drafts" / f"{name}.txt"
    try:
        path.parent.mkdir(mode=0o700, exist_ok=True)
        path.write_text(answering.as_file(draft), encoding="utf-8")
    except OSError as error:
        raise CannotWrite(
            _("{file} cannot be written: {why}").format(file=path, why=error.strerror),
            hint=_("choose a folder that is there, and of your own"),
        ) from error
    return draft, path
