"""Turns what customers wrote into feedback, cases, tasks: load, decide, save."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol, TypeVar

import structlog

from crm_mailer.learning import disputes, feedback, followups, requests
from crm_mailer.model.case import Channel
from crm_mailer.model.errors import CrmMailerError
from crm_mailer.model.feedback import UnlearntReply, UnlearntReview
from crm_mailer.model.reply import ReplyKind
from crm_mailer.store import cases as store_cases
from crm_mailer.store import feedback as store_feedback
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


def learn(store: Store, *, now: datetime, limit: int | None = None) -> LearnReport:
    """Give each reply and each review that has none its effects, once.

    One transaction each: a crash loses nothing and repeats nothing.

    Args:
        store: the shop's database.
        now: the present instant.
        limit: at most so many replies, and as many reviews.
    """
    counts: Counter[str] = Counter()
    for reply in _pages(store, store_feedback.list_unlearnt_replies, limit):
        counts.update(_guarded(store, reply, now, _learn_reply))
    for review in _pages(store, store_feedback.list_unlearnt_reviews, limit):
        counts.update(_guarded(store, review, now, _learn_review))
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


def _learn_reply(connection: Connection, reply: UnlearntReply, now: datetime) -> Counter[str]:
    if not store_feedback.mark_reply_learnt(connection, reply.id, now):
        return Counter()
    counts = Counter(replies=1)
    line = feedback.of_reply(reply)
    if line is None:
        return counts
    store_feedback.add(connection, line)
    counts["feedback"] += 1
    move = _follow_reply(connection, reply, now)
    counts.update(_counted(move))
    counts["tasks"] += _do_requests(connection, reply, now, has_case=move is not None)
    until = requests.snooze_until(reply)
    if until and reply.customer_id is not None:
        store_feedback.snooze(connection, reply.customer_id, until)
        counts["snoozed"] += 1
    return counts


def _follow_reply(
    connection: Connection, reply: UnlearntReply, now: datetime
) -> followups.Move | None:
    if reply.customer_id is None:
        return None
    if not (reply.kind is ReplyKind.HUMAN or feedback.is_complaint(reply)):
        return None
    return follow(connection, followups.of_reply(reply, reply.customer_id, now), now)


def follow(
    connection: Connection, trouble: followups.Trouble, now: datetime
) -> followups.Move | None:
    """Open or go on with the case that an unhappy customer's words call for."""
    store_cases.lock_customer(connection, trouble.customer_id)
    earlier = store_cases.list_of_customer(connection, trouble.customer_id)
    facts = store_cases.order_facts(connection, trouble.order_id)
    move = followups.decide(trouble, earlier, facts, now)
    if move is not None:
        save(connection, move)
    return move


def save(connection: Connection, move: followups.Move) -> int:
    """Write a case as a move leaves it; its number."""
    if move.is_new:
        return store_cases.add(connection, move.case, move.events)
    store_cases.save(connection, move.case, move.events)
    return move.case.id


def _do_requests(
    connection: Connection, reply: UnlearntReply, now: datetime, *, has_case: bool
) -> int:
    if reply.customer_id is None and feedback.is_complaint(reply):
        return int(store_tasks.add(connection, requests.who_is_it(reply, now), now))
    note = requests.order_note(reply)
    if note and reply.order_id is not None:
        store_feedback.add_order_note(connection, reply.order_id, note)
    facts = store_cases.order_facts(connection, reply.order_id)
    task = requests.task_of(reply, facts, now)
    # A question inside a case is answered there, not twice.
    if task is None or (has_case and requests.is_mere_question(task)):
        return 0
    return int(store_tasks.add(connection, task, now))


def _learn_review(connection: Connection, review: UnlearntReview, now: datetime) -> Counter[str]:
    if not store_feedback.mark_review_learnt(connection, review.id, now):
        return Counter()
    store_feedback.add(connection, feedback.of_review(review))
    counts = Counter(reviews=1, feedback=1)
    task = requests.task_of_review(review, now)
    if task is not None:
        counts["tasks"] += store_tasks.add(connection, task, now)
    if review.customer_id is not None and review.stars <= followups.BAD_STARS:
        trouble = followups.of_review(review, review.customer_id, now)
        counts.update(_counted(follow(connection, trouble, now)))
    return counts


def rate(store: Store, reply_id: int, stars: int, *, now: datetime) -> None:
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
        follow(connection, trouble, now)


def _counted(move: followups.Move | None) -> Counter[str]:
    if move is None:
        return Counter()
    if move.is_new:
        return Counter(cases_opened=1)
    kinds: Sequence[str] = [event.kind for event in move.events]
    return Counter(cases_reopened=1) if "reopened" in kinds else Counter(cases_continued=1)
