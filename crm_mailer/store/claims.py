"""Who may work on a touch, until when, and how it ended: claim, renew, settle, release.

A claim is committed durably before anything else happens, with its owner, the run of the machine
(boot id) and a fence. So whoever comes after a crash can tell what was never sent from what may
have been, and nothing is sent twice in silence.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from crm_mailer.model.campaign import Stream
from crm_mailer.model.delivery import Outcome
from crm_mailer.model.suppression import SuppressionReason
from crm_mailer.model.touch import SETTLED, Touch, TouchKind, TouchState
from crm_mailer.store import deliveries, suppressions
from crm_mailer.store.deliveries import NO_HISTORY, History
from crm_mailer.store.tables import deliveries as delivery_rows
from crm_mailer.store.tables import messages, touches

#: The words of the partial indexes: an engine uses them only for exactly these conditions.
_WAITING = sa.text("touches.state IN ('planned','deferred')")
_CLAIMED = sa.text("touches.state = 'claimed'")
_UNSETTLED = sa.text("touches.state IN ('claimed','in_doubt')")
_IN_DOUBT = sa.text("touches.state = 'in_doubt'")


@dataclass(frozen=True, slots=True, kw_only=True)
class Claimed:
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Settlement:
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
    streams: Collection[Stream] | None = None,
    campaign: str | None = None,
) -> list[Claimed]:
    """Take at most `limit` touches that are due, order mail first, longest due first.

    Must run in a durable transaction. Rows that another worker is taking are passed over.
    """
    values = {
        "state": TouchState.CLAIMED.value,
        "owner": owner,
        "claimed_until": until,
        "boot_id": boot_id,
        "fence": fence,
    }
    rows: list[Any] = []
    for condition in _kinds(streams):
        if campaign is not None:
            condition &= touches.c.campaign == campaign
        if len(rows) < limit:
            rows += _take(connection, condition, now, limit - len(rows), values)
    rows.sort(key=lambda row: (row.stream != Stream.TRANSACTIONAL, row.next_at or now, row.id))
    return _with_history(connection, rows)


def has_due(connection: sa.Connection, now: datetime) -> bool:
    """Whether there is anything to claim: a look that takes no write turn."""
    return any(
        connection.execute(
            sa.select(touches.c.id).where(kind, touches.c.next_at <= now).limit(1)
        ).first()
        for kind in _kinds(None)
    )


def renew(connection: sa.Connection, *, owner: str, fence: int, until: datetime) -> set[int]:
    """Keep all that `owner` has claimed until `until`; returns what is still its own."""
    kept = connection.execute(
        sa.update(touches)
        .where(_CLAIMED, touches.c.owner == owner, touches.c.fence == fence)
        .values(claimed_until=until)
        .returning(touches.c.id)
    )
    return set(kept.scalars())


def settle(connection: sa.Connection, owner: str, rows: Sequence[Settlement]) -> None:
    """Write how the attempts of `owner` ended: touches, deliveries, dead addresses.

    Only rows that `owner` still holds are changed, so that doing it twice changes nothing.
    """
    if not rows:
        return
    connection.execute(
        sa.update(touches)
        .where(
            touches.c.id == sa.bindparam("b_id"),
            touches.c.owner == sa.bindparam("b_owner"),
            _UNSETTLED,
        )
        .values(
            state=sa.bindparam("b_state"),
            reason=sa.bindparam("b_reason"),
            detail=_detail(),
            next_at=sa.bindparam("b_next_at"),
            settled_at=sa.bindparam("b_settled_at"),
            attempts=sa.bindparam("b_attempts"),
            owner=sa.bindparam("b_new_owner"),
            claimed_until=None,
        ),
        [_bound(row, owner) for row in rows],
    )
    deliveries.add(connection, [(row.touch_id, row.attempt, row.outcome, row.at)
                                for row in rows if row.outcome is not None])  # fmt: skip
    _bury(connection, [row for row in rows if row.outcome and row.outcome.is_dead_address])


def release(connection: sa.Connection, owner: str, ids: Sequence[int]) -> int:
    """Give claims back untouched; an order mail that was in doubt is in doubt again."""
    if not ids:
        return 0
    was_doubtful = sa.exists().where(
        delivery_rows.c.touch_id == touches.c.id, delivery_rows.c.outcome == "unknown"
    )
    was_tried = sa.exists().where(delivery_rows.c.touch_id == touches.c.id)
    state = sa.case(
        (was_doubtful, TouchState.IN_DOUBT.value),
        (was_tried, TouchState.DEFERRED.value),
        else_=TouchState.PLANNED.value,
    )
    return connection.execute(
        sa.update(touches)
        .where(_CLAIMED, touches.c.id.in_(ids), touches.c.owner == owner)
        .values(state=state, attempts=touches.c.attempts - 1, owner="", claimed_until=None)
    ).rowcount


def held_by(
    connection: sa.Connection, owner: str, *, lapsed_at: datetime | None = None
) -> list[Claimed]:
    """What `owner` has claimed and not settled; with `lapsed_at`, only what is past its time."""
    query = sa.select(touches).where(_CLAIMED, touches.c.owner == owner).order_by(touches.c.id)
    if lapsed_at is not None:
        query = query.where(touches.c.claimed_until < lapsed_at)
    return _with_history(connection, connection.execute(query).all())


def lapsed(connection: sa.Connection, now: datetime) -> set[str]:
    """Owners of claims that are past their time."""
    query = sa.select(touches.c.owner).where(_CLAIMED, touches.c.claimed_until < now).distinct()
    return set(connection.execute(query).scalars())


def touch_of(row: Any) -> Touch:
    """The touch in a row of the touches table."""
    return Touch(
        id=row.id,
        kind=TouchKind(row.kind),
        campaign=row.campaign,
        step=row.step,
        anchor=row.anchor,
        customer_id=row.customer_id,
        order_id=row.order_id,
        stream=Stream(row.stream),
        state=TouchState(row.state),
        template=row.template,
        campaign_version=row.campaign_version,
        due_at=row.due_at,
        expires_at=row.expires_at,
        next_at=row.next_at,
        attempts=row.attempts,
        reason=row.reason,
        place=row.place,
        places=row.places,
        provider=row.provider,
    )


def _kinds(streams: Collection[Stream] | None) -> list[sa.ColumnElement[bool]]:
    """What may be claimed, most urgent first."""
    wanted = [one for one in (Stream.TRANSACTIONAL, Stream.MARKETING) if one in (streams or Stream)]
    kinds = [sa.and_(_WAITING, touches.c.stream == stream.value) for stream in wanted]
    if Stream.TRANSACTIONAL in wanted:
        doubt = sa.and_(_IN_DOUBT, touches.c.stream == Stream.TRANSACTIONAL.value)
        kinds.insert(0, doubt)
    return kinds


def _take(
    connection: sa.Connection,
    condition: sa.ColumnElement[bool],
    now: datetime,
    limit: int,
    values: dict[str, Any],
) -> list[Any]:
    due = (
        sa.select(touches.c.id)
        .where(condition, touches.c.next_at <= now)
        .order_by(touches.c.next_at, touches.c.id)
        .limit(limit)
        .with_for_update(skip_locked=True)
        .cte("due")
    )
    return list(
        connection.execute(
            sa.update(touches)
            .where(touches.c.id.in_(sa.select(due.c.id)))
            .values(attempts=touches.c.attempts + 1, **values)
            .returning(touches)
        )
    )


def _with_history(connection: sa.Connection, rows: Sequence[Any]) -> list[Claimed]:
    again = [row.id for row in rows if row.attempts > 1]
    history = deliveries.history(connection, again) if again else {}
    return [_claimed(row, history.get(row.id, NO_HISTORY)) for row in rows]


def _claimed(row: Any, history: History) -> Claimed:
    return Claimed(
        touch=touch_of(row),
        owner=row.owner,
        boot_id=row.boot_id,
        tries=history.tries,
        doubts=history.doubts,
        crashes=max(0, row.attempts - 1 - history.tries),
        first_try_at=history.first_at,
    )


def _detail() -> sa.ColumnElement[str]:
    """The server's or the template's words; an agent's own text of a case reply stays."""
    words = sa.bindparam("b_detail", type_=sa.Text)
    keeps = sa.or_(touches.c.kind == TouchKind.CASE_REPLY.value, words == "")
    return sa.case((keeps, touches.c.detail), else_=words)


