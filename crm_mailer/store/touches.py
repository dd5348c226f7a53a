"""Touches: planned mails, each with a key that is unique for ever."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from crm_mailer.model.campaign import Stream
from crm_mailer.model.case import UNDER_WAY
from crm_mailer.model.customer import ConsentBasis
from crm_mailer.model.standing import Standing, hold, refusal
from crm_mailer.model.suppression import Scope, SuppressionReason
from crm_mailer.model.touch import SkipReason, TouchState
from crm_mailer.store.engine import Instant, Store
from crm_mailer.store.tables import cases, consents, customers, suppressions, touches

#: Rows that one statement may name by id; SQLite takes at most 32,766 values.
SLICE = 5_000
#: The detail of touches that wait because their campaign is a draft again.
HELD_BY_DRAFT = "draft"
UNSENT = (TouchState.PLANNED, TouchState.HELD, TouchState.DEFERRED)


def standing_columns() -> list[sa.ColumnElement[Any]]:
    """What decides whether a customer may be mailed, to be selected beside `customers`."""
    worst = (
        sa.select(sa.func.min(suppressions.c.scope + ":" + suppressions.c.reason))
        .where(suppressions.c.address_key == customers.c.email_key)
        .scalar_subquery()
    )
    basis = (
        sa.select(sa.func.min(consents.c.basis))
        .where(consents.c.customer_id == customers.c.id, consents.c.purpose == "marketing")
        .scalar_subquery()
    )
    open_case = sa.exists().where(
        cases.c.customer_id == customers.c.id, cases.c.state.in_(sorted(UNDER_WAY))
    )
    return [
        customers.c.email_key,
        customers.c.address_kind,
        customers.c.is_flagged,
        customers.c.snoozed_until,
        worst.label("suppression"),
        basis.label("basis"),
        open_case.label("has_open_case"),
    ]


def standing_of(row: Any) -> Standing:
    """The standing in a row with `standing_columns`."""
    suppression = None
    if row.suppression:
        scope, _, reason = row.suppression.partition(":")
        suppression = (Scope(scope), SuppressionReason(reason))
    return Standing(
        has_address=bool(row.email_key),
        suppression=suppression,
        is_flagged=bool(row.is_flagged),
        is_relay=row.address_kind == "relay",
        has_basis=row.basis != ConsentBasis.NONE,
        has_open_case=bool(row.has_open_case),
        snoozed_until=row.snoozed_until,
    )


def recheck(
    connection: sa.Connection, touch_ids: Sequence[int], now: datetime
) -> dict[int, SkipReason]:
    """Which of these touches must not leave now, and why; those that may are not in the answer.

    Asked at the last moment before hand-over: an opt-out, a bounce or a case since planning
    counts. `model.standing.PASSING` tells which reasons may pass by themselves.
    """
    answer: dict[int, SkipReason] = {}
    for ids in sliced(touch_ids):
        query = (
            sa.select(touches.c.id, touches.c.stream, touches.c.expires_at, *standing_columns())
            .join_from(touches, customers, customers.c.id == touches.c.customer_id)
            .where(touches.c.id.in_(ids))
        )
        for row in connection.execute(query):
            reason = _why_not(row, now)
            if reason is not None:
                answer[row.id] = reason
    return answer


def _why_not(row: Any, now: datetime) -> SkipReason | None:
    standing, stream = standing_of(row), Stream(row.stream)
    if row.expires_at is not None and row.expires_at < now:
        return SkipReason.LATE
    return refusal(standing, stream) or hold(standing, stream, now)


def sliced(ids: Sequence[int]) -> Iterable[Sequence[int]]:
    """`ids` in slices that one statement can name."""
    return (ids[start : start + SLICE] for start in range(0, len(ids), SLICE))


# ------------------------------------------------------------------ planning


def add(store: Store, connection: sa.Connection, rows: Sequence[dict[str, Any]]) -> int:
    """Save touches; those whose key is there already stay as they are. How many are new."""
    if not rows:
        return 0
    statement = store.insert(touches).on_conflict_do_nothing(
        index_elements=["campaign", "step", "anchor", "customer_id"]
    )
    keeping = {"preserve_rowcount": True}
    return connection.execute(statement, list(rows), execution_options=keeping).rowcount


def marketing_times(
    connection: sa.Connection,
    customer_ids: Sequence[int],
    since: datetime,
    *,
    campaign: str = "",
    newest: Mapping[int, datetime] | None = None,
) -> dict[int, list[datetime]]:
    """When each of these customers had, or is to have, marketing mail from `since` on.

    What `campaign` has planned for an older event than a customer's `newest` is not counted: it
    will not leave.
    """
    left = touches.c.state.in_((TouchState.ACCEPTED, TouchState.IN_DOUBT))
    waiting = touches.c.state.in_((*UNSENT, TouchState.CLAIMED))
    moment = sa.case(
        (left, sa.func.coalesce(touches.c.settled_at, touches.c.due_at)),
        else_=sa.func.coalesce(touches.c.next_at, touches.c.due_at),
    )
    found: dict[int, list[datetime]] = {}
    for ids in sliced(customer_ids):
        query = sa.select(
            touches.c.customer_id,
            sa.type_coerce(moment, Instant),
            sa.and_(touches.c.campaign == campaign, touches.c.state.in_(UNSENT)),
            touches.c.anchored_at,
        ).where(
            touches.c.customer_id.in_(ids),
            touches.c.due_at >= since,
            touches.c.stream == Stream.MARKETING,
            sa.or_(left, waiting),
        )
        for customer_id, at, is_own, anchored_at in connection.execute(query):
            if is_own and newest and anchored_at < newest.get(customer_id, anchored_at):
                continue
            found.setdefault(customer_id, []).append(at)
    return found


def newest_anchors(
    connection: sa.Connection, campaign: str, customer_ids: Sequence[int]
) -> dict[int, datetime]:
    """When the newest occasion of the campaign was, for each of these customers that had one."""
    found: dict[int, datetime] = {}
    for ids in sliced(customer_ids):
        query = (
            sa.select(touches.c.customer_id, sa.func.max(touches.c.anchored_at, type_=Instant))
            .where(touches.c.customer_id.in_(ids), touches.c.campaign == campaign)
            .group_by(touches.c.customer_id)
        )
        found.update((row[0], row[1]) for row in connection.execute(query))
    return found


def end_where(
    connection: sa.Connection,
    campaign: str,
    condition: sa.ColumnElement[bool],
    reason: SkipReason,
    now: datetime,
) -> int:
    """Skip the campaign's unsent touches for which `condition` holds. How many they were."""
    statement = (
        touches.update()
        .where(touches.c.campaign == campaign, touches.c.state.in_(UNSENT), condition)
        .values(state=TouchState.SKIPPED, reason=reason, next_at=None, settled_at=now)
    )
    return connection.execute(statement).rowcount


