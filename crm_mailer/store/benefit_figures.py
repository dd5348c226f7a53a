"""What became of benefits: how many were given, used and let run out, and what that brought."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from datetime import datetime

import sqlalchemy as sa

from crm_mailer.model.benefit import GrantState
from crm_mailer.model.touch import TouchState
from crm_mailer.store.benefits import count_free
from crm_mailer.store.tables import (
    benefit_codes,
    benefit_grants,
    benefit_uses,
    customers,
    orders,
    touches,
)

PAGE = 5_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """Of one benefit. `granted` counts what was given and did not come back; of those were
    `redeemed`, `run_out` and the rest can still be used.
    """

    granted: int = 0
    redeemed: int = 0
    run_out: int = 0
    asked: int = 0
    approved: int = 0
    denied: int = 0
    returned: int = 0
    #: Codes in the pool, in all and still to be given.
    loaded: int = 0
    left: int = 0
    #: Of orders that used it and count: how many, and their net value.
    orders: int = 0
    usd_cents: int = 0
    #: Orders with a code that was not right: what was wrong with it -> how often.
    oddities: dict[str, int] = field(default_factory=dict)

    @property
    def usable(self) -> int:
        """Given, not used and still valid."""
        return self.granted - self.redeemed - self.run_out


@dataclass(frozen=True, slots=True, kw_only=True)
class GrantLine:
    """One grant for a list."""

    id: int
    benefit: str
    customer_id: int
    email: str
    occasion: str
    campaign: str
    state: str
    code: str
    valid_until: datetime | None
    granted_at: datetime | None
    decided_by: str
    why: str
    redeemed_at: datetime | None
    order_number: str
    redeemed_by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class UseLine:
    """An order with a code of ours."""

    use: str
    proof: str
    key: str
    order_number: str
    #: Who ordered, and to whom it was given where that is somebody else.
    email: str
    given_to: str
    at: datetime


def figures(connection: sa.Connection, benefit: str, now: datetime) -> Figures:
    """All figures of a benefit."""
    grant, order = benefit_grants.c, orders.c
    is_over = sa.and_(grant.redeemed_at.is_(None), grant.valid_until < now)
    query = (
        sa.select(
            grant.state,
            sa.func.count(),
            sa.func.count(grant.redeemed_at),
            sa.func.sum(sa.case((is_over, 1), else_=0)),
        )
        .where(grant.benefit == benefit)
        .group_by(grant.state)
    )
    states = {row[0]: row for row in connection.execute(query)}
    given = states.get(GrantState.GRANTED.value)
    money = (
        sa.select(sa.func.count(), sa.func.coalesce(sa.func.sum(order.net_usd_cents), 0))
        .select_from(orders)
        .where(
            order.is_counted,
            order.id.in_(
                sa.select(grant.redeemed_order_id).where(
                    grant.benefit == benefit, sa.text("redeemed_order_id IS NOT NULL")
                )
            ),
        )
    )
    bought, cents = connection.execute(money).one()
    loaded = sa.select(sa.func.count()).where(benefit_codes.c.benefit == benefit)
    return Figures(
        granted=given[1] if given else 0,
        redeemed=given[2] if given else 0,
        run_out=int(given[3]) if given else 0,
        **{
            state.value: states[state.value][1] if state.value in states else 0
            for state in GrantState
            if state is not GrantState.GRANTED
        },
        loaded=connection.scalar(loaded) or 0,
        left=count_free(connection, benefit),
        orders=bought,
        usd_cents=int(cents),
        oddities=_oddities(connection, benefit),
    )


def of_campaign(connection: sa.Connection, campaign: str) -> dict[str, tuple[int, int]]:
    """Benefit -> how many the campaign gave, and how many of those were used."""
    grant = benefit_grants.c
    query = (
        sa.select(grant.benefit, sa.func.count(), sa.func.count(grant.redeemed_at))
        .where(grant.campaign == campaign, grant.state == GrantState.GRANTED.value)
        .group_by(grant.benefit)
        .order_by(grant.benefit)
    )
    return {name: (given, used) for name, given, used in connection.execute(query)}


def known(connection: sa.Connection) -> list[str]:
    """Benefits of which anything was ever given or loaded."""
    names = sa.union(
        sa.select(benefit_grants.c.benefit).distinct(),
        sa.select(benefit_codes.c.benefit).distinct(),
    )
    return sorted(connection.execute(names).scalars())


def count_waiting(
    connection: sa.Connection, sources: Collection[tuple[str, str]], at_most: int
) -> int:
    """How many mails of these campaigns' steps wait to leave; counts no further than that."""
    touch = touches.c
    of_sources = [sa.and_(touch.campaign == one, touch.step == step) for one, step in sources]
    if not of_sources:
        return 0
    waits = (TouchState.PLANNED.value, TouchState.DEFERRED.value)
    some = sa.select(touch.id).where(sa.or_(*of_sources), touch.state.in_(waits)).limit(at_most)
    return connection.scalar(sa.select(sa.func.count()).select_from(some.subquery())) or 0


