"""Turns what customers wrote into feedback, cases, tasks: load, decide, save."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, fields, replace
from datetime import datetime
from functools import partial
from typing import Protocol, TypeVar

import structlog

from crm_mailer.learning import (
    disputes,
    feedback,
    filing,
    followups,
    hearing,
    requests,
    stars,
    unrest,
)
from crm_mailer.model.case import UNDER_WAY, CaseEventKind, Channel
from crm_mailer.model.errors import CrmMailerError
from crm_mailer.model.feedback import FeedbackKind, UnlearntReply, UnlearntReview
from crm_mailer.model.reply import Intent, ReplyKind
from crm_mailer.model.sla import DEFAULT_LEVELS, ServiceLevels
from crm_mailer.model.touch import SkipReason
from crm_mailer.store import cancelling, touches, unpaid
from crm_mailer.store import cases as store_cases
from crm_mailer.store import feedback as store_feedback
from crm_mailer.store import reviews as store_reviews
from crm_mailer.store import tasks as store_tasks
from crm_mailer.store.engine import Connection, Store

_PAGE = 500
_log = structlog.get_logger()


class _Numbered(Protocol):
    @property
    def id(self) -> int: ...


_T = TypeVar("_T", bound=_Numbered)


@dataclass(frozen=True, slots=True, kw_only=True)
class LearnReport:
    """What one turn of learning did. `failed` rows were given to a person as a task."""

    replies: int = 0
    reviews: int = 0
    feedback: int = 0
    cases_opened: int = 0
    cases_continued: int = 0
    cases_reopened: int = 0
    tasks: int = 0
    snoozed: int = 0
    failed: int = 0

    def __add__(self, other: LearnReport) -> LearnReport:
        """Both turns together."""
        return LearnReport(
            **{one.name: getattr(self, one.name) + getattr(other, one.name) for one in fields(self)}
        )


def learn(
    store: Store,
    *,
    now: datetime,
    limit: int | None = None,
    is_praise_thanked: bool = False,
    is_review_thanked: bool = False,
    levels: ServiceLevels = DEFAULT_LEVELS,
    unrest_limits: unrest.UnrestLimits = unrest.DEFAULTS,
) -> LearnReport:
    """Give each reply and each review that has none its effects, once.

    One transaction each: a crash loses nothing and repeats nothing.

    Args:
        store: the shop's database.
        now: the present instant.
        limit: at most so many replies, and as many reviews.
        is_praise_thanked: a campaign answers letters of praise, so that nobody else has to.
        is_review_thanked: the same for good reviews.
        levels: how fast cases must be answered, and in which hours.
        unrest_limits: how many complaints after one campaign raise an alert.
    """
    learn_reply = partial(_learn_reply, is_praise_thanked=is_praise_thanked, levels=levels)
    learn_review = partial(_learn_review, is_review_thanked=is_review_thanked, levels=levels)
    counts: Counter[str] = Counter()
    for reply in _pages(store, store_feedback.list_unlearnt_replies, limit):
        counts.update(_guarded(store, reply, now, learn_reply))
    for review in _pages(store, store_feedback.list_unlearnt_reviews, limit):
        counts.update(_guarded(store, review, now, learn_review))
    unrest.watch(store, now=now, limits=unrest_limits)
    return LearnReport(**counts)


class _Lister(Protocol[_T]):
    def __call__(self, connection: Connection, *, after: int = 0, limit: int = 500) -> list[_T]: ...


def _pages(store: Store, lister: _Lister[_T], limit: int | None) -> Iterator[_T]:
    left = limit
    last = 0
    while left is None or left > 0:
        with store.read() as connection:
            page = lister(connection, after=last, limit=min(_PAGE, left or _PAGE))
        if not page:
            return
        yield from page
        last = page[-1].id
        left = None if left is None else left - len(page)


def _guarded(
    store: Store,
    row: _T,
    now: datetime,
    work: Callable[[Connection, _T, datetime], Counter[str]],
) -> Counter[str]:
    """One row in one transaction; a row that breaks goes to a person, and the rest goes on."""
    try:
        with store.write() as connection:
            return work(connection, row, now)
    except CrmMailerError:
        raise  # the database is in trouble, not this row
    except Exception:
        _log.exception("learning_failed", row=type(row).__name__, id=row.id)
        _hand_to_a_person(store, row, now)
        return Counter(failed=1)


def _hand_to_a_person(store: Store, row: _Numbered, now: datetime) -> None:
    """What we cannot learn from is read by an agent; trying for ever would help nobody."""
    is_reply = isinstance(row, UnlearntReply)
    mark = store_feedback.mark_reply_learnt if is_reply else store_feedback.mark_review_learnt
    with store.write() as connection:
        if mark(connection, row.id, now):
            task = requests.unlearnable("reply" if is_reply else "review", row.id, now)
            store_tasks.add(connection, task, now)


def _learn_reply(
    connection: Connection,
    reply: UnlearntReply,
    now: datetime,
    *,
    is_praise_thanked: bool,
    levels: ServiceLevels,
) -> Counter[str]:
    if not store_feedback.mark_reply_learnt(connection, reply.id, now):
        return Counter()
    counts = Counter(replies=1)
    told = stars.of_platform(reply)
    if told is not None:
        hearing.hear_of(connection, reply, told)
        return counts
    line = feedback.of_reply(reply)
    if line is None:
        filing.note_machine_mail(connection, reply, now, levels)
        return counts
    given = stars.of_customer(reply)
    review_id = hearing.hear(connection, reply, given, now) if given else None
    hearing.log(connection, reply, line, rating=given.stars if given else None, review_id=review_id)
    counts["feedback"] += 1
    move = _follow_reply(connection, reply, now, levels)
    if move is None and given is not None:
        move = _follow_stars(connection, reply, given, now, levels)
    counts.update(_counted(move))
    counts["tasks"] += _do_requests(connection, reply, now, levels, has_case=move is not None)
    if review_id is not None and given is not None and move is None:
        is_thanked = is_praise_thanked and reply.intent is Intent.PRAISE
        counts["tasks"] += hearing.answer(
            connection, reply, given, review_id, now, is_thanked=is_thanked
        )
    counts["snoozed"] += _snooze(connection, reply)
    return counts


def _snooze(connection: Connection, reply: UnlearntReply) -> bool:
    """Whether the customer said "not now": marketing rests."""
    until = requests.snooze_until(reply)
    if until is None or reply.customer_id is None:
        return False
    store_feedback.snooze(connection, reply.customer_id, until)
    return True


def _follow_stars(
    connection: Connection,
    reply: UnlearntReply,
    given: stars.Told,
    now: datetime,
    levels: ServiceLevels,
) -> followups.Move | None:
    """Few stars are a complaint, however friendly the words."""
    if given.stars > followups.BAD_STARS or reply.customer_id is None:
        return None
    trouble = followups.of_reply(reply, reply.customer_id, now)
    trouble = replace(trouble, is_complaint=True, wants_an_answer=True)
    return follow(connection, trouble, now, levels)


def _follow_reply(
    connection: Connection, reply: UnlearntReply, now: datetime, levels: ServiceLevels
) -> followups.Move | None:
    if reply.customer_id is None:
        return None
    if not (reply.kind is ReplyKind.HUMAN or feedback.is_complaint(reply)):
        return None
    trouble = followups.of_reply(reply, reply.customer_id, now)
    return follow(connection, trouble, now, levels)


def follow(
    connection: Connection,
    trouble: followups.Trouble,
    now: datetime,
    levels: ServiceLevels = DEFAULT_LEVELS,
) -> followups.Move | None:
    """Open or go on with the case that an unhappy customer's words call for."""
    store_cases.lock_customer(connection, trouble.customer_id)
    earlier = store_cases.list_of_customer(connection, trouble.customer_id, for_change=True)
    facts = store_cases.order_facts(connection, trouble.order_id, levels.calendar.place)
    move = followups.decide(trouble, earlier, facts, now)
    if move is not None:
        save(connection, move, levels)
    return move


