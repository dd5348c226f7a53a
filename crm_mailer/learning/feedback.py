"""What goes into the feedback log: who said what about which order, in one word and in full."""

from __future__ import annotations

from crm_mailer.learning import disputes
from crm_mailer.model.feedback import Feedback, FeedbackKind, UnlearntReply, UnlearntReview
from crm_mailer.model.reply import Intent, ReplyKind

_BY_INTENT = {
    Intent.COMPLAINT: FeedbackKind.COMPLAINT,
    Intent.QUESTION: FeedbackKind.QUESTION,
    Intent.PRAISE: FeedbackKind.PRAISE,
    Intent.CONFIRM: FeedbackKind.CONFIRMATION,
    Intent.OTHER: FeedbackKind.OTHER,
}
_GOOD_STARS = 4
_BAD_STARS = 2


def kind_of(reply: UnlearntReply) -> FeedbackKind | None:
    """What a reply is in the log; None for what machines write and for second copies."""
    if reply.is_copy:
        return None
    if reply.kind is ReplyKind.SPAM_REPORT:
        return FeedbackKind.SPAM_REPORT
    if reply.kind is ReplyKind.UNSUBSCRIBE:
        return FeedbackKind.COMPLAINT if is_complaint(reply) else FeedbackKind.STOP
    if reply.kind is not ReplyKind.HUMAN:
        return None
    if "suggestion" in reply.reasons and reply.intent is not Intent.COMPLAINT:
        return FeedbackKind.SUGGESTION
    return _BY_INTENT[reply.intent or Intent.OTHER]


def is_complaint(reply: UnlearntReply) -> bool:
    """Whether a case is owed.

    Somebody who asks to be left alone got what was asked for, unless there is more to it than
    our mails.
    """
    if reply.is_copy or reply.intent is not Intent.COMPLAINT:
        return False
    if reply.kind is ReplyKind.UNSUBSCRIBE:
        reasons = disputes.complaint_reasons(reply.reasons)
        return any(not code.startswith("mail.") for code in reasons)
    return reply.kind is ReplyKind.HUMAN


def of_reply(reply: UnlearntReply) -> Feedback | None:
    """The log line of a reply; None where nobody said anything."""
    kind = kind_of(reply)
    if kind is None:
        return None
    reasons = disputes.complaint_reasons(reply.reasons)
    fine = reply.reasons[0] if reply.reasons else ""
    return Feedback(
        customer_id=reply.customer_id,
        kind=kind,
        channel=reply.channel,
        at=reply.received_at,
        order_id=reply.order_id,
        reply_id=reply.id,
        reason=disputes.main_reason(reasons) if kind is FeedbackKind.COMPLAINT else fine,
        campaign=reply.campaign,
        text=reply.text,
    )


def of_review(review: UnlearntReview) -> Feedback:
    """The log line of a review: praise from four stars, a complaint up to two."""
    kind = FeedbackKind.REVIEW
    if review.stars >= _GOOD_STARS:
        kind = FeedbackKind.PRAISE
    elif review.stars <= _BAD_STARS:
        kind = FeedbackKind.COMPLAINT
    return Feedback(
        customer_id=review.customer_id,
        kind=kind,
        channel=review.channel,
        at=review.at,
        order_id=review.order_id,
        review_id=review.id,
        rating=review.stars,
        reason="other" if kind is FeedbackKind.COMPLAINT else "",
        text=review.comment,
    )
