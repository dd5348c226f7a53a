"""Saves what was decided: in short turns, an EDM seen by senders as a whole or not at all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from crm_mailer.model import address
from crm_mailer.model.campaign import Campaign, DateAnchor, FestivalAnchor, Mode, MonthlyAnchor
from crm_mailer.model.touch import TouchState
from crm_mailer.planning.decisions import Decision
from crm_mailer.planning.giving_way import Move
from crm_mailer.store import moving, outranked, pauses, touches
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
#: What comes before an occasion's own values in its row, between them, and after.
_Shared = tuple[tuple[str, str], str, tuple[Any, ...], tuple[Any, ...]]
#: Kinds of customers whose rows are remembered.
MOST = 5_000


class Rows:
    """Writes decisions as rows of `touches`, instants as seconds.

    Those who are alike share their decisions, and with them all but a few values of their rows.

    Args:
        campaign: whose decisions.
        now: the clock.
    """

    def __init__(self, campaign: Campaign, now: datetime) -> None:
        self._campaign, self._now = campaign, seconds(now)
        #: By the identity of the decisions, which are kept beside so that it stays theirs.
        self._known: dict[int, tuple[Sequence[Decision], list[_Shared]]] = {}

    def of(self, occasion: Occasion, made: Sequence[Decision], anchored: datetime) -> list[Row]:
        """The rows of these decisions."""
        known = self._known.get(id(made))
        if known is None:
            if len(self._known) >= MOST:
                self._known.clear()
            shared = [self._shared(one) for one in made]
            known = self._known[id(made)] = made, shared
        group, anchored_at = address.provider(occasion.email), seconds(anchored)
        anchor, customer_id, order_id = occasion.anchor, occasion.customer_id, occasion.order_id
        return [
            (*first, anchor, customer_id, order_id, stream, group, *middle, anchored_at, *last)
            for first, stream, middle, last in known[1]
        ]

    def _shared(self, one: Decision) -> _Shared:
        campaign, due_at, is_skipped = self._campaign, seconds(one.due_at), one.reason is not None
        if is_skipped:
            state = TouchState.SKIPPED
        else:
            state = TouchState.HELD if campaign.mode is Mode.MANUAL else TouchState.PLANNED
        template = one.template or one.step.template
        return (
            (campaign.id, one.step.id),
            campaign.stream.value,
            (template, one.arm, campaign.version, one.place, len(campaign.steps)),
            (due_at, seconds(one.expires_at), state.value,
             "" if one.reason is None else one.reason.value, None if is_skipped else due_at,
             self._now, self._now if is_skipped else None),
        )  # fmt: skip


@dataclass(slots=True)
class Page:
    """What is to be saved of one page: new rows, and what gives way to them, by customer."""

    rows: list[Row] = field(default_factory=list)
    moves: dict[int, list[Move]] = field(default_factory=dict)


def save(
    store: Store, campaign: Campaign, page: Page, stale: Mapping[int, Event], now: datetime
) -> int:
    """Save a page in short write turns; what newer events have made stale ends first.

    What gives way to a mail does so in the same transaction. How many rows are new.
    """
    saved, rows = 0, page.rows
    if rows and stale:
        with store.write() as connection:
            touches.end_older(connection, campaign.id, stale, now)
    for start in range(0, len(rows), TURN):
        part = rows[start : start + TURN]
        moves = _moves_of(page, part)
        with store.write() as connection:
            make_way(connection, campaign, moves, now)
            saved += touches.add(connection, COLUMNS, part)
    return saved


def _moves_of(page: Page, rows: Sequence[Row]) -> list[Move]:
    """What gives way to these rows, and was not asked for yet."""
    if not page.moves:
        return []
    return [move for row in rows for move in page.moves.pop(row[CUSTOMER], ())]


def make_way(
    connection: Connection, campaign: Campaign, moves: Sequence[Move], now: datetime
) -> None:
    """Move what gives way to mails of the campaign, or end it."""
    given = [(one.slot.touch_id, one.slot.at, one.to) for one in moves]
    moving.move(connection, given, by=campaign.id)
    moving.end(connection, given, by=campaign.id, now=now)
    ends: dict[str, datetime] = {}
    for one in moves:
        name, until = one.slot.campaign, one.slot.expires_at
        if one.to is None and until is not None:
            ends[name] = max(until, ends.get(name, until))
    outranked.note(connection, ends, now)


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
