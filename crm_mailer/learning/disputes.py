"""What an unhappy customer complains about, how bad it is, and whether the parcel agrees."""

from __future__ import annotations

import difflib
import re
from collections.abc import Collection, Iterable, Mapping
from datetime import datetime

from crm_mailer.learning import sayings
from crm_mailer.model.case import Case
from crm_mailer.model.errors import NotFound
from crm_mailer.model.flag import FlagKind
from crm_mailer.model.order import OrderState
from crm_mailer.model.reply import REASONS, Severity
from crm_mailer.model.sentence import Sentence, either

#: When an order reached which state.
Facts = Mapping[OrderState, datetime]

#: Codes that stand beside complaint reasons and are none.
_NO_COMPLAINT = ("ask.", "objection.", "wants.", "confirm", "suggestion", "praise", "thanks",
                 "question", "displeasure")  # fmt: skip
#: Words of agents' notes that speak of a buyer to beware of.
_SIGNS = {
    FlagKind.BLACKMAIL: re.compile(
        r"\b(blackmail|extort)|шантаж|вымога|chantaj|extorsi|chantage|erpress|勒索|敲诈|要挟"
    ),
    FlagKind.FRAUD: re.compile(
        r"fraudster|fraudulent|scammer|fake (photo|picture|claim)|мошенни|estafador|fraudeur"
        r"|betrüger|欺诈|诈骗|骗子"
    ),
    FlagKind.BAD_REVIEW: re.compile(
        r"\bbad review on purpose|malicious review|накрут|恶意差评|恶意评价|职业差评"
    ),
}
#: The customer says the parcel is not there.
_ABSENT = ("nr.in_transit", "nr.no_tracking", "nr.customs", "nr.returned")
#: The customer must hold the goods to say so.
IN_HAND = ("nad.damaged", "nad.short", "nad.quality", "nad.description", "nad.counterfeit",
            "order.wrong_item", "order.size", "nr.buyer_returned")  # fmt: skip


def complaint_reasons(codes: Iterable[str]) -> tuple[str, ...]:
    """Those of `codes` that are reasons for a complaint, in their order."""
    return tuple(code for code in codes if not code.startswith(_NO_COMPLAINT))


def severity_of(reason: str) -> Severity:
    """How fast a complaint for this reason must be answered; P3 for a shop's own codes."""
    return REASONS[reason][0] if reason in REASONS else Severity.P3


def worst(severities: Iterable[Severity | None]) -> Severity:
    """The most urgent of them; P3 where there is none."""
    return min((one for one in severities if one), default=Severity.P3)


def rank(reason: str) -> tuple[bool, bool, Severity]:
    """Sort key of reasons: causes by severity, then threats, then the unexplained.

    A threat says how angry somebody is, not what went wrong; it raises the severity of a case,
    and names the case only where no cause is known.
    """
    return (reason == "other", reason.startswith("threat."), severity_of(reason))


def main_reason(codes: Iterable[str]) -> str:
    """The reason that names the case: the first of the best rank, "other" where there is none."""
    return min(complaint_reasons(codes), key=rank, default="other")


def known_reason(code: str) -> str:
    """`code`, checked.

    Raises:
        NotFound: there is no such reason.
    """
    if code in REASONS:
        return code
    close = difflib.get_close_matches(code, REASONS, n=3, cutoff=0.5)
    close += [known for known in REASONS if code and code in known and known not in close]
    hint = (
        Sentence("did you mean {codes}?", codes=either(close[:3]))
        if close
        else Sentence("reasons: {codes}", codes=" ".join(REASONS))
    )
    raise NotFound(Sentence("there is no complaint reason {code!r}", code=code), hint=hint)


def clash(reason: str, facts: Facts) -> str:
    """One sentence where the order's facts contradict the reason; empty where they do not.

    An order without any event proves nothing.
    """
    if not facts:
        return ""
    arrived = facts.get(OrderState.ARRIVED) or facts.get(OrderState.RECEIVED)
    if reason in _ABSENT and arrived:
        return sayings.ARRIVED.format(day=_day(arrived))
    if reason in ("nr.in_transit", "nr.marked_delivered") and OrderState.SHIPPED not in facts:
        return sayings.NOT_SHIPPED
    if reason == "nr.marked_delivered" and not arrived:
        return sayings.NOT_DELIVERED
    if reason in IN_HAND and not arrived:
        return sayings.IN_HAND
    return _clash_of_money(reason, facts)


def flag_offer(case: Case, reasons: Collection[str], evidence: Iterable[str]) -> str:
    """The kind of flag that a case calls for, such as "blackmail"; empty where it calls for none.

    The program only offers it: whether somebody belongs on the blacklist, a person says.

    Args:
        case: the case.
        reasons: all codes of what the customer wrote about it.
        evidence: what agents noted.
    """
    if case.reason == "threat.review" or "threat.review" in reasons:
        return FlagKind.BLACKMAIL.value
    told = " ".join(evidence).casefold()
    for kind, words in _SIGNS.items():
        if words.search(told):
            return kind.value
    return ""


def _clash_of_money(reason: str, facts: Facts) -> str:
    refunded = facts.get(OrderState.REFUNDED)
    if reason == "pay.refund" and refunded:
        return sayings.WAS_REFUNDED.format(day=_day(refunded))
    shipped = facts.get(OrderState.SHIPPED)
    if reason == "order.cancel" and shipped:
        return sayings.WAS_SHIPPED.format(day=_day(shipped))
    return ""


def _day(moment: datetime) -> str:
    return moment.date().isoformat()
