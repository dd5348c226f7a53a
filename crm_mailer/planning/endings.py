"""Ends what was planned and is not wanted any more: exits, another date, a file that is gone."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from functools import partial
from zoneinfo import ZoneInfo

from crm_mailer.definitions.library import Definitions
from crm_mailer.model.campaign import Campaign, DateAnchor, FestivalAnchor, Mode
from crm_mailer.model.touch import SkipReason
from crm_mailer.store import exits, touches, wanted
from crm_mailer.store.bulk import in_turns
from crm_mailer.store.engine import Store
from crm_mailer.store.look import Look


def end_exited(
    store: Store, campaigns: Iterable[Campaign], now: datetime, *, zone: ZoneInfo
) -> int:
    """Skip unsent touches whose campaign's exit condition is met. How many they were.

    A campaign at a date also gives up what it had planned for another date. Held touches that
    nobody released in time expire.
    """
    look = Look(now=now, zone=zone)
    return sum(_end_exited(store, campaign, look) for campaign in campaigns)


def _end_exited(store: Store, campaign: Campaign, look: Look) -> int:
    moved: Sequence[int] = ()
    now = look.now
    with store.read() as connection:
        exited = exits.list_exited(connection, campaign)
        strangers = wanted.list_strangers(connection, campaign, look)
        if isinstance(campaign.anchor, DateAnchor):
            anchor = f"date:{campaign.anchor.day}"
            moved = touches.list_other_anchors(connection, campaign.id, anchor)
        elif isinstance(campaign.anchor, FestivalAnchor):
            anchor = f"festival:{campaign.anchor.festival.id}:"
            moved = touches.list_other_anchors(connection, campaign.id, anchor, is_start=True)
        late = touches.list_held(connection, campaign.id, expired_at=now)
    in_turns(store, late, partial(touches.expire, now=now))
    return sum(
        in_turns(store, ids, partial(touches.end, reason=reason, now=now))
        for ids, reason in (
            (exited, SkipReason.EXITED),
            (strangers, SkipReason.NOT_IN_AUDIENCE),
            (moved, SkipReason.NEW_ANCHOR),
        )
    )


def follow_files(store: Store, definitions: Definitions, now: datetime) -> None:
    """A campaign that is a draft again, or whose file is gone, holds what it had planned.

    Live again, it lets go; too late, its mails expire. A file is believed to be gone only when
    all the others could be read.
    """
    off: list[int] = []
    late: list[int] = []
    back: list[int] = []
    with store.read() as connection:
        for name in touches.campaigns(connection):
            mode = _mode(definitions, name)
            if mode is Mode.DRAFT:
                off += touches.list_waiting(connection, name)
                late += touches.list_held(connection, name, expired_at=now)
            elif mode is Mode.LIVE:
                back += touches.list_held(connection, name, detail=touches.HELD_BY_FILE)
    in_turns(store, off, touches.hold)
    in_turns(store, late, partial(touches.expire, now=now))
    in_turns(store, back, touches.let_go)


def _mode(definitions: Definitions, campaign: str) -> Mode | None:
    """What the files say; None where they cannot be trusted to say it."""
    found = definitions.campaigns.get(campaign)
    if found is not None:
        return found.mode
    return None if definitions.errors else Mode.DRAFT
