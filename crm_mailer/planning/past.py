"""What customers were planned before, kept while an act of planning goes from one campaign on to
the next: each is read once.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from zoneinfo import ZoneInfo

from crm_mailer.model.campaign import Campaign
from crm_mailer.planning import giving_way
from crm_mailer.planning.alike import Fate
from crm_mailer.planning.giving_way import Move, Scales
from crm_mailer.store import pasts
from crm_mailer.store.engine import Store
from crm_mailer.store.occasions import Occasion
from crm_mailer.store.pasts import Course, Past, Slot
from crm_mailer.store.touches import Event

#: Customers who are remembered at most; more than one page has. Each takes some kilobytes where
#: there are a hundred campaigns.
MOST = 30_000


class Pasts:
    """The pasts of the customers whom an act of planning has met.

    Args:
        store: the shop's database.
        since: what was due before this is in nobody's way.
        is_remembering: what is planned is not saved, and cannot be read back.
        scales: what gives way to what.
    """

    def __init__(
        self, store: Store, *, since: datetime, is_remembering: bool, scales: Scales
    ) -> None:
        self._store, self._since, self._is_remembering = store, since, is_remembering
        self._scales = scales
        self._reader = pasts.Reader()
        self._known: dict[int, Past] = {}
        self._planned: dict[int, Past] = {}

    def meet(self, customer_ids: Iterable[int]) -> None:
        """Read what is not known of these customers."""
        people = sorted(set(customer_ids))
        if len(self._known) + len(people) > MOST:
            self.clear()
        new = [one for one in people if one not in self._known]
        if new:
            with self._store.read() as connection:
                self._known.update(self._reader.of_customers(connection, new, self._since))

    def taken(self, customer_id: int, campaign: Campaign, newest: Event | None) -> list[datetime]:
        """When the customer has other marketing mail, save what gives way to the campaign's.

        What `campaign` planned for an older event than `newest` is not counted: it will not leave.
        """
        name, weight, gives_way = campaign.id, campaign.priority, self._scales.gives_way
        return [
            one.at
            for one in self._known[customer_id].slots
            if not gives_way(one, weight)
            and not (
                newest is not None and one.is_unsent and one.campaign == name and one.event < newest
            )
        ]

    def make_way(
        self,
        occasion: Occasion,
        campaign: Campaign,
        fate: Fate,
        *,
        taken: Sequence[datetime],
        place: ZoneInfo,
    ) -> list[Move]:
        """What gives way to the campaign's new mails; it stands elsewhere from now on."""
        past = self._known[occasion.customer_id]
        waiting = [one for one in past.slots if self._scales.gives_way(one, campaign.priority)]
        if not waiting:
            return []
        moves = self._scales.moves(
            waiting, taken=taken, given=fate.slots, place=place, standing=occasion.standing
        )
        giving_way.carry_out(moves, past.slots)
        return moves

    def events(self, campaign: str, customer_id: int, since: datetime) -> Mapping[Event, bool]:
        """Events for which the campaign planned mails that are due from `since` on, and whether
        one of them has not left.
        """
        return {
            one.event: one.unsent_at is not None and one.unsent_at >= since
            for one in self._known[customer_id].courses.get(campaign, ())
            if one.due_at >= since
        }

    def knows(self, campaign: str, customer_id: int) -> bool:
        """Whether the campaign has planned something for the customer."""
        return campaign in self._known[customer_id].courses

    def has(self, campaign: str, customer_id: int, event: Event) -> bool:
        """Whether it has for this event."""
        return any(one.event == event for one in self._known[customer_id].courses[campaign])

    def add(self, customer_id: int, campaign: Campaign, event: Event, fate: Fate) -> None:
        """The campaign has just been planned for an event."""
        if fate.due_at is None:
            return
        past = self._known[customer_id]
        if fate.slots:
            if self._is_remembering:
                self._planned[customer_id] = past
            past.slots += [Slot(at, campaign.id, event, True) for at in fate.slots]
        course = Course(event, fate.due_at, fate.unsent_at)
        self._reader.add(past, campaign.id, course)

    def forget(self, customer_ids: Iterable[int]) -> None:
        """These customers' touches have changed otherwise."""
        for one in customer_ids:
            self._known.pop(one, None)

    def clear(self) -> None:
        """Many touches have changed otherwise."""
        self._reader.forget()
        self._known = dict(self._planned)
