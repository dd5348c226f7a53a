"""One case on the screen: the page that an agent reads before answering."""

from __future__ import annotations

from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from crm_mailer.cli import show
from crm_mailer.cli.spans import left_in_words, span_in_words
from crm_mailer.i18n import _, joined, n_, say
from crm_mailer.learning.checklist import SENTENCES
from crm_mailer.model import address
from crm_mailer.model.case import Arbitration, CaseState, Remedy
from crm_mailer.model.sentence import Sentence
from crm_mailer.model.sla import ClockName, Target

if TYPE_CHECKING:
    from crm_mailer.learning.clocks import Reading
    from crm_mailer.reporting.cases import CaseFile
    from crm_mailer.store.case_files import KnownOrder, WrittenReply


def show_case(file: CaseFile, place: ZoneInfo) -> None:
    """Print the page; times are in `place`."""
    case = file.case
    show.heading(
        _("Case {number}: {reason}").format(number=case.id, reason=_(file.reason_in_words))
    )
    show.facts([
        (_("state"), joined((show.word(case.state), case.owner or _("nobody has it")))),
        (_("severity"), _severity(file)),
        (_("due"), left_in_words(file.left)),
        (_("do next"), _next(file)),
        (_("answer by"), _channel(file)),
        (_("wants"), show.word(case.asks) if case.asks != "none" else ""),
        (_("opened"), show.local(case.opened_at, place)),
        (_("facts disagree"), say(file.clash)),
        (_("dispute"), _dispute(file)),
        (_("goes on with"), _of_case(case.follows_id)),
        (_("merged into"), _of_case(case.merged_into_id)),
        (_("took in"), joined(map(_of_case, file.merged))),
        (_("satisfaction"), _("{stars} of 5").format(stars=case.satisfaction)
         if case.satisfaction else ""),
    ])  # fmt: skip
    if case.state in (CaseState.NEW, CaseState.OPEN):
        show.note(_("`crm-mailer case reply {number}` drafts the answer").format(number=case.id))
    if file.flag_offer:
        show.line(_flag_offer(file), style="yellow")
    _show_clocks(file, place)
    _show_remedies(file)
    if case.state is not CaseState.CLOSED:
        _show_work_list(file)
    _show_customer(file, place)
    _show_orders(file, place)
    _show_words(file.wrote, place)
    _show_timeline(file, place)
    _show_earlier(file, place)


def _of_case(number: int | None) -> str:
    return _("case {number}").format(number=number) if number else ""


def _show_clocks(file: CaseFile, place: ZoneInfo) -> None:
    if not file.clocks:
        return
    show.line()
    show.table(
        [_("clock"), _("due"), ""],
        [
            (
                show.word(one.clock),
                "" if one.is_paused else show.local(one.due_at, place),
                _left(one, file),
            )
            for one in file.clocks
        ],
        title=_("Time"),
    )


def _left(one: Reading, file: CaseFile) -> object:
    if one.stopped_at is not None:
        return _("too late") if one.is_late else _("in time")
    if one.is_paused:
        left = span_in_words(abs(one.left))
        told = _("{span} too late") if one.is_late else _("{span} left")
        return _("stands still, {left}").format(left=told.format(span=left))
    return left_in_words(None if one.due_at is None else one.due_at - file.now)


def _show_work_list(file: CaseFile) -> None:
    show.line()
    show.table(
        ["", _("step"), "", _("done by")],
        [
            (
                "✓" if one.done_at else "·",
                one.step.value,
                _(SENTENCES[one.step]),
                one.by if one.done_at else "",
            )
            for one in file.checklist
        ],
        title=_("Work list of a serious case") if file.is_serious else _("Work list"),
    )


def _show_remedies(file: CaseFile) -> None:
    case = file.case
    paid = case.compensation
    money = [f"{paid.amount:,} {paid.currency}"] if paid else []
    rows = [
        (_("chosen"), joined((show.word(case.remedy), *money)) if case.remedy else ""),
        (_("offered"), _remedies(file.offered)),
        (_("what fits"), "" if case.remedy else _remedies(file.suggested)),
        (_("evidence"), "\n".join(f"{one.ref} {one.text}".strip() for one in file.evidence)),
    ]
    if any(value for _name, value in rows):
        show.line()
        show.heading(_("Remedies"))
        show.facts(rows)


def _remedies(found: tuple[Remedy, ...]) -> str:
    return joined(show.word(one) for one in found)


def _flag_offer(file: CaseFile) -> str:
    who = file.known.customer.email or file.case.customer_id
    command = f"crm-mailer customer flag add {who} WHY --kind {file.flag_offer}"
    return _("this looks like {what}: blacklist? `{command}`").format(
        what=show.word(file.flag_offer), command=f"{command} --case {file.case.id}"
    )


def _flags(file: CaseFile) -> str:
    told = [
        joined(filter(None, (show.word(one.kind), one.reason, one.evidence)), ": ")
        for one in file.flags
    ]
    if not told and file.known.customer.is_flagged:
        return file.known.flag_reason or _("yes")
    return "\n".join(told)


