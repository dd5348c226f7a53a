"""What unhappy and happy customers said in a period: counts by anything, and the words."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
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


@dataclass(frozen=True, slots=True)
class Cube:
    """Counts for each mix of reason, country, campaign, channel and agent that was met."""

    rows: tuple[tuple[Any, ...], ...]

    def by_reason(self) -> list[Said]:
        """Complaints by reason; praise has none."""
        return self._by(0, has_praise=False)

    def by_country(self) -> list[Said]:
        """By the customer's country."""
        return self._by(1)

    def by_campaign(self) -> list[Said]:
        """By the campaign whose mail was answered."""
        return self._by(2)

    def by_channel(self) -> list[Said]:
        """By where it was said."""
        return self._by(3)

    def by_agent(self) -> list[Said]:
        """By whose case it became; empty for nobody's."""
        return self._by(4, has_praise=False)

    def _by(self, place: int, *, has_praise: bool = True) -> list[Said]:
        """The most complained of first; without praise, only what was complained of."""
        sums: dict[str, list[int]] = defaultdict(lambda: [0, 0, 0])
        for row in self.rows:
            one = sums[row[place]]
            one[0] += row[5]
            one[1] += row[6] * has_praise
            one[2] += row[7]
        ranked = sorted(sums.items(), key=lambda pair: (-pair[1][0], -pair[1][1], pair[0]))
        return [
            Said(key=key, complaints=number, praise=happy, before=before)
            for key, (number, happy, before) in ranked[:_MOST]
            if number + happy
        ]


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


def by_what(connection: sa.Connection, period: Period) -> Cube:
    """Everything said, counted once for all lists of few different values.

    To sort the rows for each list again takes several times as long.
    """
    source = _said.outerjoin(t.customers, t.customers.c.id == _said.c.customer_id)
    source = source.outerjoin(t.cases, t.cases.c.reply_id == _said.c.reply_id)
    keys = (
        _said.c.reason,
        sa.func.coalesce(t.customers.c.country, ""),
        _said.c.campaign,
        _said.c.channel,
        sa.func.coalesce(t.cases.c.owner, ""),
    )
    query = (
        sa.select(*keys, *_counts(period)).select_from(source).where(*_both(period)).group_by(*keys)
    )
    return Cube(rows=tuple(map(tuple, connection.execute(query))))


def by_product(connection: sa.Connection, period: Period) -> list[Said]:
    """By product: the one that is named, else each of the order's."""
    items = (_said.c.product == "") & (t.order_items.c.order_id == _said.c.order_id)
    key = sql.product_of(_said.c.product).label("key")
    # an order may have a product on two lines
    each = (
        sa.select(_said.c.id, _said.c.kind, _said.c.at, key)
        .select_from(_said.outerjoin(t.order_items, items))
        .where(*_both(period))
        .distinct()
        .subquery()
    )
    number, happy, before = _counts(period, each.c)
    query = (
        sa.select(each.c.key, number, happy, before)
        .group_by(each.c.key)
        .having(number + happy > 0)
        .order_by(number.desc(), happy.desc(), each.c.key)
        .limit(_MOST)
    )
    return [Said(**row._mapping) for row in connection.execute(query)]


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


def _counts(period: Period, said: Any = _said.c) -> list[Any]:
    """Complaints, praise, and complaints of the period before, as labelled columns."""
    is_unhappy = said.kind == FeedbackKind.COMPLAINT.value
    is_happy = said.kind == FeedbackKind.PRAISE.value
    is_now, is_before = sql.within(said.at, period), sql.within(said.at, period.previous())
    return [
        sql.how_many(is_unhappy & is_now).label("complaints"),
        sql.how_many(is_happy & is_now).label("praise"),
        sql.how_many(is_unhappy & is_before).label("before"),
    ]


def _both(period: Period) -> tuple[sql.Condition, ...]:
    """What was said in the period and in the one before."""
    return _said.c.at >= period.previous().since, _said.c.at < period.before, _spoke


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
