"""Occasions: what starts a campaign for a customer, such as an order, a segment or a birthday."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

import sqlalchemy as sa

from crm_mailer.model.campaign import Campaign, OrderAnchor, SegmentAnchor
from crm_mailer.model.order import TOLD_BY, OrderState
from crm_mailer.model.segment import EVERYBODY, Rule
from crm_mailer.model.standing import Standing
from crm_mailer.store import exits
from crm_mailer.store import tables as t
from crm_mailer.store.engine import Instant
from crm_mailer.store.selection import Look, condition
from crm_mailer.store.send_hours import best_hour
from crm_mailer.store.touches import standing_columns, standing_of

Condition = sa.ColumnElement[bool]
_A_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Occasion:
    """One customer, one event. `key` is where the next page begins; `day` is set where the event
    is a day of the customer's own calendar rather than a moment.
    """

    key: int
    customer_id: int
    email: str
    country: str
    time_zone: str
    standing: Standing
    anchor: str = ""
    at: datetime | None = None
    day: date | None = None
    order_id: int | None = None
    is_exited: bool = False
    #: What the day is counted from: (month, day) of birth, or the first order.
    born: tuple[int, int] | None = None
    language: str = ""
    #: The province of the address.
    region: str = ""
    #: The hour of the day at which the customer answers and buys, where the campaign asks for it.
    best_hour: int | None = None
    #: R of the customer's marks, 1..5; None: never bought.
    warmth: int | None = None
    #: On an adaptive curve: from the anchor to the first mail, where more is known than nothing.
    wait: timedelta | None = None
    #: Steps whose condition does not hold at this moment; told where counts are wanted.
    unmet: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Search:
    """Which occasions are wanted.

    `since` and `until` bound the event; `is_counting` also finds those that are left out only to
    be counted (no address, an exit met).
    """

    campaign: Campaign
    look: Look
    since: datetime
    until: datetime
    last_step: str
    #: Only what was learnt since then, which is quick; None: everything that is open.
    learnt_since: datetime | None = None
    is_counting: bool = False
    #: Only this customer.
    customer_id: int | None = None
    #: Also what has its touches already.
    is_planned_too: bool = False
    size: int = 20_000


def order_states(connection: sa.Connection, search: Search, after: int) -> list[Occasion]:
    """Orders that reached the campaign's state, by the number of the event."""
    anchor = search.campaign.anchor
    assert isinstance(anchor, OrderAnchor)
    event, order = t.order_events.c, t.orders.c
    source = t.order_events.join(t.orders, order.id == event.order_id).join(
        t.customers, t.customers.c.id == order.customer_id
    )
    name = sa.literal("order:") + sa.cast(event.order_id, sa.Text) + f":{anchor.state}"
    query = _query(
        search, source, key=event.id, name=name, at=event.at, order_id=event.order_id
    ).where(reached(anchor.state), event.at.between(search.since, search.until))
    if search.learnt_since is not None:
        # what lay in the future when it was learnt is news when its time has come
        news = search.learnt_since
        query = query.where(sa.or_(event.learnt_at >= news, event.at >= news))
    return _page(connection, search, query, event.id, after, is_found_by_key=False)


def reached(state: OrderState) -> Condition:
    """Whether the event in `order_events` is the one at which its order reached `state`."""
    event, own = t.order_events.c, t.order_events.alias("own_event").c
    if state not in TOLD_BY:
        return event.state == state
    is_told = sa.exists().where(own.order_id == event.order_id, own.state == state)
    is_one = event.state.in_((state, TOLD_BY[state]))
    return sa.and_(is_one, sa.or_(event.state == state, ~is_told))


def memberships(connection: sa.Connection, search: Search, after: int) -> list[Occasion]:
    """Customers who came into the campaign's segment and are still there."""
    anchor = search.campaign.anchor
    assert isinstance(anchor, SegmentAnchor)
    member = t.memberships.c
    source = t.memberships.join(t.customers, t.customers.c.id == member.customer_id)
    name = sa.literal(f"segment:{anchor.segment}:") + sa.cast(member.id, sa.Text)
    query = _query(search, source, key=member.id, name=name, at=member.since).where(
        member.segment == anchor.segment,
        member.since.between(search.since, search.until),
        member.until.is_(None),
    )
    if search.learnt_since is not None:
        query = query.where(member.since >= search.learnt_since)
    return _page(connection, search, query, member.id, after, is_found_by_key=False)


