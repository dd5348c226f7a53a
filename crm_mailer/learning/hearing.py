"""Keeps what is said of a product: stars in letters, reviews in platforms' mails, what is meant."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from crm_mailer.learning import products, requests, stars
from crm_mailer.learning.products import Item
from crm_mailer.model.feedback import Feedback, FeedbackKind, UnlearntReply, UnlearntReview
from crm_mailer.store import cases as store_cases
from crm_mailer.store import feedback as store_feedback
from crm_mailer.store import orders, purchases
from crm_mailer.store import reviews as store_reviews
from crm_mailer.store import tasks as store_tasks
from crm_mailer.store.engine import Connection
from crm_mailer.store.reviews import HeardReview


def product(
    connection: Connection,
    order_id: int | None,
    customer_id: int | None,
    text: str,
    kind: FeedbackKind,
) -> str:
    """Which product is meant; nothing where the words are about our mails."""
    if kind in (FeedbackKind.STOP, FeedbackKind.SPAM_REPORT):
        return ""
    if order_id is not None:
        bought = [Item(*pair) for pair in purchases.of_order(connection, order_id)]
        return products.about(bought, text)
    if customer_id is None:
        return ""
    bought = [Item(*pair) for pair in purchases.of_customer(connection, customer_id)]
    return products.about(bought, text, is_one_order=False)


def log(
    connection: Connection,
    reply: UnlearntReply,
    line: Feedback,
    *,
    rating: int | None,
    review_id: int | None,
) -> None:
    """Write the line of a reply into the feedback log, with the product that is meant."""
    meant = product(connection, reply.order_id, reply.customer_id, reply.text, line.kind)
    line = replace(line, product=meant, rating=rating, review_id=review_id)
    store_feedback.add(connection, line)


def hear(
    connection: Connection, reply: UnlearntReply, given: stars.Told, now: datetime
) -> int | None:
    """Keep the stars of a customer's letter as a review; its effects are those of the letter."""
    heard = HeardReview(
        stars=given.stars,
        at=min(reply.received_at, now),
        source="mail" if reply.channel == "email" else "hand",
        comment=given.comment,
        customer_id=reply.customer_id,
        order_id=reply.order_id,
        product=product(connection, reply.order_id, reply.customer_id, reply.text,
                         FeedbackKind.REVIEW),
    )  # fmt: skip
    review_id = store_reviews.hear(connection, heard)
    if review_id is not None:
        store_feedback.mark_review_learnt(connection, review_id, now)
    return review_id


def hear_of(connection: Connection, reply: UnlearntReply, told: stars.Told) -> None:
    """Keep the review of which a platform's mail tells; the next turn of reviews learns it."""
    order = _order_named(connection, f"{reply.subject}\n{reply.text}")
    heard = HeardReview(
        stars=told.stars,
        at=reply.received_at,
        source="mail",
        comment=told.comment,
        customer_id=order[2] if order else reply.customer_id,
        order_id=order[0] if order else reply.order_id,
        platform=order[1] if order else "",
    )
    store_reviews.hear(connection, heard)


def _order_named(connection: Connection, text: str) -> tuple[int, str, int | None] | None:
    """The one order whose number stands in a text; None where there is none, or more than one."""
    found = {
        order
        for number in stars.order_numbers(text)
        for order in orders.find_by_number(connection, number)
    }
    return found.pop() if len(found) == 1 else None


def answer(
    connection: Connection,
    reply: UnlearntReply,
    given: stars.Told,
    review_id: int,
    now: datetime,
    *,
    is_thanked: bool,
) -> int:
    """The task to answer a review in a letter, unless the letter makes one itself.

    Praise is thanked by a campaign where one is live, and by an agent where none is.
    """
    review = UnlearntReview(
        id=review_id,
        stars=given.stars,
        at=reply.received_at,
        comment=given.comment,
        customer_id=reply.customer_id,
        order_id=reply.order_id,
        order_number=reply.order_number,
    )
    facts = store_cases.order_facts(connection, reply.order_id)
    task = requests.task_of_review(review, now, is_thanked=is_thanked)
    is_taken = requests.task_of(reply, facts, now) is not None
    return 0 if task is None or is_taken else int(store_tasks.add(connection, task, now))
