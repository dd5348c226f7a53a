"""What we tell other programs: whom, and the messages on their way."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from crm_mailer.model.errors import NotFound
from crm_mailer.model.sentence import Sentence
from crm_mailer.store.engine import upsert
from crm_mailer.store.tables import webhook_endpoints, webhook_messages

#: What a message said is kept so long after it was told or given up.
PAYLOADS_FOR = timedelta(days=30)
#: Old messages that are emptied in one turn.
PAGE = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """What is remembered of an address that we tell."""

    name: str
    url: str
    cursors: Mapping[str, int]
    since: datetime
    disabled_at: datetime | None
    why: str
    failures: int
    rests_until: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One event for one endpoint."""

    id: int
    endpoint: str
    event_id: str
    event: str
    payload: str
    at: datetime
    state: str
    attempts: int
    next_at: datetime | None
    settled_at: datetime | None
    code: int
    error: str


# ------------------------------------------------------------------ endpoints


def find_endpoint(connection: sa.Connection, name: str) -> Endpoint | None:
    """What is remembered of an address; None before it was first met."""
    query = sa.select(webhook_endpoints).where(webhook_endpoints.c.name == name)
    row = connection.execute(query).one_or_none()
    return Endpoint(**row._mapping) if row else None


def meet(
    connection: sa.Connection, name: str, url: str, cursors: Mapping[str, int], now: datetime
) -> None:
    """Remember a new address, or that one has moved: then it is tried afresh."""
    statement = upsert(connection, webhook_endpoints).values(
        name=name, url=url, cursors=dict(cursors), since=now
    )
    connection.execute(
        statement.on_conflict_do_update(
            index_elements=["name"],
            set_={"url": url, "disabled_at": None, "why": "", "failures": 0, "rests_until": None},
        )
    )


def set_cursors(connection: sa.Connection, name: str, cursors: Mapping[str, int]) -> None:
    """How far was read. Never without the messages up to there in the same commit."""
    _change(connection, name, cursors=dict(cursors))


def note_well(connection: sa.Connection, name: str) -> None:
    """It answered as it should."""
    _change(connection, name, failures=0, rests_until=None)


def note_failure(
    connection: sa.Connection, name: str, failures: int, rests_until: datetime
) -> None:
    """It did not answer, or not now: it is left alone for a while."""
    _change(connection, name, failures=failures, rests_until=rests_until)


def disable(connection: sa.Connection, name: str, why: str, now: datetime) -> None:
    """It said that it is gone for good."""
    _change(connection, name, disabled_at=now, why=why[:500])


def enable(connection: sa.Connection, name: str) -> None:
    """A person wants it to be tried again.

    Raises:
        NotFound: nothing was ever told to an address of this name.
    """
    if find_endpoint(connection, name) is None:
        raise NotFound(
            Sentence("there is no webhook `{name}`", name=name),
            hint="`crm-mailer outbox webhooks` lists them",
        )
    _change(connection, name, disabled_at=None, why="", failures=0, rests_until=None)


def _change(connection: sa.Connection, name: str, **values: Any) -> None:
    connection.execute(
        sa.update(webhook_endpoints).where(webhook_endpoints.c.name == name).values(**values)
    )


# ------------------------------------------------------------------ messages


def known_ids(connection: sa.Connection, endpoint: str, event_ids: Sequence[str]) -> set[str]:
    """Which of these events this endpoint has been, or will be, told of."""
    query = sa.select(webhook_messages.c.event_id).where(
        webhook_messages.c.endpoint == endpoint, webhook_messages.c.event_id.in_(event_ids)
    )
    return set(connection.execute(query).scalars())


def add(
    connection: sa.Connection,
    endpoint: str,
    event: str,
    messages: Sequence[tuple[str, str]],
    now: datetime,
) -> None:
    """Messages to be told, each with its id and its payload; one that is known changes nothing."""
    if messages:
        connection.execute(
            upsert(connection, webhook_messages).on_conflict_do_nothing(
                index_elements=["endpoint", "event_id"]
            ),
            [
                {
                    "endpoint": endpoint,
                    "event": event,
                    "event_id": event_id,
                    "payload": payload,
                    "at": now,
                    "next_at": now,
                }
                for event_id, payload in messages
            ],
        )


def list_due(
    connection: sa.Connection, endpoint: str, now: datetime, *, limit: int
) -> list[Message]:
    """Messages of one endpoint whose time has come, the oldest first."""
    query = (
        sa.select(webhook_messages)
        .where(
            webhook_messages.c.endpoint == endpoint,
            # the words of a partial index
            sa.text("webhook_messages.state = 'waiting'"),
            webhook_messages.c.next_at <= now,
        )
        .order_by(webhook_messages.c.next_at, webhook_messages.c.id)
        .limit(limit)
    )
    return [Message(**row._mapping) for row in connection.execute(query)]


def list_(connection: sa.Connection, *, states: Sequence[str], limit: int = 50) -> list[Message]:
    """Messages in some states, the newest first."""
    query = (
        sa.select(webhook_messages)
        .where(webhook_messages.c.state.in_(states))
        .order_by(webhook_messages.c.id.desc())
        .limit(limit)
    )
    return [Message(**row._mapping) for row in connection.execute(query)]


def settle(
    connection: sa.Connection,
    message: Message,
    *,
    state: str,
    code: int,
    error: str,
    next_at: datetime | None,
    now: datetime,
) -> None:
    """What an attempt came to."""
    connection.execute(
        sa.update(webhook_messages)
        .where(webhook_messages.c.id == message.id, webhook_messages.c.state == "waiting")
        .values(
            state=state,
            attempts=message.attempts + 1,
            code=code,
            error=error[:500].replace("\0", ""),
            next_at=next_at,
            settled_at=None if state == "waiting" else now,
        )
    )


def list_old(connection: sa.Connection, now: datetime) -> list[int]:
    """Messages that were settled so long ago that nobody needs what they said, some at a time."""
    query = (
        sa.select(webhook_messages.c.id)
        .where(
            # the words of a partial index
            sa.text("state <> 'waiting' AND payload <> ''"),
            webhook_messages.c.settled_at < now - PAYLOADS_FOR,
        )
        .limit(PAGE)
    )
    return list(connection.execute(query).scalars())


def drop_payloads(connection: sa.Connection, message_ids: Sequence[int]) -> None:
    """Let go of what messages said; that they were told is kept."""
    connection.execute(
        sa.update(webhook_messages).where(webhook_messages.c.id.in_(message_ids)).values(payload="")
    )


def replay(connection: sa.Connection, message_id: int, now: datetime) -> None:
    """Tell a message once more, under the same id.

    Raises:
        NotFound: there is none, or what it said was let go.
    """
    statement = (
        sa.update(webhook_messages)
        .where(webhook_messages.c.id == message_id, webhook_messages.c.payload != "")
        .values(state="waiting", attempts=0, next_at=now, settled_at=None, error="", at=now)
    )
    if connection.execute(statement).rowcount == 0:
        raise NotFound(
            Sentence("there is no message {message_id}", message_id=message_id),
            hint="`crm-mailer outbox webhooks` lists them",
        )


def counts(connection: sa.Connection) -> dict[str, dict[str, int]]:
    """Messages of each endpoint by state."""
    message = webhook_messages.c
    query = sa.select(message.endpoint, message.state, sa.func.count().label("number")).group_by(
        message.endpoint, message.state
    )
    found: dict[str, dict[str, int]] = {}
    for row in connection.execute(query):
        found.setdefault(row.endpoint, {})[row.state] = row.number
    return found
