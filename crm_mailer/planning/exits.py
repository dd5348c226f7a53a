"""Ends what was planned and is not wanted any more: exits, newer events, another date or mode."""

from __future__ import annotations

from datetime import datetime

from crm_mailer.definitions.library import Definitions
from crm_mailer.model.campaign import DateAnchor, Mode
from crm_mailer.store import occasions, touches
from crm_mailer.store.engine import Store


def end_exited(store: Store, definitions: Definitions, now: datetime) -> int:
    """Skip unsent touches whose campaign's exit condition is met. How many they were.

    A campaign at a date also gives up what it had planned for another date.
    """
    ended = 0
    for campaign in definitions.campaigns.values():
        if not campaign.exits and not isinstance(campaign.anchor, DateAnchor):
            continue
        with store.write() as connection:
            ended += occasions.end_exited(connection, campaign, now)
            if isinstance(campaign.anchor, DateAnchor):
                anchor = f"date:{campaign.anchor.day}"
                ended += touches.end_other_anchors(connection, campaign.id, anchor, now)
    return ended


def follow_modes(store: Store, definitions: Definitions) -> None:
    """A campaign that is a draft again holds what it had planned; live again, it lets go."""
    with store.write() as connection:
        for campaign in definitions.campaigns.values():
            if campaign.mode is Mode.DRAFT:
                touches.hold_back(connection, campaign.id)
            elif campaign.mode is Mode.LIVE:
                touches.release(connection, campaign.id, detail=touches.HELD_BY_DRAFT)
