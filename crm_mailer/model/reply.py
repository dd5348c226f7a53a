"""What came into the mailbox: what it is, whose it is, what it says."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum


class ReplyKind(StrEnum):
    """What a mail is, in the order in which the kinds are told apart."""

    SPAM_REPORT = "spam_report"
    BOUNCE = "bounce"
    CHALLENGE = "challenge"
    AUTO_REPLY = "auto_reply"
    UNSUBSCRIBE = "unsubscribe"
    BULK = "bulk"
    HUMAN = "human"
    #: Answers a test of a mail: it is kept, and nothing follows from it.
    TEST = "test"


class Intent(StrEnum):
    """What a person wants, coarse; finer codes stand beside it."""

    COMPLAINT = "complaint"
    QUESTION = "question"
    PRAISE = "praise"
    CONFIRM = "confirm"
    OTHER = "other"


class Rung(StrEnum):
    """How a mail was matched to what we sent, most certain first."""

    ADDRESS_TOKEN = "address_token"
    MESSAGE_ID = "message_id"
    RETURNED_TOKEN = "returned_token"
    ADDRESS_AND_TIME = "address_and_time"
    ORDER_NUMBER = "order_number"
    SENDER = "sender"
    NONE = "none"


class BounceKind(StrEnum):
    """A machine says no: for ever, for now, or not yet."""

    #: The address is dead.
    HARD = "hard"
    #: It counts: three different days in a month, and the address is given up.
    SOFT = "soft"
    DELAY = "delay"
    #: Our own fault (policy, authentication, content): the customer is not to blame.
    OURS = "ours"
    #: Kept and of no effect: a fault on the way, or a success.
    NOTICE = "notice"


class Severity(StrEnum):
    """How fast a complaint must be answered."""

    P1 = "P1"
    P2 = "P2"
    P3 = "P3"


#: Complaint reason -> severity and what it means. Codes: nr = not received, nad = not as described.
REASONS: dict[str, tuple[Severity, str]] = {
    "nr.customs": (Severity.P2, "held at customs, or customs duty asked"),
    "nr.in_transit": (Severity.P2, "not received, still in transit"),
    "nr.returned": (Severity.P2, "parcel went back to the sender"),
    "nr.wrong_address": (Severity.P2, "sent to or left at a wrong address"),
    "nr.marked_delivered": (Severity.P2, "tracking says delivered, the buyer has nothing"),
    "nr.no_tracking": (Severity.P2, "no tracking information, or a wrong one"),
    "nr.buyer_returned": (Severity.P2, "the buyer sent the goods back"),
    "nr.refused": (Severity.P2, "the buyer refused to accept the parcel"),
    "nad.description": (Severity.P2, "differs from its description"),
    "nad.quality": (Severity.P2, "quality problem or defect"),
    "nad.counterfeit": (Severity.P2, "counterfeit"),
    "nad.virtual": (Severity.P2, "virtual product"),
    "nad.short": (Severity.P2, "short quantity or missing part"),
    "nad.damaged": (Severity.P2, "damaged goods"),
    "order.cancel": (Severity.P2, "cancelled or not shipped in time by the seller"),
    "order.wrong_item": (Severity.P2, "wrong item"),
    "order.size": (Severity.P2, "wrong size or colour"),
    "pay.refund": (Severity.P2, "refund not received"),
    "pay.double": (Severity.P2, "charged twice or too much"),
    "pay.refused": (Severity.P2, "payment was declined"),
    "svc.no_reply": (Severity.P3, "earlier mails were not answered"),
    "svc.rude": (Severity.P3, "rude service"),
    "mail.too_many": (Severity.P3, "too many mails"),
    "mail.not_mine": (Severity.P3, "never asked for our mails"),
    "threat.dispute": (Severity.P1, "threatens a dispute or chargeback"),
    "threat.review": (Severity.P3, "threatens a bad review"),
    "threat.legal": (Severity.P1, "threatens lawyers or authorities"),
    "safety": (Severity.P1, "injury, fire, allergy"),
    "privacy": (Severity.P1, "data protection"),
    "other": (Severity.P3, "unhappy for another reason"),
}
#: Those that every shop has.
SHIPPED_REASONS = dict(REASONS)


def adopt_reasons(own: Mapping[str, tuple[Severity, str]]) -> None:
    """Make a shop's own reasons known wherever `REASONS` is; another shop's are forgotten."""
    REASONS.clear()
    REASONS.update(SHIPPED_REASONS)
    REASONS.update(own)


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """Why a flag was raised: the rule, its weight and the very words."""

    code: str
    weight: float
    words: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """One understood mail."""

    id: int
    inbound_id: int
    kind: ReplyKind
    received_at: datetime
    sender: str = ""
    subject: str = ""
    own_text: str = ""
    language: str = ""
    intent: Intent | None = None
    reasons: tuple[str, ...] = ()
    severity: Severity | None = None
    customer_id: int | None = None
    touch_id: int | None = None
    order_id: int | None = None
    rung: Rung = Rung.NONE
    asks: str = ""
    return_on: date | None = None
    evidence: tuple[Evidence, ...] = ()
