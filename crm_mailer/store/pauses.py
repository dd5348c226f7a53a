"""What is stopped, by a person or by a breaker: everything, a campaign, a lane, an account."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from crm_mailer.model.touch import SkipReason, TouchState
from crm_mailer.store.engine import upsert
from crm_mailer.store.tables import pauses, tallies, touches
from crm_mailer.store.touches import sliced

#: The scope that stops everything.
ALL = "all"
CAMPAIGN, LANE, ACCOUNT = "campaign:", "lane:", "account:"
#: Who stopped it.
PERSON, BREAKER = "person", "breaker"


@dataclass(frozen=True, slots=True, kw_only=True)
class Pause:
    """One thing that is stopped. `by` is `person` or `breaker`."""

    scope: str
    reason: str
    by: str
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Pauses:
    """All that is stopped at one moment."""

    #: Why everything is stopped; None: it is not. A person may have given no reason.
    everything: str | None = None
    campaigns: frozenset[str] = frozenset()
    #: `gmail` stops both streams of a provider, `marketing` a stream to all, `gmail/marketing` one.
    lanes: frozenset[str] = frozenset()
    accounts: frozenset[str] = frozenset()

    def stops(self, lane_name: str) -> bool:
        """Whether a lane such as `gmail/marketing` is stopped, alone or with others."""
        if not self.lanes:
            return False
        return not self.lanes.isdisjoint((lane_name, *lane_name.split("/")))


def load(connection: sa.Connection) -> Pauses:
    """What is stopped now: one small statement, asked in every cycle of sending."""
    by_kind: dict[str, set[str]] = {CAMPAIGN: set(), LANE: set(), ACCOUNT: set()}
    everything = None
    for scope, reason in connection.execute(sa.select(pauses.c.scope, pauses.c.reason)):
        kind, colon, name = scope.partition(":")
        if scope == ALL:
            everything = reason
        else:
            by_kind.setdefault(kind + colon, set()).add(name)
    return Pauses(
        everything=everything,
        campaigns=frozenset(by_kind[CAMPAIGN]),
        lanes=frozenset(by_kind[LANE]),
        accounts=frozenset(by_kind[ACCOUNT]),
    )


def pause(
    connection: sa.Connection, scope: str, *, now: datetime, reason: str = "", by: str = PERSON
) -> bool:
    """Stop `scope`; False where it was stopped already, which keeps its first reason."""
    statement = (
        upsert(connection, pauses)
        .values(scope=scope, reason=reason, by=by, at=now)
        .on_conflict_do_nothing(index_elements=["scope"])
        .returning(pauses.c.scope)
    )
    return connection.execute(statement).first() is not None


def resume(connection: sa.Connection, scope: str) -> bool:
    """Let `scope` go on, and what it covers; False where nothing of it was stopped.

    What breakers have counted of it is forgotten.
    """
    ended = covered(connection, scope)
    gone = connection.execute(
        sa.delete(pauses).where(pauses.c.scope.in_(ended)).returning(pauses.c.scope)
    ).all()
    connection.execute(sa.delete(tallies).where(tallies.c.scope.in_(ended)))
    return bool(gone)


def covered(connection: sa.Connection, scope: str) -> list[str]:
    """`scope`, and what is stopped beneath it: `lane:gmail` covers `lane:gmail/marketing`."""
    stopped = connection.scalars(sa.select(pauses.c.scope).order_by(pauses.c.scope))
    return [scope, *(one for one in stopped if _is_part(one, scope))]


def list_(connection: sa.Connection) -> list[Pause]:
    """All that is stopped, the first stopped first."""
    query = sa.select(pauses).order_by(pauses.c.at, pauses.c.scope)
    return [
        Pause(scope=row.scope, reason=row.reason, by=row.by, at=row.at)
        for row in connection.execute(query)
    ]


def _is_part(one: str, scope: str) -> bool:
    """Whether `one` is a lane of the provider or of the stream that `scope` names."""
    if not (one.startswith(LANE) and scope.startswith(LANE)):
        return False
    return one != scope and scope.removeprefix(LANE) in one.removeprefix(LANE).split("/")


# ------------------------------------------------------------------ the mails of a paused campaign


def list_due(connection: sa.Connection, campaign: str, now: datetime) -> Sequence[int]:
    """The campaign's mails that would leave now."""
    return _ids(connection, campaign, _waiting(), touches.c.next_at <= now)


def hold(connection: sa.Connection, ids: Sequence[int]) -> int:
    """Hold mails of a paused campaign, so that no claim walks over them. How many they were."""
    values = {"state": TouchState.HELD, "reason": SkipReason.PAUSED}
    statement = touches.update().where(_waiting()).values(values)
    return _change(connection, statement, ids)


def list_held(connection: sa.Connection, campaign: str) -> Sequence[int]:
    """The campaign's mails that wait for its pause to end."""
    return _ids(connection, campaign, _held())


def is_holding(connection: sa.Connection, campaign: str) -> bool:
    """Whether any mail of the campaign waits for its pause to end."""
    query = sa.select(touches.c.id).where(touches.c.campaign == campaign, _held()).limit(1)
    return connection.scalar(query) is not None


def let_go(connection: sa.Connection, ids: Sequence[int]) -> int:
    """Let mails go that a pause held, when they are due. How many they were."""
    tried = sa.case((touches.c.attempts > 0, TouchState.DEFERRED), else_=TouchState.PLANNED)
    next_at = sa.func.coalesce(touches.c.next_at, touches.c.due_at)
    values = {"state": tried, "reason": "", "detail": "", "next_at": next_at}
    return _change(connection, touches.update().where(_held()).values(values), ids)


def _waiting() -> sa.ColumnElement[bool]:
    return sa.or_(touches.c.state == TouchState.PLANNED, touches.c.state == TouchState.DEFERRED)


def _held() -> sa.ColumnElement[bool]:
    return sa.and_(touches.c.state == TouchState.HELD, touches.c.reason == SkipReason.PAUSED)


def _ids(
    connection: sa.Connection, campaign: str, *conditions: sa.ColumnElement[bool]
) -> Sequence[int]:
    query = sa.select(touches.c.id).where(touches.c.campaign == campaign, *conditions)
    return connection.scalars(query).all()


def _change(connection: sa.Connection, statement: sa.Update, ids: Sequence[int]) -> int:
    return sum(
        connection.execute(statement.where(touches.c.id.in_(part))).rowcount for part in sliced(ids)
    )