def save(
    connection: Connection, move: followups.Move, levels: ServiceLevels = DEFAULT_LEVELS
) -> int:
    """Write a case as a move leaves it; its number."""
    _cancel_what_is_out_of_place(connection, move)
    return filing.save(connection, move, levels).id


def _cancel_what_is_out_of_place(connection: Connection, move: followups.Move) -> None:
    """A case that is opened ends requests for a review and the like; all else merely waits."""
    begins = (CaseEventKind.OPENED, CaseEventKind.REOPENED, CaseEventKind.REPLY)
    acts = [event for event in move.events if event.kind in begins]
    if not acts or move.case.state not in UNDER_WAY:
        return
    case = move.case
    ids = cancelling.list_out_of_place(
        connection, case.customer_id, order_id=case.order_id, touch_id=case.touch_id
    )
    touches.end(connection, ids, SkipReason.CASE_OPEN, acts[-1].at)


def _do_requests(
    connection: Connection,
    reply: UnlearntReply,
    now: datetime,
    levels: ServiceLevels,
    *,
    has_case: bool,
) -> int:
    if reply.customer_id is None and feedback.is_complaint(reply):
        return int(store_tasks.add(connection, requests.who_is_it(reply, now, levels), now))
    _note_why_unpaid(connection, reply)
    note = requests.order_note(reply)
    if note and reply.order_id is not None:
        store_feedback.add_order_note(connection, reply.order_id, note)
    facts = store_cases.order_facts(connection, reply.order_id, levels.calendar.place)
    task = requests.task_of(reply, facts, now)
    # A question inside a case is answered there, not twice.
    if task is None or (has_case and requests.is_mere_question(task)):
        return 0
    return int(store_tasks.add(connection, task, now))


