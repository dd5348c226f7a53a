"""The command that sends what is due."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections import Counter
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

import click

from crm_mailer.cli import pass_app, pausing, progress, show
from crm_mailer.cli.options import Command, as_json_option
from crm_mailer.i18n import _, joined, say
from crm_mailer.model.touch import SKIP_SENTENCES, SkipReason

if TYPE_CHECKING:
    from crm_mailer.app import App
    from crm_mailer.delivering import DeliverReport


#: How long a stop waits for mails in flight, as with workers.
DRAIN_SECONDS = 30.0
#: Exit code where sending had to be cut off (EX_TEMPFAIL).
CUT_OFF = 75


@click.command(cls=Command)
@click.option("--limit", type=click.IntRange(min=1), help=_("At most so many mails."))
@click.option("--campaign", help=_("Only the mails of this campaign."))
@as_json_option
@pass_app
def send(app: App, limit: int | None, campaign: str | None, as_json: bool) -> None:
    """Send what is due now: one round by hand."""
    from crm_mailer import logs
    from crm_mailer.app import alerting, delivering, listening, optouts

    if not as_json:  # they are told in words at the end
        logs.leave_out_alerts()
        for name, rest in delivering.resting_accounts(app).items():
            show.note(_("account {name} rests until {until}: {why}; it is tried now, with one mail "
                        "first").format(name=name, until=show.local(rest.until, app.zone),
                                        why=say(rest.message)))  # fmt: skip
    known = {one.cause for one in alerting.list_open(app)}
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
        show.json_(delivering.told(app, report))
    else:
        _show_report(app, report)
        _show_new_alerts(app, known, is_fault_told=report.lane_fault is not None)
    optouts.write_down(app)  # no daemon may be there that does
    if report.lane_fault is not None:
        raise report.lane_fault.error()


@contextmanager
def _stop_on_signal() -> Iterator[Callable[[], bool]]:
    """The first Ctrl-C or SIGTERM lets the mails in flight finish, for half a minute; the second
    one is at once."""
    is_stopping = is_told = False

    def stop(number: int, _frame: object) -> None:
        nonlocal is_stopping
        is_stopping = True
        signal.signal(number, before[signal.Signals(number)])

    def should_stop() -> bool:
        nonlocal is_told
        if is_stopping and not is_told:  # not in the handler: it may interrupt a line half-way
            is_told = True
            timer.start()
            show.note(_("stopping: the mails in flight finish, the rest is given back; "
                        "once more ends at once"))  # fmt: skip
        return is_stopping

    timer = threading.Timer(DRAIN_SECONDS, _cut_off)
    timer.daemon = True
    numbers = (signal.SIGINT, signal.SIGTERM)
    before = {number: signal.signal(number, stop) for number in numbers}
    try:
        yield should_stop
    finally:
        timer.cancel()
        for number, handler in before.items():
            signal.signal(number, handler)


def _cut_off() -> None:
    """A server keeps us waiting: end as a crash would, which the next start puts right."""
    with suppress(Exception):
        show.err().show_cursor()  # the panel has hidden it
        show.warn(_("cut off: a mail server has not answered for {seconds} s; the next `crm-mailer "
                    "send` or daemon tells what became of its mails").format(
                        seconds=round(DRAIN_SECONDS)))  # fmt: skip
        sys.stderr.flush()
    os._exit(CUT_OFF)


def _show_new_alerts(app: App, known: Collection[str], *, is_fault_told: bool) -> None:
    """What this round has raised; an account's trouble ends the command and is told there."""
    from crm_mailer.app import alerting

    for one in alerting.list_new(app, known, has_accounts=not is_fault_told):
        show.warn(say(one.message))
        if one.hint:
            show.note(say(one.hint))


def _show_report(app: App, report: DeliverReport) -> None:
    from crm_mailer.app import delivering

    waits = [] if report.is_paused else delivering.held_back(app)
    if report.is_paused:
        show.warn(_("sending is paused; `crm-mailer resume` goes on"))
    elif report.is_idle and not waits:
        _tell_nothing_left(app)
    words = {
        "deferred": _("deferred, to be tried again"),
        "refused": _("refused"),
        "unknown": _("in doubt"),
    }
    rows = _accepted(app, report)
    rows += [(words[name], n) for name, n in report.outcomes.items() if name in words]
    rows += [(_not_sent(name), number) for name, number in sorted(report.skipped.items())]
    rows += [(_("left for the next round"), report.released)] if report.released else []
    rows += [(_("taken by another worker"), report.lost_claims)] if report.lost_claims else []
    show.facts(rows)
    for one in waits:
        show.note(progress.warming(one))
    if report.recovered:
        found = joined(f"{show.word(name)} {number}" for name, number in report.recovered.items())
        show.warn(_("a sender had died; its mails: {found}").format(found=found))


def _tell_nothing_left(app: App) -> None:
    """What is due may stand still with its lane or account; a paused campaign's mails are held."""
    from crm_mailer.app import pausing as verbs

    stops = [one.scope for one in verbs.list_pauses(app)]
    for scope in stops:
        show.warn(pausing.words(scope))
    if all(scope.startswith("campaign:") for scope in stops):
        show.note(_("nothing is due"))


def _accepted(app: App, report: DeliverReport) -> list[tuple[str, int]]:
    """What became of the mails that were taken, by the kind of the accounts that took them."""
    kinds = {one.name: one.kind for one in app.settings.accounts}
    found: Counter[str] = Counter()
    for name, answers in report.by_outlet.items():
        found[show.taken(kinds.get(name, "folder"))] += answers["accepted"]
    total = report.outcomes["accepted"]
    if found.total() != total:  # a journal told of some
        found = Counter({_("accepted"): total})
    return [(words, number) for words, number in found.items() if number]


def _not_sent(reason: str) -> str:
    return _("not sent: {why}").format(why=_(SKIP_SENTENCES[SkipReason(reason)]))
