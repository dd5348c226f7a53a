"""Pages of occasions that several campaigns ask for: read once while an act of planning lasts."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from crm_mailer.model.campaign import Campaign
from crm_mailer.planning import occasions
from crm_mailer.store.occasions import Occasion

#: Occasions that are remembered at most, and lists of them.
MOST, MOST_LISTS = 40_000, 20
#: The same for the numbers of one list: most of those may turn out to be none.
MOST_KEYS = 100_000


class _Kept(NamedTuple):
    """What was asked for, and the pages that were found."""

    wanted: tuple[Any, ...]
    pages: list[list[Occasion]]
    size: int


class Gathered:
    """The occasions of campaigns that ask for the same ones, under the same conditions.

    Args:
        now: the clock of the act.
    """

    def __init__(self, now: datetime) -> None:
        self._now = now
        self._kept: list[_Kept] = []

    def pages(
        self, campaign: Campaign, keys: Sequence[int], pages: Iterable[list[Occasion]]
    ) -> Iterator[list[Occasion]]:
        """The pages with these occasions as they are known, else as `pages` has them.

        Args:
            campaign: whose audience and exits decide who is among them.
            keys: what is open to it.
            pages: reads them when it is asked.
        """
        if not keys or len(keys) > MOST_KEYS:
            yield from pages
            return
        wanted = (
            occasions.kind(campaign, self._now), campaign.audience, campaign.exits,
            campaign.is_best_hour, array("q", keys),
        )  # fmt: skip
        kept = next((one for one in self._kept if one.wanted == wanted), None)
        if kept is not None:
            yield from kept.pages
            return
        read, size = list[list[Occasion]](), 0
        for page in pages:
            size += len(page)
            if size <= MOST:
                read.append(page)
            yield page
        if size <= MOST:
            self._keep(_Kept(wanted, read, size))

    def _keep(self, one: _Kept) -> None:
        if sum(other.size for other in self._kept) + one.size > MOST:
            self._kept.clear()
        self._kept = [*self._kept[-MOST_LISTS + 1 :], one]