def end_older(
    connection: sa.Connection, campaign: str, newest: Mapping[int, datetime], now: datetime
) -> None:
    """Skip unsent touches of the campaign for older events than each customer's newest."""
    statement = (
        touches.update()
        .where(
            touches.c.customer_id == sa.bindparam("of_customer"),
            touches.c.anchored_at < sa.bindparam("newest", type_=Instant),
            touches.c.campaign == campaign,
            sa.or_(*(touches.c.state == state for state in UNSENT)),
        )
        .values(
            state=TouchState.SKIPPED, reason=SkipReason.NEW_ANCHOR, next_at=None, settled_at=now
        )
    )
    if newest:
        rows = [{"of_customer": customer, "newest": at} for customer, at in newest.items()]
        connection.execute(statement, rows)


def end_other_anchors(connection: sa.Connection, campaign: str, anchor: str, now: datetime) -> int:
    """Skip what was planned for another date than the campaign has now."""
    return end_where(connection, campaign, touches.c.anchor != anchor, SkipReason.NEW_ANCHOR, now)


def hold_back(connection: sa.Connection, campaign: str) -> int:
    """Hold what was planned of a campaign that is a draft again. How many they were."""
    statement = (
        touches.update()
        .where(
            touches.c.campaign == campaign,
            touches.c.state.in_((TouchState.PLANNED, TouchState.DEFERRED)),
        )
        .values(state=TouchState.HELD, detail=HELD_BY_DRAFT)
    )
    return connection.execute(statement).rowcount


def release(connection: sa.Connection, campaign: str, *, detail: str | None = None) -> int:
    """Let held touches of a campaign go when they are due. How many they were.

    Args:
        connection: a write turn.
        campaign: its id.
        detail: only those that are held for this reason.
    """
    statement = touches.update().where(
        touches.c.campaign == campaign, touches.c.state == TouchState.HELD
    )
    if detail is not None:
        statement = statement.where(touches.c.detail == detail)
    return connection.execute(statement.values(state=TouchState.PLANNED, detail="")).rowcount


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
