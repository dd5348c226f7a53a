"""Keeps each customer's figures and marks: afresh after new orders, rolled over as days pass.

Every change of marks leaves a row in the history, written by the same transaction.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from zoneinfo import ZoneInfo

import sqlalchemy as sa

from crm_mailer.model import moment
from crm_mailer.model.score import RfmProfile, Score, ScoreReason
from crm_mailer.store import birthday_mails, bulk, filling, score_history, score_marks
from crm_mailer.store import tables as t
from crm_mailer.store.engine import upsert
from crm_mailer.store.local_days import days_ago
from crm_mailer.store.score_history import because
from crm_mailer.store.score_marks import midnight


@dataclass(frozen=True, slots=True, kw_only=True)
class Scoring:
    """With what customers are scored: when, where, by which profile."""

    profile: RfmProfile
    now: datetime
    place: ZoneInfo

    @property
    def today(self) -> date:
        """The shop's day."""
        return moment.local_day(self.now, self.place)

    @property
    def window_begins(self) -> datetime | None:
        """From when on orders count for F and M; None: all do."""
        days = self.profile.window_days
        return None if days is None else midnight(self.today, days, self.place)


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """How many customers have one pair of R and F, and what they have spent."""

    r: int
    f: int
    customers: int
    spent_usd_cents: int


def changed_since(since: datetime) -> sa.Select[Any]:
    """The customers who, or whose orders, changed at `since` or later."""
    by_order = sa.select(t.orders.c.customer_id.label("id")).where(
        t.orders.c.changed_at >= since, t.orders.c.customer_id.is_not(None)
    )
    by_self = sa.select(t.customers.c.id).where(t.customers.c.changed_at >= since)
    return sa.select(sa.union(by_order, by_self).subquery().c.id)


def out_of_window(scoring: Scoring) -> sa.Select[Any] | None:
    """The customers of whom an order has left the profile's window since they were scored."""
    begins = scoring.window_begins
    if begins is None:
        return None
    scores = t.scores.c
    return sa.select(scores.customer_id).where(
        scores.window_first_at.is_not(None), scores.window_first_at < begins
    )


@contextmanager
def _found(connection: sa.Connection, changed: sa.Select[Any]) -> Iterator[sa.Select[Any]]:
    """The `changed` customers, looked for once and kept for a while: several questions follow."""
    ids = sa.Column("id", t.customers.c.id.type, primary_key=True)
    table = sa.Table("changed_customers", sa.MetaData(), ids, prefixes=["TEMPORARY"])
    table.create(connection, checkfirst=False)
    connection.execute(table.insert().from_select(["id"], changed))
    bulk.know(connection, table)
    yield sa.select(table.c.id)
    table.drop(connection, checkfirst=False)


def is_empty(connection: sa.Connection) -> bool:
    """Whether nobody has a score."""
    return connection.scalar(sa.select(t.scores.c.customer_id).limit(1)) is None


def refresh(
    connection: sa.Connection,
    scoring: Scoring,
    *,
    changed: sa.Select[Any] | None,
    otherwise: ScoreReason = ScoreReason.DAYS_PASSED,
) -> int:
    """Score the `changed` customers (None: all) from their orders.

    Returns how many rows are new or other than before. Orders without a known USD value count
    as orders and bring no money. An order of the future counts as one of today. `otherwise` is
    why marks changed of whom no order did.
    """
    values = _values(scoring, changed)
    if is_empty(connection):  # nothing to compare with, and for nobody a change
        return filling.fill(connection, t.scores, values)
    with _held(connection, values, is_small=changed is not None) as held:
        return _refresh(connection, scoring, held, otherwise, is_all=changed is None)


def refresh_those(
    connection: sa.Connection, scoring: Scoring, *, changed: sa.Select[Any], otherwise: ScoreReason
) -> tuple[int, int]:
    """Score the `changed` customers; take the score from those who have no counted order left.

    How many rows are new or other than before, and how many are gone.
    """
    with (
        _found(connection, changed) as those,
        _held(connection, _values(scoring, those), is_small=True) as held,
    ):
        if is_empty(connection):  # a few are no mass to take keys off for
            counting = {"preserve_rowcount": True}
            done = connection.execute(_insert(connection, held), execution_options=counting)
            return done.rowcount, 0
        changed_rows = _refresh(connection, scoring, held, otherwise)
        customer = t.scores.c.customer_id
        is_buyer = customer.in_(sa.select(held["customer_id"]))
        query = sa.select(customer).where(customer.in_(those), ~is_buyer)
        return changed_rows, _remove(connection, scoring, connection.scalars(query).all())


