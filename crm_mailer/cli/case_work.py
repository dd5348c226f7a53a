"""Commands of agents at work on one case: evidence, steps, remedies, the dispute, the export."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from crm_mailer.cli import pass_app, show
from crm_mailer.cli.options import Command, Number, by_option, number_argument
from crm_mailer.i18n import _, joined, n_
from crm_mailer.learning.checklist import Step
from crm_mailer.model.case import Arbitration, Channel, Remedy
from crm_mailer.model.errors import CannotWrite, NotPossible
from crm_mailer.model.reply import Severity
from crm_mailer.model.sentence import Sentence
from crm_mailer.model.unpaid import UnpaidReason

if TYPE_CHECKING:
    from crm_mailer.app import App

_REMEDIES = click.Choice([remedy.value for remedy in Remedy])
_FORMATS = (".json", ".md", ".html")


@click.command(cls=Command)
@number_argument
@by_option
@pass_app
def take(app: App, number: int, by: str) -> None:
    """Take case NUMBER yourself, where nobody has it."""
    from crm_mailer.app import cases

    done = cases.take(app, number, by=by)
    show.good(_("case {number} belongs to {who}").format(number=number, who=done.owner))


@click.command(cls=Command)
@number_argument
@click.option("--link", "links", multiple=True, metavar="URL", help=_("A photo or page."))
@click.option("--file", "files", multiple=True, metavar="FILE",
              type=click.Path(path_type=Path), help=_("It is copied to the shop."))  # fmt: skip
@click.option("--tracking", multiple=True, metavar="NUMBER", help=_("A tracking number."))
@click.option("--note", default="", metavar="TEXT", help=_("What it shows."))
@by_option
@pass_app
def evidence(
    app: App,
    number: int,
    links: tuple[str, ...],
    files: tuple[Path, ...],
    tracking: tuple[str, ...],
    note: str,
    by: str,
) -> None:
    """Keep evidence for case NUMBER: links, files, tracking numbers."""
    from crm_mailer.app import cases

    new = cases.evidence(app, number, links=links, files=files, tracking=tracking, text=note, by=by)
    _told(new, _("kept as evidence"))


@click.command(cls=Command)
@number_argument
@click.argument("steps", nargs=-1, required=True, metavar="STEP...",
                type=click.Choice([step.value for step in Step]))  # fmt: skip
@click.option("--note", default="", metavar="TEXT", help=_("How it was done."))
@by_option
@pass_app
def step(app: App, number: int, steps: tuple[str, ...], note: str, by: str) -> None:
    """Tick each STEP of the work list of case NUMBER; some are ticked by themselves."""
    from crm_mailer.app import cases

    new = cases.step(app, number, [Step(one) for one in steps], text=note, by=by)
    _told(new, _("ticked"))


@click.command(cls=Command)
@number_argument
@click.argument("remedies", nargs=-1, required=True, metavar="REMEDY...", type=_REMEDIES)
@click.option("--note", default="", metavar="TEXT", help=_("On which terms."))
@by_option
@pass_app
def offer(app: App, number: int, remedies: tuple[str, ...], note: str, by: str) -> None:
    """Note which remedies the buyer of case NUMBER was offered."""
    from crm_mailer.app import cases

    new = cases.offer(app, number, [Remedy(one) for one in remedies], text=note, by=by)
    _told(new, _("noted as offered"))


@click.command(cls=Command)
@number_argument
@click.argument("remedy", type=_REMEDIES)
@click.option("--amount", default="", metavar="MONEY", help=_("What it costs: 12.50 USD."))
@click.option("--note", default="", metavar="TEXT", help=_("On which terms."))
@by_option
@pass_app
def choose(app: App, number: int, remedy: str, amount: str, note: str, by: str) -> None:
    """Note the REMEDY that the buyer of case NUMBER chose."""
    from crm_mailer.app import cases

    done = cases.choose(app, number, Remedy(remedy), amount=amount, text=note, by=by)
    money = done.compensation
    paid = [f"{money.amount:,} {money.currency}"] if money else []
    show.good(_("chosen: {what}").format(what=joined((show.word(remedy), *paid))))


@click.command(cls=Command)
@number_argument
@click.option("--number", "dispute", default="", metavar="ID",
              help=_("The dispute's number on the marketplace."))  # fmt: skip
@click.option("--deadline", default="", metavar="TIME",
              help=_("When the marketplace decides: 2026-11-07 18:00."))  # fmt: skip
@click.option("--arbitration", type=click.Choice([one.value for one in Arbitration]),
              help=_("How its arbitration stands."))  # fmt: skip
@click.option("--liable/--not-liable", "is_liable", default=None, help=_("Its decision."))
@by_option
@pass_app
def dispute(
    app: App,
    number: int,
    dispute: str,
    deadline: str,
    arbitration: str | None,
    is_liable: bool | None,
    by: str,
) -> None:
    """Keep what the marketplace says about the dispute of case NUMBER."""
    from crm_mailer.app import cases

    done = cases.dispute(
        app,
        number,
        number=dispute,
        deadline=deadline,
        arbitration=Arbitration(arbitration) if arbitration else None,
        is_liable=is_liable,
        by=by,
    )
    due = show.local(done.deadline_at, app.zone) or _("none")
    show.good(_("saved; the marketplace's deadline: {due}").format(due=due))


@click.command("set", cls=Command)
@number_argument
@click.option("--reason", default="", help=_("A reason code, such as nad.damaged."))
@click.option("--severity", type=click.Choice([one.value for one in Severity]),
              help=_("How fast it must be answered."))  # fmt: skip
@click.option("--channel", type=click.Choice([one.value for one in Channel]), default=None,
              help=_("Where the customer is best reached."))  # fmt: skip
@click.option("--time", "hours", default="", metavar="HOURS",
              help=_("When, in the customer's own day: 19:00-21:00."))  # fmt: skip
@click.option("--satisfaction", type=click.IntRange(1, 5),
              help=_("The customer's word on how it was handled."))  # fmt: skip
@by_option
@pass_app
def set_(
    app: App,
    number: int,
    reason: str,
    severity: str | None,
    channel: str | None,
    hours: str,
    satisfaction: int | None,
    by: str,
) -> None:
    """Put right what is known of case NUMBER."""
    from crm_mailer.app import cases

    if not (reason or severity or channel or hours or satisfaction):
        raise NotPossible(
            _("nothing is given to be set"),
            hint=_("`crm-mailer case set --help` lists what can be"),
        )
    done = cases.correct(
        app,
        number,
        reason=reason,
        severity=Severity(severity) if severity else None,
        best_channel=channel or "",
        best_time=hours,
        satisfaction=satisfaction,
        by=by,
    )
    due = show.local(done.due_at, app.zone)
    show.good(_("saved; case {number} is {severity}, due {due}").format(
        number=number, severity=done.severity.value, due=due))  # fmt: skip


@click.command(cls=Command)
@number_argument
@click.argument("into", type=Number(), metavar="INTO")
@by_option
@pass_app
def merge(app: App, number: int, into: int, by: str) -> None:
    """Put case NUMBER into case INTO of the same customer, where both go on as one."""
    from crm_mailer.app import cases

    cases.merge(app, number, into, by=by)
    show.good(_("case {number} goes on as case {into}").format(number=number, into=into))


@click.command(cls=Command)
@click.argument("order")
@click.argument("reason", type=click.Choice([reason.value for reason in UnpaidReason]))
@click.option("--platform", default="", help=_("Where it was placed, if two have the number."))
@pass_app
def unpaid(app: App, order: str, reason: str, platform: str) -> None:
    """Note the REASON why ORDER is not paid, as the buyer told it."""
    from crm_mailer.app import unpaid as verbs

    verbs.note(app, order, UnpaidReason(reason), platform=platform)
    show.good(_("order {number} is not paid: {why}").format(number=order, why=show.word(reason)))


@click.command(cls=Command)
@number_argument
@click.argument("file", metavar="FILE", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--force", is_flag=True, help=_("Write over a file that is there."))
@pass_app
def export(app: App, number: int, file: Path, force: bool) -> None:
    """Write all about case NUMBER, word for word, to FILE: .html, .md or .json."""
    from crm_mailer.app import cases
    from crm_mailer.reporting import case_export

    if file.suffix not in _FORMATS:
        raise NotPossible(
            _("`{file}`: which format?").format(file=file),
            hint=_("let the name end in .html, .md or .json"),
        )
    told = cases.record(app, number)
    if file.suffix == ".json":
        text = json.dumps({"v": show.JSON_VERSION, "data": show.plain(told)},
                          ensure_ascii=False, indent=1)  # fmt: skip
    else:
        write = case_export.as_html if file.suffix == ".html" else case_export.as_markdown
        text = write(told, app.zone)
    _write(file, text, is_forced=force)
    show.good(_("written: {file}").format(file=file))


def _write(file: Path, text: str, *, is_forced: bool) -> None:
    try:
        with file.open("w" if is_forced else "x", encoding="utf-8") as written:
            written.write(text)
    except FileExistsError:
        raise CannotWrite(
            _("{file} is there already").format(file=file), hint=_("--force writes over it")
        ) from None
    except OSError as error:
        hint = _("look at the rights of the folder and the free space")
        raise CannotWrite(
            Sentence("{file}: {why}", file=file, why=error.strerror), hint=hint
        ) from None


def _told(new: int, what: str) -> None:
    if new:
        show.good(joined((n_("1 new", "{number} new", new), what)))
    else:
        show.note(_("nothing new: it stands in the case already"))


#: What `cases.case` adds to its own commands.
COMMANDS = (take, evidence, step, offer, choose, dispute, set_, merge, unpaid, export)
