"""Benefits that a person must allow: who waits, and what was said."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from crm_mailer.model.benefit import GrantState
from crm_mailer.model.touch import SkipReason, TouchState
from crm_mailer.store import bulk
from crm_mailer.store.benefits import LOCK, PAGE
from crm_mailer.store.bulk import seconds
from crm_mailer.store.tables import benefit_grants, benefit_touches, customers, touches

#: The detail of touches that wait for somebody's word on their benefit.
HELD_FOR_BENEFIT = "benefit"
#: A campaign's step that tells of a benefit.
Source = tuple[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Asking:
    """Somebody who waits for a benefit to be allowed."""

    grant_id: int
    benefit: str
    customer_id: int
    email: str
    name: str
    occasion: str
    campaign: str
    asked_at: datetime
    #: When the mail is due; None where it ended meanwhile.
    due_at: datetime | None


def ask(
    connection: sa.Connection, benefit: str, sources: Collection[Source], now: datetime
) -> list[datetime]:
    """Ask for the benefits of mails that are planned, a page of them, and hold those mails.

    Returns:
        When each mail is due; an empty list: nobody is left to ask for.
    """
    bulk.lock(connection, LOCK)
    rows = _unasked(connection, benefit, sources)
    new: dict[tuple[int, str], str] = {}
    again: list[int] = []
    for row in rows:
        if row.grant_id is None:
            new.setdefault((row.customer_id, row.anchor), row.campaign)
        elif row.grant_state == GrantState.RETURNED:
            again.append(row.grant_id)
    at, asked = seconds(now), GrantState.ASKED.value
    bulk.insert(
        connection,
        benefit_grants,
        ("benefit", "customer_id", "occasion", "campaign", "state", "is_open", "asked_at"),
        [(benefit, *key, campaign, asked, True, at) for key, campaign in new.items()],
    )
    bulk.update(
        connection,
        benefit_grants,
        ("state", "is_open", "asked_at"),
        [(asked, True, at, id_) for id_ in again],
    )
    _hold(connection, benefit, [row.id for row in rows])
    return [row.due_at for row in rows]


def _unasked(connection: sa.Connection, benefit: str, sources: Collection[Source]) -> Sequence[Any]:
    """Mails that wait and of whose benefit nobody was asked; what was decided stays decided."""
    touch, grant = touches.c, benefit_grants.c
    of_sources = [sa.and_(touch.campaign == one, touch.step == step) for one, step in sources]
    waits = (TouchState.PLANNED.value, TouchState.DEFERRED.value, TouchState.HELD.value)
    own = sa.and_(
        grant.benefit == benefit,
        grant.customer_id == touch.customer_id,
        grant.occasion == touch.anchor,
    )
    may_be_asked = sa.or_(
        grant.id.is_(None),
        grant.state == GrantState.ASKED.value,
        sa.and_(grant.state == GrantState.RETURNED.value, grant.decided_at.is_(None)),
    )
    is_linked = sa.exists().where(
        benefit_touches.c.touch_id == touch.id, grant.state == GrantState.ASKED.value
    )
    query = (
        sa.select(
            touch.id, touch.customer_id, touch.anchor, touch.campaign, touch.due_at,
            grant.id.label("grant_id"), grant.state.label("grant_state"),
        )
        .select_from(touches.outerjoin(benefit_grants, own))
        .where(sa.or_(*of_sources), touch.state.in_(waits), may_be_asked,
               sa.or_(grant.id.is_(None), ~is_linked))
        .order_by(touch.id)
        .limit(PAGE)
    )  # fmt: skip
    return connection.execute(query).all()


def _hold(connection: sa.Connection, benefit: str, touch_ids: Sequence[int]) -> None:
    """Tie these mails to what was asked for, and hold those that would leave."""
    for part in bulk.batches(touch_ids):
        theirs = sa.select(touches.c.id, benefit_grants.c.id).join_from(
            touches,
            benefit_grants,
            sa.and_(
                benefit_grants.c.benefit == benefit,
                benefit_grants.c.customer_id == touches.c.customer_id,
                benefit_grants.c.occasion == touches.c.anchor,
            ),
        )
        rows = connection.execute(theirs.where(bulk.among(connection, touches.c.id, part))).all()
        bulk.insert(
            connection,
            benefit_touches,
            ("touch_id", "grant_id"),
            [tuple(row) for row in rows],
            conflict="ON CONFLICT (touch_id) DO UPDATE SET grant_id = excluded.grant_id",
        )
        would_leave = touches.c.state.in_((TouchState.PLANNED.value, TouchState.DEFERRED.value))
        connection.execute(
            sa.update(touches)
            .where(bulk.among(connection, touches.c.id, part), would_leave)
            .values(state=TouchState.HELD.value, detail=HELD_FOR_BENEFIT)
        )


def list_held(connection: sa.Connection, campaign: str) -> Sequence[int]:
    """Held mails of a campaign whose benefit somebody must allow first."""
    query = (
        sa.select(touches.c.id)
        .join_from(touches, benefit_touches, benefit_touches.c.touch_id == touches.c.id)
        .join(benefit_grants, benefit_grants.c.id == benefit_touches.c.grant_id)
        .where(
            touches.c.campaign == campaign,
            touches.c.state == TouchState.HELD.value,
            benefit_grants.c.state == GrantState.ASKED.value,
        )
    )
    return connection.scalars(query).all()


def keep(connection: sa.Connection, touch_ids: Sequence[int]) -> int:
    """From now on only the word on their benefit holds these mails. How many they were."""
    return sum(
        connection.execute(
            sa.update(touches)
            .where(
                bulk.among(connection, touches.c.id, part),
                touches.c.state == TouchState.HELD.value,
            )
            .values(detail=HELD_FOR_BENEFIT)
        ).rowcount
        for part in bulk.batches(touch_ids)
    )


def list_asked(
    connection: sa.Connection,
    benefit: str | None = None,
    *,
    customer_id: int | None = None,
    limit: int | None = None,
) -> list[Asking]:
    """Who waits, the first due first."""
    grant, person = benefit_grants.c, customers.c
    due_at = (
        sa.select(sa.func.min(touches.c.due_at))
        .join_from(benefit_touches, touches, touches.c.id == benefit_touches.c.touch_id)
        .where(benefit_touches.c.grant_id == grant.id)
        .scalar_subquery()
    )
    due = sa.type_coerce(due_at, touches.c.due_at.type).label("due_at")
    query = (
        sa.select(
            grant.id, grant.benefit, grant.customer_id, person.email, person.name, grant.occasion,
            grant.campaign, grant.asked_at, due,
        )
        .join_from(benefit_grants, customers, person.id == grant.customer_id)
        .where(grant.state == GrantState.ASKED.value)
        .order_by(sa.text("due_at"), grant.id)
    )  # fmt: skip
    if benefit is not None:
        query = query.where(grant.benefit == benefit)
    if customer_id is not None:
        query = query.where(grant.customer_id == customer_id)
    if limit is not None:
        query = query.limit(limit)
    return [
        Asking(
            grant_id=row[0],
            benefit=row[1],
            customer_id=row[2],
            email=row[3] or "",
            name=row[4],
            occasion=row[5],
            campaign=row[6],
            asked_at=row[7],
            due_at=row[8],
        )
        for row in connection.execute(query)
    ]


def decide(
    connection: sa.Connection,
    grant_ids: Sequence[int],
    *,
    is_allowed: bool,
    by: str,
    why: str = "",
    now: datetime,
) -> int:
    """Write what a person said of those who wait; their mails go on, or end. How many they were."""
    bulk.lock(connection, LOCK)
    decided = 0
    for part in bulk.batches(grant_ids, PAGE):
        state = GrantState.APPROVED if is_allowed else GrantState.DENIED
        is_one = bulk.among(connection, benefit_grants.c.id, part)
        mails = sa.select(benefit_touches.c.touch_id).join_from(
            benefit_touches, benefit_grants, benefit_grants.c.id == benefit_touches.c.grant_id
        )
        waiting = mails.where(is_one, benefit_grants.c.state == GrantState.ASKED.value)
        _let_go(connection, waiting, now) if is_allowed else _end(connection, waiting, now)
        decided += connection.execute(
            sa.update(benefit_grants)
            .where(is_one, benefit_grants.c.state == GrantState.ASKED.value)
            .values(state=state.value, is_open=is_allowed, decided_at=now, decided_by=by, why=why)
        ).rowcount
    return decided


def _let_go(connection: sa.Connection, mails: sa.Select[tuple[int]], now: datetime) -> None:
    """They leave when they are due; what had been tried and waited to be asked again, now."""
    touch = touches.c
    held = sa.and_(touch.state == TouchState.HELD.value, touch.detail == HELD_FOR_BENEFIT)
    tried = sa.and_(
        touch.state.in_((TouchState.PLANNED.value, TouchState.DEFERRED.value)),
        touch.reason == SkipReason.BENEFIT_APPROVAL.value,
    )
    of_them = touch.id.in_(mails)
    connection.execute(
        sa.update(touches)
        .where(of_them, held)
        .values(
            state=TouchState.PLANNED.value,
            detail="",
            next_at=sa.func.coalesce(touch.next_at, touch.due_at),
        )
    )
    connection.execute(sa.update(touches).where(of_them, tried).values(next_at=now))


def _end(connection: sa.Connection, mails: sa.Select[tuple[int]], now: datetime) -> None:
    waits = (TouchState.PLANNED.value, TouchState.DEFERRED.value, TouchState.HELD.value)
    connection.execute(
        sa.update(touches)
        .where(touches.c.id.in_(mails), touches.c.state.in_(waits))
        .values(
            state=TouchState.SKIPPED.value,
            reason=SkipReason.BENEFIT_DENIED.value,
            detail="",
            next_at=None,
            settled_at=now,
        )
    )