def _refresh(
    connection: sa.Connection,
    scoring: Scoring,
    values: dict[str, sa.ColumnElement[Any]],
    otherwise: ScoreReason,
    *,
    is_all: bool = False,
) -> int:
    """Log what is other than before, then save it."""
    _log_refresh(connection, scoring, values, otherwise)
    _follow_first_orders(connection, scoring, None if is_all else values)
    query = _insert(connection, values)
    new = {name: query.excluded[name] for name in values if name != "customer_id"}
    watched = [name for name in new if name not in ("days_since_last", "scored_on")]
    done = connection.execute(
        query.on_conflict_do_update(
            index_elements=["customer_id"],
            set_=new,
            where=sa.or_(*(t.scores.c[name].is_distinct_from(new[name]) for name in watched)),
        ),
        execution_options={"preserve_rowcount": True},
    )
    return done.rowcount


def _follow_first_orders(
    connection: sa.Connection, scoring: Scoring, values: dict[str, sa.ColumnElement[Any]] | None
) -> None:
    """End what is planned for anniversaries that are on another day now: of other first orders.

    One of the same day changes nothing. Without `values`, of all customers.
    """
    ids = [
        row.customer_id
        for row in connection.execute(_other_first_orders(values))
        if row.old is not None
        and moment.local_day(row.old, scoring.place) != moment.local_day(row.new, scoring.place)
    ]
    birthday_mails.follow_first_orders(connection, ids, now=scoring.now)


def _other_first_orders(values: dict[str, sa.ColumnElement[Any]] | None) -> sa.Select[Any]:
    """Who has another first order than is known, by the new `values`: (customer_id, old, new)."""
    old, order = t.scores.c, t.orders.c
    if values is None:  # the index has the first of each customer's orders; the sums read them all
        first = sa.select(sa.func.min(order.placed_at, type_=order.placed_at.type)).where(
            order.customer_id == old.customer_id, order.is_counted
        )
        known = sa.select(
            old.customer_id, old.first_order_at.label("old"), first.scalar_subquery().label("new")
        ).subquery("known")
        return sa.select(known).where(known.c.old != known.c.new)
    wanted = ("customer_id", "first_order_at")
    new = sa.select(*(values[name].label(name) for name in wanted)).subquery("new")
    # an outer join, or SQLite walks along all scores for a few that are new
    return (
        sa.select(
            new.c.customer_id, old.first_order_at.label("old"), new.c.first_order_at.label("new")
        )
        .select_from(new.outerjoin(t.scores, old.customer_id == new.c.customer_id))
        .where(old.first_order_at.is_distinct_from(new.c.first_order_at))
    )


def _insert(connection: sa.Connection, values: dict[str, sa.ColumnElement[Any]]) -> Any:
    is_buyer = values["order_count"] > 0  # always: SQLite needs a WHERE before ON CONFLICT
    return upsert(connection, t.scores).from_select(
        list(values), sa.select(*values.values()).where(is_buyer)
    )


@contextmanager
def _held(
    connection: sa.Connection, values: dict[str, sa.ColumnElement[Any]], *, is_small: bool
) -> Iterator[dict[str, sa.ColumnElement[Any]]]:
    """The values as they are, or if they are few kept for a while: they are asked for twice, and
    adding orders up takes longer than everything else.
    """
    if not is_small:
        yield values
        return
    key = sa.Column("customer_id", t.customers.c.id.type, primary_key=True)
    others = (sa.Column(name, t.scores.c[name].type) for name in values if name != key.name)
    table = sa.Table("new_scores", sa.MetaData(), key, *others, prefixes=["TEMPORARY"])
    table.create(connection, checkfirst=False)
    connection.execute(table.insert().from_select(list(values), sa.select(*values.values())))
    yield dict(table.c.items())
    table.drop(connection, checkfirst=False)


def remove_unpaid(connection: sa.Connection, scoring: Scoring) -> int:
    """Take the score from all who have no counted order left."""
    is_buyer = sa.exists().where(
        t.orders.c.customer_id == t.scores.c.customer_id, t.orders.c.is_counted
    )
    query = sa.select(t.scores.c.customer_id).where(~is_buyer)
    return _remove(connection, scoring, connection.scalars(query).all())


def _remove(connection: sa.Connection, scoring: Scoring, customer_ids: Sequence[int]) -> int:
    if not customer_ids:  # nearly always
        return 0
    is_gone = bulk.among(connection, t.scores.c.customer_id, customer_ids)
    score_history.log(
        connection,
        t.scores,
        customer_id=t.scores.c.customer_id,
        reason=because(ScoreReason.REFUND),
        before=_stored(),
        after=None,
        profile=scoring.profile.name,
        now=scoring.now,
        where=is_gone,
    )
    birthday_mails.follow_first_orders(connection, customer_ids, now=scoring.now)
    return connection.execute(sa.delete(t.scores).where(is_gone)).rowcount


