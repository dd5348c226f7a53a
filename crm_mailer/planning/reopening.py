"""Opens occasions again that an exit, or the want of an address, had closed before they began."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from crm_mailer.model.campaign import Campaign
from crm_mailer.store import exits, reopening
from crm_mailer.store.bulk import in_turns
from crm_mailer.store.engine import Store


def reopen(
    store: Store, campaigns: Iterable[tuple[Campaign, datetime | None]], *, now: datetime
) -> int:
    """Make room for what can be planned now. How many mails had been left out.

    Addresses open what waited for them as they are written. Here it is asked of those that came
    between an act's look and what it saved; and of all where a file was edited, for then a dated
    campaign takes its audience anew.

    Args:
        store: the shop's database.
        campaigns: those that look at all that is open, each with the moment from which on what
            became known is new; None: the campaign was never looked at as it is written now.
        now: the clock.
    """
    alike: dict[tuple[Any, ...], list[Campaign]] = {}
    for one, since in campaigns:
        alike.setdefault((*exits.kind(one), since), []).append(one)
    opened = 0
    for (*_, since), fellows in alike.items():
        with store.read() as connection:
            ids = reopening.list_passed(connection, fellows, since=since, now=now)
        opened += in_turns(store, ids, reopening.make_room)
    return opened + _reopen_addressed(store, alike, now)


def _reopen_addressed(
    store: Store, alike: Mapping[tuple[Any, ...], Sequence[Campaign]], now: datetime
) -> int:
    """The same for addresses, of which campaigns that were looked at together ask at once."""
    names: dict[datetime, list[str]] = {}
    for (*_, since), fellows in alike.items():
        if since is not None:
            names.setdefault(since, []).extend(one.id for one in fellows)
    opened = 0
    for since, named in names.items():
        with store.read() as connection:
            ids = reopening.list_addressed(connection, named, since=since, now=now)
        opened += in_turns(store, ids, reopening.make_room)
    return opened