def each_grant(
    connection: sa.Connection,
    *,
    benefit: str | None = None,
    customer_id: int | None = None,
    is_given_only: bool = False,
    limit: int | None = None,
) -> Iterator[GrantLine]:
    """Grants, the latest first."""
    grant = benefit_grants.c
    query = (
        sa.select(
            grant.id, grant.benefit, grant.customer_id, sa.func.coalesce(customers.c.email, ""),
            grant.occasion, grant.campaign, grant.state, grant.code, grant.valid_until,
            grant.granted_at, grant.decided_by, grant.why, grant.redeemed_at,
            sa.func.coalesce(orders.c.number, ""), grant.redeemed_by,
        )
        .select_from(
            benefit_grants.join(customers, customers.c.id == grant.customer_id).outerjoin(
                orders, orders.c.id == grant.redeemed_order_id
            )
        )
        .order_by(grant.id.desc())
    )  # fmt: skip
    if benefit is not None:
        query = query.where(grant.benefit == benefit)
    if customer_id is not None:
        query = query.where(grant.customer_id == customer_id)
    if is_given_only:
        query = query.where(grant.state == GrantState.GRANTED.value)
    if limit is not None:
        query = query.limit(limit)
    names = GrantLine.__dataclass_fields__
    for row in connection.execute(query, execution_options={"yield_per": PAGE}):
        yield GrantLine(**dict(zip(names, row, strict=True)))


def list_uses(connection: sa.Connection, benefit: str, limit: int) -> list[UseLine]:
    """Orders with codes of the benefit, the latest first."""
    use, buyer, owner = benefit_uses.c, customers.alias("buyer"), customers.alias("owner")
    query = (
        sa.select(
            use.use, use.proof, use.key, orders.c.number, sa.func.coalesce(buyer.c.email, ""),
            sa.case((owner.c.id != buyer.c.id, sa.func.coalesce(owner.c.email, "")), else_=""),
            use.at,
        )
        .select_from(
            benefit_uses.join(orders, orders.c.id == use.order_id)
            .outerjoin(buyer, buyer.c.id == orders.c.customer_id)
            .outerjoin(benefit_grants, benefit_grants.c.id == use.grant_id)
            .outerjoin(owner, owner.c.id == benefit_grants.c.customer_id)
        )
        .where(use.benefit == benefit)
        .order_by(use.at.desc(), use.id.desc())
        .limit(limit)
    )  # fmt: skip
    names = UseLine.__dataclass_fields__
    return [UseLine(**dict(zip(names, row, strict=True))) for row in connection.execute(query)]


def _oddities(connection: sa.Connection, benefit: str) -> dict[str, int]:
    use = benefit_uses.c
    query = (
        sa.select(use.use, sa.func.count())
        .where(use.benefit == benefit, use.use != "redeemed")
        .group_by(use.use)
        .order_by(use.use)
    )
    return {row[0]: row[1] for row in connection.execute(query)}
