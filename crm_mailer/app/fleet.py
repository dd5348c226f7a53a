"""Who works on this shop, on whichever host: processes, leases, lanes, and how far behind they are.

Everything comes from the database, so any process tells of all of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from crm_mailer.app import clocks
from crm_mailer.app.wiring import App
from crm_mailer.delivering.meters import FULL, factor_at
from crm_mailer.model import address, duty
from crm_mailer.model.campaign import Stream
from crm_mailer.model.duty import Duty
from crm_mailer.store import lag, leases, paces, pauses
from crm_mailer.store.engine import Connection
from crm_mailer.store.lag import LaneLag
from crm_mailer.store.leases import Lease
from crm_mailer.store.paces import Pace
from crm_mailer.store.pauses import Pauses


@dataclass(frozen=True, slots=True, kw_only=True)
class Process:
    """A daemon or a sending process, as it last told of itself.

    `clock_ms`: by how many thousandths of a second its host's clock is ahead of the database's.
    """

    kind: str
    host: str
    pid: int
    roles: tuple[str, ...]
    since: datetime | None
    heard_at: datetime | None
    #: Seconds since then.
    heard_ago: float
    #: False: it was not heard of for so long that others have taken over.
    is_alive: bool
    doing: str
    clock_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Tenure:
    """Work that one process alone does, and which. `epoch` grows when it passes to another."""

    name: str
    host: str
    pid: int
    epoch: int
    since: datetime | None
    until: datetime
    is_held: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class LaneState:
    """A lane in which something waits or is held back."""

    name: str
    due: int
    oldest_at: datetime | None
    #: Mails a minute at present; None: as many as servers take.
    per_minute: int | None
    #: Of its rate: less than 100 where a receiver asked for less.
    percent: int
    is_paused: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Fleet:
    """All of it."""

    processes: list[Process] = field(default_factory=list)
    tenures: list[Tenure] = field(default_factory=list)
    lanes: list[LaneState] = field(default_factory=list)
    #: Roles that no daemon has, while there are daemons.
    missing: list[Duty] = field(default_factory=list)
    oldest_due_at: datetime | None = None
    oldest_inbound_at: datetime | None = None
    planned_at: datetime | None = None
    #: By how many thousandths of a second this machine's clock is ahead of the database's.
    clock_ms: int = 0


def look(app: App, connection: Connection, now: datetime) -> Fleet:
    """Who works at `now`."""
    every = leases.list_all(connection)
    processes = [_process(one, now) for one in every if _is_process(one)]
    waiting = lag.lanes(connection, now)
    return Fleet(
        processes=processes,
        tenures=[_tenure(one, now) for one in every if not _is_process(one)],
        lanes=_lanes(app, connection, waiting, now),
        missing=missing(app, processes),
        oldest_due_at=min((one.oldest_at for one in waiting), default=None),
        oldest_inbound_at=lag.oldest_inbound_at(connection),
        planned_at=lag.planned_at(connection),
        clock_ms=round(clocks.ahead(app) * 1000),
    )


def missing(app: App, processes: Sequence[Process]) -> list[Duty]:
    """Roles that no living daemon has; none where no daemon lives, which is told otherwise."""
    daemons = [one for one in processes if one.kind == "daemon" and one.is_alive]
    filled = {role for one in daemons for role in one.roles}
    needed = duty.NEEDED if app.settings.mailboxes else (Duty.PLAN, Duty.SEND)
    return [one for one in needed if one.value not in filled] if daemons else []


def _is_process(one: Lease) -> bool:
    return one.name.startswith((leases.DAEMON, leases.WORKER))


def _process(one: Lease, now: datetime) -> Process:
    heard_at = one.beat_at or one.since
    return Process(
        kind="daemon" if one.name.startswith(leases.DAEMON) else "worker",
        host=one.host,
        pid=one.pid,
        roles=tuple(one.roles.split(",")) if one.roles else (),
        since=one.since,
        heard_at=heard_at,
        heard_ago=max(0.0, (now - heard_at).total_seconds()) if heard_at else 0.0,
        is_alive=one.until > now,
        doing=one.doing,
        clock_ms=one.clock_ms,
    )


def _tenure(one: Lease, now: datetime) -> Tenure:
    return Tenure(
        name=one.name,
        host=one.host,
        pid=one.pid,
        epoch=one.epoch,
        since=one.since,
        until=one.until,
        is_held=one.until > now,
    )


def _lanes(
    app: App, connection: Connection, waiting: Sequence[LaneLag], now: datetime
) -> list[LaneState]:
    """Lanes that have something to say: mails that are due, a pause, a slow receiver."""
    stops, buckets = pauses.load(connection), paces.load(connection)
    due = {(one.provider, one.stream): one for one in waiting}
    found = []
    for provider in (*address.PROVIDERS, address.OTHER):
        for stream in Stream:
            state = _lane(app, provider, stream, due.get((provider, stream)), buckets, stops, now)
            is_stopped = stops.everything is None and state.is_paused
            if state.due or is_stopped or state.percent < 100:
                found.append(state)
    return found


def _lane(
    app: App,
    provider: str,
    stream: Stream,
    waiting: LaneLag | None,
    buckets: dict[str, Pace],
    stops: Pauses,
    now: datetime,
) -> LaneState:
    name = f"{provider}/{stream.value}"
    bucket = buckets.get(f"lane:{name}")
    share = factor_at(bucket, now) if bucket else FULL
    seen = bucket.seen_rate if bucket and share < FULL else 0
    limit = app.settings.limits.get(provider) or seen
    return LaneState(
        name=name,
        due=waiting.due if waiting else 0,
        oldest_at=waiting.oldest_at if waiting else None,
        per_minute=limit * share // FULL if limit else None,
        percent=share * 100 // FULL,
        is_paused=stops.everything is not None or stops.stops(name),
    )
