"""Loads what the last look before hand-over needs, and asks it of a few claimed touches at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from functools import cache

from crm_mailer.delivering import lost
from crm_mailer.delivering.permission import Look, Obstacle, Rules, waiting
from crm_mailer.model import windows
from crm_mailer.model.campaign import Mode, Stream
from crm_mailer.model.consent import RECORDED
from crm_mailer.model.touch import SkipReason, Touch
from crm_mailer.store import departures, preferences, restoring, wanted
from crm_mailer.store import look as looks
from crm_mailer.store.engine import Connection
from crm_mailer.store.homes import list_homes

#: A mail that is so late may have come into the day of another.
LATE = timedelta(hours=3)


def obstacles(
    connection: Connection,
    touches: Sequence[Touch],
    rules: Rules,
    *,
    now: datetime,
    owner: str,
    under_way: Mapping[int, int],
) -> dict[int, Obstacle]:
    """What stands against these touches; those that may leave are not in the answer.

    Where a customer may get one mail only, the more important campaign's goes first. What was said
    on the public pages up to now counts, whether somebody took it in before or not. `under_way`
    are the owner's other marketing mails that may leave or have left: touch -> customer.
    """
    preferences.take_in(connection, now)
    consent = rules.shop.consent if rules.shop is not None else RECORDED
    facts = departures.find(connection, [touch.id for touch in touches], now, consent=consent)
    look = Look(
        rules=rules,
        now=now,
        exited=_exited(connection, touches, rules),
        unwanted=_unwanted(connection, touches, rules, now),
        taken=_taken(connection, touches, rules, now, owner, under_way),
        ahead=_ahead(connection, touches, rules, now),
    )
    found = _lost(connection, touches, rules)
    by_id = {touch.id: touch for touch in touches}
    for touch in sorted(touches, key=lambda touch: -_priority(rules, touch)):
        if touch.id in found:
            continue
        obstacle = look.obstacle(touch, facts.get(touch.id, departures.NOBODY))
        if obstacle is not None:
            found[touch.id] = obstacle
    if rules.give is not None:
        leaving = [touch for touch in touches if touch.id not in found]
        for id_, reason in rules.give(connection, leaving, now).items():
            found[id_] = waiting(by_id[id_], reason, now)
    return found


def _priority(rules: Rules, touch: Touch) -> int:
    campaign = rules.campaign(touch)
    return campaign.priority if campaign is not None else 0


def _lost(connection: Connection, touches: Sequence[Touch], rules: Rules) -> dict[int, Obstacle]:
    """What a restored database would send for the second time; mostly there is no such database."""
    if rules.gap is None:
        return {}
    had = restoring.had(connection, [touch.id for touch in touches])
    found = {touch.id: lost.obstacle(touch, rules.gap, had) for touch in touches}
    return {id_: one for id_, one in found.items() if one is not None}


def _exited(connection: Connection, touches: Sequence[Touch], rules: Rules) -> frozenset[int]:
    by_campaign: dict[str, list[int]] = {}
    for touch in touches:
        campaign = rules.campaign(touch)
        if campaign is not None and campaign.exits:
            by_campaign.setdefault(campaign.id, []).append(touch.id)
    return frozenset(
        one
        for name, ids in by_campaign.items()
        for one in departures.exited(connection, (rules.campaigns or {})[name], ids)
    )


def _unwanted(
    connection: Connection, touches: Sequence[Touch], rules: Rules, now: datetime
) -> dict[int, SkipReason]:
    """Asked of campaigns that have conditions: others cost nothing."""
    by_campaign: dict[str, list[int]] = {}
    for touch in touches:
        campaign = rules.campaign(touch)
        if campaign is not None and wanted.asks(campaign):
            by_campaign.setdefault(campaign.id, []).append(touch.id)
    if not by_campaign or rules.campaigns is None or rules.shop is None:
        return {}
    people = {touch.customer_id for touch in touches if touch.customer_id is not None}
    look = looks.Look.of(rules.shop, now, cache(lambda: list_homes(connection, people)))
    return {
        touch: reason
        for name, ids in by_campaign.items()
        for touch, reason in wanted.unwanted(connection, rules.campaigns[name], look, ids).items()
    }


def _taken(
    connection: Connection,
    touches: Sequence[Touch],
    rules: Rules,
    now: datetime,
    owner: str,
    under_way: Mapping[int, int],
) -> dict[int, list[datetime]]:
    people = {
        touch.customer_id
        for touch in touches
        if touch.customer_id is not None and touch.stream is Stream.MARKETING
    }
    if rules.shop is None or not people:
        return {}
    since = now - windows.look_back(rules.shop)
    left = departures.marketing_left(connection, sorted(people), since, now=now, owner=owner)
    for customer in under_way.values():
        if customer in people:
            left.setdefault(customer, []).append(now)
    return left


def _ahead(
    connection: Connection, touches: Sequence[Touch], rules: Rules, now: datetime
) -> dict[int, list[tuple[datetime, int]]]:
    """When weightier campaigns' mails are to leave, and their priority, by customer.

    Asked for mails only that do not leave on the day for which they were planned: there they were
    given room.
    """
    if rules.shop is None or rules.campaigns is None:
        return {}
    late = [touch for touch in touches if _may_meet(touch, now)]
    if not late:
        return {}
    lightest = min(_priority(rules, touch) for touch in late)
    heavier = {
        one.id: one.priority
        for one in rules.campaigns.values()
        if one.priority > lightest and one.mode is not Mode.DRAFT
    }
    if not heavier:
        return {}
    people = sorted({touch.customer_id for touch in late if touch.customer_id is not None})
    until = now + windows.look_back(rules.shop)
    found = departures.marketing_ahead(connection, people, sorted(heavier), now=now, until=until)
    return {
        customer: [(at, heavier[campaign]) for at, campaign in ones]
        for customer, ones in found.items()
    }


def _may_meet(touch: Touch, now: datetime) -> bool:
    if touch.stream is not Stream.MARKETING:
        return False
    is_first = touch.attempts <= 1 and touch.reason in ("", SkipReason.OUTRANKED)
    return not is_first or now - touch.due_at >= LATE
