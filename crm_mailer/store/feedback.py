"""Replies and reviews whose effects are still to come, and the log of what customers said."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import sqlalchemy as sa

from crm_mailer.model.errors import NotFound
from crm_mailer.model.feedback import Feedback, FeedbackKind, UnlearntReply, UnlearntReview
from crm_mailer.model.reply import Intent, ReplyKind, Severity
from crm_mailer.model.sentence import Sentence
from crm_mailer.model.touch import TouchKind
from crm_mailer.store.tables import customers, feedback, orders, replies, reviews, touches

#: Where a review is heard of -> the channel of its line in the log.
_CHANNELS = {"file": "platform", "mail": "email", "hand": "platform"}

#: The order a reply is about: named by it, or the one that the answered mail was about.
_order_id = sa.func.coalesce(replies.c.order_id, touches.c.order_id)


def list_unlearnt_replies(
    connection: sa.Connection, *, after: int = 0, limit: int = 500
) -> list[UnlearntReply]:
    """The oldest replies without effects whose id is above `after`."""
    rows = connection.execute(
        _unlearnt_replies()
        .where(
            replies.c.learnt_at.is_(None),
            replies.c.id > after,
            # nothing follows from what answers a test
            touches.c.kind.is_distinct_from(TouchKind.TEST.value),
        )
        .order_by(replies.c.id)
        .limit(limit)
    )
    return [_reply(row) for row in rows]


def list_unlearnt_reviews(
    connection: sa.Connection, *, after: int = 0, limit: int = 500
) -> list[UnlearntReview]:
    """The oldest reviews without effects whose id is above `after`."""
    customer_id = sa.func.coalesce(reviews.c.customer_id, orders.c.customer_id)
    rows = connection.execute(
        sa.select(
            reviews.c.id,
            reviews.c.stars,
            reviews.c.at,
            reviews.c.comment,
            reviews.c.order_id,
            reviews.c.product,
            reviews.c.source,
            customer_id.label("customer_id"),
            orders.c.number,
        )
        .select_from(reviews.outerjoin(orders))
        .where(reviews.c.learnt_at.is_(None), reviews.c.id > after)
        .order_by(reviews.c.id)
        .limit(limit)
    )
    return [
        UnlearntReview(
            id=row.id,
            stars=row.stars,
            at=row.at,
            comment=row.comment,
            customer_id=row.customer_id,
            order_id=row.order_id,
            order_number=row.number or "",
            product=row.product,
            channel=_CHANNELS.get(row.source, "platform"),
        )
        for row in rows
    ]


def get_reply(connection: sa.Connection, reply_id: int) -> UnlearntReply:
    """One reply as learning sees it, whether its effects came or not.

    Raises:
        NotFound: there is none.
    """
    row = connection.execute(_unlearnt_replies().where(replies.c.id == reply_id)).first()
    if row is None:
        raise NotFound(
            Sentence("there is no reply {reply_id}", reply_id=reply_id),
            hint="see `crm-mailer inbox list`",
        )
    return _reply(row)


def mark_reply_learnt(connection: sa.Connection, reply_id: int, now: datetime) -> bool:
    """Take the reply as this transaction's own; False where another was faster."""
    return _mark(connection, replies, reply_id, now)


def mark_review_learnt(connection: sa.Connection, review_id: int, now: datetime) -> bool:
    """Take the review as this transaction's own; False where another was faster."""
    return _mark(connection, reviews, review_id, now)


def add(connection: sa.Connection, line: Feedback) -> None:
    """Write one line of the log; what is said anew of a reply or a review takes its line's place.

    The stars that a customer gave by word of mouth stay.
    """
    values = _values(line)
    known = _find_line(connection, line)
    if known is None:
        connection.execute(feedback.insert().values(**values))
        return
    if line.rating is None:
        del values["rating"]
    told = {name: value for name, value in values.items() if value is not None}
    connection.execute(feedback.update().where(feedback.c.id == known).values(**told))


def _find_line(connection: sa.Connection, line: Feedback) -> int | None:
    same = [
        column == value
        for column, value in (
            (feedback.c.reply_id, line.reply_id),
            (feedback.c.review_id, line.review_id),
        )
        if value is not None
    ]
    return connection.scalar(sa.select(feedback.c.id).where(sa.or_(sa.false(), *same)).limit(1))


