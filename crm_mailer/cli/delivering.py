"""The command that sends what is due."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

from crm_mailer.cli import pass_app, progress, show
from crm_mailer.cli.options import Command, as_json_option
from crm_mailer.i18n import _
from crm_mailer.model.touch import SKIP_SENTENCES, SkipReason

if TYPE_CHECKING:
    from crm_mailer.app import App
    from crm_mailer.delivering import DeliverReport


@click.command(cls=Command)
@click.option("--limit", type=click.IntRange(min=1), help=_("At most so many mails."))
@click.option("--campaign", help=_("Only the mails of this campaign."))
@as_json_option
@pass_app
def send(app: App, limit: int | None, campaign: str | None, as_json: bool) -> None:
    """Send what is due now: one round by hand."""
    from crm_mailer.app import delivering, listening, optouts

    with _stop_on_signal() as should_stop, progress.Panel() as panel:
        report = delivering.send(
            app,
            limit=limit,
            campaign=campaign,
            should_stop=should_stop,
            is_by_hand=True,
            on_progress=lambda now: panel.show(progress.of_progress(now)),
        )
    if report.skipped or report.outcomes.keys() - {"accepted"}:
        listening.hear(app)
    if as_json:
        show.json_(report)
    else:
        _show_report(app, report)
    optouts.write_down(app)  # no daemon may be there that does
    if report.lane_fault is not None:
        raise report.lane_fault.error()


@contextmanager
def _stop_on_signal() -> Iterator[Callable[[], bool]]:
    """The first Ctrl-C or SIGTERM lets the mails in flight finish; the second one is at once."""
    is_stopping = is_told = False

    def stop(number: int, _frame: object) -> None:
        nonlocal is_stopping
        is_stopping = True
        signal.signal(number, before[signal.Signals(number)])

    def should_stop() -> bool:
        nonlocal is_told
        if is_stopping and not is_told:  # not in the handler: it may interrupt a line half-way
            is_told = True
            show.note(_("stopping: the mails in flight finish, the rest is given back; "
                        "once more ends at once"))  # fmt: skip
        return is_stopping

    numbers = (signal.SIGINT, signal.SIGTERM)
    before = {number: signal.signal(number, stop) for number in numbers}
    try:
        yield should_stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _show_report(app: App, report: DeliverReport) -> None:
    if report.is_paused:
        show.warn(_("sending is paused; `crm-mailer resume` goes on"))
    elif report.is_idle:
        show.note(_("nothing is due"))
    words = {
        "accepted": _("written to the outbox folder") if app.settings.is_sandbox else _("accepted"),
        "deferred": _("deferred, to be tried again"),
        "refused": _("refused"),
        "unknown": _("in doubt"),
    }
    rows = [(words[name], number) for name, number in report.outcomes.items()]
    rows += [(_not_sent(name), number) for name, number in sorted(report.skipped.items())]
    rows += [(_("left for the next round"), report.released)] if report.released else []
    rows += [(_("taken by another worker"), report.lost_claims)] if report.lost_claims else []
    show.facts(rows)
    if report.recovered:
        found = ", ".join(
            f"{show.word(name)} {number}" for name, number in report.recovered.items()
        )
        show.warn(_("a sender had died; its mails: {found}").format(found=found))


def _not_sent(reason: str) -> str:
    return _("not sent: {why}").format(why=_(SKIP_SENTENCES[SkipReason(reason)]))
