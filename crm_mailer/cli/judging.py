"""The command `inbox judge`: whether a reply is a complaint, and the learner that learns it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from crm_mailer.cli import pass_app, show
from crm_mailer.cli.options import Command, Number, as_json_option, by_option
from crm_mailer.i18n import _
from crm_mailer.model.reply import Severity

if TYPE_CHECKING:
    from crm_mailer.app import App
    from crm_mailer.app.judging import LearnerView, Outcome

_COMPLAINT, _OTHER = "complaint", "not-complaint"


@click.command(cls=Command)
@click.argument("number", type=Number(), required=False)
@click.argument("verdict", type=click.Choice([_COMPLAINT, _OTHER]), required=False)
@click.option("--reason", default="", metavar="CODE", help=_("What it complains about."))
@click.option(
    "--severity",
    type=click.Choice([one.value for one in Severity]),
    help=_("How urgent; else by the reason."),
)
@click.option("--undo", is_flag=True, help=_("Take your word back."))
@click.option("--train", is_flag=True, help=_("Learn from all that was judged, now."))
@by_option
@as_json_option
@pass_app
def judge(
    app: App,
    number: int | None,
    verdict: str | None,
    reason: str,
    severity: str | None,
    undo: bool,
    train: bool,
    by: str,
    as_json: bool,
) -> None:
    """Say whether reply NUMBER is a complaint; without NUMBER, how the learner stands."""
    from crm_mailer.app import judging

    if number is None or train:
        view = judging.train(app) if train else judging.learner_view(app)
        show.json_(view) if as_json else _show_learner(app, view)
        return
    if undo:
        done = judging.undo(app, number, by=by)
    elif verdict is None:
        raise click.UsageError(_("say `complaint` or `not-complaint`, or --undo"))
    else:
        done = judging.judge(
            app,
            number,
            is_complaint=verdict == _COMPLAINT,
            reason=reason,
            severity=Severity(severity) if severity else None,
            by=by,
        )
    show.json_(done) if as_json else _show_outcome(done)


def _show_outcome(done: Outcome) -> None:
    reply = done.reply
    what = " ".join(filter(None, (reply.severity, show.word(reply.intent), *reply.reasons)))
    told = _("reply {number} is {what}") if done.is_changed else _("reply {number} stays {what}")
    show.good(told.format(number=reply.id, what=what))
    if done.case:
        show.note(_("see case {number}: `crm-mailer case show {number}`").format(
            number=done.case))  # fmt: skip


def _show_learner(app: App, view: LearnerView) -> None:
    show.facts([
        (_("learner"), _("on") if view.is_on else _("off")),
        (_("judged"), f"{view.judged:,}"),
        (_("of them complaints"), f"{view.complaints:,}"),
        (_("trained"), show.local(view.trained_at, app.zone)),
    ])  # fmt: skip
    if not view.trained_at:
        show.note(_("it learns from {least} judged replies on, {each} of either kind at least: "
                    "`crm-mailer inbox judge NUMBER complaint`").format(
            least=view.least, each=view.least_of_each))  # fmt: skip
        return
    if not view.is_on:
        show.warn(_("it can hardly tell complaints from other mails yet, so it does nothing"))
    show.heading(_("On mails that it was not trained on"))
    figures = view.figures
    show.facts([
        (_("right"), f"{figures['accuracy']:.0%}"),
        (_("complaints found"), f"{figures['recall']:.0%}"),
        (_("found rightly"), f"{figures['precision']:.0%}"),
        (_("would raise"), _of(figures["raised_rightly"], figures["raised"])),
        (_("would call off"), _of(figures["lowered_rightly"], figures["lowered"])),
    ])  # fmt: skip


def _of(rightly: int, number: int) -> str:
    return _("{number}, {rightly} of them rightly").format(number=number, rightly=rightly)
