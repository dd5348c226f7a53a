"""Occasions whose mails were left out, and that are open again: what stood in the way is gone.

An occasion that begins nothing, since no address is known or an exit is met already, has its rows
at once: whoever asks is told why, and nobody looks at it again. Should an address come, or the
exit pass, while a mail could still be in time, its rows make room for those of the next act of
planning. They stay, as the story of what was, under keys of their own.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

import sqlalchemy as sa

from crm_mailer.model.campaign import Anchor, Campaign, Exit
from crm_mailer.model.case import UNDER_WAY, CaseState
from crm_mailer.model.touch import SkipReason, TouchState
from crm_mailer.store import bulk, exits
from crm_mailer.store import tables as t
from crm_mailer.store.engine import Instant
from crm_mailer.store.touches import sliced

Condition = sa.ColumnElement[bool]

#: Exits that can pass: a purchase is cancelled, a case is closed. What an order has reached, and
#: what a customer wrote, stays.
PASSING = frozenset({Exit.BOUGHT, Exit.CASE_OPEN})
#: Where the event of a row that made room is put: before all others, so that it replaces none.
_NEVER = datetime.fromtimestamp(0, UTC)

_touch, _person = t.touches.c, t.customers.c


def by_addresses(connection: sa.Connection, customer_ids: Collection[int], now: datetime) -> int:
    """Open what waited for the addresses of these customers. How many mails it was.

    To be called before the addresses are written: of most of them one is known already.
    """
    nobody = [
        id_
        for ids in bulk.batches(customer_ids)
        for id_ in connection.scalars(
            sa.select(_person.id).where(
                bulk.among(connection, _person.id, ids), _person.email_key.is_(None)
            )
        )
    ]
    return sum(_open_addressed(connection, ids, now) for ids in bulk.batches(nobody))


def by_merging(connection: sa.Connection, customer_id: int, now: datetime) -> int:
    """Open what waited for the address of one of two customers, where the other has one."""
    has_address = sa.exists().where(_person.id == customer_id, _person.email_key.is_not(None))
    if not connection.scalar(sa.select(has_address)):
        return 0
    return _open_addressed(connection, [customer_id], now)


def _open_addressed(connection: sa.Connection, customer_ids: list[int], now: datetime) -> int:
    """A dated campaign has taken its audience: nobody comes into it later."""
    found = connection.scalars(
        sa.select(_touch.id).where(
            bulk.among(connection, _touch.customer_id, customer_ids),
            _was_left_out(SkipReason.NO_ADDRESS, now),
            _touch.anchor.not_like("date:%"),
        )
    ).all()
    return make_room(connection, found)


def list_passed(
    connection: sa.Connection,
    campaigns: Sequence[Campaign],
    *,
    since: datetime | None,
    now: datetime,
) -> Sequence[int]:
    """Touches left out for an exit that is met no more, of campaigns whose exits are of one kind.

    Args:
        connection: for looking.
        campaigns: as `exits.kind` puts them together.
        since: only of customers of whom something became known from then on; None: all, and what
            was left out for want of an address that is known by now, as `list_addressed` finds it.
        now: the clock.
    """
    asked, anchor = exits.kind(campaigns[0])
    if since is None:
        return [id_ for one in campaigns for id_ in _list_all(connection, one, now)]
    if not asked & PASSING:
        return ()
    query = _passed_since(asked, anchor, connection.dialect.name)
    names = json.dumps([[one.id] for one in campaigns])
    return connection.scalars(query, {"names": names, "since": since, "now": now}).all()


def list_addressed(
    connection: sa.Connection, names: Sequence[str], *, since: datetime, now: datetime
) -> Sequence[int]:
    """Touches of the campaigns `names` left out for want of an address that is known by now, of
    customers who changed `since`.

    An address that is written while a campaign is planned finds no row yet that waits for it. Of
    dated campaigns none, see `_open_addressed`.
    """
    query = _addressed_since(connection.dialect.name)
    named = json.dumps([[one] for one in names])
    return connection.scalars(query, {"names": named, "since": since, "now": now}).all()


@lru_cache(maxsize=4)
def _addressed_since(dialect: str) -> sa.Select[Any]:
    changed = sa.select(_person.id).where(
        _person.changed_at >= sa.bindparam("since", type_=Instant), _person.email_key.is_not(None)
    )
    named = bulk.as_rows(dialect, {"name": sa.Text()}, "names").c.name
    return sa.select(_touch.id).where(
        _touch.customer_id.in_(changed),
        (_touch.campaign + "").in_(sa.select(named)),  # no index serves it, see `of_campaign`
        _was_left_out(SkipReason.NO_ADDRESS, sa.bindparam("now", type_=Instant)),
        _touch.anchor.not_like("date:%"),
    )


def _list_all(connection: sa.Connection, campaign: Campaign, now: datetime) -> Sequence[int]:
    has_address = sa.exists().where(
        _person.id == _touch.customer_id, _person.email_key.is_not(None)
    )
    is_addressed = sa.and_(_was_left_out(SkipReason.NO_ADDRESS, now), has_address)
    is_past = sa.and_(_was_left_out(SkipReason.EXITED, now), *_unmet(*exits.kind(campaign)))
    query = sa.select(_touch.id).where(
        _touch.campaign == campaign.id,
        _touch.state == TouchState.SKIPPED,
        sa.or_(is_addressed, is_past),
    )
    return connection.scalars(query).all()


@lru_cache(maxsize=256)
def _passed_since(asked: frozenset[Exit], anchor: Anchor | None, dialect: str) -> sa.Select[Any]:
    """The touches of `names`, among customers with a purchase or a case that changed `since`."""
    order, case = t.orders.c, t.cases.c
    start = sa.bindparam("since", type_=Instant)
    stirred = []
    if Exit.BOUGHT in asked:
        stirred.append(sa.select(order.customer_id).where(order.changed_at >= start))
    if Exit.CASE_OPEN in asked:
        is_over = case.state.in_(sorted(set(CaseState) - UNDER_WAY))
        stirred.append(sa.select(case.customer_id).where(is_over, case.closed_at >= start))
    named = bulk.as_rows(dialect, {"name": sa.Text()}, "names").c.name
    return sa.select(_touch.id).where(
        _touch.customer_id.in_(sa.union(*stirred)),
        (_touch.campaign + "").in_(sa.select(named)),  # no index serves it, see `of_campaign`
        _was_left_out(SkipReason.EXITED, sa.bindparam("now", type_=Instant)),
        *_unmet(asked, anchor),
    )


def _unmet(asked: frozenset[Exit], anchor: Anchor | None) -> list[Condition]:
    return [~one for one in exits.over_touches(asked, anchor)]


def _was_left_out(reason: SkipReason, now: Any) -> Condition:
    """Left out as it was planned, for this reason, and not too late to be thought of anew.

    What is left out of a course on an adaptive curve, which has ended, stays so.
    """
    course = t.curve_states.c
    return sa.and_(
        _touch.state == TouchState.SKIPPED,
        _touch.reason == reason,
        _touch.settled_at == _touch.planned_at,
        _touch.expires_at > now,
        _touch.anchor.not_like("%#%"),
        ~sa.exists().where(
            course.customer_id == _touch.customer_id,
            course.campaign == _touch.campaign,
            course.anchor == _touch.anchor,
        ),
    )


def make_room(connection: sa.Connection, ids: Sequence[int]) -> int:
    """Put these touches, which are skipped, under keys of their own. How many they were."""
    made = (
        sa.update(t.touches)
        .where(_touch.state == TouchState.SKIPPED)
        .values(anchor=_touch.anchor + "#before:" + sa.cast(_touch.id, sa.Text), anchored_at=_NEVER)
    )
    return sum(connection.execute(made.where(_touch.id.in_(part))).rowcount for part in sliced(ids))
