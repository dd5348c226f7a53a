"""What other programs told us: requests as they came, the events in them, and what was refused."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from crm_mailer.model.errors import NotFound
from crm_mailer.model.sentence import Sentence
from crm_mailer.store import said
from crm_mailer.store.engine import upsert
from crm_mailer.store.tables import hook_events, hook_refusals, hook_requests

#: A request that broke its reader so often is set aside.
STRIKES = 3
#: Bodies of requests that were read, or could not be, are kept so long, for whoever wonders.
BODIES_FOR = timedelta(days=30)
#: Bodies that are let go in one turn.
SWEEP = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class NewRequest:
    """A request to be kept."""

    source: str
    kind: str
    topic: str
    key: str
    digest: str
    body: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class HookRequest:
    """A request that was kept."""

    id: int
    source: str
    kind: str
    topic: str
    key: str
    digest: str
    size: int
    body: bytes | None
    received_at: datetime
    state: str
    strikes: int
    error: str
    answer: Any
    done_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """Requests of one source that were turned away for one reason."""

    source: str
    reason: str
    times: int
    first_at: datetime
    last_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceFigures:
    """What came by one table of the settings."""

    source: str
    new: int
    done: int
    failed: int
    last_at: datetime


def add(connection: sa.Connection, request: NewRequest, now: datetime) -> int | None:
    """Keep a request as it came; its number, or None where its key is known already."""
    statement = (
        upsert(connection, hook_requests)
        .values(
            source=request.source,
            kind=request.kind,
            topic=request.topic[:200],
            key=request.key,
            digest=request.digest,
            size=len(request.body),
            body=request.body,
            received_at=now,
        )
        .on_conflict_do_nothing(index_elements=["source", "key"])
        .returning(hook_requests.c.id)
    )
    return connection.execute(statement).scalar()


def find(connection: sa.Connection, source: str, key: str) -> HookRequest | None:
    """The request that a sender named so; None where there is none."""
    query = sa.select(hook_requests).where(
        hook_requests.c.source == source, hook_requests.c.key == key
    )
    row = connection.execute(query).one_or_none()
    return _request(row) if row else None


def get(connection: sa.Connection, request_id: int) -> HookRequest:
    """One request.

    Raises:
        NotFound: there is none.
    """
    query = sa.select(hook_requests).where(hook_requests.c.id == request_id)
    row = connection.execute(query).one_or_none()
    if row is None:
        raise NotFound(
            Sentence("there is no request {request_id}", request_id=request_id),
            hint="`crm-mailer outbox webhooks` lists them",
        )
    return _request(row)


def list_new(connection: sa.Connection, *, after: int = 0, limit: int = 100) -> list[int]:
    """Numbers of requests that wait to be read, the oldest first."""
    query = (
        sa.select(hook_requests.c.id)
        .where(hook_requests.c.state == "new", hook_requests.c.id > after)
        .order_by(hook_requests.c.id)
        .limit(limit)
    )
    return list(connection.execute(query).scalars())


def list_failed(connection: sa.Connection, *, limit: int = 50) -> list[HookRequest]:
    """Requests that could not be read, the newest first, without their bodies."""
    query = (
        _bodiless()
        .where(hook_requests.c.state == "failed")
        .order_by(hook_requests.c.id.desc())
        .limit(limit)
    )
    return [_request(row) for row in connection.execute(query)]


def finish(connection: sa.Connection, request_id: int, answer: Any, now: datetime) -> bool:
    """A request is done; false where another process was first. Effects go in this commit."""
    statement = (
        sa.update(hook_requests)
        .where(hook_requests.c.id == request_id, hook_requests.c.state == "new")
        .values(state="done", error="", answer=answer, done_at=now)
    )
    return bool(connection.execute(statement).rowcount == 1)


def take(connection: sa.Connection, request_id: int) -> bool:
    """Hold a request while its effects are written in the same commit; false: it is done already.

    On PostgreSQL the row is locked, so that of two daemons one waits and then finds it done.
    """
    query = (
        sa.select(hook_requests.c.id)
        .where(hook_requests.c.id == request_id, hook_requests.c.state == "new")
        .with_for_update()
    )
    return connection.execute(query).first() is not None


def fail(connection: sa.Connection, request_id: int, error: str, now: datetime) -> None:
    """What it says can never be read: it is set aside at once."""
    connection.execute(
        sa.update(hook_requests)
        .where(hook_requests.c.id == request_id, hook_requests.c.state == "new")
        .values(state="failed", error=_storable(error), done_at=now)
    )


def strike(connection: sa.Connection, request_id: int, error: str) -> bool:
    """Its reader stumbled. True when that was once too often: it is set aside."""
    struck = hook_requests.c.strikes + 1
    statement = (
        sa.update(hook_requests)
        .where(hook_requests.c.id == request_id, hook_requests.c.state == "new")
        .values(
            strikes=struck,
            error=_storable(error),
            state=sa.case((struck >= STRIKES, "failed"), else_="new"),
        )
        .returning(hook_requests.c.state)
    )
    return connection.execute(statement).scalar() == "failed"


def retry(connection: sa.Connection, request_id: int) -> None:
    """Give a request that was set aside another three chances.

    Raises:
        NotFound: it was not set aside, or its body was let go.
    """
    statement = (
        sa.update(hook_requests)
        .where(
            hook_requests.c.id == request_id,
            hook_requests.c.state == "failed",
            hook_requests.c.body.is_not(None),
        )
        .values(state="new", strikes=0, error="", done_at=None)
    )
    if connection.execute(statement).rowcount == 0:
        raise NotFound(
            Sentence(
                "request {request_id} was not set aside, or what it said was let go",
                request_id=request_id,
            ),
            hint="`crm-mailer outbox webhooks` lists those that were",
        )


def list_old(connection: sa.Connection, now: datetime) -> list[int]:
    """Requests that do not wait and are so old that nobody needs their bodies, some at a time."""
    query = (
        sa.select(hook_requests.c.id)
        .where(
            # the words of a partial index
            sa.text("state <> 'new' AND body IS NOT NULL"),
            hook_requests.c.received_at < now - BODIES_FOR,
        )
        .limit(SWEEP)
    )
    return list(connection.execute(query).scalars())


def drop_bodies(connection: sa.Connection, request_ids: Sequence[int]) -> None:
    """Let go of the bytes; what became of the requests is kept."""
    connection.execute(
        sa.update(hook_requests).where(hook_requests.c.id.in_(request_ids)).values(body=None)
    )


def met_events(connection: sa.Connection, source: str, keys: Collection[str]) -> set[str]:
    """Which of these events have had their effect."""
    query = sa.select(hook_events.c.key).where(
        hook_events.c.source == source, hook_events.c.key.in_(sorted(keys))
    )
    return set(connection.execute(query).scalars())


def add_events(connection: sa.Connection, source: str, keys: Sequence[str], now: datetime) -> None:
    """Note that these events have had their effect."""
    if keys:
        connection.execute(
            upsert(connection, hook_events).on_conflict_do_nothing(),
            [{"source": source, "key": key, "at": now} for key in keys],
        )


def refuse(connection: sa.Connection, source: str, reason: str, times: int, now: datetime) -> None:
    """Count requests that were turned away."""
    statement = upsert(connection, hook_refusals).values(
        source=source, reason=reason, times=times, first_at=now, last_at=now
    )
    connection.execute(
        statement.on_conflict_do_update(
            index_elements=["source", "reason"],
            set_={
                "times": hook_refusals.c.times + statement.excluded.times,
                "last_at": statement.excluded.last_at,
            },
        )
    )


def list_refusals(connection: sa.Connection) -> list[Refusal]:
    """What was turned away, the latest first."""
    query = sa.select(hook_refusals).order_by(hook_refusals.c.last_at.desc())
    return [
        Refusal(**{**row._mapping, "reason": said.tell(row.reason)})
        for row in connection.execute(query)
    ]


def figures(connection: sa.Connection) -> list[SourceFigures]:
    """What came, by source."""
    state = hook_requests.c.state

    def count(name: str) -> sa.ColumnElement[int]:
        return sa.func.sum(sa.case((state == name, 1), else_=0)).label(name)

    query = (
        sa.select(
            hook_requests.c.source,
            count("new"),
            count("done"),
            count("failed"),
            sa.func.max(hook_requests.c.received_at).label("last_at"),
        )
        .group_by(hook_requests.c.source)
        .order_by(hook_requests.c.source)
    )
    return [SourceFigures(**row._mapping) for row in connection.execute(query)]


def _storable(text: str) -> str:
    """Text that any database takes."""
    return said.keep(text, 1_000).replace("\0", "").encode("utf-8", "replace").decode("utf-8")


def _bodiless() -> sa.Select[Any]:
    """All columns but the bytes."""
    return sa.select(*(c if c.name != "body" else sa.null().label("body") for c in hook_requests.c))


def _request(row: sa.Row[Any]) -> HookRequest:
    return HookRequest(**{**row._mapping, "error": said.tell(row.error)})
