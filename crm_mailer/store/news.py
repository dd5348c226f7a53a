"""Whether anything new could start a campaign: so that a quick look at nothing costs nothing."""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa

from crm_mailer.model.campaign import (
    Anchor,
    FirstOrderAnchor,
    OrderAnchor,
    ReplyAnchor,
    SegmentAnchor,
)
from crm_mailer.model.order import TOLD_BY
from crm_mailer.store import tables as t


def may_start(
    connection: sa.Connection, anchor: Anchor, *, since: datetime, until: datetime, news: datetime
) -> bool:
    """Whether an event of this kind was learnt from `news` on; True where only a look can tell.

    Args:
        connection: for looking.
        anchor: the kind of event.
        since: older events start nothing.
        until: the present.
        news: what was learnt before is known.
    """
    match anchor:
        case OrderAnchor(state=state):
            event = t.order_events.c
            states = [state, *([TOLD_BY[state]] if state in TOLD_BY else [])]
            is_new = sa.and_(
                event.state.in_(states),
                event.at.between(since, until),
                sa.or_(event.learnt_at >= news, event.at >= news),
            )
        case SegmentAnchor(segment=segment):
            member = t.memberships.c
            is_new = sa.and_(
                member.segment == segment, member.since >= news, member.until.is_(None)
            )
        case ReplyAnchor():
            is_new = t.replies.c.received_at.between(since, until)
        case FirstOrderAnchor(is_yearly=False):
            is_new = t.orders.c.changed_at >= news
        case _:
            return True
    return connection.execute(sa.select(sa.literal(1)).where(is_new).limit(1)).first() is not None
