"""Saves what was decided: in short turns, an EDM seen by senders as a whole or not at all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from crm_mailer.model import address
from crm_mailer.model.campaign import Campaign, DateAnchor, FestivalAnchor, Mode, MonthlyAnchor
from crm_mailer.model.touch import TouchState
from crm_mailer.planning.decisions import Decision
from crm_mailer.store import pauses, touches
from crm_mailer.store.bulk import TURN, seconds
from crm_mailer.store.engine import Connection, Store
from crm_mailer.store.occasions import Occasion
from crm_mailer.store.touches import Event

#: Who pauses a campaign while it is planned; a person's pause is never lifted.
PLANNER = "planner"


#: What is written of each planned mail, in the sequence of `row`.
COLUMNS = (
    "campaign", "step", "anchor", "customer_id", "order_id", "stream", "provider", "template",
    "arm", "campaign_version", "place", "places", "anchored_at", "due_at", "expires_at", "state",
    "reason", "next_at", "planned_at", "settled_at",
)  # fmt: skip
CUSTOMER = COLUMNS.index("customer_id")
Row = tuple[Any, ...]


def row(
    campaign: Campaign, occasion: Occasion, one: Decision, anchored: datetime, now: datetime
) -> Row:
    """A decision as a row of `touches`, instants as seconds."""
    due_at, planned_at, is_skipped = seconds(one.due_at), seconds(now), one.reason is not None
    if is_skipped:
        state = TouchState.SKIPPED
    else:
        state = TouchState.HELD if campaign.mode is Mode.MANUAL else TouchState.PLANNED
    return (
        campaign.id, one.step.id, occasion.anchor, occasion.customer_id, occasion.order_id,
        campaign.stream.value, address.provider(occasion.email),
        one.template or one.step.template, one.arm, campaign.version, one.place,
        len(campaign.steps), seconds(anchored), due_at, seconds(one.expires_at), state.value,
        "" if one.reason is None else one.reason.value, None if is_skipped else due_at,
        planned_at, planned_at if is_skipped else None,
    )  # fmt: skip


def save(
    store: Store,
    campaign: Campaign,
    rows: Sequence[Row],
    stale: Mapping[int, Event],
    now: datetime,
) -> int:
    """Save a page in short write turns; what newer events have made stale ends first.

    How many rows are new.
    """
    saved = 0
    if rows and stale:
        with store.write() as connection:
            touches.end_older(connection, campaign.id, stale, now)
    for start in range(0, len(rows), TURN):
        with store.write() as connection:
            saved += touches.add(connection, COLUMNS, rows[start : start + TURN])
    return saved


class Curtain:
    """Senders see all of a dated campaign's occasion or nothing of it.

    Its mails are written in many short turns behind a pause, which one small commit lifts. A crash
    leaves the pause; the next act of planning completes what is missing and lifts it.
    """

    def __init__(self, store: Store, campaign: Campaign, now: datetime) -> None:
        self._store, self._now = store, now
        self._scope = pauses.CAMPAIGN + campaign.id
        #: Whether the campaign is of a kind that comes all at once.
        self.is_wanted = isinstance(campaign.anchor, (DateAnchor, FestivalAnchor, MonthlyAnchor))
        self._is_drawn = False

    def draw(self) -> None:
        """Hide what comes."""
        if self.is_wanted and not self._is_drawn:
            self._is_drawn = True
            with self._store.write() as connection:
                pauses.pause(
                    connection, self._scope, now=self._now, reason="is being planned", by=PLANNER
                )

    def lift(self, connection: Connection) -> None:
        """Show it, unless a person has paused the campaign."""
        if self.is_wanted and any(
            one.scope == self._scope and one.by == PLANNER for one in pauses.list_(connection)
        ):
            pauses.resume(connection, self._scope)
