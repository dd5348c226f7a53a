"""Reviews that came by mail or by word of mouth, and when a review was answered."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from crm_mailer.model.case import CaseEventKind
from crm_mailer.model.touch import TouchState
from crm_mailer.store.engine import Instant, upsert
from crm_mailer.store.tables import case_events, cases, feedback, orders, reviews, touches

#: The same words of the same customer within this time are the same review.
SAME_WITHIN = timedelta(days=30)
#: What was not answered by then will not be.
_LOOKED_BACK = timedelta(days=60)


@dataclass(frozen=True, slots=True, kw_only=True)
class HeardReview:
    """Stars and a comment by mail or by word of mouth. `source` is mail or hand."""

    stars: int
    at: datetime
    source: str
    comment: str = ""
    customer_id: int | None = None
    order_id: int | None = None
    platform: str = ""
    product: str = ""


def hear(connection: sa.Connection, review: HeardReview) -> int | None:
    """Keep it; its id. None where nothing is new: the same words, or the platform's own record.

    An order has one review. What stands on the platform is never replaced by what we heard.
    """
    known = _find(connection, review)
    values = {
        "stars": review.stars,
        "comment": review.comment,
        "at": review.at,
        "source": review.source,
        "customer_id": review.customer_id,
        "order_id": review.order_id,
        "platform": review.platform,
        "product": review.product,
    }
    if known is None:
        query = upsert(connection, reviews).values(**values).returning(reviews.c.id)
        query = query.on_conflict_do_nothing(index_elements=["order_id"])
        return connection.execute(query).scalar_one_or_none()
    is_same = (known.stars, known.comment) == (review.stars, review.comment)
    if is_same or known.source == "file" or known.at > review.at:
        return None
    anew = {"learnt_at": None, "answered_at": None}
    connection.execute(reviews.update().where(reviews.c.id == known.id).values(**values, **anew))
    return int(known.id)


def _find(connection: sa.Connection, review: HeardReview) -> Any:
    if review.order_id is not None:
        is_it = reviews.c.order_id == review.order_id
    else:
        is_it = sa.and_(
            reviews.c.order_id.is_(None),
            reviews.c.customer_id == review.customer_id,
            reviews.c.stars == review.stars,
            reviews.c.comment == review.comment,
            reviews.c.at >= review.at - SAME_WITHIN,
        )
    return connection.execute(sa.select(reviews).where(is_it).with_for_update().limit(1)).first()


def set_product(connection: sa.Connection, review_id: int, product: str) -> None:
    """Write down which product a review is about, where nobody had said so."""
    unsaid = sa.and_(reviews.c.id == review_id, reviews.c.product == "")
    connection.execute(reviews.update().where(unsaid).values(product=product))


def mark_answered(connection: sa.Connection, review_id: int, now: datetime) -> bool:
    """Note that the review was answered; False where it had been."""
    done = connection.execute(
        reviews.update()
        .where(reviews.c.id == review_id, reviews.c.answered_at.is_(None))
        .values(answered_at=now)
    )
    return done.rowcount == 1


def find_answered(connection: sa.Connection, now: datetime) -> list[tuple[int, datetime]]:
    """Reviews that were answered since, by a mail of ours to the letter or in a case, and when."""
    since = now - _LOOKED_BACK
    waiting = sa.and_(reviews.c.answered_at.is_(None), reviews.c.at >= since)
    return [
        *_thanked(connection, waiting, since),
        *_written_to(connection, waiting, since),
        *_handled(connection, waiting),
    ]


def _thanked(
    connection: sa.Connection, waiting: sa.ColumnElement[bool], since: datetime
) -> list[tuple[int, datetime]]:
    """Those in letters to which a campaign has answered."""
    letter = sa.literal("reply:") + sa.cast(feedback.c.reply_id, sa.Text)
    query = (
        sa.select(reviews.c.id, sa.func.min(touches.c.settled_at, type_=Instant).label("at"))
        .join_from(reviews, feedback, feedback.c.review_id == reviews.c.id)
        .join(touches, touches.c.customer_id == feedback.c.customer_id)
        .where(
            waiting,
            touches.c.due_at >= since,
            touches.c.state == TouchState.ACCEPTED.value,
            touches.c.anchor == letter,
        )
        .group_by(reviews.c.id)
    )
    return [(row.id, row.at) for row in connection.execute(query)]


def _written_to(
    connection: sa.Connection, waiting: sa.ColumnElement[bool], since: datetime
) -> list[tuple[int, datetime]]:
    """Those to which a campaign that starts at reviews has answered."""
    query = (
        sa.select(reviews.c.id, sa.func.min(touches.c.settled_at, type_=Instant).label("at"))
        .select_from(reviews.outerjoin(orders, orders.c.id == reviews.c.order_id))
        .join(
            touches,
            touches.c.customer_id == sa.func.coalesce(reviews.c.customer_id, orders.c.customer_id),
        )
        .where(
            waiting,
            touches.c.due_at >= since,
            touches.c.state == TouchState.ACCEPTED.value,
            touches.c.anchor == sa.literal("review:") + sa.cast(reviews.c.id, sa.Text),
        )
        .group_by(reviews.c.id)
    )
    return [(row.id, row.at) for row in connection.execute(query)]


def _handled(
    connection: sa.Connection, waiting: sa.ColumnElement[bool]
) -> list[tuple[int, datetime]]:
    """Those in whose case the customer was answered."""
    owner = sa.func.coalesce(reviews.c.customer_id, orders.c.customer_id)
    is_about = sa.or_(
        cases.c.order_id == reviews.c.order_id,
        sa.and_(cases.c.order_id.is_(None), reviews.c.order_id.is_(None)),
    )
    query = (
        sa.select(reviews.c.id, sa.func.min(case_events.c.at, type_=Instant).label("at"))
        .select_from(reviews.outerjoin(orders, orders.c.id == reviews.c.order_id))
        .join(cases, cases.c.customer_id == owner)
        .join(case_events, case_events.c.case_id == cases.c.id)
        .where(
            waiting,
            is_about,
            case_events.c.kind == CaseEventKind.ANSWERED.value,
            case_events.c.at >= reviews.c.at,
        )
        .group_by(reviews.c.id)
    )
    return [(row.id, row.at) for row in connection.execute(query)]
