"""Gives mails that ended for a weightier campaign their day back, where that campaign left it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from crm_mailer.model import windows
from crm_mailer.model.campaign import Campaign, Mode
from crm_mailer.model.shop import Shop
from crm_mailer.planning.decisions import zone_of
from crm_mailer.store import outranked, pasts
from crm_mailer.store.bulk import TURN
from crm_mailer.store.engine import Store
from crm_mailer.store.outranked import Ended
from crm_mailer.store.pasts import Slot


def give_back(
    store: Store, shop: Shop, campaigns: Iterable[Campaign], *, now: datetime, longest: timedelta
) -> int:
    """Have mails wait again that ended since there was no day for them, and now is one.

    The weightier mail was called off, or has moved. A course on an adaptive curve has gone on to
    its next mail. How many mails wait again.

    Args:
        store: the shop's database.
        shop: its hours and caps.
        campaigns: those that are planned, the weightiest first.
        now: the clock.
        longest: the longest validity of any mail.
    """
    with store.read() as connection:
        due = outranked.list_due(connection, now)
    asked = [one for one in campaigns if one.id in due and one.mode is not Mode.DRAFT]
    if not asked:
        return 0
    since = now - windows.look_back(shop) - longest
    given = sum(_of_campaign(store, shop, one, now, since) for one in asked if not one.adaptive)
    with store.write() as connection:
        outranked.set_asked(connection, {one.id: due[one.id] for one in asked}, now)
    return given


def _of_campaign(
    store: Store, shop: Shop, campaign: Campaign, now: datetime, since: datetime
) -> int:
    given, last = 0, 0
    while True:
        with store.read() as connection:
            page = outranked.page(
                connection, campaign, after=last, size=TURN, consent=shop.consent, now=now
            )
            people = sorted({one.whose.customer_id for one in page})
            known = pasts.Reader().of_customers(connection, people, since)
        moments = list[tuple[int, datetime]]()
        for one in page:
            slots = known[one.whose.customer_id].slots
            at = _free(one, campaign, shop, slots, now)
            if at is not None:
                moments.append((one.id, at))
                slots.append(Slot(at, campaign.id, (at, ""), True))
        if moments:
            with store.write() as connection:
                given += outranked.give_back(connection, campaign, moments)
        if len(page) < TURN:
            return given
        last = page[-1].id


def _free(
    one: Ended, campaign: Campaign, shop: Shop, slots: Sequence[Slot], now: datetime
) -> datetime | None:
    """When the mail may leave; None: there is still no day for it."""
    standing = one.whose.standing
    limits = windows.limits_for(
        shop, campaign, zone_of(one.whose, shop), wants_fewer=standing.wants_fewer
    )
    earliest = max(one.due_at, now, standing.snoozed_until or now)
    taken = [slot.at for slot in slots]
    return windows.first_slot(earliest, taken, limits, until=one.expires_at)
