"""Touches: planned mails, each with a key that is unique for ever."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from functools import cache, lru_cache
from typing import Any

import sqlalchemy as sa

from crm_mailer.model.case import UNDER_WAY
from crm_mailer.model.consent import ConsentRules
from crm_mailer.model.standing import Standing
from crm_mailer.model.suppression import Scope, SuppressionReason
from crm_mailer.model.touch import NOT_BEGUN, SkipReason, TouchKind, TouchState
from crm_mailer.store import bulk, lawful
from crm_mailer.store.engine import Instant
from crm_mailer.store.prepared import Prepared
from crm_mailer.store.tables import cases, customers, suppressions, touches
from crm_mailer.store.wishes import chosen

#: Rows that one statement may name by id; SQLite takes at most 32,766 values.
SLICE = 5_000
#: The detail of touches that wait because their campaign's file is gone or a draft again.
HELD_BY_FILE = "file"
#: When an event was, and its name, which decides between two of one moment.
Event = tuple[datetime, str]
UNSENT = (TouchState.PLANNED, TouchState.HELD, TouchState.DEFERRED)


#: The names of `standing_columns`, in their order.
STANDING = (
    "email_key", "address_kind", "is_flagged", "snoozed_until", "suppression", "lawful_until",
    "has_open_case", "topics_off", "wants_fewer",
)  # fmt: skip


@cache
def standing_columns(consent: ConsentRules) -> tuple[sa.ColumnElement[Any], ...]:
    """What decides whether a customer may be mailed, to be selected beside `customers`.

    Made once for each shop's rules: every page of planning asks for it.
    """
    worst = (
        sa.select(sa.func.min(suppressions.c.scope + ":" + suppressions.c.reason))
        .where(suppressions.c.address_key == customers.c.email_key)
        .scalar_subquery()
    )
    open_case = sa.exists().where(
        cases.c.customer_id == customers.c.id, cases.c.state.in_(sorted(UNDER_WAY))
    )
    return (
        customers.c.email_key,
        customers.c.address_kind,
        customers.c.is_flagged,
        customers.c.snoozed_until,
        worst.label("suppression"),
        lawful.column(consent),
        open_case.label("has_open_case"),
        customers.c.topics_off,
        customers.c.wants_fewer,
    )


def standing_of(row: Any, now: datetime) -> Standing:
    """The standing at a moment, in a row with `standing_columns`."""
    values = tuple([getattr(row, name) for name in STANDING])
    return Standings(now, lambda moment: moment).of(values)


class Standings:
    """Standings at a moment, of the values of `standing_columns`; who is alike shares one.

    Args:
        now: the moment.
        moment: makes an instant of what stands in a row.
    """

    def __init__(self, now: datetime, moment: Callable[[Any], datetime | None]) -> None:
        self._now, self._moment = bulk.seconds(now), moment
        self._known: dict[tuple[Any, ...], Standing] = {}

    def of(self, values: Sequence[Any]) -> Standing:
        """The standing that these values tell of."""
        email, kind, flagged, snoozed, worst, lawful_until, has_case, off, fewer = values
        key = (
            not email, kind, flagged, snoozed, worst, lawful_until > self._now, has_case, off, fewer
        )  # fmt: skip
        found = self._known.get(key)
        if found is None:
            found = self._known[key] = self._made(*key)
        return found

    def _made(
        self, is_nobody: bool, kind: str, flagged: Any, snoozed: Any, worst: str | None,
        has_basis: bool, has_case: Any, off: str, fewer: Any,
    ) -> Standing:  # fmt: skip
        suppression = None
        if worst:
            scope, _, reason = worst.partition(":")
            suppression = (Scope(scope), SuppressionReason(reason))
        return Standing(
            has_address=not is_nobody,
            suppression=suppression,
            is_flagged=bool(flagged),
            is_relay=kind == "relay",
            has_basis=has_basis,
            has_open_case=bool(has_case),
            snoozed_until=self._moment(snoozed),
            topics_off=chosen(off),
            wants_fewer=bool(fewer),
        )


def of_campaign(
    campaign: str | sa.ColumnElement[str], table: sa.FromClause = touches
) -> sa.ColumnElement[bool]:
    """The campaign's own, among rows that are found by their customers.

    Written so that no index serves it: an engine without statistics would rather read all that
    the campaign ever planned.
    """
    return (table.c.campaign + "") == campaign


def sliced(ids: Sequence[int]) -> Iterable[Sequence[int]]:
    """`ids` in slices that one statement can name."""
    return (ids[start : start + SLICE] for start in range(0, len(ids), SLICE))


# ------------------------------------------------------------------ planning


def add(connection: sa.Connection, columns: Sequence[str], rows: Sequence[tuple[Any, ...]]) -> int:
    """Save touches; those whose key is there already stay as they are. How many are new.

    Instants in `rows` are seconds, as columns keep them.
    """
    return bulk.insert(
        connection,
        touches,
        columns,
        rows,
        conflict="ON CONFLICT (campaign, step, anchor, customer_id) DO NOTHING",
    )


def planned_at(connection: sa.Connection, campaign: str, at: datetime) -> list[sa.Row[Any]]:
    """How many touches of the campaign were planned at this instant: (step, arm, reason,
    provider, due_at, mails, one customer of them).
    """
    touch = touches.c
    kinds = (touch.step, touch.arm, touch.reason, touch.provider, touch.due_at)
    query = (
        sa.select(
            *kinds,
            sa.func.count().label("mails"),
            sa.func.min(touch.customer_id).label("customer_id"),
            sa.func.min(touch.place).label("place"),
            sa.func.min(touch.anchor).label("anchor"),
        )
        .where(touch.campaign == campaign, touch.planned_at == at)
        .group_by(*kinds)
        .order_by(touch.due_at)
    )
    return list(connection.execute(query))


def events(
    connection: sa.Connection,
    campaign: str,
    customer_ids: Sequence[int],
    since: datetime,
    *,
    is_started: bool = False,
) -> dict[int, dict[Event, bool]]:
    """Each customer's events for which the campaign planned mails that are due after `since`, and
    whether one of them has not left; with `is_started` without those that came too soon or late.
    Never those that began nothing, nor what made room for others under a key of its own.
    """
    touch = touches.c
    unsent = sa.func.max(sa.case((touch.state.in_(UNSENT), 1), else_=0))
    found: dict[int, dict[Event, bool]] = {}
    for ids in sliced(customer_ids):
        query = (
            sa.select(touch.customer_id, touch.anchored_at, touch.anchor, unsent)
            .where(
                touch.customer_id.in_(ids),
                touch.due_at >= since,
                of_campaign(campaign),
                begun(),
                touch.anchor.not_like("%#%"),
            )
            .group_by(touch.customer_id, touch.anchored_at, touch.anchor)
        )
        if is_started:
            is_none = touch.reason.in_((SkipReason.REENTRY, SkipReason.LATE))
            query = query.where(~sa.and_(touch.state == TouchState.SKIPPED, is_none))
        for customer_id, at, anchor, is_unsent in connection.execute(query):
            found.setdefault(customer_id, {})[at, anchor] = bool(is_unsent)
    return found


def begun() -> sa.ColumnElement[bool]:
    """Not left out, as it was planned, for what means that the occasion has begun nothing."""
    return ~sa.and_(
        touches.c.state == sa.literal(TouchState.SKIPPED.value),
        touches.c.reason.in_([sa.literal(one.value) for one in sorted(NOT_BEGUN)]),
        touches.c.settled_at == touches.c.planned_at,
    )


def list_steps(
    connection: sa.Connection, campaign: str, customer_ids: Sequence[int]
) -> dict[tuple[int, str], frozenset[str]]:
    """The steps of which these customers have touches of the campaign, by customer and event."""
    touch = touches.c
    found: dict[tuple[int, str], set[str]] = {}
    for ids in sliced(customer_ids):
        query = sa.select(touch.customer_id, touch.anchor, touch.step)
        query = query.where(touch.customer_id.in_(ids), of_campaign(campaign))
        for customer_id, anchor, step in connection.execute(query):
            found.setdefault((customer_id, anchor), set()).add(step)
    return {occasion: frozenset(steps) for occasion, steps in found.items()}


def end_older(
    connection: sa.Connection, campaign: str, newest: Mapping[int, Event], now: datetime
) -> None:
    """Skip unsent touches of the campaign for older events than each customer's newest."""
    if not newest:
        return
    at = sa.bindparam("at", type_=Instant)
    is_older = sa.or_(
        touches.c.anchored_at < at,
        sa.and_(touches.c.anchored_at == at, touches.c.anchor != sa.bindparam("named")),
    )
    of_customer = touches.c.customer_id == sa.bindparam("of_customer")
    statement = _skipping(SkipReason.NEW_ANCHOR, now).where(
        of_customer, is_older, of_campaign(campaign)
    )
    rows = [
        {"of_customer": customer, "at": event[0], "named": event[1]}
        for customer, event in newest.items()
    ]
    connection.execute(statement, rows)


