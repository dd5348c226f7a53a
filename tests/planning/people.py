"""Customers, orders and campaigns for the tests of planning."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import sqlalchemy as sa

from crm_mailer.definitions.library import Definitions
from crm_mailer.model.campaign import (
    Anchor,
    Campaign,
    Kind,
    Mode,
    OrderAnchor,
    Step,
    Stream,
)
from crm_mailer.model.order import OrderState
from crm_mailer.model.shop import Shop
from crm_mailer.store import directory
from crm_mailer.store import tables as t
from crm_mailer.store.engine import Store

NOON = datetime(2026, 11, 2, 12, 0, tzinfo=UTC)
SHOP = Shop(name="Lotus Shop", time_zone="UTC", country="GB", postal_address="1 Lake Road")


def campaign(
    id: str = "care",
    *,
    anchor: Anchor | None = None,
    offsets: Sequence[timedelta] = (timedelta(days=1), timedelta(days=2)),
    **more: Any,
) -> Campaign:
    """A live marketing campaign, anchored at arrival unless told otherwise."""
    basis = Campaign(
        id=id,
        name=id,
        kind=Kind.LIFECYCLE,
        stream=Stream.MARKETING,
        mode=Mode.LIVE,
        anchor=anchor or OrderAnchor(state=OrderState.ARRIVED),
        steps=tuple(
            Step(id=f"s{number}", template="care/hello", offset=offset)
            for number, offset in enumerate(offsets, start=1)
        ),
        version="v1",
    )
    return replace(basis, **more)


def definitions(*campaigns: Campaign, shop: Shop = SHOP) -> Definitions:
    """Definitions with these campaigns."""
    return Definitions(shop=shop, campaigns={one.id: one for one in campaigns})


def customer(store: Store, name: str = "anna", **more: Any) -> int:
    """A customer with an address at example.com."""
    email = more.pop("email", f"{name}@example.com")
    values = {
        "email": email,
        "email_key": email.lower() if email else None,
        "name": name,
        "time_zone": "UTC",
        "created_at": NOON,
        "changed_at": NOON,
        **more,
    }
    with store.write() as connection:
        key = connection.execute(t.customers.insert().values(values)).inserted_primary_key
    assert key is not None
    return int(key[0])


def give_address(store: Store, customer_id: int, email: str = "a@b.com") -> None:
    """An address becomes known."""
    with store.write() as connection:
        directory.correct(
            connection, customer_id, {"email": email, "address_kind": "personal"}, now=NOON
        )


def order(
    store: Store,
    customer_id: int | None,
    *,
    number: str = "1",
    placed_at: datetime = NOON - timedelta(days=5),
    is_counted: bool = True,
    **states: datetime,
) -> int:
    """An order and the moments at which it reached its states."""
    with store.write() as connection:
        key = connection.execute(
            t.orders.insert().values(
                platform="shop",
                number=number,
                customer_id=customer_id,
                state=list(states)[-1] if states else "paid",
                is_counted=is_counted,
                placed_at=placed_at,
                paid_at=placed_at if is_counted else None,
                currency="USD",
                amount_minor=1000,
                created_at=placed_at,
                changed_at=placed_at,
            )
        ).inserted_primary_key
        assert key is not None
        for state, at in states.items():
            connection.execute(
                t.order_events.insert().values(order_id=key[0], state=state, at=at, learnt_at=at)
            )
    return int(key[0])


def event(store: Store, order_id: int, state: str, at: datetime) -> None:
    """An order reaches one more state."""
    add(store, t.order_events, order_id=order_id, state=state, at=at, learnt_at=at)


def suppress(store: Store, email: str, reason: str, scope: str = "marketing") -> None:
    """An address that must not be mailed."""
    add(store, t.suppressions, address_key=email, reason=reason, scope=scope, at=NOON)


def open_case(store: Store, customer_id: int) -> None:
    """A case under way."""
    add(
        store,
        t.cases,
        customer_id=customer_id,
        state="open",
        reason="other",
        severity="P3",
        opened_at=NOON,
        due_at=NOON,
    )


def leave_segments(store: Store, at: datetime) -> None:
    """All memberships end."""
    with store.write() as connection:
        connection.execute(t.memberships.update().values(until=at))


def add(store: Store, table: sa.Table, **values: Any) -> None:
    """One row."""
    with store.write() as connection:
        connection.execute(table.insert().values(**values))


def touches(store: Store, *columns: str) -> list[tuple[Any, ...]]:
    """These columns of all touches, by customer, campaign, anchor time and place."""
    touch = t.touches.c
    query = sa.select(*(touch[name] for name in columns)).order_by(
        touch.customer_id, touch.campaign, touch.anchored_at, touch.place
    )
    with store.read() as connection:
        return [tuple(row) for row in connection.execute(query)]
