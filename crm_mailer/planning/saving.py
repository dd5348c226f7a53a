"""Saves what was decided: in short turns, an EDM seen by senders as a whole or not at all."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from crm_mailer.model import address
from crm_mailer.model.campaign import Campaign, DateAnchor, FestivalAnchor, Mode, MonthlyAnchor
from crm_mailer.model.touch import TouchState
from crm_mailer.planning.decisions import Decision
from crm_mailer.store import pauses, touches
from crm_mailer.store.bulk import TURN
from crm_mailer.store.engine import Connection, Store
from crm_mailer.store.occasions import Occasion
from crm_mailer.store.touches import Event

#: Who pauses a campaign while it is planned; a person's pause is never lifted.
PLANNER = "planner"


def row(
    campaign: Campaign, occasion: Occasion, one: Decision, anchored: datetime, now: datetime
) -> dict[str, Any]:
    """A decision as a row of `touches`."""
    state = TouchState.HELD if campaign.mode is Mode.MANUAL else TouchState.PLANNED
    is_skipped = one.reason is not None
    return {
        "campaign": campaign.id,
        "step": one.step.id,
        "anchor": occasion.anchor,
        "customer_id": occasion.customer_id,
        "order_id": occasion.order_id,
        "stream": campaign.stream.value,
        "provider": address.provider(occasion.email),
        "template": one.template or one.step.template,
        "arm": one.arm,
        "campaign_version": campaign.version,
        "place": one.place,
        "places": len(campaign.steps),
        "anchored_at": anchored,
        "due_at": one.due_at,
        "expires_at": one.expires_at,
        "state": (TouchState.SKIPPED if is_skipped else state).value,
        "reason": one.reason.value if one.reason is not None else "",
        "next_at": None if is_skipped else one.due_at,
        "planned_at": now,
        "settled_at": now if is_skipped else None,
    }


def save(
    store: Store,
    campaign: Campaign,
    rows: list[dict[str, Any]],
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
            saved += touches.add(connection, rows[start : start + TURN])
    return saved


class Curtain:
    """Senders see all of a dated campaign's occasion or nothing of it.

    Its mails are written in many short turns behind a pause, which one small commit lifts. A crash
    leaves the pause; the next act of planning completes what is missing and lifts it.
    """

    def __init__(self, store: Store, campaign: Campaign, now: datetime) -> None:
        self._store, self._now = store, now
        self._scope = pauses.CAMPAIGN + campaign.id
        self._is_wanted = isinstance(campaign.anchor, (DateAnchor, FestivalAnchor, MonthlyAnchor))
        self._is_drawn = False

    def draw(self) -> None:
        """Hide what comes, if it is of a kind that comes all at once."""
        if self._is_wanted and not self._is_drawn:
            self._is_drawn = True
            with self._store.write() as connection:
                pauses.pause(
                    connection, self._scope, now=self._now, reason="is being planned", by=PLANNER
                )

    def lift(self, connection: Connection) -> None:
        """Show it, unless a person has paused the campaign."""
        if self._is_wanted and any(
            one.scope == self._scope and one.by == PLANNER for one in pauses.list_(connection)
        ):
            pauses.resume(connection, self._scope)
