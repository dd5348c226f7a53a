"""Occasions: what starts a campaign for a customer, such as an order, a segment or a birthday."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import lru_cache
from typing import Any

import sqlalchemy as sa

from crm_mailer.model.campaign import Anchor, Campaign
from crm_mailer.model.segment import EVERYBODY, Rule
from crm_mailer.model.standing import Standing
from crm_mailer.store import bulk, exits
from crm_mailer.store import tables as t
from crm_mailer.store.engine import Instant
from crm_mailer.store.events import Events, events_of
from crm_mailer.store.prepared import Prepared
from crm_mailer.store.selection import Look, condition
from crm_mailer.store.send_hours import best_hour
from crm_mailer.store.touches import standing_columns, standing_of

Condition = sa.ColumnElement[bool]


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
    #: Only events with these numbers, which is quick; None: everything that is open.
    among: Sequence[int] | None = None
    is_counting: bool = False
    #: Only this customer.
    customer_id: int | None = None
    #: Also what has its touches already.
    is_planned_too: bool = False
    size: int = 20_000


def of_events(connection: sa.Connection, search: Search, after: int) -> list[Occasion]:
    """Customers of whom something happened that starts the campaign."""
    kept = _kind_of(search, connection.dialect.name)
    page = _PAGES.get(kept) if kept is not None else None
    if page is None:
        page = _events_page(search, connection.dialect.name)
        if kept is not None:
            if len(_PAGES) >= MOST_PAGES:
                _PAGES.clear()
            _PAGES[kept] = page
    values: dict[str, Any] = {"since": search.since, "until": search.until, "after": after}
    if search.among is not None:
        values["ids"] = json.dumps(search.among)
    return _occasions(connection, search, page, values)


#: Pages of events for which no value was written into the statement: planning asks for them again
#: and again, and making one takes longer than asking.
_PAGES: dict[tuple[Any, ...], sa.Select[Any]] = {}
MOST_PAGES = 1_000


def _kind_of(search: Search, dialect: str) -> tuple[Any, ...] | None:
    """What the statement for a page follows from; None where it holds values of the moment."""
    campaign = search.campaign
    if campaign.audience != EVERYBODY or _conditions(search) or search.customer_id is not None:
        return None
    return (
        dialect,
        campaign.id,
        campaign.anchor,
        campaign.exits,
        campaign.is_best_hour,
        search.last_step,
        search.among is None,
        search.is_counting,
        search.is_planned_too,
        search.size,
        search.look.consent,
    )


def _events_page(search: Search, dialect: str) -> sa.Select[Any]:
    events = events_of(search.campaign.anchor)
    source: sa.FromClause = events.source.join(t.customers, t.customers.c.id == events.customer_id)
    if search.among is not None:
        source = _among(dialect, events, source)
    query = _query(
        search,
        source,
        key=events.key,
        name=events.name,
        at=events.at,
        order_id=events.order_id,
        customer_id=events.customer_id,
    ).where(events.where)
    return _paged(query, events.key, search.size, is_found_by_key=False)


def list_open(
    connection: sa.Connection,
    anchor: Anchor,
    campaigns: Sequence[tuple[str, str]],
    *,
    since: datetime,
    until: datetime,
    among: Sequence[int] | None = None,
) -> list[tuple[int, ...]]:
    """Events that not all of these campaigns have planned yet: (key, 1 where it is still open).

    The events are read once for all of them, and no customer is.

    Args:
        connection: for looking.
        anchor: what starts the campaigns.
        campaigns: each with its last step.
        since: the first moment of the events.
        until: the last one.
        among: only events with these numbers; None: all.
    """
    values: dict[str, Any] = {"since": int(since.timestamp()), "until": int(until.timestamp())}
    if among is not None:
        values["ids"] = json.dumps(among)
    asking = _opens(connection.dialect.name, anchor, tuple(campaigns), among is not None)
    return asking.rows(connection, values)


@lru_cache(maxsize=256)
def _opens(
    dialect: str, anchor: Anchor, campaigns: tuple[tuple[str, str], ...], has_among: bool
) -> Prepared:
    """The statement of `list_open`, made once for these campaigns."""
    events = events_of(anchor)
    key, customer = events.key.label("key"), events.customer_id.label("customer_id")
    source = events.source
    if has_among:
        source = _among(dialect, events, source)
    found = sa.select(key, events.name.label("name"), customer).select_from(source)
    # the name is put together once, and no engine looks for a better way through it
    open_ones = found.where(events.where).cte("found").prefix_with("MATERIALIZED")
    one = open_ones.c
    flags = [
        sa.case((_untouched(*names, one.name, one.customer_id), 1), else_=0).label(f"open_{place}")
        for place, names in enumerate(campaigns)
    ]
    told = sa.select(one.key, *flags).subquery("told")
    is_open = sa.or_(*(told.c[f"open_{place}"] == 1 for place in range(len(campaigns))))
    return Prepared(sa.select(told).where(is_open).order_by(told.c.key))


def _among(dialect: str, events: Events, source: sa.FromClause) -> sa.FromClause:
    """The events with the numbers `ids`.

    As a table of its own: an engine expects few rows of it, and reads no other table for them.
    """
    new = bulk.given_ids(dialect).subquery("new")
    found: sa.FromClause = new.join(source, events.key == next(iter(new.c)))
    return found


def first_order_years(
    connection: sa.Connection, search: Search, after: int, *, spans: Mapping[int, tuple[Any, Any]]
) -> list[Occasion]:
    """Customers whose first order lies in one of `spans` (years ago -> from, until)."""
    first, person = t.scores.c.first_order_at, t.customers.c.id
    bought_then = sa.select(t.scores.c.customer_id).where(
        sa.or_(sa.false(), *(first.between(*span) for span in spans.values()))
    )
    query = _query(search, t.customers, key=person, name=None, at=first).where(
        person.in_(bought_then),
        sa.or_(
            sa.false(),
            *(
                sa.and_(
                    first.between(start, end),
                    _unplanned(search, sa.literal(f"first_order:{years}")),
                )
                for years, (start, end) in spans.items()
            ),
        ),
    )
    return _page(connection, search, query, person, after, is_found_by_key=False)


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
    customer_id: sa.ColumnElement[Any] | None = None,
) -> sa.Select[Any]:
    """The customers' facts beside the event's.

    `name` is the anchor where SQL can write it, `customer_id` the customer as the event has it:
    what is planned already is left out before the customer's row is read.
    """
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
        *standing_columns(search.look.consent),
    ).select_from(source.outerjoin(t.scores, t.scores.c.customer_id == person.id))
    if name is not None:
        query = query.where(_unplanned(search, name, customer_id))
    if not search.is_counting:
        query = query.where(person.email_key.is_not(None), ~is_exited)
    if search.customer_id is not None:
        query = query.where(person.id == search.customer_id)
    return query.where(condition(search.campaign.audience, search.look))


def _conditions(search: Search) -> dict[str, Rule]:
    """The conditions of steps, where it is told what would come of them."""
    steps = search.campaign.steps if search.is_counting else ()
    return {step.id: step.condition for step in steps if step.condition != EVERYBODY}


def _unplanned(
    search: Search, anchor: sa.ColumnElement[Any], customer_id: sa.ColumnElement[Any] | None = None
) -> Condition:
    """No touch of the last step yet: every step of an occasion gets its row at once."""
    if search.is_planned_too:
        return sa.true()
    person = t.customers.c.id if customer_id is None else customer_id
    return _untouched(search.campaign.id, search.last_step, anchor, person)


def _untouched(
    campaign: str, step: str, anchor: sa.ColumnElement[Any], customer_id: sa.ColumnElement[Any]
) -> Condition:
    touch = t.touches.c
    return ~sa.exists().where(
        touch.campaign == campaign,
        touch.step == step,
        touch.anchor == anchor,
        touch.customer_id == customer_id,
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
    page = _paged(query, key, search.size, is_found_by_key=is_found_by_key)
    return _occasions(connection, search, page, {"after": after})


def _paged(
    query: sa.Select[Any], key: sa.ColumnElement[Any], size: int, *, is_found_by_key: bool
) -> sa.Select[Any]:
    """So many rows behind `after`, a value of the statement."""
    # without statistics an engine would walk along the key of a large table: `+ 0` forbids it
    place = key if is_found_by_key else key + 0
    after = sa.bindparam("after", type_=sa.BigInteger)
    return query.where(place > after).order_by(place).limit(size)


def _occasions(
    connection: sa.Connection, search: Search, page: sa.Select[Any], values: Mapping[str, Any]
) -> list[Occasion]:
    return [
        Occasion(
            key=row.key,
            customer_id=row.customer_id,
            email=row.email or "",
            country=row.country,
            time_zone=row.time_zone,
            standing=standing_of(row, search.look.now),
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
        for row in connection.execute(page, values)
    ]
