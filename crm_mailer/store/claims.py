"""Who may work on a touch, until when, and how it ended: claim, renew, settle, release.

A claim is committed durably before anything else happens, with its owner, the run of the machine
(boot id) and a fence. So whoever comes after a crash can tell what was never sent from what may
have been, and nothing is sent twice in silence.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, NamedTuple

import sqlalchemy as sa

from crm_mailer.model.address import OTHER, PROVIDERS
from crm_mailer.model.campaign import Stream
from crm_mailer.model.delivery import Outcome
from crm_mailer.model.touch import SETTLED, SkipReason, Touch, TouchKind, TouchState
from crm_mailer.store import dead_addresses, deliveries, disabled
from crm_mailer.store.bulk import as_rows, every, given_ids, maybe_seconds, seconds
from crm_mailer.store.deliveries import NO_HISTORY, History
from crm_mailer.store.engine import Instant
from crm_mailer.store.prepared import Prepared
from crm_mailer.store.tables import deliveries as delivery_rows
from crm_mailer.store.tables import touches

#: The reason of a mail whose acceptance only the journal knew after the machine had stopped: what
#: else was written about it may be lost.
POWER_CUT = "power_cut"
#: The reason of a mail in doubt whose sender is on a host that could not be asked: it may know
#: better when it comes back.
TAKEN_OVER = "taken_over"
#: The words of the partial indexes: an engine uses them only for exactly these conditions.
_WAITING = sa.text("touches.state IN ('planned','deferred')")
CLAIMED = sa.text("touches.state = 'claimed'")
_UNSETTLED = sa.text("touches.state IN ('claimed','in_doubt')")
_IN_DOUBT = sa.text("touches.state = 'in_doubt'")
#: On a claimed touch the mark of `cancel`: it ends as soon as its sender looks at it, gives it
#: back or cannot deliver it. A second attempt of a mail in doubt is called off.
CANCELLED = touches.c.reason == SkipReason.CANCELLED.value


class Claimed(NamedTuple):
    """A touch that we may work on, and what was tried before."""

    touch: Touch
    owner: str
    boot_id: str = ""
    #: Attempts on record, not counting the present one.
    tries: int = 0
    #: How many of them ended in doubt.
    doubts: int = 0
    #: How often the sender died while it rendered this touch.
    crashes: int = 0
    first_try_at: datetime | None = None


class Held(NamedTuple):
    """Of the touches that were asked about, those that their sender still has in its hands."""

    #: It may go on with these.
    going: set[int]
    #: Of these somebody has said meanwhile that they shall end.
    cancelled: set[int]


class Settlement(NamedTuple):
    """How one attempt ended. Without `outcome` it was no attempt at all and is given back."""

    touch_id: int
    attempt: int
    state: TouchState
    at: datetime
    reason: str = ""
    detail: str = ""
    next_at: datetime | None = None
    outcome: Outcome | None = None
    #: The sender died over it: counted as an attempt although no server heard of it.
    is_crash: bool = False


def claim(
    connection: sa.Connection,
    *,
    owner: str,
    now: datetime,
    until: datetime,
    boot_id: str,
    limit: int,
    fence: int = 0,
    lanes: Mapping[tuple[Stream, str], int] | None = None,
    campaign: str | None = None,
) -> list[Claimed]:
    """Take at most `limit` touches that are due, order mail first, longest due first.

    Must run in a durable transaction. Rows that another worker is taking are passed over.

    Args:
        lanes: (stream, provider group) -> at most so many of them; None: as many as there are.
    """
    wanted = dict.fromkeys(ALL_LANES, limit) if lanes is None else lanes
    given = {
        "b_now": seconds(now),
        "b_campaign": campaign,
        "b_owner": owner,
        "b_until": seconds(until),
        "b_boot_id": boot_id,
        "b_fence": fence,
    }
    rows: list[Any] = []
    dialect = connection.dialect.name
    for part in _in_order(wanted):
        if len(rows) < limit:
            statement = _take(dialect, part.lanes, part.is_doubt, campaign is not None)
            rooms = _looks(dialect, part.rooms, limit - len(rows))
            # within a part the longest due goes first; the parts are in order already
            rows += sorted(statement.rows(connection, {**given, **rooms}), key=_due_first)
    return _with_history(connection, rows)


def has_due(connection: sa.Connection, now: datetime) -> bool:
    """Whether there is anything to claim: a look that takes no write turn."""
    return bool(connection.scalar(_any_due(), {"b_now": now}))


def count_due(connection: sa.Connection, now: datetime, campaign: str | None = None) -> int:
    """How many touches could be claimed now."""
    query = sa.select(sa.func.count()).where(_WAITING, touches.c.next_at <= now)
    if campaign is not None:
        query = query.where(touches.c.campaign == campaign)
    return connection.scalar(query) or 0


def renew(connection: sa.Connection, *, owner: str, fence: int, until: datetime) -> None:
    """Keep all that `owner` has claimed until `until`."""
    connection.execute(
        sa.update(touches)
        .where(CLAIMED, touches.c.owner == owner, touches.c.fence == fence)
        .values(claimed_until=until)
    )


def still_held(connection: sa.Connection, ids: Sequence[int], *, owner: str, fence: int) -> Held:
    """Which of these touches are still claimed by `owner`, and whether it may go on with them."""
    given = {"ids": json.dumps(ids), "b_owner": owner, "b_fence": fence}
    going, cancelled = set[int](), set[int]()
    for number, is_cancelled in _holding(connection.dialect.name).rows(connection, given):
        (cancelled if is_cancelled else going).add(number)
    return Held(going, cancelled)


def settle(connection: sa.Connection, owner: str, rows: Sequence[Settlement]) -> None:
    """Write how the attempts of `owner` ended: touches, deliveries, dead addresses.

    Only rows that `owner` still holds are changed, so that doing it twice changes nothing.
    """
    if not rows:
        return
    packed = json.dumps([_packed(row, owner) for row in rows])
    _settling(connection.dialect.name).run(connection, {"rows": packed, "b_owner": owner})
    deliveries.add(connection, [(row.touch_id, row.attempt, row.outcome, row.at)
                                for row in rows if row.outcome is not None])  # fmt: skip
    dead = [row for row in rows if row.outcome and row.outcome.is_dead_address]
    dead_addresses.bury(connection, [(row.touch_id, row.outcome, row.at) for row in dead
                                     if row.outcome])  # fmt: skip
    off = [row for row in rows if row.outcome and row.outcome.status == disabled.STATUS]
    disabled.bury(connection, [(row.touch_id, row.outcome, row.at) for row in off if row.outcome])


def take_back(connection: sa.Connection, owner: str, now: datetime) -> int:
    """Claim once more what others took over in `owner`'s absence and could only call doubtful.

    For whoever has its flight journal in hands. What was settled since, or is tried once more by
    another sender, is not touched. Returns how many there were.
    """
    # whoever takes them over at this moment is waited for
    mine = sa.select(touches.c.id).where(CLAIMED, touches.c.owner == owner)
    every(connection, mine.order_by(touches.c.id).with_for_update())
    is_letter = touches.c.kind == TouchKind.CASE_REPLY.value
    is_taken = touches.c.reason == TAKEN_OVER
    ids = list(
        connection.scalars(
            sa.update(touches)
            .where(_IN_DOUBT, touches.c.owner == owner, sa.or_(is_taken, CANCELLED))
            .values(
                state=TouchState.CLAIMED.value,
                reason=sa.case((is_taken, ""), else_=touches.c.reason),
                detail=sa.case((is_letter, touches.c.detail), else_=""),
                next_at=touches.c.due_at,
                claimed_until=now,
            )
            .returning(touches.c.id)
        )
    )
    if ids:
        its_last = sa.select(touches.c.attempts).where(touches.c.id == delivery_rows.c.touch_id)
        connection.execute(
            sa.delete(delivery_rows).where(
                delivery_rows.c.touch_id.in_(ids),
                delivery_rows.c.attempt == its_last.scalar_subquery(),
                delivery_rows.c.outcome == "unknown",
            )
        )
    return len(ids)


def release(
    connection: sa.Connection, owner: str, ids: Sequence[int], now: datetime
) -> dict[int, TouchState]:
    """Give claims back untouched, each with the state that it has then.

    An order mail that was in doubt is in doubt again; what was cancelled meanwhile ends.
    """
    if not ids:
        return {}
    was_doubtful = sa.exists().where(
        delivery_rows.c.touch_id == touches.c.id, delivery_rows.c.outcome == "unknown"
    )
    was_tried = sa.exists().where(delivery_rows.c.touch_id == touches.c.id)
    state = sa.case(
        (was_doubtful, TouchState.IN_DOUBT.value),
        (CANCELLED, TouchState.SKIPPED.value),
        (was_tried, TouchState.DEFERRED.value),
        else_=TouchState.PLANNED.value,
    )
    ends = sa.and_(CANCELLED, ~was_doubtful)
    rows = connection.execute(
        sa.update(touches)
        .where(CLAIMED, touches.c.id.in_(ids), touches.c.owner == owner)
        .values(
            state=state,
            reason=sa.case((sa.and_(CANCELLED, was_doubtful), ""), else_=touches.c.reason),
            next_at=sa.case((CANCELLED, None), else_=touches.c.next_at),
            settled_at=sa.case((ends, sa.literal(now, Instant)), else_=touches.c.settled_at),
            attempts=touches.c.attempts - 1,
            owner="",
            claimed_until=None,
        )
        .returning(touches.c.id, touches.c.state)
    )
    return {row.id: TouchState(row.state) for row in rows}


def held_by(
    connection: sa.Connection, owner: str, *, lapsed_at: datetime | None = None
) -> list[Claimed]:
    """What `owner` has claimed and not settled; with `lapsed_at`, only what is past its time.

    In a write turn they cannot be settled or given back by anybody else until its end.
    """
    columns = [sa.type_coerce(one, sa.BigInteger) if isinstance(one.type, Instant) else one
               for one in TOUCH]  # fmt: skip
    query = (
        sa.select(*columns, touches.c.owner, touches.c.boot_id)
        .where(CLAIMED, touches.c.owner == owner)
        .order_by(touches.c.id)
    )
    if lapsed_at is not None:
        query = query.where(_is_over(lapsed_at))
    query = query.with_for_update()
    return _with_history(connection, [tuple(row) for row in every(connection, query)])


def lapsed(connection: sa.Connection, now: datetime) -> set[str]:
    """Owners of claims that are past their time."""
    query = sa.select(touches.c.owner).where(CLAIMED, _is_over(now)).distinct()
    return set(connection.execute(query).scalars())


def _is_over(now: datetime) -> sa.ColumnElement[bool]:
    """A claim without an end is none of ours: whatever wrote it, nobody would ever settle it."""
    return sa.or_(touches.c.claimed_until < now, touches.c.claimed_until.is_(None))


def touch_of(row: Any) -> Touch:
    """The touch in a row that begins with `TOUCH`."""
    return _touch(list(row[: len(TOUCH)]))


def _touch(values: list[Any]) -> Touch:
    values[_STREAM] = _STREAMS[values[_STREAM]]
    values[_STATE] = _STATES[values[_STATE]]
    values[_KIND] = _KINDS[values[_KIND]]
    return _new(Touch, values)


#: Makes a tuple with names as quickly as one without: every mail makes several.
_new = tuple.__new__
#: The columns of a touch, in the sequence of its fields.
TOUCH = [touches.c[name] for name in Touch._fields]
_INSTANTS = [place for place, one in enumerate(TOUCH) if isinstance(one.type, Instant)]
_ID, _NEXT_AT, _ATTEMPTS = (Touch._fields.index(name) for name in ("id", "next_at", "attempts"))
_STREAM, _STATE, _KIND = (Touch._fields.index(name) for name in ("stream", "state", "kind"))
#: Looking up is quicker than asking the enumeration, and every mail asks.
_KINDS = {kind.value: kind for kind in TouchKind}
_STREAMS = {stream.value: stream for stream in Stream}
_STATES = {state.value: state for state in TouchState}

#: Every lane there is: (stream, provider group). A group that is taken out of the list needs a
#: migration of the touches that name it.
ALL_LANES = tuple(
    (stream, provider)
    for stream in (Stream.TRANSACTIONAL, Stream.MARKETING)
    for provider in (*PROVIDERS, OTHER)
)


#: So many other workers may claim at the same moment before one finds nothing.
PASSED_OVER = 3


class _Part(NamedTuple):
    """Lanes that are claimed by one statement."""

    lanes: tuple[tuple[str, str], ...]
    is_doubt: bool
    rooms: dict[str, int]


def _in_order(wanted: Mapping[tuple[Stream, str], int]) -> Iterator[_Part]:
    """What to claim, most urgent first: order mail in doubt, other order mail, marketing."""
    for stream, is_doubt in (
        (Stream.TRANSACTIONAL, True),
        (Stream.TRANSACTIONAL, False),
        (Stream.MARKETING, False),
    ):
        rooms = {lane: room for lane, room in wanted.items() if lane[0] is stream and room > 0}
        if rooms:
            lanes = tuple((one.value, provider) for one, provider in rooms)
            yield _Part(
                lanes, is_doubt, {f"b_room_{n}": room for n, room in enumerate(rooms.values())}
            )


def _looks(dialect: str, rooms: Mapping[str, int], limit: int) -> dict[str, int]:
    """How many touches each lane shows, of which at most `limit` are taken together.

    A lane whose room is not short shows some more where another worker may hold the first.
    """
    many = limit if dialect == "sqlite" else (1 + PASSED_OVER) * limit
    looks = {name: room if room < limit else many for name, room in rooms.items()}
    return {**looks, "b_look": many, "b_limit": limit}


@lru_cache(maxsize=256)
def _take(
    dialect: str, lanes: tuple[tuple[str, str], ...], is_doubt: bool, has_campaign: bool
) -> Prepared:
    """UPDATE ... RETURNING the rows it claims. Making it is slow, so it is kept."""
    each = [
        sa.select(_due_in(lane, is_doubt, has_campaign, f"b_room_{number}").subquery())
        for number, lane in enumerate(lanes)
    ]
    due = sa.union_all(*each).subquery("due")
    first = sa.select(due.c.id, due.c.next_at).order_by(due.c.next_at, due.c.id)
    if dialect == "sqlite":  # one writes at a time: nobody else can hold any of them
        taken = first.limit(sa.bindparam("b_limit", type_=sa.Integer)).cte("taken")
        is_taken: Any = touches.c.id.in_(sa.select(taken.c.id))
    else:
        taken = _unlocked(first.limit(sa.bindparam("b_look", type_=sa.Integer)), is_doubt)
        # as a list, since of a query it would think that reading the whole table is as quick
        ids = sa.func.array(sa.select(taken.c.id).scalar_subquery())
        is_taken = touches.c.id == sa.any_(ids)
    return Prepared(
        sa.update(touches)
        .where(is_taken)
        .values(
            attempts=touches.c.attempts + 1,
            state=TouchState.CLAIMED.value,
            owner=sa.bindparam("b_owner"),
            claimed_until=sa.bindparam("b_until", type_=Instant),
            boot_id=sa.bindparam("b_boot_id"),
            fence=sa.bindparam("b_fence"),
        )
        .returning(*TOUCH, touches.c.owner, touches.c.boot_id)
    )


def _unlocked(first: sa.Select[Any], is_doubt: bool) -> sa.CTE:
    """The first of them that nobody holds, locked. Only what is taken is locked: a lock is written
    to the table, like a change.
    """
    some = first.subquery("some")
    return (
        sa.select(touches.c.id)
        .join(some, some.c.id == touches.c.id)
        .where(
            # asked again of a row that somebody has changed meanwhile
            _IN_DOUBT if is_doubt else _WAITING,
            touches.c.next_at <= sa.bindparam("b_now", type_=Instant),
        )
        .order_by(some.c.next_at, some.c.id)
        .limit(sa.bindparam("b_limit", type_=sa.Integer))
        .with_for_update(of=touches, skip_locked=True)
        .cte("taken")
    )


def _due_in(lane: tuple[str, str], is_doubt: bool, has_campaign: bool, room: str) -> Any:
    stream, provider = lane
    query = (
        sa.select(touches.c.id, touches.c.next_at)
        .where(
            _IN_DOUBT if is_doubt else _WAITING,
            touches.c.stream == stream,
            touches.c.provider == provider,
            touches.c.next_at <= sa.bindparam("b_now", type_=Instant),
        )
        .order_by(touches.c.next_at, touches.c.id)
        .limit(sa.bindparam(room, type_=sa.Integer))
    )
    if has_campaign:
        query = query.where(touches.c.campaign == sa.bindparam("b_campaign"))
    return query


@lru_cache(maxsize=1)
def _any_due() -> Any:
    def exists(is_doubt: bool, lane: tuple[Stream, str]) -> Any:
        return sa.exists().where(
            _IN_DOUBT if is_doubt else _WAITING,
            touches.c.stream == lane[0].value,
            touches.c.provider == lane[1],
            touches.c.next_at <= sa.bindparam("b_now", type_=Instant),
        )

    doubtful = [exists(True, lane) for lane in ALL_LANES if lane[0] is Stream.TRANSACTIONAL]
    return sa.select(sa.or_(*(exists(False, lane) for lane in ALL_LANES), *doubtful))


@lru_cache(maxsize=2)
def _holding(dialect: str) -> Prepared:
    return Prepared(
        sa.select(touches.c.id, CANCELLED).where(
            touches.c.id.in_(given_ids(dialect)),
            touches.c.state == TouchState.CLAIMED.value,
            touches.c.owner == sa.bindparam("b_owner"),
            touches.c.fence == sa.bindparam("b_fence"),
        )
    )


@lru_cache(maxsize=2)
def _settling(dialect: str) -> Prepared:
    """UPDATE ... FROM the settled rows, of which `owner` must still be the owner."""
    given = as_rows(dialect, _SETTLED_COLUMNS)
    words = given.c.detail
    # of what was taken at last, why it once waited is no reason any more
    is_wordless = sa.and_(words == "", given.c.state != TouchState.ACCEPTED.value)
    keeps = sa.or_(touches.c.kind == TouchKind.CASE_REPLY.value, is_wordless)
    # a slow sender may have heard of the first attempt while another made the second
    is_known_better = sa.and_(
        given.c.state == TouchState.IN_DOUBT.value,
        sa.exists().where(
            delivery_rows.c.touch_id == touches.c.id, delivery_rows.c.outcome == "accepted"
        ),
    )
    # what was no attempt gives back a claim: taken over meanwhile, it stays in doubt
    is_ours = sa.or_(given.c.is_attempt == 1, CLAIMED)
    # cancelled in its sender's hands: it is not tried again
    is_called_off = sa.and_(CLAIMED, CANCELLED, given.c.next_at.is_not(None))
    ends = sa.and_(is_called_off, given.c.state != TouchState.IN_DOUBT.value)
    # the mark outlives a take-over: its sender may come back and have sent nothing
    is_kept = sa.or_(ends, sa.and_(CLAIMED, CANCELLED, given.c.reason == TAKEN_OVER))
    return Prepared(
        sa.update(touches)
        .where(
            touches.c.id == given.c.id,
            touches.c.owner == sa.bindparam("b_owner"),
            _UNSETTLED,
            is_ours,
        )
        .values(
            state=sa.case(
                (is_known_better, TouchState.ACCEPTED.value),
                (ends, TouchState.SKIPPED.value),
                else_=given.c.state,
            ),
            reason=sa.case((is_kept, SkipReason.CANCELLED.value), else_=given.c.reason),
            # the server's or the template's words; an agent's own text of a case reply stays
            detail=sa.case((keeps, touches.c.detail), else_=words),
            next_at=sa.case((sa.or_(is_known_better, is_called_off), None), else_=given.c.next_at),
            settled_at=sa.case(
                (sa.or_(is_known_better, ends), given.c.at), else_=given.c.settled_at
            ),
            attempts=given.c.attempts,
            owner=given.c.new_owner,
            claimed_until=None,
        )
    )


_SETTLED_COLUMNS: dict[str, Any] = {
    "id": sa.BigInteger(),
    "state": sa.Text(),
    "reason": sa.Text(),
    "detail": sa.Text(),
    "next_at": sa.BigInteger(),
    "settled_at": sa.BigInteger(),
    "attempts": sa.Integer(),
    "new_owner": sa.Text(),
    "at": sa.BigInteger(),
    "is_attempt": sa.Integer(),
}


def _due_first(row: Any) -> tuple[int, int]:
    return row[_NEXT_AT] or 0, row[_ID]


def _with_history(connection: sa.Connection, rows: Sequence[Any]) -> list[Claimed]:
    again = [row[_ID] for row in rows if row[_ATTEMPTS] > 1]
    history = deliveries.history(connection, again) if again else {}
    return [_claimed(row, history.get(row[_ID], NO_HISTORY)) for row in rows]


def _claimed(row: Any, history: History) -> Claimed:
    """What was claimed, from plain values: the touch, its owner, the run of the machine."""
    *values, owner, boot = row
    for place in _INSTANTS:
        at = values[place]
        if at is not None:
            values[place] = datetime.fromtimestamp(at, UTC)
    crashes = max(0, values[_ATTEMPTS] - 1 - history.tries)
    return _new(
        Claimed,
        (_touch(values), owner, boot, history.tries, history.doubts, crashes, history.first_at),
    )


def _packed(row: Settlement, owner: str) -> tuple[Any, ...]:
    """The values of `_SETTLED_COLUMNS`."""
    is_attempt = row.outcome is not None or row.is_crash
    return (
        row.touch_id,
        row.state._value_,
        row.reason,
        row.detail[:500],
        maybe_seconds(row.next_at),
        seconds(row.at) if row.state in SETTLED else None,
        row.attempt if is_attempt else row.attempt - 1,
        # a mail in doubt keeps its owner, who may still learn better of an attempt of its own
        owner if is_attempt and row.state is TouchState.IN_DOUBT else "",
        seconds(row.at),
        int(is_attempt),
    )
