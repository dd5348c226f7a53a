"""What to say to a customer: which canned reply fits the words and the order's facts, and why."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from crm_mailer.learning import disputes
from crm_mailer.model.order import Order, OrderState
from crm_mailer.model.reply import REASONS, Severity
from crm_mailer.model.sentence import Sentence

#: Canned replies lie in this folder of the templates.
FOLDER = "replies"
#: A parcel that left so long ago may have arrived without a word of it in an export.
SILENT_AFTER = timedelta(days=30)

#: Code -> template, where no fact of the order matters. A code that is not named has a template
#: of its own name (`nad.damaged` -> `nad-damaged`), which a shop can add for its own codes, too.
BY_CODE = {
    "mail.too_many": "mail-stop",
    "mail.not_mine": "mail-stop",
    "objection.money": "objection-price",
    "objection.authority": "objection-need",
    "objection.product": "objection-doubt",
    "objection.service": "objection-doubt",
    "objection.policy": "objection-doubt",
}
#: For what no template says.
ANY_COMPLAINT, ANY_QUESTION = "other", "question"
_HURRY_LATE, _HURRY_SHIPPED, _HURRY_IN_TIME = "hurry-late", "hurry-shipped", "hurry-in-time"
#: Questions that nobody can answer who does not know the order.
_ABOUT_PLACE = frozenset({"ask.hurry", "ask.tracking"})
_DELIVERED, _NOT_ARRIVED, _WHICH = "nr-marked-delivered", "clash-not-arrived", "which-order"
_WAITED_FOR = frozenset({"nr.in_transit", "nr.no_tracking", "nr.customs", "nr.returned"})
_CHANGES = {
    "ask.cancel": ("ask-cancel", "ask-cancel-shipped"),
    "ask.change_order": ("ask-change-order", "ask-change-shipped"),
    "ask.change_shipping": ("ask-change-order", "ask-change-shipped"),
}
_CAUSES = ("nr.", "nad.", "order.")
#: After these the money itself is the matter.
_PAID_BACK = frozenset({"nr.buyer_returned", "order.cancel"})
_ARRIVED = frozenset({OrderState.ARRIVED, OrderState.RECEIVED, OrderState.REVIEWED})
_LEFT = _ARRIVED | {OrderState.SHIPPED, OrderState.IN_TRANSIT_LONG}


@dataclass(frozen=True, slots=True, kw_only=True)
class Situation:
    """What is known when an answer is chosen."""

    #: Reasons or intents, the one that counts most first.
    codes: Sequence[str]
    now: datetime
    #: When the order in question reached which state; empty where no order is known.
    facts: disputes.Facts = field(default_factory=dict)
    #: Where the order stands; None where no order is known.
    state: OrderState | None = None
    promised_at: datetime | None = None
    expected_at: datetime | None = None
    has_tracking: bool = False

    def is_past(self, states: Collection[OrderState]) -> bool:
        """Whether the order has been in one of these."""
        return self.state in states or any(state in self.facts for state in states)

    @property
    def has_left(self) -> bool:
        """Whether the parcel is on its way, or was."""
        return self.is_past(_LEFT)

    @property
    def has_arrived(self) -> bool:
        """Whether the parcel is there, by our facts."""
        return self.is_past(_ARRIVED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Suggestion:
    """A canned reply (`replies/...`) and why this one."""

    template: str
    why: str


def choose(situation: Situation, available: Collection[str]) -> Suggestion:
    """The reply for the first code that has one among the `available` templates."""
    for code in by_weight(situation.codes, situation):
        name, why = _for_code(code, situation)
        if f"{FOLDER}/{name}" in available:
            return Suggestion(template=f"{FOLDER}/{name}", why=why)
    code = situation.codes[0] if situation.codes else ""
    is_complaint = code in REASONS
    name = ANY_COMPLAINT if is_complaint else ANY_QUESTION
    return Suggestion(
        template=f"{FOLDER}/{name}", why=Sentence("nothing fits `{code}` better", code=code)
    )


def by_weight(codes: Sequence[str], situation: Situation) -> list[str]:
    """The codes with what is serious first, and a demand for money behind what it is about.

    "It never came, give me my money back" is answered about the parcel, not about a refund that
    nobody has made.
    """
    serious = [code for code in codes if code in REASONS and REASONS[code][0] is Severity.P1]
    rest = [code for code in codes if code not in serious]
    is_repaid = situation.is_past((OrderState.REFUNDED, OrderState.PARTLY_REFUNDED))
    if "pay.refund" in rest and not is_repaid:
        causes = [code for code in rest if code.startswith(_CAUSES) and code not in _PAID_BACK]
        rest = causes + [code for code in rest if code not in causes]
    return serious + rest


def codes_of(template: str) -> tuple[str, ...]:
    """The codes that a canned reply may be suggested for; its own name where no rule names it."""
    name = template.removeprefix(f"{FOLDER}/")
    named = [code for code, one in BY_CODE.items() if one == name]
    named += [code for code, pair in _CHANGES.items() if name in pair]
    if name in (_HURRY_LATE, _HURRY_SHIPPED, _HURRY_IN_TIME):
        named.append("ask.hurry")
    if name == _WHICH:
        named += sorted(_ABOUT_PLACE)
    own = [code for code in REASONS if _own_name(code) == name and code not in named]
    if not named and not own and name.startswith(("ask-", "objection-")):
        head, _dash, rest = name.partition("-")
        own.append(f"{head}.{rest.replace('-', '_')}")
    return tuple(named + own)


def _own_name(code: str) -> str:
    return code.replace(".", "-").replace("_", "-")


def _for_code(code: str, situation: Situation) -> tuple[str, str]:
    """The name of a reply and the reason for it."""
    if code in _CHANGES:
        name = _CHANGES[code][situation.has_left]
        if situation.has_left:
            return name, Sentence("{code}, the order has left", code=code)
        return name, Sentence("{code}, the order has not left", code=code)
    if code in _ABOUT_PLACE or code == "nr.marked_delivered" or code in _WAITED_FOR:
        return _about_the_parcel(code, situation)
    if code == "order.cancel":
        return _about_a_cancelled_order(code, situation)
    if code in disputes.IN_HAND and _has_surely_not_come(situation):
        return _NOT_ARRIVED, Sentence(
            "{code}, but the parcel has not arrived by our facts: ask first", code=code
        )
    return BY_CODE.get(code, _own_name(code)), code


def _about_the_parcel(code: str, situation: Situation) -> tuple[str, str]:
    if situation.has_arrived and code != "ask.tracking":
        return _DELIVERED, Sentence(
            "{code}, but it has arrived by our facts: ask where it may be", code=code
        )
    if code in _ABOUT_PLACE and situation.state is None:
        return _WHICH, Sentence("{code}, but nobody knows of which order", code=code)
    if code == "ask.tracking" and (situation.has_left or situation.has_tracking):
        return "ask-tracking", Sentence("{code}, the parcel has left", code=code)
    if code == "ask.hurry" and situation.has_left:
        return _HURRY_SHIPPED, Sentence("{code}, it was shipped already", code=code)
    is_known = situation.state is not None
    if code in _ABOUT_PLACE or (is_known and not situation.has_left):
        return _not_shipped(code, situation)
    return _own_name(code), code


def _not_shipped(code: str, situation: Situation) -> tuple[str, str]:
    promised = situation.promised_at
    if situation.is_past((OrderState.CANCELLED, OrderState.REFUNDED)):
        return "order-cancel", Sentence(
            "{code}, but the order was cancelled or refunded", code=code
        )
    if (promised and promised < situation.now) or situation.state is OrderState.DELAYED:
        return _HURRY_LATE, Sentence("{code}, not shipped and past the promised date", code=code)
    if promised:
        return _HURRY_IN_TIME, Sentence("{code}, not shipped, within the promise", code=code)
    return _HURRY_IN_TIME, Sentence(
        "{code}, not shipped, of a promised date nothing is known", code=code
    )


def _about_a_cancelled_order(code: str, situation: Situation) -> tuple[str, str]:
    if situation.is_past((OrderState.CANCELLED, OrderState.REFUNDED)):
        return "order-cancel", Sentence("{code}, the order was cancelled", code=code)
    if situation.has_left:
        return _HURRY_SHIPPED, Sentence("{code}, but it was shipped by our facts", code=code)
    if situation.is_past((OrderState.CANCEL_REQUESTED,)):
        return "ask-cancel", Sentence("{code}, the buyer asked to cancel", code=code)
    return (_HURRY_LATE if situation.state else "order-cancel"), Sentence(
        "{code}, it has not left", code=code
    )


def _has_surely_not_come(situation: Situation) -> bool:
    """Whether goods in hand contradict the facts, and not merely an export that tells little."""
    if situation.state is None or situation.has_arrived:
        return False
    if not situation.has_left:
        return True
    expected = situation.expected_at
    shipped = situation.facts.get(OrderState.SHIPPED)
    if expected is not None:
        return situation.now < expected
    return shipped is not None and situation.now - shipped < SILENT_AFTER


#: An order in one of these is still on somebody's mind.
_ON_MIND = frozenset(OrderState) - {
    OrderState.RECEIVED,
    OrderState.REVIEWED,
    OrderState.CANCELLED,
    OrderState.REFUNDED,
    OrderState.EXPIRED,
}


def likely_order(orders: Sequence[Order]) -> Order | None:
    """The order that a customer must mean who names none; None where several may be meant.

    It is the only one that is not over, else the only one there is.
    """
    open_ones = [order for order in orders if order.state in _ON_MIND]
    candidates = open_ones or list(orders)
    return candidates[0] if len(candidates) == 1 else None