def _skipping(reason: SkipReason, now: datetime) -> sa.Update:
    return (
        touches.update()
        .where(sa.or_(*(touches.c.state == state for state in UNSENT)))
        .values(state=TouchState.SKIPPED, reason=reason, next_at=None, settled_at=now)
    )


# ------------------------------------------------------------------ what has become of a campaign


def campaigns(connection: sa.Connection) -> list[str]:
    """The campaigns that have touches, each found behind the one before: touches are millions."""
    return [name for (name,) in _campaigns(connection.dialect.name).rows(connection, {})]


@lru_cache(maxsize=4)
def _campaigns(_dialect: str) -> Prepared:
    first = sa.select(sa.func.min(touches.c.campaign).label("campaign"))
    found = first.cte("found", recursive=True)
    after = sa.select(sa.func.min(touches.c.campaign)).where(touches.c.campaign > found.c.campaign)
    found = found.union_all(sa.select(after.scalar_subquery()).where(found.c.campaign.is_not(None)))
    return Prepared(sa.select(found.c.campaign).where(found.c.campaign.is_not(None)))


def list_unsent(
    connection: sa.Connection, campaign: str, condition: sa.ColumnElement[bool] | None = None
) -> Sequence[int]:
    """The campaign's unsent touches, or those for which `condition` holds."""
    return _list(connection, campaign, UNSENT, sa.true() if condition is None else condition)