def _bound(row: Settlement, owner: str) -> dict[str, Any]:
    is_attempt = row.outcome is not None or row.is_crash
    return {
        "b_id": row.touch_id,
        "b_owner": owner,
        "b_state": row.state.value,
        "b_reason": row.reason,
        "b_detail": row.detail[:500],
        "b_next_at": row.next_at,
        "b_settled_at": row.at if row.state in SETTLED else None,
        "b_attempts": row.attempt if is_attempt else row.attempt - 1,
        # a mail in doubt keeps its owner, who may still learn better
        "b_new_owner": owner if row.state is TouchState.IN_DOUBT else "",
    }


def _bury(connection: sa.Connection, rows: Sequence[Settlement]) -> None:
    """The server named the address dead: no stream may use it again."""
    if not rows:
        return
    words = {row.touch_id: row for row in rows}
    found = connection.execute(
        sa.select(messages.c.touch_id, messages.c.rcpt_to).where(messages.c.touch_id.in_(words))
    )
    for touch_id, address in found.all():
        row = words[touch_id]
        assert row.outcome is not None
        said = f"{row.outcome.code} {row.outcome.status} {row.outcome.text}"
        suppressions.add(
            connection,
            address,
            SuppressionReason.HARD_BOUNCE,
            source=f"smtp:touch:{touch_id}",
            at=row.at,
            evidence=said,
        )
