"""How often a campaign is looked at: in full now and then, in between only at what is new."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta

from crm_mailer.model.campaign import (
    Anchor,
    BirthdayAnchor,
    Campaign,
    DateAnchor,
    FestivalAnchor,
    FirstOrderAnchor,
    MonthlyAnchor,
)
from crm_mailer.planning import occasions
from crm_mailer.store import news, plan_runs
from crm_mailer.store.engine import Store
from crm_mailer.store.news import News
from crm_mailer.store.plan_runs import Look

#: How often a quick plan looks at all that is open; in between, only at what is new.
FULL_EVERY = timedelta(minutes=30)
#: The same for what the calendar brings: it is planned two days ahead.
CALENDAR_EVERY = timedelta(hours=12)
#: For each so many events that are open, the next full look comes one `FULL_EVERY` later, a day at
#: most: it goes through all of them, and nearly all were decided before.
EVENTS, AT_MOST = 2_500, timedelta(days=1)
#: What counts as new: longer than the longest import, since its rows bear the time of its start.
RECENT = timedelta(hours=1)
#: What is new is looked at once more after this, and when it is three times as old again: marks
#: and segments follow an order's arrival.
AGAIN, TIMES = timedelta(minutes=10), 3


def every(anchor: Anchor, size: int) -> timedelta:
    """How long after one full look the next one comes.

    Args:
        anchor: what starts the campaign.
        size: how many events were open at the last one.
    """
    if is_calendar(anchor):
        return CALENDAR_EVERY
    return min(AT_MOST, FULL_EVERY * (1 + size // EVENTS))


def is_calendar(anchor: Anchor) -> bool:
    """Whether the event is a day that is known long before."""
    match anchor:
        case BirthdayAnchor() | DateAnchor() | FestivalAnchor() | MonthlyAnchor():
            return True
        case FirstOrderAnchor(is_yearly=is_yearly):
            return is_yearly
        case _:
            return False


def _is_due_again(found: News, heard_at: datetime, now: datetime) -> bool:
    """Whether what was looked at already is to be looked at once more, while it is young."""
    last = datetime.fromtimestamp(found.last_at, UTC)
    return max(AGAIN, (heard_at - last) * TIMES) <= now - last < RECENT


class Looks:
    """What an act of planning has to look at, by what was looked at before.

    Campaigns of one anchor share each question. What is new is asked for before any occasion is
    read, so that what comes in between is new to the next act.
    """

    def __init__(self, store: Store, campaigns: Sequence[Campaign], *, now: datetime) -> None:
        self._store, self._now, self._campaigns = store, now, campaigns
        with store.read() as connection:
            looks = plan_runs.looks(connection)
        self._before = {
            one.id: looks[one.id]
            for one in campaigns
            if one.id in looks and looks[one.id].version == one.version
        }
        self._news: dict[tuple[Anchor, datetime], News] = {}
        self._sizes: dict[Anchor, int] = {}
        self._noted: dict[str, Look] = {}
        #: From when on events may be open to one of the campaigns; worked out when asked for.
        self._earliest: datetime | None = None

    def known(self, campaigns: Sequence[Campaign]) -> frozenset[str]:
        """Campaigns that had a full look lately, as they are written now."""
        return frozenset(
            one.id
            for one in campaigns
            if (look := self._before.get(one.id)) is not None
            and timedelta(0) <= self._now - look.at < every(one.anchor, look.size)
        )

    def since(self, campaign: Campaign) -> datetime | None:
        """What became known before this was looked at already; None: nothing was."""
        look = self._before.get(campaign.id)
        return None if look is None else min(look.heard_at, self._now) - RECENT

    def exits_since(self, campaign: Campaign) -> datetime | None:
        """The same for exits, which are looked at in full looks only."""
        look = self._before.get(campaign.id)
        return None if look is None or look.at > self._now else look.at - RECENT

    def quiet(self, campaigns: Iterable[Campaign]) -> frozenset[str]:
        """Of these campaigns, which are known, those where a look at what is new finds nothing.

        Everything is asked for at once: each tick asks, and nearly always nothing is new.
        """
        befores = [(one, self._before[one.id]) for one in campaigns]
        found = [one.id for one, _ in befores if is_calendar(one.anchor)]
        asked = [(one, look) for one, look in befores if not is_calendar(one.anchor)]
        self._ask({(one.anchor, look.heard_at - RECENT) for one, look in asked})
        found += [one.id for one, look in asked if self._is_as_before(one.anchor, look)]
        return frozenset(found)

    def _is_as_before(self, anchor: Anchor, look: Look) -> bool:
        found = self._told(anchor, look.heard_at - RECENT)
        if found != look.news:
            return False
        return not found.count or not _is_due_again(found, look.heard_at, self._now)

    def prepare(self, campaign: Campaign) -> None:
        """Ask what is new before the campaign's occasions are read."""
        self._told(campaign.anchor, self._now - RECENT)

    def note(self, campaign: Campaign, *, is_full: bool) -> None:
        """The campaign has been looked at."""
        before = self._before.get(campaign.id)
        if is_full or before is None:
            at, size = self._now, self._size(campaign.anchor)
        else:
            at, size = before.at, before.size
        heard = self._told(campaign.anchor, self._now - RECENT)
        self._noted[campaign.id] = Look(
            version=campaign.version, at=at, size=size, heard_at=self._now, news=heard
        )

    def save(self) -> None:
        """Remember what was noted. A crash before only makes the next act look once more."""
        if self._noted:
            with self._store.write() as connection:
                plan_runs.set_looks(connection, self._noted, self._now)

    def _told(self, anchor: Anchor, since: datetime) -> News:
        key = anchor, since
        if key not in self._news:
            self._ask({key})
        return self._news[key]

    def _ask(self, kinds: set[tuple[Anchor, datetime]]) -> None:
        new = kinds - self._news.keys()
        if not new:
            return
        with self._store.read() as connection:
            for anchor, since in new:
                told = news.told(connection, anchor, since=since, until=self._now)
                self._news[anchor, since] = told

    def _size(self, anchor: Anchor) -> int:
        if anchor not in self._sizes:
            if self._earliest is None:
                self._earliest = occasions.earliest_of(self._campaigns, self._now)
            with self._store.read() as connection:
                self._sizes[anchor] = news.size(
                    connection, anchor, since=self._earliest, until=self._now
                )
        return self._sizes[anchor]
