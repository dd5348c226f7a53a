"""Ends what was planned and is not wanted any more: exits, another date, a file that is gone."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from functools import partial
from typing import Any

from crm_mailer.definitions.library import Definitions
from crm_mailer.model.campaign import Campaign, DateAnchor, Exit, FestivalAnchor, Mode
from crm_mailer.model.shop import Shop
from crm_mailer.model.touch import SkipReason
from crm_mailer.store import exits, touches, wanted
from crm_mailer.store.bulk import in_turns
from crm_mailer.store.engine import Store
from crm_mailer.store.homes import of_all
from crm_mailer.store.look import Look


def end_exited(
    store: Store,
    campaigns: Sequence[tuple[Campaign, datetime | None]],
    now: datetime,
    *,
    shop: Shop,
) -> int:
    """Skip unsent touches whose campaign's exit condition is met. How many they were.

    A campaign at a date also gives up what it had planned for another date. Held touches that
    nobody released in time expire.

    Args:
        store: the shop's database.
        campaigns: those to look at, each with the moment from which on what became known is new;
            None: nothing was looked at before.
        now: the clock.
        shop: how it counts days.
    """
    look = Look.of(shop, now, of_all(store))
    with store.read() as connection:
        late = touches.list_expired(connection, [one.id for one, _ in campaigns], now)
    in_turns(store, late, partial(touches.expire, now=now))
    alike: dict[tuple[Any, ...], list[Campaign]] = {}
    for one, since in campaigns:
        alike.setdefault((*exits.kind(one), since), []).append(one)
    ended = 0
    for (*_, since), fellows in alike.items():
        with store.read() as connection:
            exited = exits.list_exited(connection, fellows, since=since)
        ended += in_turns(store, exited, partial(touches.end, reason=SkipReason.EXITED, now=now))
    asked = {one.id: one for one, _ in campaigns if _may_lose(one)}
    with store.read() as connection:  # most have nothing that waits: a shop's past newsletters
        unended = touches.list_unended(connection, list(asked))
    return ended + sum(_end_unwanted(store, asked[name], look) for name in sorted(unended))


def _may_lose(campaign: Campaign) -> bool:
    """Whether its file can end what was planned: by another date, or by its audience."""
    is_moving = isinstance(campaign.anchor, (DateAnchor, FestivalAnchor))
    return is_moving or Exit.AUDIENCE_LEFT in campaign.exits


def _end_unwanted(store: Store, campaign: Campaign, look: Look) -> int:
    """End what is for another date, or for who left the audience."""
    with store.read() as connection:
        found = wanted.list_by_file(connection, campaign, look)
    return sum(
        in_turns(store, ids, partial(touches.end, reason=reason, now=look.now))
        for reason, ids in found.items()
    )


def follow_files(store: Store, definitions: Definitions, now: datetime) -> None:
    """A campaign that is a draft again, or whose file is gone, holds what it had planned.

    Live again, it lets go; too late, its mails expire. A file is believed to be gone only when
    all the others could be read.
    """
    with store.read() as connection:
        modes = {name: _mode(definitions, name) for name in touches.campaigns(connection)}
        drafts = [name for name, mode in modes.items() if mode is Mode.DRAFT]
        off = touches.list_waiting(connection, drafts)
        late = touches.list_expired(connection, drafts, now)
        live = [name for name, mode in modes.items() if mode is Mode.LIVE]
        back = touches.list_held_by_file(connection, live)
    in_turns(store, off, touches.hold)
    in_turns(store, late, partial(touches.expire, now=now))
    in_turns(store, back, touches.let_go)


def _mode(definitions: Definitions, campaign: str) -> Mode | None:
    """What the files say; None where they cannot be trusted to say it."""
    found = definitions.campaigns.get(campaign)
    if found is not None:
        return found.mode
    return None if definitions.errors else Mode.DRAFT