def roll(connection: sa.Connection, scoring: Scoring, *, before: date) -> int:
    """Move R of those who passed a limit between the day `before` and today; returns how many.

    Only the index on `last_order_at` is read, a slice for each limit.
    """
    early, late = sorted((before, scoring.today))
    scores, place = t.scores.c, scoring.place
    last = scores.last_order_at
    slices = [
        sa.and_(last >= midnight(early, limit, place), last < midnight(late, limit, place))
        for limit in dict.fromkeys(scoring.profile.r_days)
    ]
    r = score_marks.r_mark(last, scoring.profile, scoring.today, place)
    new: dict[str, sa.ColumnElement[Any]] = {
        "r": r,
        "total": r + scores.f + scores.m,
        "value_class": score_marks.value_class(r, scores.f, scores.m, scoring.profile.high),
    }
    _log_stored(
        connection,
        scoring,
        {**new, "f": scores.f, "m": scores.m},
        ScoreReason.DAYS_PASSED,
        sa.and_(sa.or_(*slices), scores.r != r),
    )
    query = (
        sa.update(t.scores)
        .where(sa.or_(*slices))
        .values(
            **new,
            days_since_last=days_ago(last, scoring.today, place),
            scored_on=scoring.today,
        )
    )
    return connection.execute(query).rowcount


def remark(connection: sa.Connection, scoring: Scoring, *, is_logged: bool = True) -> int:
    """Give new marks by another profile for the figures as they are; returns how many changed."""
    scores, profile = t.scores.c, scoring.profile
    new = score_marks.marks(
        last=scores.last_order_at,
        orders=sa.func.coalesce(scores.window_orders, scores.order_count),
        cents=sa.func.coalesce(scores.window_usd_cents, scores.spent_usd_cents),
        profile=profile,
        today=scoring.today,
        place=scoring.place,
    )
    differs = sa.or_(*(scores[name] != mark for name, mark in new.items()))
    if is_logged:
        _log_stored(connection, scoring, new, ScoreReason.PROFILE, differs)
    query = (
        sa.update(t.scores)
        .where(sa.or_(differs, scores.profile != profile.name))
        .values(**new, profile=profile.name)
    )
    return connection.execute(query).rowcount


def find(
    connection: sa.Connection, customer_id: int, *, now: datetime, place: ZoneInfo
) -> Score | None:
    """The marks of a customer, with the days counted to `now`; None without a paid order."""
    row = connection.execute(
        sa.select(t.scores).where(t.scores.c.customer_id == customer_id)
    ).first()
    if row is None:
        return None
    is_windowed = row.window_orders is not None
    return Score(
        days_since_last=max(0, moment.days_between(row.last_order_at, now, place)),
        order_count=row.window_orders if is_windowed else row.order_count,
        spent_usd_cents=row.window_usd_cents if is_windowed else row.spent_usd_cents,
        r=row.r,
        f=row.f,
        m=row.m,
        value_class=row.value_class,
        scored_on=row.scored_on,
    )


def has_paid(connection: sa.Connection, customer_id: int) -> bool:
    """Whether the customer has an order that counts."""
    order = t.orders.c
    query = sa.select(order.id).where(order.customer_id == customer_id, order.is_counted).limit(1)
    return connection.scalar(query) is not None


def unpriced(connection: sa.Connection, customer_id: int) -> int:
    """How many of a customer's counted orders have no known value in US dollars."""
    orders = t.orders.c
    query = sa.select(sa.func.count()).where(
        orders.customer_id == customer_id, orders.is_counted, orders.net_usd_cents.is_(None)
    )
    return connection.scalar(query) or 0


def cells(connection: sa.Connection) -> list[Cell]:
    """The pairs of R and F that occur."""
    scores = t.scores.c
    spent = sa.cast(sa.func.sum(scores.spent_usd_cents), sa.BigInteger)
    rows = connection.execute(
        sa.select(scores.r, scores.f, sa.func.count().label("number"), spent.label("spent"))
        .group_by(scores.r, scores.f)
        .order_by(scores.r, scores.f)
    )
    return [Cell(r=row.r, f=row.f, customers=row.number, spent_usd_cents=row.spent) for row in rows]


def sums(
    scoring: Scoring, changed: sa.Select[Any] | None = None, *, until: datetime | None = None
) -> sa.Subquery:
    """The figures of all customers (or the `changed`) who have a counted order, by customer.

    With `until`, of the orders before that instant.
    """
    query = sa.select(*_figures(scoring)).where(
        t.orders.c.is_counted, t.orders.c.customer_id.is_not(None)
    )
    if changed is not None:
        query = query.where(t.orders.c.customer_id.in_(changed))
    if until is not None:
        query = query.where(t.orders.c.placed_at < until)
    return query.group_by(t.orders.c.customer_id).subquery("sums")


