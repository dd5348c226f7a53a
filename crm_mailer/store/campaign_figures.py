"""What became of a campaign's mails: by step, by day, by language, by receiver, by hour."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import sqlalchemy as sa

from crm_mailer.model.curve import Signal
from crm_mailer.model.reply import BounceKind, Intent, ReplyKind
from crm_mailer.model.touch import TEST_CAMPAIGN, TouchState
from crm_mailer.store import tables as t
from crm_mailer.store.engine import Instant
from crm_mailer.store.local_days import wall_seconds

#: Seconds.
DAY, HOUR = 86_400, 3_600
MINUTE = timedelta(minutes=1)
#: What would leave when it is due.
_WAITING = sa.text("touches.state IN ('planned','deferred')")
#: Mails that are due are counted up to this number.
DUE_COUNTED = 200_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Mails:
    """How many of a step's mails, of one arm, are in a state for a reason."""

    step: str
    arm: str
    state: str
    reason: str
    mails: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Echo:
    """What came back of a step's mails."""

    step: str
    #: "reply", "complaint", "click", "bounce", "spam".
    kind: str
    mails: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How a campaign's mails leave at one moment."""

    at: datetime
    #: Tried for good in the last minute, and since the given moment.
    last_minute: int
    left: int
    #: What could leave now; counted up to `DUE_COUNTED`.
    due: int
    #: The first mail's time among those that wait; None: none waits.
    next_at: datetime | None


# ------------------------------------------------------------------ all campaigns


def waiting(connection: sa.Connection) -> dict[str, datetime]:
    """When the next mail of each campaign is due, of those that have one waiting."""
    query = (
        sa.select(t.touches.c.campaign, sa.type_coerce(sa.func.min(t.touches.c.next_at), Instant))
        .where(_WAITING, t.touches.c.next_at.is_not(None))
        .group_by(t.touches.c.campaign)
    )
    return {row[0]: row[1] for row in connection.execute(query)}


def echoes(connection: sa.Connection) -> dict[str, dict[str, int]]:
    """What came back of each campaign: kind -> number."""
    found: dict[str, dict[str, int]] = {}
    for kind, table, condition in _ECHOES:
        query = (
            sa.select(t.touches.c.campaign, sa.func.count())
            .join_from(table, t.touches, table.c.touch_id == t.touches.c.id)
            .where(condition, t.touches.c.campaign != TEST_CAMPAIGN)
            .group_by(t.touches.c.campaign)
        )
        for campaign, number in connection.execute(query):
            found.setdefault(campaign, {})[kind] = number
    return found


def left_by_day(
    connection: sa.Connection, since: datetime, until: datetime, place: ZoneInfo
) -> dict[str, dict[date, int]]:
    """Mails that left from `since` until `until`, by campaign and day of the zone."""
    day = _day(t.deliveries.c.at, until, place)
    query = (
        sa.select(t.touches.c.campaign, day.label("day"), sa.func.count())
        .join_from(t.deliveries, t.touches, t.deliveries.c.touch_id == t.touches.c.id)
        .where(
            t.deliveries.c.at >= since,
            t.deliveries.c.at < until,
            t.deliveries.c.outcome == "accepted",
        )
        .group_by(t.touches.c.campaign, day)
    )
    found: dict[str, dict[date, int]] = {}
    for campaign, number, mails in connection.execute(query):
        found.setdefault(campaign, {})[_date(number)] = mails
    return found


def planned_by_day(
    connection: sa.Connection, since: datetime, until: datetime, place: ZoneInfo
) -> dict[str, dict[date, int]]:
    """Mails that wait for their time until `until`, by campaign and day of the zone.

    What is late already counts for the first day.
    """
    due = sa.func.coalesce(t.touches.c.next_at, t.touches.c.due_at)
    day = _day(due, until, place)
    states = (TouchState.PLANNED, TouchState.DEFERRED, TouchState.HELD)
    query = (
        sa.select(t.touches.c.campaign, day.label("day"), sa.func.count())
        .where(
            sa.or_(*(t.touches.c.state == one for one in states)),
            sa.type_coerce(due, sa.BigInteger) < int(until.timestamp()),
        )
        .group_by(t.touches.c.campaign, day)
    )
    first = since.astimezone(place).date()
    found: dict[str, dict[date, int]] = {}
    for campaign, number, mails in connection.execute(query):
        days = found.setdefault(campaign, {})
        falls = max(first, _date(number))
        days[falls] = days.get(falls, 0) + mails
    return found


def birthdays_by_day(connection: sa.Connection) -> dict[tuple[int, int], int]:
    """How many customers were born on each (month, day)."""
    customer = t.customers.c
    query = (
        sa.select(customer.birth_month, customer.birth_day, sa.func.count())
        .where(customer.birth_month.is_not(None), customer.birth_day.is_not(None))
        .group_by(customer.birth_month, customer.birth_day)
    )
    return {(month, day): number for month, day, number in connection.execute(query)}


# ------------------------------------------------------------------ one campaign


def states(connection: sa.Connection, campaign: str) -> dict[str, int]:
    """How many of its mails are in each state."""
    query = (
        sa.select(t.touches.c.state, sa.func.count())
        .where(t.touches.c.campaign == campaign)
        .group_by(t.touches.c.state)
    )
    return {row[0]: row[1] for row in connection.execute(query)}