def replies(
    connection: sa.Connection, search: Search, after: int, *, intent: str | None
) -> list[Occasion]:
    """Mails that customers wrote themselves; `intent` None means any."""
    reply = t.replies.c
    source = t.replies.join(t.customers, t.customers.c.id == reply.customer_id)
    name = sa.literal("reply:") + sa.cast(reply.id, sa.Text)
    query = _query(
        search, source, key=reply.id, name=name, at=reply.received_at, order_id=reply.order_id
    ).where(
        reply.kind == "human",
        reply.is_copy.is_(sa.false()),
        reply.received_at.between(search.since, search.until),
    )
    if intent is not None:
        query = query.where(reply.intent == intent)
    return _page(connection, search, query, reply.id, after, is_found_by_key=False)


def first_orders(connection: sa.Connection, search: Search, after: int) -> list[Occasion]:
    """First paid orders."""
    order = t.orders.c
    earlier = t.orders.alias("earlier").c
    source = t.orders.join(t.customers, t.customers.c.id == order.customer_id)
    paid = sa.func.coalesce(order.paid_at, order.placed_at, type_=order.placed_at.type)
    is_second = sa.exists().where(
        earlier.customer_id == order.customer_id,
        earlier.is_counted,
        sa.or_(
            earlier.placed_at < order.placed_at,
            sa.and_(earlier.placed_at == order.placed_at, earlier.id < order.id),
        ),
    )
    query = _query(
        search, source, key=order.id, name=sa.literal("first_order"), at=paid, order_id=order.id
    ).where(
        order.is_counted,
        paid.between(search.since, search.until),
        # a payment changes the order's row when it is learnt, a day of wrong clocks allowed for
        order.changed_at >= (search.learnt_since or search.since - _A_DAY),
        ~is_second,
    )
    return _page(connection, search, query, order.id, after, is_found_by_key=False)


def first_order_years(
    connection: sa.Connection, search: Search, after: int, *, spans: Mapping[int, tuple[Any, Any]]
) -> list[Occasion]:
    """Customers whose first order lies in one of `spans` (years ago -> from, until)."""
    first, person = t.scores.c.first_order_at, t.customers.c.id
    query = _query(search, t.customers, key=person, name=None, at=first).where(
        sa.or_(
            sa.false(),
            *(
                sa.and_(
                    first.between(start, end),
                    _unplanned(search, sa.literal(f"first_order:{years}")),
                )
                for years, (start, end) in spans.items()
            ),
        )
    )
    return _page(connection, search, query, person, after)


def earliest_first_order(connection: sa.Connection) -> datetime | None:
    """When the first of all customers bought."""
    query = sa.select(sa.func.min(t.scores.c.first_order_at, type_=Instant))
    earliest: datetime | None = connection.scalar(query)
    return earliest


def birthdays(
    connection: sa.Connection,
    search: Search,
    after: int,
    *,
    days: Mapping[int, Sequence[tuple[int, int]]],
) -> list[Occasion]:
    """Customers born on one of these days (year of the celebration -> month and day)."""
    person = t.customers.c
    query = _query(search, t.customers, key=person.id, name=None).where(
        sa.or_(
            sa.false(),
            *(
                sa.and_(_born_on(pairs), _unplanned(search, sa.literal(f"birthday:{year}")))
                for year, pairs in days.items()
            ),
        )
    )
    return _page(connection, search, query, person.id, after)


def everybody(
    connection: sa.Connection,
    search: Search,
    after: int,
    *,
    anchor: str,
    countries: Collection[str] = (),
    is_for_others: bool = True,
) -> list[Occasion]:
    """All customers of the audience, for a campaign at a day of the calendar.

    Args:
        connection: for looking.
        search: what is wanted.
        after: where to go on.
        anchor: the occasion's name.
        countries: whose customers are meant, or, with `is_for_others`, are not.
        is_for_others: everybody else is meant; a customer whose country is unknown among them.
    """
    person = t.customers.c
    query = _query(search, t.customers, key=person.id, name=sa.literal(anchor))
    if countries or not is_for_others:
        is_there = person.country.in_(sorted(countries))
        query = query.where(~is_there if is_for_others else is_there)
    return _page(connection, search, query, person.id, after)


