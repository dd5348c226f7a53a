"""Commands of sending: send, outbox, pause, resume."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

from crm_mailer.cli import pass_app, show
from crm_mailer.cli.options import Command, Group, as_json_option, number_argument
from crm_mailer.i18n import _, n_
from crm_mailer.model.touch import SKIP_SENTENCES, SkipReason, TouchState

if TYPE_CHECKING:
    from crm_mailer.app import App
    from crm_mailer.delivering import DeliverReport
    from crm_mailer.store.outbox import Audit, Record


@click.command(cls=Command)
@click.option("--limit", type=click.IntRange(min=1), help=_("At most so many mails."))
@click.option("--campaign", help=_("Only the mails of this campaign."))
@as_json_option
@pass_app
def send(app: App, limit: int | None, campaign: str | None, as_json: bool) -> None:
    """Send what is due now: one round by hand."""
    from crm_mailer.app import delivering

    with _stop_on_signal() as should_stop:
        report = delivering.send(
            app, limit=limit, campaign=campaign, should_stop=should_stop, is_by_hand=True
        )
    if as_json:
        show.json_(report)
    else:
        _show_report(app, report)
    if report.lane_fault is not None:
        raise report.lane_fault.error()


@click.command(cls=Command)
@pass_app
def pause(app: App) -> None:
    """Stop all sending until `resume`."""
    from crm_mailer.app import delivering

    delivering.pause(app)
    show.good(_("sending is paused; `crm-mailer resume` goes on"))


@click.command(cls=Command)
@pass_app
def resume(app: App) -> None:
    """Let sending go on."""
    from crm_mailer.app import delivering

    delivering.resume(app)
    show.good(_("sending goes on"))


@click.group(cls=Group)
def outbox() -> None:
    """The outbox: every planned mail and its fate."""


@outbox.command("list")
@click.option(
    "--state",
    "states",
    multiple=True,
    type=click.Choice([state.value for state in TouchState]),
    help=_("Only mails in this state; may be given more than once."),
)
@click.option("--campaign", help=_("Only the mails of this campaign."))
@click.option("--limit", default=50, type=click.IntRange(1, 100_000), show_default=True)
@as_json_option
@pass_app
def list_(
    app: App, states: tuple[str, ...], campaign: str | None, limit: int, as_json: bool
) -> None:
    """List mails, the newest first."""
    from crm_mailer.app import delivering

    wanted = [TouchState(state) for state in states]
    lines = delivering.outbox_list(app, states=wanted, campaign=campaign, limit=limit)
    if as_json:
        show.json_(lines)
        return
    show.table(
        [_("no"), _("campaign"), _("step"), _("to"), _("state"), _("why"),
         show.when(_("when"), app.zone, app.clock.now())],
        [(line.id, line.campaign, line.step, line.address, show.word(line.state),
          show.word(line.reason), show.short(line.settled_at or line.next_at, app.zone))
         for line in lines],
        right=(0,),
        empty=_("no mail is planned; `crm-mailer plan` shows what would be"),
    )  # fmt: skip


@outbox.command("show")
@number_argument
@click.option("--source", is_flag=True, help=_("The exact bytes of an order mail."))
@as_json_option
@pass_app
def show_(app: App, number: int, source: bool, as_json: bool) -> None:
    """Show the record of mail NUMBER: when, to whom, what the server said."""
    from crm_mailer.app import delivering

    if source:
        sys.stdout.buffer.write(delivering.outbox_content(app, number))
        return
    record = delivering.outbox_show(app, number)
    if as_json:
        show.json_(record)
    else:
        _show_record(app, record)


@outbox.command()
@as_json_option
@pass_app
def audit(app: App, as_json: bool) -> None:
    """Count every planned mail and check that the ledger adds up."""
    from crm_mailer.app import delivering

    found = delivering.audit(app)
    if as_json:
        show.json_(found)
    else:
        _show_audit(found)
    if not found.is_sound:
        raise click.exceptions.Exit(1)


@outbox.command()
@click.argument("campaign")
@click.confirmation_option(prompt=_("End all mails of this campaign that have not left?"))
@pass_app
def cancel(app: App, campaign: str) -> None:
    """End what has not left of CAMPAIGN."""
    from crm_mailer.app import delivering

    number = delivering.cancel(app, campaign)
    show.good(_("{mails} of {campaign} ended").format(
        mails=n_("1 mail", "{number} mails", number), campaign=campaign))  # fmt: skip


@outbox.command()
@click.argument("campaign", required=False)
@click.option("--refused", is_flag=True, help=_("Also mails refused for a fault of ours."))
@pass_app
def retry(app: App, campaign: str | None, refused: bool) -> None:
    """Make deferred mails, and mails whose template was mended, due at once."""
    from crm_mailer.app import delivering

    number = delivering.retry(app, campaign=campaign, is_refused_too=refused)
    if number:
        mails = n_("1 mail is due now", "{number} mails are due now", number)
        show.good(_("{mails}: `crm-mailer send`").format(mails=mails))
    else:
        show.note(_("no mail waits for another try"))


@contextmanager
def _stop_on_signal() -> Iterator[Callable[[], bool]]:
    """The first Ctrl-C or SIGTERM lets the mails in flight finish; the second one is at once."""
    is_stopping = False

    def stop(number: int, _frame: object) -> None:
        nonlocal is_stopping
        is_stopping = True
        signal.signal(number, before[signal.Signals(number)])

    numbers = (signal.SIGINT, signal.SIGTERM)
    before = {number: signal.signal(number, stop) for number in numbers}
    try:
        yield lambda: is_stopping
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


def _show_record(app: App, record: Record) -> None:
    touch = record.touch
    show.heading(_("mail {number}").format(number=touch.id))
    show.facts([
        (_("campaign"), f"{touch.campaign}, {touch.step} ({touch.place}/{touch.places})"),
        (_("anchor"), touch.anchor),
        (_("stream"), touch.stream),
        (_("to"), record.rcpt_to or record.address),
        (_("state"), show.word(touch.state)),
        (_("why"), " ".join([show.word(touch.reason), record.detail]).strip()),
        (_("planned for"), show.local(touch.due_at, app.zone)),
        (_("next try"), show.local(touch.next_at, app.zone)),
        (_("settled"), show.local(record.settled_at, app.zone)),
        (_("subject"), record.subject),
        (_("language"), record.language),
        (_("template"), f"{touch.template} {record.template_version}".strip()),
        (_("Message-ID"), record.message_id),
        (_("return path"), record.mail_from),
        (_("SHA-256"), record.sha256),
        (_("rendered"), show.local(record.rendered_at, app.zone)),
    ])  # fmt: skip
    show.table(
        [_("try"), show.when(_("when"), app.zone, app.clock.now()), _("outcome"), _("phase"),
         _("the server said"), _("server"), _("ms")],
        [(one.attempt, show.short(one.at, app.zone), show.word(one.outcome.kind), one.outcome.phase,
          f"{one.outcome.code or ''} {one.outcome.status} {one.outcome.text}".strip(),
          one.outcome.host, one.outcome.took_ms) for one in record.deliveries],
        title=_("attempts"), right=(0, 6), empty=_("never handed over"),
    )  # fmt: skip
    if record.bounces:
        show.table(
            [_("when"), _("bounce"), _("status"), _("the machine said")],
            [(show.local(one.at, app.zone), show.word(one.kind), one.status, one.diagnostic)
             for one in record.bounces],
            title=_("came back"),
        )  # fmt: skip


def _show_audit(found: Audit) -> None:
    show.table(
        [_("state"), _("mails")],
        [*((show.word(one), found.states[one]) for one in TouchState if one in found.states),
         (_("total"), found.total)],
        right=(1,),
    )  # fmt: skip
    for sentence, number in found.troubles.items():
        show.warn(f"{number}: {_(sentence)}")
    if found.is_sound:
        show.good(_("every planned mail has exactly one fate, and the ledger adds up"))