def mails(connection: sa.Connection, campaign: str) -> list[Mails]:
    """Its mails by step, arm, state and reason."""
    touch = t.touches.c
    kinds = (touch.step, touch.arm, touch.state, touch.reason)
    query = (
        sa.select(*kinds, sa.func.count().label("mails"))
        .where(touch.campaign == campaign)
        .group_by(*kinds)
    )
    return [Mails(**row._mapping) for row in connection.execute(query)]


def echoes_of(connection: sa.Connection, campaign: str) -> list[Echo]:
    """What came back of its mails, by step; each mail counts once for each kind."""
    found = []
    for kind, table, condition in _ECHOES:
        query = (
            sa.select(t.touches.c.step, sa.func.count(sa.distinct(t.touches.c.id)))
            .join_from(table, t.touches, table.c.touch_id == t.touches.c.id)
            .where(condition, t.touches.c.campaign == campaign)
            .group_by(t.touches.c.step)
        )
        found += [
            Echo(step=step, kind=kind, mails=number) for step, number in connection.execute(query)
        ]
    return found


def next_at(connection: sa.Connection, campaign: str) -> datetime | None:
    """When the first of its mails that wait is due."""
    first = sa.select(sa.type_coerce(sa.func.min(t.touches.c.next_at), Instant)).where(
        t.touches.c.campaign == campaign, _WAITING
    )
    return connection.scalar(first)


def started(connection: sa.Connection, campaign: str) -> int:
    """How many events it began with."""
    query = (
        sa.select(sa.func.count())
        .select_from(t.touches)
        .where(t.touches.c.campaign == campaign, t.touches.c.place == 1)
    )
    return connection.scalar(query) or 0


def languages(connection: sa.Connection, campaign: str) -> dict[str, int]:
    """In which languages its mails were written."""
    query = (
        sa.select(t.messages.c.language, sa.func.count().label("mails"))
        .join_from(t.touches, t.messages, t.messages.c.touch_id == t.touches.c.id)
        .where(t.touches.c.campaign == campaign)
        .group_by(t.messages.c.language)
        .order_by(sa.desc("mails"), t.messages.c.language)
    )
    return {row[0]: row[1] for row in connection.execute(query)}


def providers(connection: sa.Connection, campaign: str) -> dict[str, dict[str, int]]:
    """Who receives its mails: provider group -> state -> mails, those that were made."""
    touch = t.touches.c
    query = (
        sa.select(touch.provider, touch.state, sa.func.count())
        .where(touch.campaign == campaign, touch.state != TouchState.SKIPPED)
        .group_by(touch.provider, touch.state)
    )
    found: dict[str, dict[str, int]] = {}
    for provider, state, number in connection.execute(query):
        found.setdefault(provider, {})[state] = number
    return found


def hours(connection: sa.Connection, campaign: str, today: date, place: ZoneInfo) -> dict[int, int]:
    """At which hours of the zone's day its mails left."""
    touch = t.touches.c
    hour = wall_seconds(touch.settled_at, today, place) // HOUR % 24
    query = (
        sa.select(hour.label("hour"), sa.func.count())
        .where(
            touch.campaign == campaign,
            touch.state == TouchState.ACCEPTED,
            touch.settled_at.is_not(None),
        )
        .group_by(hour)
    )
    return {int(number): mails for number, mails in connection.execute(query)}


def pace(connection: sa.Connection, campaign: str, now: datetime, *, since: datetime) -> Pace:
    """How fast it sends now, and how far it has come `since` a moment."""
    touch = t.touches.c
    due = (
        sa.select(touch.id)
        .where(touch.campaign == campaign, _WAITING, touch.next_at <= now)
        .limit(DUE_COUNTED)
        .subquery()
    )
    return Pace(
        at=now,
        last_minute=_tried(connection, campaign, now - MINUTE, now),
        left=_tried(connection, campaign, since, now),
        due=connection.scalar(sa.select(sa.func.count()).select_from(due)) or 0,
        next_at=next_at(connection, campaign),
    )


def _tried(connection: sa.Connection, campaign: str, since: datetime, until: datetime) -> int:
    """Attempts after `since` that ended in something else than another one."""
    attempt = t.deliveries.c
    query = (
        sa.select(sa.func.count())
        .select_from(t.deliveries.join(t.touches, t.touches.c.id == attempt.touch_id))
        .where(
            attempt.at > since,
            attempt.at <= until,
            attempt.outcome != "deferred",
            t.touches.c.campaign == campaign,
        )
    )
    return connection.scalar(query) or 0


# ------------------------------------------------------------------ parts


def _day(moment: sa.ColumnElement[Any], last: datetime, place: ZoneInfo) -> Any:
    return wall_seconds(moment, last.astimezone(place).date(), place) // DAY


def _date(number: int) -> date:
    return date(1970, 1, 1) + timedelta(days=number)


#: What comes back: its name, its table, and which of the rows are meant.
_ECHOES: tuple[tuple[str, sa.Table, sa.ColumnElement[bool]], ...] = (
    ("reply", t.replies, (t.replies.c.kind == ReplyKind.HUMAN) & ~t.replies.c.is_copy),
    (
        "complaint",
        t.replies,
        (t.replies.c.kind == ReplyKind.HUMAN)
        & ~t.replies.c.is_copy
        & (t.replies.c.intent == Intent.COMPLAINT),
    ),
    ("click", t.signals, t.signals.c.kind == Signal.CLICK),
    ("bounce", t.bounces, t.bounces.c.kind != BounceKind.NOTICE),
    ("spam", t.spam_reports, t.spam_reports.c.touch_id.is_not(None)),
)
