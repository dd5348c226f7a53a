"""Commands of listening: listen, and inbox list, show, explain, quarantine, retry."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from crm_mailer.cli import pass_app, show
from crm_mailer.cli.options import Command, Group, as_json_option, number_argument
from crm_mailer.i18n import _, n_
from crm_mailer.model.reply import REASONS, Intent, ReplyKind

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

    from crm_mailer.app import App
    from crm_mailer.app.listening import Round
    from crm_mailer.store.replies import ReplyRow


@click.command(cls=Command)
@click.option(
    "--since", default=None, metavar="new|all|DAY",
    help=_("At the first contact with a mailbox: what to read. Later it goes on by itself."),
)  # fmt: skip
@as_json_option
@pass_app
def listen(app: App, since: str | None, as_json: bool) -> None:
    """Read the mailbox once: fetch what is new, find out what it says, open cases."""
    from crm_mailer.app import listening

    start = listening.first_contact(since) if since else None
    done = listening.listen(app, start)
    if as_json:
        show.json_(done)
        return
    _show_round(done)


@click.group(cls=Group)
def inbox() -> None:
    """What customers and machines wrote back."""


@inbox.command("list")
@click.option(
    "--kind",
    "kinds",
    multiple=True,
    type=click.Choice([kind.value for kind in ReplyKind]),
    help=_("Only mails of this kind; may be given again."),
)
@click.option(
    "--intent",
    "intents",
    multiple=True,
    type=click.Choice([i.value for i in Intent]),
    help=_("Only what people want; may be given again."),
)
@click.option(
    "--limit",
    default=30,
    show_default=True,
    type=click.IntRange(1, 10_000),
    help=_("At most so many."),
)
@as_json_option
@pass_app
def list_(app: App, kinds: tuple[str, ...], intents: tuple[str, ...], limit: int,
          as_json: bool) -> None:  # fmt: skip
    """List what came, newest first."""
    from crm_mailer.app import listening

    found = listening.list_replies(app, kinds=kinds, intents=intents, limit=limit)
    if as_json:
        show.json_(found)
        return
    show.table(
        [_("no"), show.when(_("at"), app.zone, app.clock.now()), _("from"), _("kind"), _("what"),
         _("campaign"), _("says")],
        [_row(reply, app.zone) for reply in found],
        right=(0,),
        empty=_("nothing has come; `crm-mailer listen` reads the mailbox"),
    )  # fmt: skip


@inbox.command("show")
@number_argument
@as_json_option
@pass_app
def show_(app: App, number: int, as_json: bool) -> None:
    """Show reply NUMBER: whose it is, what it says, in full."""
    from crm_mailer.app import listening

    reply = listening.show(app, number)
    if as_json:
        show.json_(reply)
        return
    _show_reply(reply, app.zone)
    show.line()
    show.raw(reply.full_text or reply.own_text)


@inbox.command()
@number_argument
@as_json_option
@pass_app
def explain(app: App, number: int, as_json: bool) -> None:
    """Say why reply NUMBER was understood as it was: the words and their weight."""
    from crm_mailer.app import listening

    found = listening.explain(app, number)
    if as_json:
        show.json_(found)
        return
    _show_reply(found.reply, app.zone)
    if found.reply.evidence:
        show.heading(_("because of"))
        rows = [(one.code, f"{one.weight:+.1f}", one.words) for one in found.reply.evidence]
        show.table([_("sign"), _("weight"), _("words")], rows)
    for bounce in found.bounces:
        show.heading(bounce["recipient"])
        names = ("kind", "reason", "action", "status", "remote_host", "diagnostic")
        show.facts([(name, bounce[name]) for name in names])


@inbox.command()
@as_json_option
@pass_app
def quarantine(app: App, as_json: bool) -> None:
    """List mails that could not be read; they hinder nobody."""
    from crm_mailer.app import listening

    found = listening.quarantine(app)
    if as_json:
        show.json_([{"id": m.id, "uid": m.uid, "size": m.size, "error": m.error} for m in found])
        return
    rows = [(m.id, show.local(m.received_at, app.zone), m.size, m.error) for m in found]
    show.table([_("no"), _("at"), _("bytes"), _("error")], rows, right=(0, 2),
               empty=_("no mail is in quarantine"))  # fmt: skip


@inbox.command()
@number_argument
@pass_app
def retry(app: App, number: int) -> None:
    """Read mail NUMBER from quarantine once more."""
    from crm_mailer.app import listening

    report = listening.retry(app, number)
    for mail, error in report.troubles:
        show.note(_("mail {number}: {error}").format(number=mail, error=error))
    if not report.troubles:
        show.good(_("it was read"))


def _show_round(done: Round) -> None:
    report = done.understood
    show.good(_("{mails} fetched, {handled} understood").format(
        mails=n_("1 new mail", "{number} new mails", done.fetched.new),
        handled=report.handled))  # fmt: skip
    rows = [(show.word(kind), count) for kind, count in report.kinds.most_common()]
    if rows:
        show.table([_("kind"), _("mails")], rows)
    complaints = report.intents["complaint"]
    if complaints:
        show.note(n_("1 complaint: `crm-mailer inbox list --intent complaint`",
                     "{number} complaints: `crm-mailer inbox list --intent complaint`",
                     complaints))  # fmt: skip
    if done.learnt.cases_opened:
        show.note(n_("1 case opened: `crm-mailer case list`",
                     "{number} cases opened: `crm-mailer case list`",
                     done.learnt.cases_opened))  # fmt: skip
    if report.suppressed:
        show.note(n_("1 address is not mailed any more",
                     "{number} addresses are not mailed any more",
                     report.suppressed))  # fmt: skip
    for number, error in report.troubles:
        show.note(_("mail {number} could not be read yet: {error}").format(
            number=number, error=error))  # fmt: skip


def _row(reply: ReplyRow, place: ZoneInfo) -> tuple[object, ...]:
    what = show.word(reply.intent)
    if reply.severity:
        what = f"{reply.severity} {', '.join(code for code in reply.reasons if code in REASONS)}"
    says = " ".join((reply.own_text or reply.subject).split())
    sender = reply.customer or reply.sender
    kind = show.word(reply.kind)
    at = show.short(reply.received_at, place)
    return (reply.id, at, sender[:30], kind, what, reply.campaign, says[:60])


def _show_reply(reply: ReplyRow, place: ZoneInfo) -> None:
    reasons = [
        f"{code} ({_(REASONS[code][1])})" if code in REASONS else code for code in reply.reasons
    ]
    show.heading(reply.subject or _("reply {number}").format(number=reply.id))
    show.facts(
        [
            (_("from"), reply.sender),
            (_("customer"), reply.customer),
            (_("at"), show.local(reply.received_at, place)),
            (_("channel"), show.word(reply.channel)),
            (_("kind"), show.word(reply.kind)),
            (_("matched by"), show.word(reply.rung)),
            (_("campaign"), reply.campaign),
            (_("order"), reply.order_number),
            (_("language"), reply.language),
            (_("intent"), show.word(reply.intent)),
            (_("severity"), reply.severity),
            (_("reasons"), ", ".join(reasons)),
            (_("asks for"), show.word(reply.asks) if reply.asks != "none" else ""),
            (_("back on"), reply.return_on),
            (_("copy"), _("a second copy, without effect") if reply.is_copy else ""),
        ]
    )
