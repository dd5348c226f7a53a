"""Commands of agents: case ..., and what customers said by other ways than mail."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click
from rich.text import Text

from crm_mailer.cli import answering, case_work, pass_app, show
from crm_mailer.cli.options import Command, Group, as_json_option, by_option, number_argument
from crm_mailer.cli.spans import left_in_words
from crm_mailer.i18n import _, say
from crm_mailer.model.case import UNDER_WAY, CaseState, Channel
from crm_mailer.model.reply import ReplyKind, Severity
from crm_mailer.model.task import TaskKind

if TYPE_CHECKING:
    from crm_mailer.app import App
    from crm_mailer.reporting.cases import CaseLine

_STYLES = {Severity.P1: "bold red", Severity.P2: "yellow", Severity.P3: ""}
_HAND_CHANNELS = [channel.value for channel in Channel if channel is not Channel.EMAIL]


@click.group(cls=Group)
def case() -> None:
    """Cases: follow-ups that we owe unhappy customers."""


for _command in (
    answering.reply,
    answering.answer,
    answering.templates,
    *case_work.COMMANDS,
):
    case.add_command(_command)


@case.command("list")
@click.option(
    "--state",
    type=click.Choice([*(state.value for state in CaseState), "all"]),
    help=_("Only these; else all that are under way."),
)
@click.option("--owner", help=_("Only the cases of this person."))
@click.option("--overdue", is_flag=True, help=_("Only those whose answer is overdue."))
@click.option("--limit", default=500, show_default=True, type=click.IntRange(1, 1_000_000),
              help=_("So many rows of a list."))  # fmt: skip
@as_json_option
@pass_app
def list_(
    app: App, state: str | None, owner: str | None, overdue: bool, limit: int, as_json: bool
) -> None:
    """List cases, the most urgent first."""
    from crm_mailer.app import cases

    states = frozenset(CaseState) if state == "all" else UNDER_WAY
    if state not in (None, "all"):
        states = frozenset({CaseState(state)})
    lines, count = cases.case_list(app, states=states, owner=owner, is_overdue=overdue, limit=limit)
    if as_json:
        show.json_(lines)
    else:
        _show_list(lines)
    _tell_the_rest(len(lines), count)


@case.command("show")
@number_argument
@as_json_option
@pass_app
def show_(app: App, number: int, as_json: bool) -> None:
    """Show case NUMBER: customer, orders, what was said and what to do next."""
    from crm_mailer.app import cases
    from crm_mailer.cli import case_page

    file = cases.case_file(app, number)
    if as_json:
        show.json_(file)
    else:
        case_page.show_case(file, app.zone)


@case.command()
@number_argument
@click.argument("text")
@click.option("--answered", is_flag=True, help=_("The customer was answered: their turn now."))
@click.option("--ours", is_flag=True, help=_("With --answered: the next word is ours again."))
@by_option
@pass_app
def note(app: App, number: int, text: str, answered: bool, ours: bool, by: str) -> None:
    """Write TEXT on case NUMBER."""
    from crm_mailer.app import cases

    done = cases.note(app, number, text, by=by, is_answer=answered or ours, is_ours=ours)
    show.good(_("case {number} is {state}").format(
        number=number, state=show.word(done.state)))  # fmt: skip


@case.command()
@number_argument
@click.argument("who")
@by_option
@pass_app
def assign(app: App, number: int, who: str, by: str) -> None:
    """Give case NUMBER to WHO."""
    from crm_mailer.app import cases

    done = cases.assign(app, number, who, by=by)
    show.good(_("case {number} belongs to {who}").format(number=number, who=done.owner))


@case.command()
@number_argument
@click.option("--reason", default="", help=_("Why, in a few words."))
@click.option("--resolved", is_flag=True, help=_("Solved: a letter within 7 days reopens it."))
@click.option("--satisfaction", type=click.IntRange(1, 5),
              help=_("The customer's word on how it was handled."))  # fmt: skip
@by_option
@pass_app
def close(
    app: App, number: int, reason: str, resolved: bool, satisfaction: int | None, by: str
) -> None:
    """End case NUMBER; marketing to the customer may go on."""
    from crm_mailer.app import cases

    done = cases.close(app, number, reason, by=by, is_resolved=resolved, satisfaction=satisfaction)
    show.good(_("case {number} is {state}").format(
        number=number, state=show.word(done.state)))  # fmt: skip


@case.command()
@number_argument
@click.option("--reason", default="", help=_("Why, in a few words."))
@by_option
@pass_app
def reopen(app: App, number: int, reason: str, by: str) -> None:
    """Take up case NUMBER again."""
    from crm_mailer.app import cases

    done = cases.reopen(app, number, reason, by=by)
    due = show.local(done.due_at, app.zone)
    show.good(_("case {number} is open; an answer is due {due}").format(number=number, due=due))


@case.command("open")
@click.option("--customer", "email", required=True, help=_("Mail address or number."))
@click.option("--reason", required=True, help=_("A reason code, such as nad.damaged."))
@click.option("--order", default="", help=_("The order's number."))
@click.option("--text", default="", help=_("What was said."))
@click.option(
    "--channel",
    type=click.Choice([c.value for c in Channel]),
    default="email",
    show_default=True,
    help=_("How the customer told it."),
)
@by_option
@pass_app
def open_(app: App, email: str, reason: str, order: str, text: str, channel: str, by: str) -> None:
    """Open a case by hand."""
    from crm_mailer.app import cases

    number = cases.open_case(
        app, email=email, reason=reason, order=order, text=text, channel=Channel(channel), by=by
    )
    show.good(_("case {number} is open: `crm-mailer case show {number}`").format(number=number))


@case.command()
@click.option("--limit", default=200, show_default=True, type=click.IntRange(1, 1_000_000),
              help=_("So many rows of a list."))  # fmt: skip
@as_json_option
@pass_app
def tasks(app: App, limit: int, as_json: bool) -> None:
    """List what to do besides cases: questions, changes, reviews."""
    from crm_mailer.app import cases
    from crm_mailer.learning import sayings

    found, count = cases.tasks(app, limit=limit)
    if as_json:
        show.json_(found)
        _tell_the_rest(len(found), count)
        return
    show.table(
        [_("task"), _("due"), _("kind"), _("customer"), _("what")],
        [
            (
                one.id,
                show.local(one.due_at, app.zone),
                show.word(one.kind),
                one.customer,
                _short(say(sayings.heard(one.text))),
            )
            for one in found
        ],
        right=(0,),
        empty=_("nothing to do"),
    )
    _tell_the_rest(len(found), count)
    if any(one.kind == TaskKind.ANSWER for one in found):
        show.note(_("`crm-mailer case answer TASK` drafts the answer to a question"))


@case.command()
@number_argument
@pass_app
def done(app: App, number: int) -> None:
    """Mark task NUMBER as done."""
    from crm_mailer.app import cases
    from crm_mailer.learning import sayings

    task = cases.finish_task(app, number)
    show.good(_("done: {what}").format(what=_short(say(sayings.heard(task.text)))))


@click.command(cls=Command)
@click.argument("email", metavar="CUSTOMER")
@click.argument("text")
@click.option(
    "--channel", type=click.Choice(_HAND_CHANNELS), required=True, help=_("How they told it.")
)
@click.option("--order", default="", help=_("The order's number."))
@click.option("--rating", type=click.IntRange(1, 5), help=_("Stars, 1 to 5."))
@pass_app
def feedback(app: App, email: str, text: str, channel: str, order: str, rating: int | None) -> None:
    """Log TEXT that CUSTOMER said by chat, by phone or on a platform."""
    from crm_mailer.app import cases

    logged = cases.log_feedback(
        app, email=email, channel=Channel(channel), text=text, order=order, rating=rating
    )
    reply = logged.reply
    if reply.kind == ReplyKind.UNSUBSCRIBE:
        show.good(_("logged as the wish for no more marketing mail; it has stopped"))
    else:
        show.good(_("logged as {what}").format(what=show.word(reply.intent or "other")))
    if logged.case:
        show.note(_("see case {number}: `crm-mailer case show {number}`").format(
            number=logged.case))  # fmt: skip


def _tell_the_rest(shown: int, count: int) -> None:
    if count > shown:
        show.note(_("the first {shown} of {total}; --limit shows more").format(
            shown=shown, total=count))  # fmt: skip


def _show_list(lines: list[CaseLine]) -> None:
    show.table(
        [_("case"), _("due"), "", _("reason"), _("customer"), _("order"), _("state"), _("owner")],
        [
            (
                line.number,
                left_in_words(line.left),
                Text(line.severity.value + ("!" if _is_graver(line) else ""),
                     style="bold red" if line.is_serious else _STYLES[line.severity]),
                _(line.reason_in_words),
                line.customer,
                line.order_number,
                show.word(line.state),
                line.owner or "-",
            )
            for line in lines
        ],
        right=(0,),
        empty=_("no case is open"),
    )  # fmt: skip


def _is_graver(line: CaseLine) -> bool:
    """A threat or an arbitration is handled like P1, whatever went wrong."""
    return line.is_serious and line.severity is not Severity.P1


def _short(text: str, most: int = 90) -> str:
    line = " ".join(text.split())
    return line if len(line) <= most else line[: most - 1] + "…"
