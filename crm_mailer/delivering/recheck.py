"""Loads what the last look before hand-over needs, and asks it of a few claimed touches at once."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from functools import cache

from crm_mailer.delivering import lost
from crm_mailer.delivering.permission import Look, Obstacle, Rules, waiting
from crm_mailer.model import windows
from crm_mailer.model.campaign import Stream
from crm_mailer.model.consent import RECORDED
from crm_mailer.model.touch import SkipReason, Touch
from crm_mailer.store import departures, preferences, restoring, wanted
from crm_mailer.store import look as looks
from crm_mailer.store.engine import Connection
from crm_mailer.store.homes import list_homes


def obstacles(
    connection: Connection, touches: Sequence[Touch], rules: Rules, *, now: datetime, owner: str
) -> dict[int, Obstacle]:
    """What stands against these touches; those that may leave are not in the answer.

    Where a customer may get one mail only, the more important campaign's goes first. What was said
    on the public pages up to now counts, whether somebody took it in before or not.
    """
    preferences.take_in(connection, now)
    consent = rules.shop.consent if rules.shop is not None else RECORDED
    facts = departures.find(connection, [touch.id for touch in touches], now, consent=consent)
    look = Look(
        rules=rules,
        now=now,
        exited=_exited(connection, touches, rules),
        unwanted=_unwanted(connection, touches, rules, now),
        taken=_taken(connection, touches, rules, now, owner),
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
    connection: Connection, touches: Sequence[Touch], rules: Rules, now: datetime, owner: str
) -> dict[int, list[datetime]]:
    people = {
        touch.customer_id
        for touch in touches
        if touch.customer_id is not None and touch.stream is Stream.MARKETING
    }
    if rules.shop is None or not people:
        return {}
    since = now - windows.look_back(rules.shop)
    return departures.marketing_left(connection, sorted(people), since, now=now, owner=owner)