# ------------------------------------------------------------------ the one query


def _query(
    search: Search,
    source: sa.FromClause,
    *,
    key: sa.ColumnElement[Any],
    name: sa.ColumnElement[Any] | None,
    at: sa.ColumnElement[Any] | None = None,
    order_id: sa.ColumnElement[Any] | None = None,
) -> sa.Select[Any]:
    """The customers' facts beside the event's; `name` is the anchor where SQL can write it."""
    person = t.customers.c
    moment = at if at is not None else sa.literal(search.until, t.orders.c.placed_at.type)
    order = order_id if order_id is not None else sa.cast(sa.null(), sa.BigInteger)
    met = exits.conditions(
        search.campaign, customer_id=person.id, order_id=order, anchored_at=moment
    )
    is_exited = sa.or_(sa.false(), *met)
    query = sa.select(
        key.label("key"),
        person.id.label("customer_id"),
        person.email,
        person.country,
        person.time_zone,
        person.birth_month,
        person.birth_day,
        (name if name is not None else sa.literal("")).label("anchor"),
        (at if at is not None else sa.null()).label("at"),
        order.label("order_id"),
        (is_exited if search.is_counting else sa.false()).label("is_exited"),
        person.language,
        person.region,
        t.scores.c.r.label("warmth"),
        (best_hour() if search.campaign.is_best_hour else sa.null()).label("best_hour"),
        *(
            (~condition(rule, search.look)).label(f"unmet_{number}")
            for number, rule in enumerate(_conditions(search).values())
        ),
        *standing_columns(),
    ).select_from(source.outerjoin(t.scores, t.scores.c.customer_id == person.id))
    if name is not None:
        query = query.where(_unplanned(search, name))
    if not search.is_counting:
        query = query.where(person.email_key.is_not(None), ~is_exited)
    if search.customer_id is not None:
        query = query.where(person.id == search.customer_id)
    return query.where(condition(search.campaign.audience, search.look))


def _conditions(search: Search) -> dict[str, Rule]:
    """The conditions of steps, where it is told what would come of them."""
    steps = search.campaign.steps if search.is_counting else ()
    return {step.id: step.condition for step in steps if step.condition != EVERYBODY}


def _unplanned(search: Search, anchor: sa.ColumnElement[Any]) -> Condition:
    """No touch of the last step yet: every step of an occasion gets its row at once."""
    if search.is_planned_too:
        return sa.true()
    touch = t.touches.c
    return ~sa.exists().where(
        touch.campaign == search.campaign.id,
        touch.step == search.last_step,
        touch.anchor == anchor,
        touch.customer_id == t.customers.c.id,
    )


def _born_on(pairs: Sequence[tuple[int, int]]) -> Condition:
    months: dict[int, list[int]] = {}
    for month, day in pairs:
        months.setdefault(month, []).append(day)
    person = t.customers.c
    return sa.or_(
        sa.false(),
        *(
            sa.and_(person.birth_month == month, person.birth_day.in_(sorted(days)))
            for month, days in sorted(months.items())
        ),
    )


def _page(
    connection: sa.Connection,
    search: Search,
    query: sa.Select[Any],
    key: sa.ColumnElement[Any],
    after: int,
    *,
    is_found_by_key: bool = True,
) -> list[Occasion]:
    # without statistics an engine would walk along the key of a large table: `+ 0` forbids it
    place = key if is_found_by_key else key + 0
    page = query.where(place > after).order_by(place).limit(search.size)
    return [
        Occasion(
            key=row.key,
            customer_id=row.customer_id,
            email=row.email or "",
            country=row.country,
            time_zone=row.time_zone,
            standing=standing_of(row),
            anchor=row.anchor,
            at=row.at,
            order_id=row.order_id,
            is_exited=bool(row.is_exited),
            born=(row.birth_month, row.birth_day) if row.birth_month and row.birth_day else None,
            language=row.language,
            region=row.region,
            warmth=row.warmth,
            best_hour=row.best_hour,
            unmet=frozenset(
                step
                for number, step in enumerate(_conditions(search))
                if getattr(row, f"unmet_{number}")
            ),
        )
        for row in connection.execute(page)
    ]
