"""One case on the screen: the page that an agent reads before answering."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from crm_mailer.cli import show
from crm_mailer.cli.cases import left_in_words
from crm_mailer.i18n import _, n_
from crm_mailer.model import address
from crm_mailer.model.case import FIRST_RESPONSE
from crm_mailer.model.reply import Severity

if TYPE_CHECKING:
    from crm_mailer.reporting.cases import CaseFile
    from crm_mailer.store.case_files import KnownOrder, WrittenReply


def show_case(file: CaseFile, place: ZoneInfo) -> None:
    """Print the page; times are in `place`."""
    case = file.case
    show.heading(
        _("Case {number}: {reason}").format(number=case.id, reason=_(file.reason_in_words))
    )
    show.facts([
        (_("state"), f"{show.word(case.state)}, {case.owner or _('nobody has it')}"),
        (_("severity"), _severity(case.severity)),
        (_("answer due"), left_in_words(file.left)),
        (_("opened"), show.local(case.opened_at, place)),
        (_("wants"), show.word(case.asks) if case.asks != "none" else ""),
        (_("do next"), _next(file)),
        (_("answer by"), _channel(file)),
    ])  # fmt: skip
    _show_customer(file, place)
    _show_orders(file, place)
    _show_words(file.wrote, place)
    _show_timeline(file, place)
    _show_earlier(file, place)


def _show_customer(file: CaseFile, place: ZoneInfo) -> None:
    known = file.known
    one = known.customer
    score = known.score
    show.line()
    show.heading(_("Customer"))
    show.facts([
        (_("name"), f"{one.name}  <{one.email}>" if one.email else one.name),
        (_("BLACKLIST"), known.flag_reason or _("yes") if one.is_flagged else ""),
        (_("suppressed"), ", ".join(map(show.word, known.suppressed))),
        (_("phone"), address.masked(one.phone)),
        (_("lives in"), ", ".join(part for part in (one.city, one.country) if part)),
        (_("language"), one.language),
        (_("kind of address"), show.word(one.address_kind)),
        (_("score"), "" if score is None else
         f"{score.total}  (R {score.r}, F {score.f}, M {score.m}; "
         f"{n_('1 order', '{number} orders', score.order_count)}, "
         f"{score.spent_usd_cents / 100:,.2f} USD)"),
        (_("classes"), ", ".join(map(show.word, known.classes))),
        (_("tags"), ", ".join(known.tags)),
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
        codes = ", ".join(reply.reasons) or reply.intent or reply.kind
        when = show.local(reply.at, place)
        show.line(f"{when}  [{reply.language or '?'}]  {codes}", style="dim")
        show.line("  " + reply.text.strip().replace("\n", "\n  "))
        why = ", ".join(f"{one.code}: “{one.words}”" for one in reply.evidence if one.words)
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
                " ".join(one.text.split())[:100],
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
    return "" if step is None else f"{_(step.name)} ({step.number}/11): {_(step.advice)}"


def _channel(file: CaseFile) -> str:
    if file.local_time is None:
        return show.word(file.best_channel)
    there = _("it is {time} there").format(time=file.local_time.strftime("%H:%M"))
    return f"{show.word(file.best_channel)}; {there}"


def _severity(severity: Severity) -> str:
    hours = FIRST_RESPONSE[severity] // timedelta(hours=1)
    return _("{severity}: first answer within {hours} hours").format(
        severity=severity.value, hours=hours
    )