def list_other_anchors(
    connection: sa.Connection, campaign: str, anchor: str, *, is_start: bool = False
) -> Sequence[int]:
    """What waits for another date, or (anchors that start otherwise) festival, than it has now."""
    own = touches.c.anchor
    is_other = ~own.startswith(anchor, autoescape=True) if is_start else own != anchor
    return _list(connection, campaign, UNSENT, is_other)


def list_waiting(connection: sa.Connection, names: Sequence[str]) -> Sequence[int]:
    """What of the campaigns `names` would leave when it is due."""
    if not names:
        return ()
    query = sa.select(touches.c.id).where(
        touches.c.campaign.in_(names),
        touches.c.state.in_((TouchState.PLANNED, TouchState.DEFERRED)),
        touches.c.kind == TouchKind.CAMPAIGN,
    )
    return connection.execute(query).scalars().all()


def list_unended(connection: sa.Connection, names: Sequence[str]) -> set[str]:
    """Those of the campaigns `names` for which something is unsent."""
    if not names:
        return set()
    asking = _unended(connection.dialect.name)
    rows = asking.rows(connection, {"names": json.dumps([[name] for name in names])})
    return {name for (name,) in rows}


@lru_cache(maxsize=4)
def _unended(dialect: str) -> Prepared:
    """Made once: each tick asks. One look per campaign: there may be a million mails of it."""
    named = bulk.as_rows(dialect, {"name": sa.Text()}, "names").c.name
    found = sa.exists().where(
        touches.c.campaign == named,
        touches.c.state.in_([sa.literal(state.value, sa.Text) for state in UNSENT]),
    )
    return Prepared(sa.select(named).where(found))


def list_held_by_file(connection: sa.Connection, names: Sequence[str]) -> Sequence[int]:
    """What waits because the file of its campaign, one of `names`, was gone or a draft."""
    if not names:
        return ()
    asking = _held_by_file(connection.dialect.name)
    rows = asking.rows(connection, {"names": json.dumps([[name] for name in names])})
    return [id_ for (id_,) in rows]


@lru_cache(maxsize=4)
def _held_by_file(dialect: str) -> Prepared:
    """Made once: each tick asks, and names a hundred campaigns."""
    named = bulk.as_rows(dialect, {"name": sa.Text()}, "names").c.name
    return Prepared(
        sa.select(touches.c.id).where(
            touches.c.campaign.in_(sa.select(named)),
            touches.c.state == sa.literal(TouchState.HELD.value, sa.Text),
            touches.c.detail == sa.literal(HELD_BY_FILE, sa.Text),
        )
    )


