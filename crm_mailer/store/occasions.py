"""Occasions: what starts a campaign for a customer, such as an order, a segment or a birthday."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

import sqlalchemy as sa

from crm_mailer.model.campaign import Campaign
from crm_mailer.model.segment import EVERYBODY, Rule
from crm_mailer.model.standing import Standing
from crm_mailer.store import bulk, exits
from crm_mailer.store import tables as t
from crm_mailer.store.engine import Instant, from_seconds
from crm_mailer.store.events import events_of
from crm_mailer.store.prepared import Prepared
from crm_mailer.store.selection import Look, condition
from crm_mailer.store.send_hours import best_hour
from crm_mailer.store.touches import Standings, standing_columns
from crm_mailer.store.unplanned import among, born_on, untouched

Condition = sa.ColumnElement[bool]
#: How many columns of `_query` come before the conditions of steps.
FACTS = 15
NONE: frozenset[str] = frozenset()


@dataclass(slots=True, kw_only=True)
class Occasion:
    """One customer, one event. `key` is where the next page begins; `day` is set where the event
    is a day of the customer's own calendar rather than a moment.

    Never changed; not frozen, for that makes each of a million of them several times as slow.
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

    @property
    def may_begin(self) -> bool:
        """Whether mails could come of it: there is an address, and no exit is met."""
        return self.standing.has_address and not self.is_exited


@dataclass(frozen=True, slots=True, kw_only=True)
class Search:
    """Which occasions are wanted.

    `since` and `until` bound the event; `is_counting` also tells which steps' conditions do not
    hold.
    """

    campaign: Campaign
    look: Look
    since: datetime
    until: datetime
    last_step: str
    #: Steps of its touches that its file has no more.
    gone: tuple[str, ...] = ()
    #: Only these, by their keys: open ones, found by `unplanned`; None: everything that is open.
    among: Sequence[int] | None = None
    is_counting: bool = False
    #: Only this customer.
    customer_id: int | None = None
    #: Also what has its touches already.
    is_planned_too: bool = False
    size: int = 20_000


def of_events(connection: sa.Connection, search: Search, after: int) -> list[Occasion]:
    """Customers of whom something happened that starts the campaign."""
    dialect = connection.dialect.name
    kept = _kind_of(search, dialect)
    values: dict[str, Any] = {"after": after}
    if search.among is not None:
        values["ids"] = json.dumps(search.among)
    if kept is None:
        values |= {"since": search.since, "until": search.until}
        return _occasions(connection.execute(_events_page(search, dialect), values), search)
    page = _PAGES.get(kept)
    if page is None:
        if len(_PAGES) >= MOST_PAGES:
            _PAGES.clear()
        page = _PAGES[kept] = Prepared(_events_page(search, dialect))
    values |= {"since": bulk.seconds(search.since), "until": bulk.seconds(search.until)}
    return _occasions(page.rows(connection, values), search, moment=from_seconds)


#: Pages of events for which no value was written into the statement: planning asks for them again
#: and again, and making one takes longer than asking.
_PAGES: dict[tuple[Any, ...], Prepared] = {}
MOST_PAGES = 1_000


def _kind_of(search: Search, dialect: str) -> tuple[Any, ...] | None:
    """What the statement for a page follows from; None where it holds values of the moment."""
    campaign = search.campaign
    if campaign.audience != EVERYBODY or _conditions(search) or search.customer_id is not None:
        return None
    return (
        dialect,
        # of those that are named, nobody asks whether they are planned
        (campaign.id, search.last_step, search.gone) if search.among is None else None,
        campaign.anchor,
        campaign.exits,
        campaign.is_best_hour,
        search.is_planned_too,
        search.size,
        search.look.consent,
    )


def _events_page(search: Search, dialect: str) -> sa.Select[Any]:
    events = events_of(search.campaign.anchor)
    source: sa.FromClause = events.source.join(t.customers, t.customers.c.id == events.customer_id)
    if search.among is not None:
        source = among(dialect, events, source)
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


