"""Moves waiting mails that give way to others, or ends them: those that have not left meanwhile."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from datetime import datetime
from functools import lru_cache
from typing import Any

import sqlalchemy as sa

from crm_mailer.model import standing_back
from crm_mailer.model.touch import SkipReason, TouchState
from crm_mailer.store import bulk
from crm_mailer.store.engine import Instant
from crm_mailer.store.prepared import Prepared
from crm_mailer.store.tables import curve_states, touches
from crm_mailer.store.touches import UNSENT

#: A touch, when it is to leave, and when it is to leave instead; None: not at all.
Moved = tuple[int, datetime, datetime | None]

_touch, _course = touches.c, curve_states.c
_BEFORE = sa.func.coalesce(_touch.next_at, _touch.due_at)
#: What else there is to say of a mail stays: a server's words, why a person has to let it go.
_SAYS_NOTHING = sa.or_(
    _touch.reason == SkipReason.OUTRANKED.value,
    sa.and_(
        _touch.detail == "",
        _touch.reason.in_(["", SkipReason.CAP.value, SkipReason.QUIET_HOURS.value]),
    ),
)


def move(connection: sa.Connection, moves: Sequence[Moved], *, by: str) -> None:
    """Give the mails their new times, and note that the campaign `by` has taken the old ones."""
    rows = [
        (id_, bulk.seconds(at), bulk.seconds(to), standing_back.note(by, at))
        for id_, at, to in moves
        if to is not None
    ]
    dialect = connection.dialect.name
    for wave in _waves(rows):
        given = {"rows": json.dumps(wave)}
        _moving(dialect).run(connection, given)
        _following(dialect).run(connection, given)


def end(connection: sa.Connection, moves: Sequence[Moved], *, by: str, now: datetime) -> None:
    """Skip the mails for which there is no other time."""
    rows = [(id_, bulk.seconds(at)) for id_, at, to in moves if to is None]
    if rows:
        given = {"rows": json.dumps(sorted(rows)), "by": by, "b_now": bulk.seconds(now)}
        _ending(connection.dialect.name).run(connection, given)


def _waves(rows: Sequence[tuple[Any, ...]]) -> Iterator[list[tuple[Any, ...]]]:
    """The rows in lists that name each mail once: two events of one customer may move it twice."""
    while rows:
        wave: dict[int, tuple[Any, ...]] = {}
        later = [row for row in rows if wave.setdefault(row[0], row) is not row]
        yield [wave[id_] for id_ in sorted(wave)]
        rows = later


@lru_cache(maxsize=2)
def _moving(dialect: str) -> Prepared:
    given = bulk.as_rows(dialect, {**_SEEN, "new_at": sa.BigInteger(), "note": sa.Text()})
    to = sa.type_coerce(given.c.new_at, Instant)
    # a mail that was tried keeps the day it was planned for
    is_tried = _touch.state == TouchState.DEFERRED.value
    return Prepared(
        sa.update(touches)
        .where(*_is_as_seen(given))
        .values(
            due_at=sa.case((is_tried, _touch.due_at), else_=to),
            next_at=to,
            reason=sa.case((_SAYS_NOTHING, SkipReason.OUTRANKED.value), else_=_touch.reason),
            detail=sa.case((_SAYS_NOTHING, given.c.note), else_=_touch.detail),
        )
    )


@lru_cache(maxsize=2)
def _following(dialect: str) -> Prepared:
    """A course looks again when its mail leaves, not on the day that the mail had before."""
    given = bulk.as_rows(dialect, {**_SEEN, "new_at": sa.BigInteger(), "note": sa.Text()})
    is_moved = sa.type_coerce(_BEFORE, sa.BigInteger) == given.c.new_at
    return Prepared(
        sa.update(curve_states)
        .where(
            _touch.id == given.c.id,
            is_moved,
            (_touch.state + "").in_([state.value for state in UNSENT]),
            _course.customer_id == _touch.customer_id,
            _course.campaign == _touch.campaign,
            _course.anchor == _touch.anchor,
            _course.step == _touch.step,
            _course.due_at.is_not(None),
        )
        .values(due_at=sa.type_coerce(given.c.new_at, Instant))
    )


@lru_cache(maxsize=2)
def _ending(dialect: str) -> Prepared:
    given = bulk.as_rows(dialect, _SEEN)
    return Prepared(
        sa.update(touches)
        .where(*_is_as_seen(given))
        .values(
            state=TouchState.SKIPPED.value,
            reason=SkipReason.OUTRANKED.value,
            detail=sa.bindparam("by", type_=sa.Text),
            next_at=None,
            settled_at=sa.bindparam("b_now", type_=Instant),
        )
    )


_SEEN: dict[str, Any] = {"id": sa.BigInteger(), "seen_at": sa.BigInteger()}


def _is_as_seen(given: Any) -> tuple[sa.ColumnElement[bool], ...]:
    """Of what was claimed or moved since it was looked at, the last look before it leaves decides.

    The state is asked in a way that no index serves: each row is found by its number.
    """
    return (
        _touch.id == given.c.id,
        (_touch.state + "").in_([state.value for state in UNSENT]),
        sa.type_coerce(_BEFORE, sa.BigInteger) == given.c.seen_at,
    )
