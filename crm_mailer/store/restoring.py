"""The ledger of a restored database: what left since the backup, what may have, what did not."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from functools import lru_cache
from typing import Any, NamedTuple

import sqlalchemy as sa

from crm_mailer.model.campaign import Stream
from crm_mailer.model.delivery import Blame, Outcome, OutcomeKind, Phase
from crm_mailer.model.touch import SkipReason, TouchKind, TouchState
from crm_mailer.store import deliveries
from crm_mailer.store.bulk import among, as_rows, seconds
from crm_mailer.store.claims import POWER_CUT
from crm_mailer.store.engine import Instant, upsert_for
from crm_mailer.store.prepared import Prepared
from crm_mailer.store.tables import customers, lost_mails, touches
from crm_mailer.store.tables import deliveries as delivery_rows

#: What is said of an attempt of which the folder alone knows.
SAID = "known from the log beside the database; the database itself was lost"
_WAITING = (TouchState.PLANNED, TouchState.DEFERRED, TouchState.CLAIMED)
_UNSETTLED = (*_WAITING, TouchState.HELD, TouchState.IN_DOUBT)
_IS_MAIL = touches.c.kind != TouchKind.TEST.value
_IS_NEW = touches.c.reason != SkipReason.RESTORED.value


class Left(NamedTuple):
    """A mail that left, as the folder tells. Without a campaign only its number is known."""

    touch_id: int
    customer_id: int
    campaign: str
    step: str
    is_sure: bool
    at: datetime


class Waiting(NamedTuple):
    """What this database would send although it may have left, counted."""

    marketing: int
    order_mail: int
    held: int


def count(connection: sa.Connection, until: datetime) -> Waiting:
    """How many mails were due up to `until` and are not settled."""
    rows = connection.execute(
        sa.select(touches.c.stream, touches.c.state, touches.c.reason, sa.func.count())
        .where(_IS_MAIL, _IS_NEW, touches.c.due_at <= until, _in(_UNSETTLED))
        .group_by(touches.c.stream, touches.c.state, touches.c.reason)
    )
    marketing = order_mail = held = 0
    for stream, state, reason, number in rows:
        if state == TouchState.HELD and reason != SkipReason.PAUSED:
            held += number
        elif state != TouchState.IN_DOUBT and stream == Stream.MARKETING:
            marketing += number
        elif state != TouchState.IN_DOUBT:
            order_mail += number
    return Waiting(marketing, order_mail, held)


def known(
    connection: sa.Connection, left: Sequence[Left], until: datetime
) -> dict[int, tuple[str, int]]:
    """Which of these mails this database has and takes for unsent: state and attempts of each.

    A mail that was planned after `until` only has the number of another.
    """
    given = {"rows": json.dumps([one[:4] for one in left]), "b_until": seconds(until)}
    rows = _knowing(connection.dialect.name).rows(connection, given)
    return {row[0]: (row[1], row[2]) for row in rows}


def settle(
    connection: sa.Connection,
    left: Iterable[Left],
    found: Mapping[int, tuple[str, int]],
) -> None:
    """These mails left, or may have: so says the folder. In a write turn."""
    attempts, ends = [], []
    for one in left:
        state, before = found[one.touch_id]
        is_counted = state in (TouchState.CLAIMED, TouchState.IN_DOUBT)
        attempt = max(before if is_counted else before + 1, 1)
        kind = OutcomeKind.ACCEPTED if one.is_sure else OutcomeKind.UNKNOWN
        outcome = Outcome(kind=kind, phase=Phase.DOT, text=SAID, blame=Blame.US)
        attempts.append((one.touch_id, attempt, outcome, one.at))
        end = TouchState.ACCEPTED if one.is_sure else TouchState.IN_DOUBT
        at = seconds(one.at) if one.is_sure else None
        ends.append((one.touch_id, end.value, POWER_CUT if one.is_sure else "", at, attempt))
    if ends:
        deliveries.add(connection, attempts)
        connection.execute(_settling(connection.dialect.name), {"rows": json.dumps(ends)})


def list_marketing(connection: sa.Connection, until: datetime) -> Sequence[int]:
    """Marketing that was due up to `until` and would leave, what a pause holds included."""
    is_paused = sa.and_(_is(TouchState.HELD), touches.c.reason == SkipReason.PAUSED.value)
    return _list(connection, Stream.MARKETING, until, sa.or_(_in(_WAITING), is_paused))


def list_order_mail(connection: sa.Connection, until: datetime) -> Sequence[int]:
    """Order mail that was due up to `until` and would leave."""
    return _list(connection, Stream.TRANSACTIONAL, until, _in(_WAITING))


def list_claimed(connection: sa.Connection, stream: Stream, until: datetime) -> Sequence[int]:
    """Mail of a stream that a sender had in its hands when the backup was made."""
    return _list(connection, stream, until, _is(TouchState.CLAIMED))


def skip(connection: sa.Connection, ids: Sequence[int], now: datetime) -> int:
    """These do not leave: they may have left. In a write turn."""
    statement = sa.update(touches).values(
        state=TouchState.SKIPPED,
        reason=SkipReason.RESTORED,
        next_at=None,
        settled_at=now,
        owner="",
        claimed_until=None,
    )
    return _change(connection, ids, statement)


def hold(connection: sa.Connection, ids: Sequence[int]) -> int:
    """These wait for a person. In a write turn."""
    statement = sa.update(touches).values(
        state=TouchState.HELD, reason=SkipReason.RESTORED, owner="", claimed_until=None
    )
    return _change(connection, ids, statement)


def free(connection: sa.Connection, ids: Sequence[int]) -> int:
    """These may leave: nobody has them in hand any more. In a write turn."""
    was_tried = sa.exists().where(delivery_rows.c.touch_id == touches.c.id)
    statement = sa.update(touches).values(
        state=sa.case((was_tried, TouchState.DEFERRED.value), else_=TouchState.PLANNED.value),
        attempts=touches.c.attempts - 1,
        owner="",
        claimed_until=None,
    )
    return _change(connection, ids, statement)


def leave_in_doubt(connection: sa.Connection) -> int:
    """Call off the second attempts of order mail in doubt: the first answers are lost."""
    again = sa.and_(_is(TouchState.IN_DOUBT), touches.c.next_at.is_not(None))
    return connection.execute(sa.update(touches).where(again).values(next_at=None)).rowcount


def mark_held(connection: sa.Connection, until: datetime) -> int:
    """What a person holds stays so; whoever lets it go has been told that it may have left."""
    held = sa.and_(_is(TouchState.HELD), touches.c.reason != SkipReason.PAUSED.value)
    return connection.execute(
        sa.update(touches)
        .where(held, _IS_MAIL, _IS_NEW, touches.c.due_at <= until)
        .values(reason=SkipReason.RESTORED)
    ).rowcount


# ------------------------------------------------------------------ what this database never knew


def remember(connection: sa.Connection, left: Sequence[Left]) -> None:
    """Keep who got which step, of mails that this database does not have. In a write turn."""
    rows = [(one.customer_id, one.campaign, one.step, seconds(one.at)) for one in left]
    if rows:
        connection.execute(_keeping(connection.dialect.name), {"rows": json.dumps(rows)})


def forget(connection: sa.Connection) -> None:
    """The time is over in which they could be planned again."""
    connection.execute(sa.delete(lost_mails))


def had(connection: sa.Connection, touch_ids: Sequence[int]) -> set[int]:
    """Those of these touches whose customer had a mail of their step already."""
    same = sa.and_(
        lost_mails.c.customer_id == touches.c.customer_id,
        lost_mails.c.campaign == touches.c.campaign,
        lost_mails.c.step == touches.c.step,
    )
    query = sa.select(touches.c.id).join(lost_mails, same).where(touches.c.id.in_(touch_ids))
    return set(connection.execute(query).scalars())


# ------------------------------------------------------------------ pieces


def _in(states: Iterable[TouchState]) -> sa.ColumnElement[bool]:
    return sa.or_(*map(_is, states))


def _is(state: TouchState) -> sa.ColumnElement[bool]:
    return touches.c.state == sa.literal_column(f"'{state.value}'", sa.Text)


def _list(
    connection: sa.Connection, stream: Stream, until: datetime, condition: sa.ColumnElement[bool]
) -> Sequence[int]:
    is_due = sa.and_(touches.c.stream == stream.value, touches.c.due_at <= until)
    query = sa.select(touches.c.id).where(condition, _IS_MAIL, _IS_NEW, is_due)
    return connection.execute(query.order_by(touches.c.id)).scalars().all()


def _change(connection: sa.Connection, ids: Sequence[int], statement: sa.Update) -> int:
    return connection.execute(statement.where(among(connection, touches.c.id, ids))).rowcount


@lru_cache(maxsize=2)
def _settling(dialect: str) -> Any:
    given = as_rows(dialect, _ENDS)
    return (
        sa.update(touches)
        .where(touches.c.id == given.c.id)
        .values(
            state=given.c.state,
            reason=given.c.reason,
            settled_at=given.c.settled_at,
            attempts=given.c.attempts,
            next_at=None,
            owner="",
            claimed_until=None,
        )
    )


@lru_cache(maxsize=2)
def _knowing(dialect: str) -> Prepared:
    given = as_rows(dialect, _COLUMNS)
    is_same = sa.or_(
        given.c.campaign == "",
        sa.and_(
            given.c.campaign == touches.c.campaign,
            given.c.step == touches.c.step,
            given.c.customer_id == touches.c.customer_id,
        ),
    )
    return Prepared(
        sa.select(touches.c.id, touches.c.state, touches.c.attempts)
        .join(given, given.c.id == touches.c.id)
        .where(
            is_same,
            # another host's folder skipped what it did not know
            sa.or_(_in(_UNSETTLED), sa.and_(_is(TouchState.SKIPPED), ~_IS_NEW)),
            touches.c.planned_at <= sa.bindparam("b_until", type_=Instant),
        )
    )


@lru_cache(maxsize=2)
def _keeping(dialect: str) -> Any:
    given = as_rows(dialect, {**_KEPT, "at": sa.BigInteger()})
    rows = (
        sa.select(given.c.customer_id, given.c.campaign, given.c.step, sa.func.max(given.c.at))
        .join(customers, customers.c.id == given.c.customer_id)
        .where(given.c.campaign != "")
        .group_by(given.c.customer_id, given.c.campaign, given.c.step)
    )
    insert = upsert_for(dialect, lost_mails).from_select([*_KEPT, "at"], rows)
    return insert.on_conflict_do_nothing(index_elements=[*_KEPT])


_KEPT: dict[str, Any] = {"customer_id": sa.BigInteger(), "campaign": sa.Text(), "step": sa.Text()}
_COLUMNS: dict[str, Any] = {"id": sa.BigInteger(), **_KEPT}
_ENDS: dict[str, Any] = {
    "id": sa.BigInteger(),
    "state": sa.Text(),
    "reason": sa.Text(),
    "settled_at": sa.BigInteger(),
    "attempts": sa.Integer(),
}