def first_order_years(
    connection: sa.Connection, search: Search, after: int, *, spans: Mapping[int, tuple[Any, Any]]
) -> list[Occasion]:
    """Customers whose first order lies in one of `spans` (years ago -> from, until)."""
    first, person = t.scores.c.first_order_at, t.customers.c.id
    people = _people(connection, search)
    # what was bought since the first order ends nothing: it is the anniversary that counts
    query = _query(search, people, key=person, name=None, at=first, is_of_today=True)
    if search.among is None:
        bought_then = sa.select(t.scores.c.customer_id).where(
            sa.or_(sa.false(), *(first.between(*span) for span in spans.values()))
        )
        query = query.where(person.in_(bought_then))
    query = query.where(
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


def _people(connection: sa.Connection, search: Search) -> sa.FromClause:
    """The customers, or those of them who are named."""
    if search.among is None:
        return t.customers
    named = bulk.given_ids(connection.dialect.name).subquery("new")
    source: sa.FromClause = named.join(t.customers, t.customers.c.id == next(iter(named.c)))
    return source


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
    query = _query(search, _people(connection, search), key=person.id, name=None).where(
        sa.or_(
            sa.false(),
            *(
                sa.and_(born_on(pairs), _unplanned(search, sa.literal(f"birthday:{year}")))
                for year, pairs in days.items()
            ),
        )
    )
    return _page(connection, search, query, person.id, after, is_found_by_key=search.among is None)


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
    is_of_today: bool = False,
) -> sa.Select[Any]:
    """The customers' facts beside the event's.

    `is_of_today`: exits count from now on, although `at` was long ago. `name` is the anchor where
    SQL can write it, `customer_id` the customer as the event has it: what is planned already is
    left out before the customer's row is read.
    """
    person = t.customers.c
    moment = (
        at
        if at is not None and not is_of_today
        else sa.literal(search.until, t.orders.c.placed_at.type)
    )
    order = order_id if order_id is not None else sa.cast(sa.null(), sa.BigInteger)
    met = exits.conditions(
        search.campaign, customer_id=person.id, order_id=order, anchored_at=moment
    )
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
        sa.or_(sa.false(), *met).label("is_exited"),
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
    if search.customer_id is not None:
        query = query.where(person.id == search.customer_id)
    # of who was erased only the number is left
    return query.where(person.erased_at.is_(None), condition(search.campaign.audience, search.look))


def _conditions(search: Search) -> dict[str, Rule]:
    """The conditions of steps, where it is told what would come of them."""
    steps = search.campaign.steps if search.is_counting else ()
    return {step.id: step.condition for step in steps if step.condition != EVERYBODY}


def _unplanned(
    search: Search, anchor: sa.ColumnElement[Any], customer_id: sa.ColumnElement[Any] | None = None
) -> Condition:
    """It has no touches yet. Of occasions that are named, whoever names them knows that."""
    if search.is_planned_too or search.among is not None:
        return sa.true()
    person = t.customers.c.id if customer_id is None else customer_id
    return untouched((search.campaign.id, search.last_step, search.gone), anchor, person)


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
    values: dict[str, Any] = {"after": after}
    if search.among is not None:
        values["ids"] = json.dumps(search.among)
    return _occasions(connection.execute(page, values), search)


def _paged(
    query: sa.Select[Any], key: sa.ColumnElement[Any], size: int, *, is_found_by_key: bool
) -> sa.Select[Any]:
    """So many rows behind `after`, a value of the statement."""
    # without statistics an engine would walk along the key of a large table: `+ 0` forbids it
    place = key if is_found_by_key else key + 0
    after = sa.bindparam("after", type_=sa.BigInteger)
    return query.where(place > after).order_by(place).limit(size)


def _as_it_is(moment: datetime | None) -> datetime | None:
    return moment


def _occasions(
    rows: Iterable[Sequence[Any]],
    search: Search,
    *,
    moment: Callable[[Any], datetime | None] = _as_it_is,
) -> list[Occasion]:
    """Rows as `_query` selects them; `moment` makes an instant of what stands in them."""
    steps = list(_conditions(search))
    standings, end = Standings(search.look.now, moment), FACTS + len(steps)
    found = []
    for row in rows:
        (
            key, customer_id, email, country, time_zone, month, day, anchor, at, order_id,
            is_exited, language, region, warmth, hour,
        ) = row[:FACTS]  # fmt: skip
        unmet = [step for step, is_unmet in zip(steps, row[FACTS:end], strict=True) if is_unmet]
        found.append(
            Occasion(
                key=key,
                customer_id=customer_id,
                email=email or "",
                country=country,
                time_zone=time_zone,
                standing=standings.of(row[end:]),
                anchor=anchor,
                at=moment(at),
                order_id=order_id,
                is_exited=bool(is_exited),
                born=(month, day) if month and day else None,
                language=language,
                region=region,
                warmth=warmth,
                best_hour=hour,
                unmet=frozenset(unmet) if unmet else NONE,
            )
        )
    return found
