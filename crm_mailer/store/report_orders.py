"""Orders that an agent has to look at today: late, out of stock, unconfirmed, unpaid, odd."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from crm_mailer.model.case import UNDER_WAY
from crm_mailer.model.order import OrderState
from crm_mailer.model.task import TaskKind
from crm_mailer.store import report_sql as sql
from crm_mailer.store import tables as t

#: Paid for and still here.
TO_SHIP = (
    OrderState.PAID, OrderState.FUNDS_PENDING, OrderState.DELAYED, OrderState.OUT_OF_STOCK,
    OrderState.RESTOCKED, OrderState.CANCEL_REQUESTED,
)  # fmt: skip
_ON_THE_WAY = (OrderState.SHIPPED, OrderState.IN_TRANSIT_LONG)
#: An order that was not paid in a month will not be.
UNPAID_FOR = timedelta(days=30)
#: Orders that are older are history, whatever state a file left them in.
OLDEST = timedelta(days=180)
#: So long after its payment an order without a promised date should have moved.
NO_MOVEMENT_FOR = timedelta(days=7)
#: So long after the expected arrival a parcel is asked about; without one, after it was ordered.
LATE_PARCEL, OLD_PARCEL = timedelta(days=14), timedelta(days=60)
#: So many orders of one buyer at once, or buyers at one address or telephone, are odd.
MANY_ORDERS, MANY_BUYERS = 5, 3

#: What may be odd about an order, the gravest first.
ODDITIES = (
    "flagged_buyer", "disputed", "cancel_requested", "amount_mismatch", "many_buyers",
    "many_orders", "address_missing", "no_movement", "no_arrival",
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderAtWork:
    """An order on a list. `reasons` are codes of why it is there, the gravest first."""

    number: str
    platform: str
    state: str
    customer: str
    country: str
    placed_at: datetime
    promised_ship_at: datetime | None
    amount_minor: int
    currency: str
    note: str
    reasons: tuple[str, ...]
    #: Why it is not paid, where that is known.
    unpaid_reason: str = ""


_order, _customer = t.orders.c, t.customers.c
_both = t.orders.outerjoin(t.customers, _customer.id == _order.customer_id)


def late(now: datetime) -> Any:
    """Not shipped although the promised day is past, or known to be delayed."""
    reason = sa.case((_order.state == OrderState.DELAYED, "delayed"), else_="late")
    waits = _order.state.in_(
        (OrderState.PAID, OrderState.DELAYED, OrderState.RESTOCKED, OrderState.FUNDS_PENDING)
    )
    is_late = sa.or_(_order.state == OrderState.DELAYED, _order.promised_ship_at < now)
    return _list(reason, waits & is_late, sa.func.coalesce(_order.promised_ship_at, 0))


def out_of_stock(now: datetime) -> Any:
    """Goods are missing, or there again; those that can leave at once come first."""
    states = (OrderState.OUT_OF_STOCK, OrderState.RESTOCKED)
    is_missing = _order.state == OrderState.OUT_OF_STOCK
    return _list(_order.state, _order.state.in_(states), is_missing, _order.placed_at)


def unconfirmed(now: datetime) -> Any:
    """Paid, and the buyer has not yet said that all is as wanted; soonest to be shipped first."""
    answered = sa.select(t.tasks.c.order_id).where(
        t.tasks.c.kind.in_((TaskKind.CONFIRMED.value, TaskKind.CHANGE_ORDER.value)),
        t.tasks.c.order_id.is_not(None),
    )
    reason = sa.case(
        (_order.state == OrderState.FUNDS_PENDING, "funds_pending"), else_="unconfirmed"
    )
    waits = _order.state.in_((OrderState.PAID, OrderState.FUNDS_PENDING))
    is_young = _order.placed_at >= now - OLDEST
    due = sa.func.coalesce(_order.promised_ship_at, _order.placed_at)
    return _list(reason, waits & is_young & _order.id.not_in(answered), due)


def unpaid(now: datetime) -> Any:
    """Placed and not paid, the newest first: they are won back most easily."""
    is_young = _order.placed_at >= now - UNPAID_FOR
    return _list(
        sa.literal("unpaid"), (_order.state == OrderState.PLACED) & is_young,
        _order.placed_at.desc(),
    )  # fmt: skip


def without_address(now: datetime) -> Any:
    """Under way, and no mail can reach the buyer."""
    states = (OrderState.PLACED, *TO_SHIP, *_ON_THE_WAY, OrderState.ARRIVED)
    is_young = _order.placed_at >= now - OLDEST
    return _list(
        sa.literal("no_address"),
        _order.state.in_(states) & is_young & _customer.email_key.is_(None),
        _order.placed_at.desc(),
    )  # fmt: skip


def odd(now: datetime) -> Any:
    """Orders with which something is wrong; `reason` adds up 2 to the place of each oddity."""
    found = sa.union_all(
        *(
            query.add_columns(sa.literal(2**place).label("bit"))
            for place, query in enumerate(_oddities(now))
        )
    ).subquery()
    bits = (
        sa.select(found.c.order_id, sa.func.sum(sa.distinct(found.c.bit)).label("bits"))
        .group_by(found.c.order_id)
        .subquery()
    )
    told = sa.cast(bits.c.bits, sa.Integer)
    # The gravest oddity is the lowest bit.
    gravest = sa.case(
        *((told.op("&")(2**place) > 0, place) for place in range(len(ODDITIES))),
        else_=len(ODDITIES),
    )
    rows = _columns(bits.c.bits).select_from(_both.join(bits, bits.c.order_id == _order.id))
    return rows.order_by(gravest, _order.placed_at, _order.id)


def count(connection: sa.Connection, query: Any) -> int:
    """How many rows a list has."""
    rows = query.order_by(None).subquery()
    return connection.scalar(sa.select(sa.func.count()).select_from(rows)) or 0


def rows(connection: sa.Connection, query: Any, limit: int) -> list[OrderAtWork]:
    """The first rows of a list."""
    return [
        OrderAtWork(
            number=row.number,
            platform=row.platform,
            state=row.state,
            customer=row.name or "",
            country=row.country or "",
            placed_at=row.placed_at,
            promised_ship_at=row.promised_ship_at,
            amount_minor=row.amount_minor,
            currency=row.currency,
            note=row.note,
            reasons=_reasons(row.reason),
            unpaid_reason=row.unpaid_reason,
        )
        for row in connection.execute(query.limit(limit))
    ]


def _list(reason: Any, condition: sql.Condition, *order_by: Any) -> Any:
    return _columns(reason).select_from(_both).where(condition).order_by(*order_by, _order.id)


def _columns(reason: Any) -> Any:
    return sa.select(
        _order.number, _order.platform, _order.state, _customer.name, _customer.country,
        _order.placed_at, _order.promised_ship_at, _order.amount_minor, _order.currency,
        _order.note, _order.unpaid_reason, reason.label("reason"),
    )  # fmt: skip


def _reasons(told: Any) -> tuple[str, ...]:
    if isinstance(told, str):
        return (told,)
    return tuple(name for place, name in enumerate(ODDITIES) if int(told) & 2**place)


def _oddities(now: datetime) -> tuple[Any, ...]:
    """The ids of the orders that have each of `ODDITIES`."""
    here = _waiting_here(now)
    is_young = _order.placed_at >= now - OLDEST
    moved = sa.func.coalesce(_order.paid_at, _order.placed_at, type_=_order.paid_at.type)
    expected = _order.expected_at
    no_arrival = sa.or_(
        expected < now - LATE_PARCEL, expected.is_(None) & (_order.placed_at < now - OLD_PARCEL)
    )
    return (
        _ids(_order.state.in_((*TO_SHIP, OrderState.PLACED)) & is_young & _customer.is_flagged),
        _ids(_order.state.in_((OrderState.DISPUTED, OrderState.ARBITRATION)) & is_young
             & _order.id.not_in(_orders_with_a_case())),
        _ids(_order.state == OrderState.CANCEL_REQUESTED),
        _ids(_order.state.in_(TO_SHIP) & is_young & _is_amount_odd()),
        _of(here, sa.or_(_shares(here, "phone"), _shares(here, "street"))),
        _of(here, here.c.customer_id.in_(_busy_buyers(here, now))),
        _of(here, (here.c.street == "") & here.c.platform.in_(_platforms_with_streets(here))),
        _ids((_order.state == OrderState.PAID) & _order.promised_ship_at.is_(None) & is_young
             & (moved < now - NO_MOVEMENT_FOR)),
        _ids(_order.state.in_(_ON_THE_WAY) & is_young & no_arrival),
    )  # fmt: skip


def _ids(condition: Any) -> Any:
    return sa.select(_order.id.label("order_id")).select_from(_both).where(condition)


def _of(here: sa.CTE, condition: Any) -> Any:
    return sa.select(here.c.id.label("order_id")).where(condition)


def _waiting_here(now: datetime) -> sa.CTE:
    """Orders that wait to be shipped: few, so they are picked out once and looked at often."""
    query = (
        sa.select(
            _order.id, _order.platform, _order.placed_at, _order.customer_id,
            sa.func.coalesce(_customer.phone, "").label("phone"),
            sa.func.coalesce(_customer.street, "").label("street"),
        )
        .select_from(_both)
        .where(_order.state.in_(TO_SHIP), _order.placed_at >= now - OLDEST)
    )  # fmt: skip
    return query.cte("waiting_here").prefix_with("MATERIALIZED")


def _orders_with_a_case() -> Any:
    case = t.cases.c
    return sa.select(case.order_id).where(
        case.state.in_(sorted(UNDER_WAY)), case.order_id.is_not(None)
    )


def _is_amount_odd() -> sql.Condition:
    """Paid less than half, or more than twice, of what the goods cost."""
    item = t.order_items.c
    goods = (
        sa.select(sa.func.sum(item.quantity * item.price_minor))
        .where(item.order_id == _order.id)
        .correlate(t.orders)
        .scalar_subquery()
    )
    return sa.or_(_order.amount_minor * 2 < goods, (goods > 0) & (_order.amount_minor > goods * 2))


def _shares(here: sa.CTE, name: str) -> sql.Condition:
    """Whether several buyers of orders that wait have the same telephone or street."""
    other = here.alias()
    shared = (
        sa.select(other.c[name])
        .where(other.c[name] != "")
        .group_by(other.c[name])
        .having(sa.func.count(sa.distinct(other.c.customer_id)) >= MANY_BUYERS)
    )
    return sa.and_(here.c[name].in_(shared))


def _busy_buyers(here: sa.CTE, now: datetime) -> Any:
    """Buyers who placed many orders within a day and a night."""
    other = here.alias()
    return (
        sa.select(other.c.customer_id)
        .where(other.c.placed_at >= now - timedelta(days=1), other.c.customer_id.is_not(None))
        .group_by(other.c.customer_id)
        .having(sa.func.count() >= MANY_ORDERS)
    )


def _platforms_with_streets(here: sa.CTE) -> Any:
    """Only of a platform whose files tell streets is an empty one a fault."""
    other = here.alias()
    return sa.select(other.c.platform).distinct().where(other.c.street != "")