def _figures(scoring: Scoring) -> list[sa.ColumnElement[Any]]:
    orders = t.orders.c
    placed, cents = orders.placed_at, orders.net_usd_cents
    found: dict[str, sa.ColumnElement[Any]] = {
        "customer_id": orders.customer_id,
        "first_order_at": sa.func.min(placed),
        "last_order_at": sa.func.max(placed),
        "order_count": sa.func.count(),
        "spent_usd_cents": _money(cents),
        "window_orders": sa.null(),
        "window_usd_cents": sa.null(),
        "window_first_at": sa.null(),
    }
    begins = scoring.window_begins
    if begins is not None:
        is_in = placed >= begins
        found |= {
            "window_orders": sa.func.count(sa.case((is_in, 1))),
            "window_usd_cents": _money(sa.case((is_in, cents))),
            "window_first_at": sa.func.min(sa.case((is_in, placed))),
        }
    types = {name: t.scores.c[name].type for name in found}
    return [sa.type_coerce(value, types[name]).label(name) for name, value in found.items()]


def _money(cents: sa.ColumnElement[Any]) -> sa.ColumnElement[Any]:
    return sa.cast(sa.func.coalesce(sa.func.sum(cents), 0), sa.BigInteger)


def _values(scoring: Scoring, changed: sa.Select[Any] | None) -> dict[str, sa.ColumnElement[Any]]:
    """Every column of a score, as selected from the orders."""
    found = sums(scoring, changed).c
    is_windowed = scoring.profile.window_days is not None
    return {
        **{column.name: column for column in found},
        "window_orders": _typed(found.window_orders),
        "window_usd_cents": _typed(found.window_usd_cents),
        "window_first_at": _typed(found.window_first_at),
        "days_since_last": days_ago(found.last_order_at, scoring.today, scoring.place),
        **score_marks.marks(
            last=found.last_order_at,
            orders=found.window_orders if is_windowed else found.order_count,
            cents=found.window_usd_cents if is_windowed else found.spent_usd_cents,
            profile=scoring.profile,
            today=scoring.today,
            place=scoring.place,
        ),
        "profile": sa.literal(scoring.profile.name),
        "scored_on": sa.literal(scoring.today, sa.Date),
    }


def _typed(column: sa.ColumnElement[Any]) -> sa.ColumnElement[Any]:
    """PostgreSQL takes a bare NULL for a text."""
    kind = sa.Integer if isinstance(column.type, sa.Integer) else sa.BigInteger
    return sa.cast(column, kind)


def _stored() -> Mapping[str, sa.ColumnElement[Any]]:
    return {name: t.scores.c[name] for name in score_history.MARKS}


def _log_stored(
    connection: sa.Connection,
    scoring: Scoring,
    new: Mapping[str, sa.ColumnElement[Any]],
    reason: ScoreReason,
    where: sa.ColumnElement[bool],
) -> None:
    score_history.log(
        connection,
        t.scores,
        customer_id=t.scores.c.customer_id,
        reason=because(reason),
        before=_stored(),
        after=new,
        profile=scoring.profile.name,
        now=scoring.now,
        where=where,
    )


def _log_refresh(
    connection: sa.Connection,
    scoring: Scoring,
    values: Mapping[str, sa.ColumnElement[Any]],
    otherwise: ScoreReason,
) -> None:
    new = sa.select(*(value.label(name) for name, value in values.items())).subquery("new")
    old = t.scores.c
    is_first = old.customer_id.is_(None)
    is_more = sa.or_(
        new.c.order_count > old.order_count,
        new.c.last_order_at > old.last_order_at,
        new.c.spent_usd_cents > old.spent_usd_cents,
    )
    is_less = sa.or_(
        new.c.order_count < old.order_count, new.c.spent_usd_cents < old.spent_usd_cents
    )
    reason = sa.case(
        (is_first, because(ScoreReason.FIRST_ORDER)),
        (new.c.order_count < old.order_count, because(ScoreReason.REFUND)),
        (is_more, because(ScoreReason.ORDER)),
        (is_less, because(ScoreReason.REFUND)),
        else_=because(otherwise),
    )
    score_history.log(
        connection,
        new.outerjoin(t.scores, old.customer_id == new.c.customer_id),
        customer_id=new.c.customer_id,
        reason=reason,
        before=_stored(),
        after={name: new.c[name] for name in score_history.MARKS},
        profile=scoring.profile.name,
        now=scoring.now,
        where=sa.or_(is_first, *(old[name] != new.c[name] for name in score_history.MARKS)),
    )
