"""What customers were planned before, kept while an act of planning goes from one campaign on to
the next: each is read once.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime

from crm_mailer.model.campaign import Campaign
from crm_mailer.planning.alike import Fate
from crm_mailer.store import pasts
from crm_mailer.store.engine import Store
from crm_mailer.store.pasts import Course, Past, Slot
from crm_mailer.store.touches import Event

#: Customers who are remembered at most; more than one page has.
MOST = 60_000


class Pasts:
    """The pasts of the customers whom an act of planning has met.

    Args:
        store: the shop's database.
        since: what was due before this is in nobody's way.
        is_remembering: what is planned is not saved, and cannot be read back.
    """

    def __init__(self, store: Store, *, since: datetime, is_remembering: bool) -> None:
        self._store, self._since, self._is_remembering = store, since, is_remembering
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
                self._known.update(pasts.of_customers(connection, new, self._since))

    def taken(self, customer_id: int, campaign: str, newest: Event | None) -> list[datetime]:
        """When the customer has other marketing mail.

        What `campaign` planned for an older event than `newest` is not counted: it will not leave.
        """
        slots = self._known[customer_id].slots
        if newest is None:
            return [one.at for one in slots]
        return [
            one.at
            for one in slots
            if not (one.is_unsent and one.campaign == campaign and one.event < newest)
        ]

    def events(self, campaign: str, customer_id: int, since: datetime) -> Mapping[Event, bool]:
        """Events for which the campaign planned mails that are due from `since` on, and whether
        one of them has not left.
        """
        return {
            one.event: one.unsent_at is not None and one.unsent_at >= since
            for one in self._known[customer_id].courses.get(campaign, ())
            if one.due_at >= since
        }

    def add(self, customer_id: int, campaign: Campaign, event: Event, fate: Fate) -> None:
        """The campaign has just been planned for an event."""
        made = [one for one in fate.decisions if one.is_final]
        if not made:
            return
        past = self._known[customer_id]
        if self._is_remembering and fate.slots:
            self._planned[customer_id] = past
        past.slots += [Slot(at, campaign.id, event, True) for at in fate.slots]
        unsent_at = max((one.due_at for one in made if one.reason is None), default=None)
        course = Course(event, max(one.due_at for one in made), unsent_at)
        past.courses.setdefault(campaign.id, []).append(course)

    def forget(self, customer_ids: Iterable[int]) -> None:
        """These customers' touches have changed otherwise."""
        for one in customer_ids:
            self._known.pop(one, None)

    def clear(self) -> None:
        """Many touches have changed otherwise."""
        self._known = dict(self._planned)
