"""Touches that are not wanted any more: their customer left the audience, or a condition fails."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from crm_mailer.model.campaign import Campaign, DateAnchor, Exit, FestivalAnchor
from crm_mailer.model.segment import EVERYBODY, Rule
from crm_mailer.model.touch import SkipReason
from crm_mailer.store import tables as t
from crm_mailer.store.look import Look
from crm_mailer.store.selection import condition
from crm_mailer.store.touches import UNSENT, list_other_anchors, sliced


def asks(campaign: Campaign) -> bool:
    """Whether anything of the campaign depends on who the customer is when a mail leaves."""
    return Exit.AUDIENCE_LEFT in campaign.exits or any(
        step.condition != EVERYBODY for step in campaign.steps
    )


def list_strangers(connection: sa.Connection, campaign: Campaign, look: Look) -> Sequence[int]:
    """The campaign's unsent touches whose customers left its audience, where that ends it."""
    if Exit.AUDIENCE_LEFT not in campaign.exits:
        return ()
    query = _outside(campaign.audience, look).where(
        t.touches.c.campaign == campaign.id, t.touches.c.state.in_(UNSENT)
    )
    return connection.scalars(query).all()


def list_other_days(connection: sa.Connection, campaign: Campaign) -> Sequence[int]:
    """Unsent touches of a campaign at a date or a festival that are for another one."""
    match campaign.anchor:
        case DateAnchor(day=day):
            return list_other_anchors(connection, campaign.id, f"date:{day}")
        case FestivalAnchor(festival=festival):
            start = f"festival:{festival.id}:"
            return list_other_anchors(connection, campaign.id, start, is_start=True)
        case _:
            return ()


def list_by_file(
    connection: sa.Connection, campaign: Campaign, look: Look
) -> dict[SkipReason, Sequence[int]]:
    """The unsent touches that the campaign's file does not want any more, by why that is so."""
    return {
        SkipReason.NOT_IN_AUDIENCE: list_strangers(connection, campaign, look),
        SkipReason.NEW_ANCHOR: list_other_days(connection, campaign),
    }


def unwanted(
    connection: sa.Connection, campaign: Campaign, look: Look, touch_ids: Sequence[int]
) -> dict[int, SkipReason]:
    """Which of these touches of the campaign must not leave, and why."""
    found: dict[int, SkipReason] = {}
    for ids in sliced(touch_ids):
        among = t.touches.c.id.in_(ids)
        for step in campaign.steps:
            if step.condition != EVERYBODY:
                query = _outside(step.condition, look).where(among, t.touches.c.step == step.id)
                found.update((one, SkipReason.CONDITION) for one in connection.scalars(query))
        if Exit.AUDIENCE_LEFT in campaign.exits:
            query = _outside(campaign.audience, look).where(among)
            found.update((one, SkipReason.NOT_IN_AUDIENCE) for one in connection.scalars(query))
    return found


def _outside(rule: Rule, look: Look) -> sa.Select[Any]:
    """Touches of customers for whom the rule does not hold."""
    source = t.touches.join(t.customers, t.customers.c.id == t.touches.c.customer_id).outerjoin(
        t.scores, t.scores.c.customer_id == t.customers.c.id
    )
    return sa.select(t.touches.c.id).select_from(source).where(~condition(rule, look))
