"""What a person wants who is not unhappy: an answer, a change of the order, a pause."""

from __future__ import annotations

from datetime import datetime, timedelta

from crm_mailer.learning import disputes, sayings
from crm_mailer.model import unpaid
from crm_mailer.model.feedback import UnlearntReply, UnlearntReview
from crm_mailer.model.order import OrderState
from crm_mailer.model.reply import Intent, ReplyKind, Severity
from crm_mailer.model.sla import DEFAULT_LEVELS, ServiceLevels
from crm_mailer.model.task import NewTask, TaskKind
from crm_mailer.model.unpaid import UnpaidReason

#: Codes by which a customer wants an order other than it is.
CHANGES = frozenset({"ask.change_order", "ask.change_shipping", "ask.cancel"})
#: "Not now": how long marketing leaves the customer in peace.
SNOOZE = timedelta(days=30)
ANSWER_IN = timedelta(hours=24)
#: Shorter letters that no rule understood are the like of "ok, thanks"; a Chinese letter says as
#: much in a third of the characters.
_WORTH_READING, _WORTH_READING_CJK = 36, 12
#: Reviews of an old file are nobody's work any more.
ANSWERED_WITHIN = timedelta(days=60)
_BAD_STARS = 2
_EXCERPT = 300


def task_of(reply: UnlearntReply, facts: disputes.Facts, now: datetime) -> NewTask | None:
    """The agent's task that a reply makes; None where there is nothing to do."""
    kind = _task_kind(reply)
    if kind is None:
        return None
    return NewTask(
        kind=kind,
        key=f"reply:{reply.id}",
        text=_task_text(kind, reply, facts),
        due_at=min(reply.received_at, now) + ANSWER_IN,
        customer_id=reply.customer_id,
        order_id=reply.order_id,
    )


def task_of_review(
    review: UnlearntReview, now: datetime, *, is_thanked: bool = False
) -> NewTask | None:
    """A review that is not bad is answered, too: praise is thanked, and three stars are worth a
    word before they become two.

    Args:
        review: a bad one opens a case instead.
        now: the present instant; what is older than two months is left alone.
        is_thanked: a campaign thanks for it.
    """
    if review.stars <= _BAD_STARS or now - review.at > ANSWERED_WITHIN or is_thanked:
        return None
    is_good, order = review.stars > _BAD_STARS + 1, review.order_number
    what = sayings.THANK if is_good else sayings.ANSWER
    if order:
        what = sayings.THANK_ORDER if is_good else sayings.ANSWER_ORDER
    text = what.format(stars=review.stars, order=order, words=review.comment)
    return NewTask(
        kind=TaskKind.REVIEW,
        key=f"review:{review.id}:{review.stars}",
        text=text[:_EXCERPT],
        due_at=min(review.at, now) + ANSWER_IN,
        customer_id=review.customer_id,
        order_id=review.order_id,
    )


def is_bad(review: UnlearntReview, now: datetime) -> bool:
    """Whether a case is owed: two stars or fewer, not in an old file."""
    return review.stars <= _BAD_STARS and now - review.at <= ANSWERED_WITHIN


def who_is_it(
    reply: UnlearntReply, now: datetime, levels: ServiceLevels = DEFAULT_LEVELS
) -> NewTask:
    """The task for an unhappy mail whose writer is not among the customers.

    It is due as the first answer in a case of the same severity: a fire waits for nobody's name.
    """
    severity = reply.severity or Severity.P3
    first_answer = levels.targets[severity].first_response
    what = sayings.GRAVE_STRANGER if severity is Severity.P1 else sayings.STRANGER
    who = reply.sender or sayings.NOBODY
    return NewTask(
        kind=TaskKind.WHO_IS_IT,
        key=f"reply:{reply.id}",
        text=what.format(severity=severity.value, who=who, words=reply.text[:_EXCERPT]),
        due_at=levels.calendar_of(severity).add(min(reply.received_at, now), first_answer),
    )


def unlearnable(what: str, number: int, now: datetime) -> NewTask:
    """The task for a reply or a review that broke the program: a person reads it instead."""
    return NewTask(
        kind=TaskKind.READ,
        key=f"{what}:{number}",
        text=sayings.UNREADABLE.format(what=what, number=number),
        due_at=now + ANSWER_IN,
    )


def order_note(reply: UnlearntReply) -> str:
    """The line to add to the order's note; empty where the reply says nothing about it."""
    kind = _task_kind(reply)
    if reply.order_id is None or kind not in (TaskKind.CONFIRMED, TaskKind.CHANGE_ORDER):
        return ""
    what = sayings.CONFIRMED if kind is TaskKind.CONFIRMED else sayings.CHANGE_WANTED
    words = " ".join(reply.text.split())[:_EXCERPT]
    return what.format(day=f"{reply.received_at:%Y-%m-%d}", words=words)


def unpaid_reason(reply: UnlearntReply) -> UnpaidReason | None:
    """Why an order is not paid, should it not be; None where the reply does not tell."""
    is_person = reply.kind is ReplyKind.HUMAN and not reply.is_copy
    return unpaid.reason_of(reply.reasons) if is_person else None


def snooze_until(reply: UnlearntReply) -> datetime | None:
    """Until when marketing rests, where the customer said "not now"."""
    if reply.kind is ReplyKind.HUMAN and "objection.time" in reply.reasons:
        return reply.received_at + SNOOZE
    return None


def is_mere_question(task: NewTask) -> bool:
    """Whether an answer is all that the task asks for."""
    return task.kind in (TaskKind.ANSWER, TaskKind.READ)


def _task_kind(reply: UnlearntReply) -> TaskKind | None:
    if reply.kind is not ReplyKind.HUMAN or reply.is_copy:
        return None
    if reply.intent is Intent.CONFIRM:
        return TaskKind.CONFIRMED if reply.order_id is not None else None
    if reply.intent in (None, Intent.OTHER):
        is_stated = "suggestion" in reply.reasons or "objection.time" in reply.reasons
        return None if is_stated or not _is_worth_reading(reply) else TaskKind.READ
    if reply.intent is not Intent.QUESTION:
        return None
    return TaskKind.CHANGE_ORDER if CHANGES.intersection(reply.reasons) else TaskKind.ANSWER


def _is_worth_reading(reply: UnlearntReply) -> bool:
    """Whether a person should see words without a meaning that we know.

    A word or a number in answer to an order's mail ("REFUND", "2") chooses what it offered.
    """
    letters = [c for c in reply.text if not c.isspace()]
    if letters and reply.order_id is not None and not reply.is_thanks:
        return True
    is_cjk = sum("\u3040" <= c <= "\u9fff" for c in letters) * 2 > len(letters)
    return len(letters) >= (_WORTH_READING_CJK if is_cjk else _WORTH_READING)


def _task_text(kind: TaskKind, reply: UnlearntReply, facts: disputes.Facts) -> str:
    words = " ".join(reply.text.split())[:_EXCERPT]
    shipped = facts.get(OrderState.SHIPPED)
    if reply.order_number:
        words = sayings.OF_ORDER.format(order=reply.order_number, words=words)
    if shipped and kind in (TaskKind.CONFIRMED, TaskKind.CHANGE_ORDER):
        words = sayings.HAS_LEFT.format(what=words, day=f"{shipped:%Y-%m-%d}")
    return words
