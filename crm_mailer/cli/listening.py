"""Commands of listening: listen, and inbox list, show, explain, reconcile, quarantine, retry."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import click

from crm_mailer.cli import pass_app, show
from crm_mailer.cli.classifying import classify
from crm_mailer.cli.judging import judge
from crm_mailer.cli.options import Command, Group, Number, as_json_option, number_argument
from crm_mailer.i18n import _, joined, n_
from crm_mailer.model.errors import MailboxError
from crm_mailer.model.reply import REASONS, Intent, ReplyKind
from crm_mailer.model.sentence import Sentence

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

    from crm_mailer.app import App
    from crm_mailer.app.listening import Round
    from crm_mailer.app.mailboxes import Look, Reconciled
    from crm_mailer.learning import LearnReport
    from crm_mailer.store.replies import ReplyRow


mailbox_option = click.option(
    "--mailbox", "names", multiple=True, metavar="NAME",
    help=_("Only this mailbox of crm-mailer.toml; may be given again."),
)  # fmt: skip


@click.command(cls=Command)
@click.option(
    "--since", default=None, metavar="new|all|DAY",
    help=_("At the first contact with a mailbox: what to read. Later it goes on by itself."),
)  # fmt: skip
@mailbox_option
@as_json_option
@pass_app
def listen(app: App, since: str | None, names: tuple[str, ...], as_json: bool) -> None:
    """Read each mailbox once: fetch what is new, find out what it says, open cases."""
    from crm_mailer.app import listening, mailboxes

    start = mailboxes.first_contact(since) if since else None
    done = listening.listen(app, start, names, (lambda _: None) if as_json else _tell_so_far)
    if as_json:
        show.json_(done)
    else:
        _show_round(done)
    _fail_if_any(done.looks)


def _tell_so_far(learnt: LearnReport) -> None:
    """A sign of life in a long round."""
    show.note(
        _("so far: {mails}, {cases}, {tasks}").format(
            mails=n_("1 mail read", "{number} mails read", learnt.replies),
            cases=n_("1 case opened", "{number} cases opened", learnt.cases_opened),
            tasks=n_("1 task", "{number} tasks", learnt.tasks),
        )
    )


@click.group(cls=Group)
def inbox() -> None:
    """What customers and machines wrote back."""


inbox.add_command(judge)
inbox.add_command(classify)


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
         _("campaign"), _("matched by"), _("says")],
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
        if any(one.code == "likeness" for one in found.reply.evidence):
            show.note(_("likeness: how much it resembles complaints that were taught, and by what"))
    for bounce in found.bounces:
        show.heading(bounce["recipient"])
        names = ("kind", "reason", "action", "status", "remote_host", "diagnostic")
        show.facts([(show.word(name), bounce[name]) for name in names])


@inbox.command()
@click.option("--fetch", "brings", is_flag=True, help=_("Bring home what is missing, too."))
@mailbox_option
@as_json_option
@pass_app
def reconcile(app: App, brings: bool, names: tuple[str, ...], as_json: bool) -> None:
    """Compare what the server has with what we have."""
    from crm_mailer.app import mailboxes

    found = mailboxes.reconcile(app, brings=brings, names=names)
    if as_json:
        show.json_(found)
    else:
        _show_reconciled(found)
    _fail_if_any(found)


@inbox.command()
@as_json_option
@pass_app
def quarantine(app: App, as_json: bool) -> None:
    """List mails that could not be read or fetched; they hinder nobody."""
    from crm_mailer.app import listening

    found = listening.quarantine(app)
    if as_json:
        show.json_(
            [
                {"id": m.id, "uid": m.uid, "size": m.size, "error": m.error, "strikes": m.strikes,
                 "received_at": m.received_at, "is_fetched": not m.is_unfetched}
                for m in found
            ]
        )  # fmt: skip
        return
    rows = [
        (m.id, show.local(m.received_at, app.zone), _("not fetched") if m.is_unfetched else m.size,
         m.uid, m.error)
        for m in found
    ]  # fmt: skip
    show.table([_("no"), _("at"), _("bytes"), _("uid"), _("error")], rows, right=(0, 2, 3),
               empty=_("no mail is in quarantine"))  # fmt: skip
    if rows:
        show.note(_("`crm-mailer inbox retry N` or `--all` tries once more"))


@inbox.command()
@click.argument("number", type=Number(), required=False)
@click.option("--all", "is_all", is_flag=True, help=_("Every mail in quarantine."))
@pass_app
def retry(app: App, number: int | None, is_all: bool) -> None:
    """Read mail NUMBER from quarantine once more, or fetch it again."""
    from crm_mailer.app import listening

    if (number is None) == (not is_all):
        raise click.UsageError(_("name one mail by its number, or --all"))
    numbers = [mail.id for mail in listening.quarantine(app)] if is_all else [number or 0]
    report = listening.retry(app, numbers)
    for mail, error in report.troubles:
        show.note(_("mail {number}: {error}").format(number=mail, error=error))
    if not report.troubles:
        show.good(n_("it was read", "{number} were read", len(numbers)))


def _fail_if_any(found: Iterable[Look | Reconciled]) -> None:
    """The exit code of a mailbox that could not be read, once all others are shown."""
    for one in found:
        if one.error:
            raise MailboxError(
                Sentence("mailbox {mailbox}: {error}", mailbox=one.mailbox, error=one.error),
                hint=one.hint,
            )


def _show_reconciled(found: list[Reconciled]) -> None:
    rows = [
        (one.mailbox, one.folder, it.on_server, it.kept, it.moved or "", len(it.missing),
         it.waiting, it.left_alone, it.gone, it.quarantined + it.unfetched or "", it.brought or "")
        for one in found if (it := one.found) is not None
    ]  # fmt: skip
    show.table(
        [_("mailbox"), _("folder"), _("on server"), _("kept"), _("moved"), _("missing"),
         _("not yet read"), _("left alone"), _("gone from there"), _("in quarantine"),
         _("brought home")],
        rows, right=tuple(range(2, 11)), empty=_("no mailbox could be compared"),
    )  # fmt: skip
    for one in found:
        if one.found is not None and one.found.missing:
            uids = joined(str(uid) for uid in one.found.missing[:20])
            more = " ..." if len(one.found.missing) > 20 else ""
            show.warn(_("{mailbox} lacks uid {uids}: `--fetch` brings them home").format(
                mailbox=one.mailbox, uids=uids + more))  # fmt: skip


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
    if report.loops:
        show.note(n_("1 mail looks like a loop of auto-replies: nothing will answer it",
                     "{number} mails look like a loop of auto-replies: nothing will answer them",
                     report.loops))  # fmt: skip
    if done.moved:
        show.note(n_("1 mail moved out of the way", "{number} mails moved out of the way",
                     done.moved))  # fmt: skip
    for number, error in report.troubles:
        show.note(_("mail {number} could not be read yet: {error}").format(
            number=number, error=error))  # fmt: skip


def _row(reply: ReplyRow, place: ZoneInfo) -> tuple[object, ...]:
    what = show.word(reply.intent)
    if reply.severity:
        what = f"{reply.severity} {joined(code for code in reply.reasons if code in REASONS)}"
    says = " ".join((reply.own_text or reply.subject).split())
    sender = reply.customer or reply.sender
    kind = show.word(reply.kind)
    at = show.short(reply.received_at, place)
    rung = show.word(reply.rung) if reply.rung != "none" else ""
    return (reply.id, at, sender[:30], kind, what, reply.campaign, rung, says[:60])


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
            (_("reasons"), joined(reasons)),
            (_("asks for"), show.word(reply.asks) if reply.asks != "none" else ""),
            (_("back on"), reply.return_on),
            (_("copy"), _("a second copy, without effect") if reply.is_copy else ""),
        ]
    )
