"""Which occasions a campaign has to look at: asked once for all campaigns with the same anchor."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import NamedTuple

from crm_mailer.model.campaign import Campaign, Mode
from crm_mailer.model.shop import Shop
from crm_mailer.planning import occasions
from crm_mailer.store.engine import Store

#: Campaigns that one statement asks for.
MOST = 30
#: The kind of the campaigns, and from when on occasions are news to them; None: all are meant.
_Kind = tuple[occasions.Kind, datetime | None]


class _Open(NamedTuple):
    """Occasions, and for each the campaigns that have not planned it, as bits."""

    keys: array[int]
    bits: array[int]


class Openings:
    """The occasions that are open for the campaigns of an act of planning.

    Args:
        store: the shop's database.
        shop: its leap day.
        campaigns: each with the moment from which on what became known is looked at; None: all
            that is open.
        now: the clock.
        gone: campaign -> steps of its touches that its file has no more.
    """

    def __init__(
        self,
        store: Store,
        shop: Shop,
        campaigns: Iterable[tuple[Campaign, datetime | None]],
        *,
        now: datetime,
        gone: Mapping[str, tuple[str, ...]],
    ) -> None:
        self._store, self._shop, self._now, self._gone = store, shop, now, gone
        self._fellows: dict[_Kind, list[Campaign]] = {}
        self._kinds: dict[str, _Kind] = {}
        for one, since in campaigns:
            if one.mode is not Mode.DRAFT and occasions.are_shared(one.anchor):
                kind = occasions.kind(one, now), since
                self._fellows.setdefault(kind, []).append(one)
                self._kinds[one.id] = kind
        self._open: dict[tuple[_Kind, int], _Open] = {}

    def of(self, campaign: Campaign) -> list[int]:
        """The numbers of the occasions that the campaign has not planned, in their order."""
        kind = self._kinds[campaign.id]
        names = [one.id for one in self._fellows[kind]]
        part, place = divmod(names.index(campaign.id), MOST)
        if (kind, part) not in self._open:
            self._open[kind, part] = self._ask(kind, part)
        found, bit = self._open[kind, part], 1 << place
        keys = (key for key, bits in zip(found.keys, found.bits, strict=True) if bits & bit)
        return list(dict.fromkeys(keys))  # a customer may be near the end of two years

    def _ask(self, kind: _Kind, part: int) -> _Open:
        fellows = self._fellows[kind][part * MOST : (part + 1) * MOST]
        rows = occasions.list_open(
            self._store,
            fellows[0],
            [(one.id, occasions.last_step(one), self._gone.get(one.id, ())) for one in fellows],
            self._shop,
            now=self._now,
            news_since=kind[1],
        )
        bits = (sum(flag << place for place, flag in enumerate(row[1:])) for row in rows)
        return _Open(array("q", (row[0] for row in rows)), array("q", bits))