def list_held(connection: sa.Connection, campaign: str) -> Sequence[int]:
    """What waits to be released."""
    return _list(connection, campaign, (TouchState.HELD,), sa.true())


def list_expired(connection: sa.Connection, names: Sequence[str], now: datetime) -> Sequence[int]:
    """What of the campaigns `names` nobody released in its time."""
    if not names:
        return ()
    query = sa.select(touches.c.id).where(
        touches.c.campaign.in_(names),
        touches.c.state == TouchState.HELD,
        touches.c.expires_at < now,
    )
    return connection.execute(query).scalars().all()


def end(connection: sa.Connection, ids: Sequence[int], reason: SkipReason, now: datetime) -> int:
    """Skip these touches, those that are unsent still. How many they were."""
    return _change(connection, ids, _skipping(reason, now))


def expire(connection: sa.Connection, ids: Sequence[int], now: datetime) -> int:
    """End held touches whose time is over. How many they were."""
    statement = touches.update().where(touches.c.state == TouchState.HELD)
    late = {"state": TouchState.EXPIRED, "reason": SkipReason.LATE}
    return _change(connection, ids, statement.values(**late, next_at=None, settled_at=now))


def hold(connection: sa.Connection, ids: Sequence[int]) -> int:
    """Hold touches of a campaign whose file is gone or a draft. How many they were."""
    waiting = sa.or_(touches.c.state == TouchState.PLANNED, touches.c.state == TouchState.DEFERRED)
    statement = touches.update().where(waiting)
    return _change(connection, ids, statement.values(state=TouchState.HELD, detail=HELD_BY_FILE))


def let_go(connection: sa.Connection, ids: Sequence[int]) -> int:
    """Let held touches leave when they are due. How many they were."""
    statement = touches.update().where(touches.c.state == TouchState.HELD)
    next_at = sa.func.coalesce(touches.c.next_at, touches.c.due_at)
    return _change(
        connection, ids, statement.values(state=TouchState.PLANNED, detail="", next_at=next_at)
    )


def _list(
    connection: sa.Connection,
    campaign: str,
    states: Sequence[TouchState],
    condition: sa.ColumnElement[bool],
) -> Sequence[int]:
    query = sa.select(touches.c.id).where(
        touches.c.campaign == campaign, touches.c.state.in_(states), condition
    )
    return connection.execute(query).scalars().all()


def _change(connection: sa.Connection, ids: Sequence[int], statement: sa.Update) -> int:
    return sum(
        connection.execute(statement.where(touches.c.id.in_(part))).rowcount for part in sliced(ids)
    )


def counts_by_campaign(connection: sa.Connection) -> dict[str, dict[str, int]]:
    """How many touches each campaign has in each state."""
    query = sa.select(touches.c.campaign, touches.c.state, sa.func.count()).group_by(
        touches.c.campaign, touches.c.state
    )
    found: dict[str, dict[str, int]] = {}
    for campaign, state, number in connection.execute(query):
        found.setdefault(campaign, {})[state] = number
    return found


def skips_of_campaign(connection: sa.Connection, campaign: str) -> dict[str, int]:
    """How many touches of the campaign were skipped, by reason."""
    query = (
        sa.select(touches.c.reason, sa.func.count())
        .where(touches.c.campaign == campaign, touches.c.state == TouchState.SKIPPED)
        .group_by(touches.c.reason)
    )
    return {row[0]: row[1] for row in connection.execute(query)}


# ------------------------------------------------------------------ one customer


def find_standing(
    connection: sa.Connection, customer_id: int, *, consent: ConsentRules, now: datetime
) -> Standing:
    """Whether the customer may be mailed at all."""
    query = sa.select(*standing_columns(consent)).where(customers.c.id == customer_id)
    return standing_of(connection.execute(query).one(), now)


def list_of_customer(
    connection: sa.Connection, customer_id: int, campaign: str
) -> list[sa.Row[Any]]:
    """The customer's touches of the campaign, the first due first."""
    query = (
        sa.select(touches)
        .where(touches.c.customer_id == customer_id, of_campaign(campaign))
        .order_by(touches.c.due_at, touches.c.place)
    )
    return list(connection.execute(query))