def _note_why_unpaid(connection: Connection, reply: UnlearntReply) -> None:
    """What keeps the buyer of an unpaid order from paying, where the letter tells."""
    reason = requests.unpaid_reason(reply)
    if reason is not None and reply.order_id is not None:
        unpaid.note(connection, reply.order_id, reason)


def _learn_review(
    connection: Connection,
    review: UnlearntReview,
    now: datetime,
    *,
    is_review_thanked: bool,
    levels: ServiceLevels,
) -> Counter[str]:
    if not store_feedback.mark_review_learnt(connection, review.id, now):
        return Counter()
    line = feedback.of_review(review)
    product = review.product or hearing.product(
        connection, review.order_id, review.customer_id, review.comment, line.kind
    )
    store_reviews.set_product(connection, review.id, product)
    store_feedback.add(connection, replace(line, product=product))
    counts = Counter(reviews=1, feedback=1)
    is_thanked = is_review_thanked and line.kind is FeedbackKind.PRAISE
    task = requests.task_of_review(review, now, is_thanked=is_thanked)
    if task is not None:
        counts["tasks"] += store_tasks.add(connection, task, now)
    if review.customer_id is not None and requests.is_bad(review, now):
        trouble = followups.of_review(review, review.customer_id, now)
        counts.update(_counted(follow(connection, trouble, now, levels)))
    return counts


def rate(
    store: Store,
    reply_id: int,
    stars: int,
    *,
    now: datetime,
    levels: ServiceLevels = DEFAULT_LEVELS,
) -> None:
    """Add stars, given by word of mouth, to a logged reply; few stars open a case."""
    with store.write() as connection:
        store_feedback.rate(connection, reply_id, stars)
        said = store_feedback.find_said(connection, reply_id)
        has_case = store_cases.find_by_reply(connection, reply_id) is not None
        if said is None or said.customer_id is None or has_case or stars > followups.BAD_STARS:
            return
        trouble = followups.Trouble(
            customer_id=said.customer_id,
            at=now,
            reason="other",
            severity=disputes.severity_of("other"),
            is_complaint=True,
            order_id=said.order_id,
            reply_id=reply_id,
            channel=Channel(said.channel),
            text=said.text,
        )
        follow(connection, trouble, now, levels)


def _counted(move: followups.Move | None) -> Counter[str]:
    if move is None:
        return Counter()
    if move.is_new:
        return Counter(cases_opened=1)
    kinds: Sequence[str] = [event.kind for event in move.events]
    return Counter(cases_reopened=1) if "reopened" in kinds else Counter(cases_continued=1)
