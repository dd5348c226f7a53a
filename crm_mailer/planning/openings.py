"""Which events a campaign has to look at: asked once for all campaigns with the same anchor."""

from __future__ import annotations

from array import array
from collections.abc import Iterable
from datetime import datetime
from typing import NamedTuple

from crm_mailer.model.campaign import Anchor, Campaign, Mode
from crm_mailer.planning import occasions
from crm_mailer.store import news
from crm_mailer.store import occasions as found
from crm_mailer.store.engine import Store
from crm_mailer.store.events import are_events

#: Campaigns that one statement asks for.
MOST = 30
#: An anchor, from when on its events are open, and from when on they are news; None: all are meant.
_Kind = tuple[Anchor, datetime, datetime | None]


class _Open(NamedTuple):
    """Events, and for each the campaigns that have not planned it, as bits."""

    keys: array[int]
    bits: array[int]


class Openings:
    """The events that are open for the campaigns of an act of planning.

    Args:
        store: the shop's database.
        campaigns: each with the moment from which on what became known is looked at; None: all
            that is open.
        now: the clock.
    """

    def __init__(
        self, store: Store, campaigns: Iterable[tuple[Campaign, datetime | None]], *, now: datetime
    ) -> None:
        self._store, self._now = store, now
        self._fellows: dict[_Kind, list[str]] = {}
        self._steps: dict[str, str] = {}
        self._kinds: dict[str, _Kind] = {}
        for one, since in campaigns:
            if one.mode is not Mode.DRAFT and are_events(one.anchor):
                kind = one.anchor, occasions.earliest(one, now), since
                self._fellows.setdefault(kind, []).append(one.id)
                self._steps[one.id], self._kinds[one.id] = occasions.last_step(one), kind
        self._open: dict[tuple[_Kind, int], _Open] = {}

    def of(self, campaign: Campaign) -> list[int]:
        """The numbers of the events that the campaign has not planned, in their order."""
        kind = self._kinds[campaign.id]
        part, place = divmod(self._fellows[kind].index(campaign.id), MOST)
        if (kind, part) not in self._open:
            self._open[kind, part] = self._ask(kind, part)
        found_ones, bit = self._open[kind, part], 1 << place
        return [
            key for key, bits in zip(found_ones.keys, found_ones.bits, strict=True) if bits & bit
        ]

    def _ask(self, kind: _Kind, part: int) -> _Open:
        names = self._fellows[kind][part * MOST : (part + 1) * MOST]
        fellows = [(one, self._steps[one]) for one in names]
        anchor, since, news_since = kind
        with self._store.read() as connection:
            among = None
            if news_since is not None:
                among = news.list_ids(connection, anchor, since=news_since, until=self._now)
            rows = found.list_open(
                connection, anchor, fellows, since=since, until=self._now, among=among
            )
        bits = (sum(flag << place for place, flag in enumerate(row[1:])) for row in rows)
        return _Open(array("q", (row[0] for row in rows)), array("q", bits))
