"""What unhappy and happy customers said in a period: counts by anything, and the words."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from crm_mailer.model.case import UNDER_WAY
from crm_mailer.model.feedback import FeedbackKind
from crm_mailer.model.period import Period
from crm_mailer.store import report_sql as sql
from crm_mailer.store import tables as t

_PAGE = 2_000
#: Rows of one list of counts: who reads more?
_MOST = 1_000
#: So many products are looked up one by one.
_FEW = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """How often one thing was complained about, and praised. `before`: in the period before."""

    key: str
    complaints: int
    praise: int
    before: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Totals:
    """All that was said; how many said it; what became of it."""

    complaints: int
    customers: int
    praise: int
    before: int
    cases_open: int
    urgent: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Complaint:
    """One complaint with the very words, and the case that it became."""

    id: int
    at: datetime
    reason: str
    text: str
    customer: str
    country: str
    order_number: str
    product: str
    campaign: str
    channel: str
    rating: int | None
    case: int | None
    severity: str
    state: str
    agent: str
    asks: str
    remedy: str
    compensation_cents: int | None
    compensation_currency: str


_said = t.feedback
_unhappy = _said.c.kind == FeedbackKind.COMPLAINT.value
_happy = _said.c.kind == FeedbackKind.PRAISE.value
_spoke = sa.or_(_unhappy, _happy)


def totals(connection: sa.Connection, period: Period) -> Totals:
    """The figures of the whole period."""
    row = connection.execute(
        sa.select(
            sql.how_many(_unhappy).label("complaints"),
            sa.func.count(sa.distinct(sa.case((_unhappy, _said.c.customer_id)))).label("customers"),
            sql.how_many(_happy).label("praise"),
        ).where(_spoken(period))
    ).one()
    cases = connection.execute(
        sa.select(
            sql.how_many(t.cases.c.state.in_(sorted(UNDER_WAY))).label("open"),
            sql.how_many(t.cases.c.severity == "P1").label("urgent"),
        ).where(sql.within(t.cases.c.opened_at, period), t.cases.c.merged_into_id.is_(None))
    ).one()
    before = connection.scalar(
        sa.select(sa.func.count()).where(_unhappy, sql.within(_said.c.at, period.previous()))
    )
    return Totals(**row._mapping, before=before or 0, cases_open=cases.open, urgent=cases.urgent)


def by_reason(connection: sa.Connection, period: Period) -> list[Said]:
    """Complaints by reason; praise has none."""
    return _by(connection, period, _said.c.reason, _said, _unhappy)


def by_country(connection: sa.Connection, period: Period) -> list[Said]:
    """By the customer's country."""
    source = _said.outerjoin(t.customers, t.customers.c.id == _said.c.customer_id)
    return _by(connection, period, sa.func.coalesce(t.customers.c.country, ""), source)


def by_campaign(connection: sa.Connection, period: Period) -> list[Said]:
    """By the campaign whose mail was answered."""
    return _by(connection, period, _said.c.campaign, _said)


def by_channel(connection: sa.Connection, period: Period) -> list[Said]:
    """By where it was said."""
    return _by(connection, period, _said.c.channel, _said)


def by_agent(connection: sa.Connection, period: Period) -> list[Said]:
    """By whose case it became; empty for nobody's."""
    source = _said.outerjoin(t.cases, t.cases.c.reply_id == _said.c.reply_id)
    return _by(connection, period, sa.func.coalesce(t.cases.c.owner, ""), source, _unhappy)


def by_product(connection: sa.Connection, period: Period) -> list[Said]:
    """By product: the one that is named, else each of the order's."""
    items = (_said.c.product == "") & (t.order_items.c.order_id == _said.c.order_id)
    return _by(
        connection,
        period,
        sql.product_of(_said.c.product),
        _said.outerjoin(t.order_items, items),
        how_many=_each_once,
    )


def by_month(connection: sa.Connection, period: Period) -> list[Said]:
    """By month, oldest first, also those in which nobody said anything."""
    months = period.months()
    month = sql.month_of(_said.c.at, [start for _name, start in months]).label("month")
    query = (
        sa.select(
            month, sql.how_many(_unhappy).label("complaints"), sql.how_many(_happy).label("praise")
        )
        .where(_spoken(period))
        .group_by(sa.literal_column("month"))
    )
    found = {row.month: row for row in connection.execute(query)}
    return [
        Said(
            key=name,
            complaints=found[place].complaints if place in found else 0,
            praise=found[place].praise if place in found else 0,
        )
        for place, (name, _start) in enumerate(months)
    ]