def _values(line: Feedback) -> dict[str, Any]:
    return {
        "customer_id": line.customer_id,
        "order_id": line.order_id,
        "reply_id": line.reply_id,
        "review_id": line.review_id,
        "channel": line.channel,
        "kind": line.kind.value,
        "rating": line.rating,
        "reason": line.reason,
        "campaign": line.campaign,
        "product": line.product,
        "text": line.text,
        "at": line.at,
    }


def drop(connection: sa.Connection, reply_id: int) -> None:
    """Take the line of a reply out again: a person says that it was nobody's word."""
    connection.execute(feedback.delete().where(feedback.c.reply_id == reply_id))


def find_said(connection: sa.Connection, reply_id: int) -> Feedback | None:
    """The log line of a reply."""
    row = connection.execute(sa.select(feedback).where(feedback.c.reply_id == reply_id)).first()
    if row is None:
        return None
    return Feedback(
        customer_id=row.customer_id,
        kind=FeedbackKind(row.kind),
        channel=row.channel,
        at=row.at,
        order_id=row.order_id,
        reply_id=row.reply_id,
        rating=row.rating,
        reason=row.reason,
        campaign=row.campaign,
        product=row.product,
        text=row.text,
    )


def rate(connection: sa.Connection, reply_id: int, stars: int) -> None:
    """Add the stars that a customer gave by word of mouth to the line of that reply."""
    connection.execute(
        feedback.update().where(feedback.c.reply_id == reply_id).values(rating=stars)
    )


def snooze(connection: sa.Connection, customer_id: int, until: datetime) -> None:
    """Let marketing rest until then; a longer rest stays."""
    connection.execute(
        customers.update()
        .where(
            customers.c.id == customer_id,
            sa.or_(customers.c.snoozed_until.is_(None), customers.c.snoozed_until < until),
        )
        .values(snoozed_until=until)
    )


def add_order_note(connection: sa.Connection, order_id: int, line: str) -> None:
    """Put one more line under the order's note; a line that stands there is not written twice."""
    glue = sa.case((orders.c.note == "", ""), else_="\n")
    connection.execute(
        orders.update()
        .where(orders.c.id == order_id, ~orders.c.note.contains(line, autoescape=True))
        .values(note=orders.c.note.concat(glue).concat(line))
    )


def _unlearnt_replies() -> Any:
    writer_id = sa.func.coalesce(replies.c.customer_id, touches.c.customer_id)
    # whoever was erased is a stranger, although the mail that they answer is known
    customer_id = sa.case((customers.c.erased_at.is_(None), writer_id))
    return sa.select(
        replies.c.id,
        replies.c.kind,
        replies.c.channel,
        replies.c.received_at,
        replies.c.sender,
        replies.c.subject,
        replies.c.own_text,
        replies.c.intent,
        replies.c.reasons,
        replies.c.evidence,
        replies.c.severity,
        replies.c.asks,
        replies.c.touch_id,
        replies.c.is_copy,
        customer_id.label("customer_id"),
        _order_id.label("order_id"),
        orders.c.number,
        touches.c.campaign,
    ).select_from(
        replies.outerjoin(touches, touches.c.id == replies.c.touch_id)
        .outerjoin(orders, orders.c.id == _order_id)
        .outerjoin(customers, customers.c.id == writer_id)
    )


def _reply(row: sa.Row[Any]) -> UnlearntReply:
    return UnlearntReply(
        id=row.id,
        kind=ReplyKind(row.kind),
        channel=row.channel,
        received_at=row.received_at,
        sender=row.sender,
        subject=row.subject,
        text=row.own_text,
        intent=Intent(row.intent) if row.intent else None,
        reasons=tuple(row.reasons or ()),
        severity=Severity(row.severity) if row.severity else None,
        asks=row.asks or "",
        customer_id=row.customer_id,
        order_id=row.order_id,
        order_number=row.number or "",
        touch_id=row.touch_id,
        campaign=row.campaign or "",
        is_copy=row.is_copy,
        is_thanks=any(one["code"] == "thanks" for one in row.evidence or ()),
    )


def _mark(connection: sa.Connection, table: sa.Table, row_id: int, now: datetime) -> bool:
    done = connection.execute(
        table.update()
        .where(table.c.id == row_id, table.c.learnt_at.is_(None))
        .values(learnt_at=now)
    )
    return done.rowcount == 1
