"""How the outbox looks in a terminal: lists, records, recipes, mails in doubt."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from crm_mailer.cli import show
from crm_mailer.delivering import own_words
from crm_mailer.i18n import _, joined, n_, say
from crm_mailer.model import standing_back
from crm_mailer.model.campaign import Stream
from crm_mailer.model.touch import TouchState

if TYPE_CHECKING:
    from crm_mailer.app import App
    from crm_mailer.app.doubts import DoubtLine, Doubts, LogFindings
    from crm_mailer.app.outbox import Cancelled
    from crm_mailer.app.recipes import Remade
    from crm_mailer.model.delivery import Outcome
    from crm_mailer.store.audit import Audit
    from crm_mailer.store.outbox import OutboxLine, Record

#: Mails of a log that are named one by one, and of a trouble of the ledger.
NAMED, NAMED_OF_EACH = 20, 5


def lines(app: App, found: Sequence[OutboxLine], *, is_narrowed: bool) -> None:
    """One line for each mail. `is_narrowed`: only certain mails were asked for."""
    nothing = _("no mail is planned; `crm-mailer plan` shows what would be")
    show.table(
        [_("no"), _("campaign"), _("step"), _("to"), _("state"), _("why"),
         show.when(_("when"), app.zone, app.clock.now())],
        [(line.id, line.campaign, line.step, line.address, show.word(line.state),
          show.word(line.reason), show.short(line.settled_at or line.next_at, app.zone))
         for line in found],
        right=(0,),
        empty=_("no mail is like that") if is_narrowed else nothing,
    )  # fmt: skip


def _why(app: App, found: Record) -> str:
    back = standing_back.read(found.touch.reason, found.detail)
    if back is not None:
        return say(standing_back.words(back, app.zone))
    return " ".join([show.word(found.touch.reason), found.detail]).strip()


def record(app: App, found: Record) -> None:
    """All that is known of one mail."""
    from crm_mailer.app import archiving

    touch = found.touch
    show.heading(_("mail {number}").format(number=touch.id))
    show.facts([
        (_("campaign"), joined((touch.campaign, f"{touch.step} ({touch.place}/{touch.places})"))),
        (_("anchor"), touch.anchor),
        (_("stream"), touch.stream),
        (_("to"), found.rcpt_to or found.address),
        (_("state"), show.word(touch.state)),
        (_("why"), _why(app, found)),
        (_("planned for"), show.local(touch.due_at, app.zone)),
        (_("next try"), show.local(touch.next_at, app.zone)),
        (_("settled"), show.local(found.settled_at, app.zone)),
        (_("subject"), found.subject),
        (_("language"), found.language),
        (_("template"), f"{touch.template} {found.template_version}".strip()),
        (_("Message-ID"), found.message_id),
        (_("return path"), found.mail_from),
        (_("SHA-256"), found.sha256),
        (_("rendered"), show.local(found.rendered_at, app.zone)),
    ])  # fmt: skip
    if places := archiving.places_of(app, touch) if not found.message_id else []:
        show.note(_("archived in {place}; `crm-mailer db archive --find {number}` shows it").format(
            place=" ".join(places), number=touch.id))  # fmt: skip
    _attempts(app, found)
    if found.evidence:
        show.table(
            [_("when"), _("what"), _("it shows"), _("its words")],
            [(show.local(one.at, app.zone), show.word(one.kind), show.word(one.verdict), one.text)
             for one in found.evidence],
            title=_("learnt later"),
        )  # fmt: skip
    if found.bounces:
        show.table(
            [_("when"), _("bounce"), _("status"), _("the machine said")],
            [(show.local(one.at, app.zone), show.word(one.kind), one.status, one.diagnostic)
             for one in found.bounces],
            title=_("came back"),
        )  # fmt: skip


def _answer(outcome: Outcome) -> str:
    """What the server said; where none did, what we know."""
    if not outcome.code:
        return say(own_words.heard(outcome.text))
    return f"{outcome.code} {outcome.status} {outcome.text}"


def _attempts(app: App, found: Record) -> None:
    show.table(
        [_("try"), show.when(_("when"), app.zone, app.clock.now()), _("outcome"), _("phase"),
         _("the server said"), _("server"), _("ms")],
        [(one.attempt, show.short(one.at, app.zone), show.word(one.outcome.kind), one.outcome.phase,
          _answer(one.outcome),
          one.outcome.host, one.outcome.took_ms) for one in found.deliveries],
        title=_("attempts"), right=(0, 6), empty=_("never handed over"),
    )  # fmt: skip


def recipe(app: App, made: Remade) -> None:
    """What a mail was made from, and whether it can be made again."""
    found = made.recipe
    show.facts([
        (_("template"), f"{found.template} ({found.language})" if found.template else ""),
        (_("its version"), found.template_version),
        (_("campaign"), joined((found.campaign, found.step))),
        (_("its version"), found.campaign_version),
        (_("Message-ID"), found.message_id),
        (_("rendered"), show.local(found.rendered_at, app.zone)),
        (_("SHA-256"), found.sha256),
    ])  # fmt: skip
    if made.fields:
        show.table(
            [_("field"), _("value")],
            [(name, str(value)) for name, value in made.fields.items()],
            title=_("fields that it used"),
        )
    if made.is_same:
        show.good(_("made again, the hash agrees: this is exactly how it looked; "
                    "`crm-mailer outbox show NUMBER --eml` writes it"))  # fmt: skip
        return
    for why in made.differences:
        show.warn(say(why))
    show.note(_("it cannot be made again as it was; the fields above are those that it used"))


def cancelled(done: Cancelled, campaign: str | None) -> None:
    """What `cancel` did, and what it could not be sure of."""
    mails = n_("1 mail", "{number} mails", done.ended)
    if campaign is not None:
        show.good(_("{mails} of {campaign} ended").format(mails=mails, campaign=campaign))
    else:
        show.good(_("{mails} ended").format(mails=mails))
    if done.marked:
        show.note(in_hands(done.marked))
    if done.called_off:
        show.note(n_("1 mail stays in doubt; it is not tried again",
                     "{number} mails stay in doubt; they are not tried again",
                     done.called_off))  # fmt: skip


def in_hands(number: int) -> str:
    """What becomes of mails that were cancelled while a sender had them."""
    return n_("1 more is in a sender's hands and ends there, unless it leaves this second",
              "{number} more are in a sender's hands and end there, unless they leave this second",
              number)  # fmt: skip


def audit(found: Audit) -> None:
    """The sum, and what contradicts it."""
    show.table(
        [_("state"), _("mails")],
        [*((show.word(one), found.states[one]) for one in TouchState if one in found.states),
         (_("total"), found.total)],
        right=(1,),
    )  # fmt: skip
    if found.probably_sent:
        show.note(n_("1 mail in doubt is counted as sent: no word of it for 72 hours",
                     "{number} mails in doubt are counted as sent: no word of them for 72 hours",
                     found.probably_sent))  # fmt: skip
    for sentence, number in found.troubles.items():
        more = ["…"] if number > NAMED_OF_EACH else []
        some = joined([*found.examples[sentence], *more])
        show.warn(joined((number, f"{_(sentence)} ({some})"), ": "))
        remedy = found.remedies[sentence]
        show.note(_(remedy))
    if found.is_sound:
        show.good(_("every planned mail has exactly one fate, and the ledger adds up"))


def doubts(app: App, found: Doubts) -> None:
    """Mails in doubt, and what happens to each."""
    show.table(
        [_("no"), _("campaign"), _("to"), show.when(_("since"), app.zone, app.clock.now()),
         _("server"), _("why"), _("what happens next")],
        [(one.doubt.id, one.doubt.campaign, one.doubt.address,
          show.short(one.doubt.since, app.zone), one.doubt.host,
          say(own_words.heard(one.doubt.why)), _next(app, one))
         for one in found.lines],
        right=(0,),
        empty=_("no mail is in doubt"),
    )  # fmt: skip
    if not found.total:
        return
    if found.total > len(found.lines):
        show.note(_("{shown} of {total} are shown; --limit shows more").format(
            shown=len(found.lines), total=found.total))  # fmt: skip
    show.note(_("Next: `crm-mailer outbox doubt --postfix-log FILE` asks the relay's log; "
                "`crm-mailer outbox doubt resolve NUMBER --sent` if you know"))  # fmt: skip


def _next(app: App, one: DoubtLine) -> str:
    """What happens to a mail in doubt if nothing is learnt of it."""
    if one.next == "once_more":
        assert one.doubt.next_at is not None
        at = one.doubt.next_at.astimezone(app.zone)
        return _("one more attempt at {time}").format(time=f"{at:%H:%M}")
    if one.next == "leaving":
        return _("being sent once more now")
    if one.next == "probably_sent":
        return _("counted as sent since 72 h")
    return _("held: never sent again by itself")


def log(app: App, found: LogFindings) -> None:
    """What a relay's log told."""
    stretches = joined(
        f"{show.local(first, app.zone)} – {show.local(last, app.zone)}"
        for first, last in found.covered
    )
    show.note(_("{lines} lines of {files}; they cover {time}").format(
        lines=f"{found.lines:,}", files=n_("1 file", "{number} files", len(found.files)),
        time=stretches or "-"))  # fmt: skip
    for number, words in list(found.accepted.items())[:NAMED]:
        show.line(f"{number}  {words}")
    for number, words in list(found.not_sent.items())[:NAMED]:
        show.line(f"{number}  {words}")
    if found.accepted:
        show.good(n_("1 mail settled: the relay had taken it",
                     "{number} mails settled: the relay had taken them",
                     len(found.accepted)))  # fmt: skip
    if found.not_sent:
        show.good(n_("1 mail settled: the relay had refused it; it is due at once",
                     "{number} mails settled: the relay had refused them; they are due at once",
                     len(found.not_sent)))  # fmt: skip
    if found.absent:
        _absent(found)
    if found.open:
        show.note(n_("1 mail stays in doubt: the log does not tell",
                     "{number} mails stay in doubt: the log does not tell",
                     len(found.open)))  # fmt: skip
        if not found.ours:
            show.warn(_("the log names no mail of ours at all: is it that of our relay?"))
    if not (found.accepted or found.not_sent or found.absent or found.open):
        show.note(_("no mail is in doubt"))


def _absent(found: LogFindings) -> None:
    show.warn(n_("1 mail has no trace in the log, which covers its time wholly: it was most "
                 "likely not sent",
                 "{number} mails have no trace in the log, which covers their time wholly: they "
                 "were most likely not sent", len(found.absent)))  # fmt: skip
    for one in found.absent[:NAMED]:
        mark = "" if one.stream == Stream.TRANSACTIONAL else f"  ({_('marketing')})"
        show.line(f"  crm-mailer outbox doubt resolve {one.id} --not-sent{mark}")