def sold(connection: sa.Connection, period: Period, products: Sequence[str]) -> dict[str, int]:
    """Product -> paid orders of the period in which it was.

    Of few products only their own lines are looked at: to look at those of a million orders takes
    seconds.
    """
    if not products:
        return {}
    item = t.order_items.c
    key = sql.product_of(sa.literal("")).label("product")
    lines = (
        sa.select(key, item.order_id)
        .join_from(t.orders, t.order_items, item.order_id == t.orders.c.id)
        .where(sql.within(t.orders.c.placed_at, period), sql.is_paid())
    )
    if len(products) <= _FEW:
        by_title = (item.sku == "") & item.title.in_(products)
        lines = lines.where(sa.or_(item.sku.in_(products), by_title))
    orders = lines.subquery()
    query = sa.select(
        orders.c.product, sa.func.count(sa.distinct(orders.c.order_id)).label("number")
    ).group_by(orders.c.product)
    wanted = set(products)
    return {row.product: row.number for row in connection.execute(query) if row.product in wanted}


def list_complaints(
    connection: sa.Connection, period: Period, *, limit: int
) -> Iterator[Complaint]:
    """Complaints with their words, the newest first, page by page."""
    last: sa.Row[Any] | None = None
    while limit > 0:
        rows = connection.execute(_page(period, last, min(_PAGE, limit))).all()
        yield from map(_complaint, rows)
        if len(rows) < min(_PAGE, limit):
            return
        last, limit = rows[-1], limit - len(rows)


def _by(
    connection: sa.Connection,
    period: Period,
    key: Any,
    source: Any,
    which: Any = _spoke,
    how_many: Callable[[Any], Any] = sql.how_many,
) -> list[Said]:
    number, happy = how_many(_unhappy & _spoken(period)), how_many(_happy & _spoken(period))
    before = how_many(_unhappy & sql.within(_said.c.at, period.previous()))
    both = (_said.c.at >= period.previous().since) & (_said.c.at < period.before)
    query = (
        sa.select(
            key.label("key"),
            number.label("complaints"),
            happy.label("praise"),
            before.label("before"),
        )
        .select_from(source)
        .where(both, which)
        .group_by(key)
        .having(number + happy > 0)
        .order_by(number.desc(), happy.desc(), key)
        .limit(_MOST)
    )
    return [Said(**row._mapping) for row in connection.execute(query)]


def _each_once(condition: Any) -> Any:
    """What was said and fits, counted once where the query has it in many rows."""
    return sa.func.count(sa.distinct(sa.case((condition, _said.c.id))))


def _spoken(period: Period) -> sql.Condition:
    return sql.within(_said.c.at, period)


def _page(period: Period, last: sa.Row[Any] | None, size: int) -> Any:
    case, item = t.cases.c, t.order_items.c
    query = (
        sa.select(
            _said.c.id, _said.c.at, _said.c.reason, _said.c.text, _said.c.campaign,
            _said.c.channel, _said.c.rating, t.customers.c.name, t.customers.c.country,
            t.orders.c.number, _said.c.product, item.title, item.sku,
            case.id.label("case"), case.severity, case.state, case.owner, case.asks, case.remedy,
            case.compensation_cents, case.compensation_currency,
        )
        .select_from(
            _said.outerjoin(t.customers, t.customers.c.id == _said.c.customer_id)
            .outerjoin(t.orders, t.orders.c.id == _said.c.order_id)
            .outerjoin(t.order_items, sql.is_first_item(_said.c.order_id))
            .outerjoin(t.cases, case.reply_id == _said.c.reply_id)
        )
        .where(_unhappy, _spoken(period))
        .order_by(_said.c.at.desc(), _said.c.id.desc())
        .limit(size)
    )  # fmt: skip
    if last is None:
        return query
    same = (_said.c.at == last.at) & (_said.c.id < last.id)
    return query.where((_said.c.at < last.at) | same)


def _complaint(row: sa.Row[Any]) -> Complaint:
    return Complaint(
        id=row.id,
        at=row.at,
        reason=row.reason,
        text=row.text,
        customer=row.name or "",
        country=row.country or "",
        order_number=row.number or "",
        product=row.product or row.title or row.sku or "",
        campaign=row.campaign,
        channel=row.channel,
        rating=row.rating,
        case=row.case,
        severity=row.severity or "",
        state=row.state or "",
        agent=row.owner or "",
        asks=row.asks or "",
        remedy=row.remedy or "",
        compensation_cents=row.compensation_cents,
        compensation_currency=row.compensation_currency or "",
    )
