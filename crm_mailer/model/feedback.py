"""What a customer said about us, by mail or any other channel."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from crm_mailer.model.reply import Intent, ReplyKind, Severity


class FeedbackKind(StrEnum):
    """What the words were, coarse."""

    COMPLAINT = "complaint"
    QUESTION = "question"
    PRAISE = "praise"
    CONFIRMATION = "confirmation"
    SUGGESTION = "suggestion"
    #: Asked for no more marketing mail.
    STOP = "stop"
    SPAM_REPORT = "spam_report"
    #: Stars that are neither praise nor complaint.
    REVIEW = "review"
    OTHER = "other"


@dataclass(frozen=True, slots=True, kw_only=True)
class Feedback:
    """One line of the feedback log. `rating` is 1 to 5 stars."""

    customer_id: int | None
    kind: FeedbackKind
    channel: str
    at: datetime
    order_id: int | None = None
    reply_id: int | None = None
    review_id: int | None = None
    rating: int | None = None
    reason: str = ""
    campaign: str = ""
    #: What it is about, where one product is meant: its sku, else its title.
    product: str = ""
    text: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class UnlearntReply:
    """An understood mail, or words logged by hand, whose effects are still to come."""

    id: int
    kind: ReplyKind
    channel: str
    received_at: datetime
    sender: str = ""
    subject: str = ""
    text: str = ""
    intent: Intent | None = None
    reasons: tuple[str, ...] = ()
    severity: Severity | None = None
    asks: str = ""
    customer_id: int | None = None
    order_id: int | None = None
    order_number: str = ""
    touch_id: int | None = None
    #: Campaign of the mail that was answered.
    campaign: str = ""
    is_copy: bool = False
    #: There are words of thanks in it.
    is_thanks: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class UnlearntReview:
    """Stars and a comment whose effects are still to come."""

    id: int
    stars: int
    at: datetime
    comment: str = ""
    customer_id: int | None = None
    order_id: int | None = None
    order_number: str = ""
    #: Sku or title, where the platform or the customer named it.
    product: str = ""
    channel: str = "platform"
