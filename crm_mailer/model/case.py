"""A follow-up that someone owes an unhappy customer, with a time by which it is due."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from crm_mailer.model.money import Money
from crm_mailer.model.reply import Severity
from crm_mailer.model.sentence import Sentence


class CaseState(StrEnum):
    """Where a case stands."""

    NEW = "new"
    OPEN = "open"
    WAITING_CUSTOMER = "waiting_customer"
    RESOLVED = "resolved"
    CLOSED = "closed"


#: While a case is in one of these, marketing to the customer is on hold.
UNDER_WAY = frozenset({CaseState.NEW, CaseState.OPEN, CaseState.WAITING_CUSTOMER})


class Channel(StrEnum):
    """Where the customer wrote or spoke."""

    EMAIL = "email"
    PLATFORM = "platform"
    CHAT = "chat"
    PHONE = "phone"


class CaseEventKind(StrEnum):
    """What was done about a case, by a person or by the program."""

    OPENED = "opened"
    #: The customer wrote again.
    REPLY = "reply"
    NOTE = "note"
    #: An agent answered the customer.
    ANSWERED = "answered"
    ASSIGNED = "assigned"
    #: Severity or reason became worse.
    RAISED = "raised"
    #: An agent put reason, severity, channel or time right.
    CORRECTED = "corrected"
    #: The order's facts contradict the customer's words.
    CLASH = "clash"
    #: A link, a file or a tracking number that shows what happened.
    EVIDENCE = "evidence"
    #: A step of the work list was done.
    STEP = "step"
    #: A remedy was offered; the customer chose one.
    OFFERED = "offered"
    CHOSEN = "chosen"
    #: The dispute on the marketplace: its number, its deadline, its arbitration.
    DISPUTE = "dispute"
    DEADLINE = "deadline"
    ARBITRATION = "arbitration"
    #: Put together with another case about the same matter.
    MERGED = "merged"
    #: A clock ran out, or nearly; somebody was told.
    ESCALATED = "escalated"
    #: The customer said how content they are.
    RATED = "rated"
    RESOLVED = "resolved"
    CLOSED = "closed"
    REOPENED = "reopened"


class Remedy(StrEnum):
    """What a shop may offer an unhappy buyer."""

    REPLACEMENT = "replacement"
    EXCHANGE = "exchange"
    REPAIR = "repair"
    RESEND = "resend"
    RETURN_REFUND = "return_refund"
    REFUND = "refund"
    PARTIAL_REFUND = "partial_refund"
    #: The difference in price.
    DIFFERENCE = "difference"
    POSTAGE = "postage"
    COUPON = "coupon"


class Arbitration(StrEnum):
    """How a dispute stands that the marketplace itself decides."""

    OPENED = "opened"
    DECIDED = "decided"


#: In `CaseEvent.ref` of a reply: words that ask for no answer.
THANKS = "thanks"
#: The same: words that threaten.
THREAT = "threat"
#: In `CaseEvent.ref` of an answer: the next word is ours again.
OURS = "ours"


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One follow-up."""

    id: int
    customer_id: int
    state: CaseState
    reason: str
    severity: Severity
    opened_at: datetime
    #: When the nearest of its clocks runs out; kept from before while none runs.
    due_at: datetime
    order_id: int | None = None
    owner: str = ""
    channel: Channel = Channel.EMAIL
    first_response_at: datetime | None = None
    closed_at: datetime | None = None
    asks: str = ""
    reply_id: int | None = None
    touch_id: int | None = None
    #: The customer threatens, whatever else went wrong.
    is_threat: bool = False
    #: The marketplace's own deadline, by the clock on the wall.
    deadline_at: datetime | None = None
    #: The earlier case that this one goes on with, and the one that it was merged into.
    follows_id: int | None = None
    merged_into_id: int | None = None
    dispute_number: str = ""
    arbitration: Arbitration | None = None
    #: Whether the marketplace found the seller liable.
    is_liable: bool | None = None
    remedy: Remedy | None = None
    compensation: Money | None = None
    #: How and when the customer is best reached, where an agent said so.
    best_channel: str = ""
    best_time: str = ""
    #: The customer's word on how it was handled, 1 to 5.
    satisfaction: int | None = None

    @property
    def is_under_way(self) -> bool:
        """Whether something is still to be done."""
        return self.state in UNDER_WAY

    @property
    def state_in_words(self) -> Sentence:
        """Where it stands, as part of a sentence."""
        state = self.state.value
        return Sentence(state.replace("_", " "))

    @property
    def is_serious(self) -> bool:
        """Whether ordinary handling is not enough: a threat, danger, an arbitration."""
        return (
            self.severity is Severity.P1
            or self.reason == "safety"
            or self.is_threat
            or self.reason.startswith("threat.")
            or self.arbitration is Arbitration.OPENED
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseEvent:
    """One act on a case; an empty `by` means the program itself."""

    kind: CaseEventKind
    at: datetime
    by: str = ""
    text: str = ""
    #: What it is about in a word: a severity, a step, a remedy, a link.
    ref: str = ""
    reply_id: int | None = None
    #: When the customer said what is logged here, where that was earlier than `at`.
    said_at: datetime | None = None
    #: The case in whose log it stands; 0 before it is saved.
    case_id: int = 0