def _dispute(file: CaseFile) -> str:
    case = file.case
    stages = {
        Arbitration.OPENED: _("arbitration opened"),
        Arbitration.DECIDED: _("arbitration decided"),
    }
    stage = stages[case.arbitration] if case.arbitration else ""
    liable = {None: "", True: _("we are liable"), False: _("we are not liable")}[case.is_liable]
    return joined(part for part in (case.dispute_number, stage, liable) if part)


def _show_customer(file: CaseFile, place: ZoneInfo) -> None:
    known = file.known
    one = known.customer
    score = known.score
    if score is not None:
        marks = joined((f"R {score.r}", f"F {score.f}", f"M {score.m}"))
        orders = n_("1 order", "{number} orders", score.order_count)
        spent = f"{score.spent_usd_cents / 100:,.2f} USD"
    show.line()
    show.heading(_("Customer"))
    show.facts([
        (_("name"), f"{one.name}  <{one.email}>" if one.email else one.name),
        (_("BLACKLIST"), _flags(file)),
        (_("suppressed"), joined(map(show.word, known.suppressed))),
        (_("phone"), address.masked(one.phone)),
        (_("lives in"), joined(part for part in (one.city, one.country) if part)),
        (_("language"), one.language),
        (_("kind of address"), show.word(one.address_kind)),
        (_("score"), "" if score is None else
         f"{score.total}  ({joined((marks, joined((orders, spent))), '; ')})"),
        (_("classes"), joined(map(show.word, known.classes))),
        (_("tags"), joined(known.tags)),
    ])  # fmt: skip


def _show_orders(file: CaseFile, place: ZoneInfo) -> None:
    show.line()
    show.table(
        ["", _("order"), _("placed"), _("state"), _("amount"), _("items"), _("parcel")],
        [
            (
                "→" if one.id == file.case.order_id else "",
                one.number,
                show.local(one.placed_at, place)[:10],
                show.word(one.state),
                f"{one.amount.amount:,} {one.amount.currency}",
                _items(one),
                " ".join(part for part in (one.carrier, one.tracking_number) if part),
            )
            for one in file.orders
        ],
        title=_("Orders"),
        right=(4,),
        empty=_("no order is known"),
    )


def _show_words(wrote: tuple[WrittenReply, ...], place: ZoneInfo) -> None:
    if not any(reply.text for reply in wrote):
        return
    show.line()
    show.heading(_("What they wrote"))
    for reply in wrote:
        if not reply.text:
            continue
        codes = joined(reply.reasons) or reply.intent or reply.kind
        when = show.local(reply.at, place)
        show.line(f"{when}  [{reply.language or '?'}]  {codes}", style="dim")
        show.line("  " + reply.text.strip().replace("\n", "\n  "))
        why = joined(
            joined((one.code, f"“{one.words}”"), ": ") for one in reply.evidence if one.words
        )
        if why:
            show.line("  " + _("understood by {words}").format(words=why), style="dim")


def _show_timeline(file: CaseFile, place: ZoneInfo) -> None:
    show.line()
    show.table(
        [_("when"), _("who"), _("what"), ""],
        [
            (
                show.local(one.at, place),
                show.word(one.who),
                show.word(one.what),
                " ".join(say(one.text).split())[:100],
            )
            for one in file.timeline
        ],
        title=_("Timeline"),
    )


def _show_earlier(file: CaseFile, place: ZoneInfo) -> None:
    if not file.earlier:
        return
    show.line()
    show.table(
        [_("case"), _("opened"), _("reason"), _("state")],
        [
            (one.id, show.local(one.opened_at, place), one.reason, show.word(one.state))
            for one in file.earlier
        ],
        title=_("Earlier cases"),
        right=(0,),
    )


def _items(order: KnownOrder, most: int = 3) -> str:
    more = len(order.items) - most
    rest = [_("and {count} more").format(count=more)] if more > 0 else []
    return "\n".join([*order.items[:most], *rest])


def _next(file: CaseFile) -> str:
    step = file.next_step
    if step is None:
        return ""
    advice = say(step.advice) if isinstance(step.advice, Sentence) else _(step.advice)
    return joined((f"{_(step.name)} ({step.number}/11)", advice), ": ")


def _channel(file: CaseFile) -> str:
    best = _("best {hours} of their day").format(hours=file.best_time)
    if file.local_time is None:
        return joined((show.word(file.best_channel), best), "; ")
    there = _("it is {time} there").format(time=file.local_time.strftime("%H:%M"))
    return joined((show.word(file.best_channel), joined((best, there))), "; ")


def _severity(file: CaseFile) -> str:
    kind = _("serious") if file.is_serious else _("ordinary")
    told = _("first answer in {first}, later ones in {later}, solved in {solution}").format(
        first=_target(file.target, ClockName.FIRST_RESPONSE),
        later=_target(file.target, ClockName.UPDATE),
        solution=_target(file.target, ClockName.SOLUTION),
    )
    return joined((joined((file.case.severity.value, kind)), told), ": ")


def _target(target: Target, clock: ClockName) -> str:
    return span_in_words(target.of(clock))
