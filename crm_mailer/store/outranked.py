"""Mails that ended since one of a weightier campaign had their day, and may have it back."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from crm_mailer.model.campaign import Campaign, DateAnchor, FestivalAnchor, Mode
from crm_mailer.model.consent import ConsentRules
from crm_mailer.model.touch import SkipReason, TouchState
from crm_mailer.store import facts
from crm_mailer.store import tables as t
from crm_mailer.store.bulk import seconds
from crm_mailer.store.occasions import Occasion
from crm_mailer.store.touches import standing_columns, standing_of

#: How often it is asked whether such mails could leave after all.
EVERY = timedelta(minutes=30)
#: How the facts are named that say until when a campaign has such mails.
_UNTIL = "outranked:"

_touch, _person = t.touches.c, t.customers.c


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """Such a mail: when it was to leave, and its customer as an occasion."""

    id: int
    due_at: datetime
    expires_at: datetime
    whose: Occasion


def note(connection: sa.Connection, ends: Mapping[str, datetime], now: datetime) -> None:
    """Such mails of these campaigns could still leave up to then."""
    if not ends:
        return
    known = facts.find_all(connection, _UNTIL)
    values = {}
    for campaign, until in ends.items():
        before = known.get(campaign, {"until": 0, "asked": seconds(now)})
        values[_UNTIL + campaign] = {**before, "until": max(before["until"], seconds(until))}
    facts.put_all(connection, values, now)


def list_due(connection: sa.Connection, now: datetime) -> dict[str, datetime]:
    """Campaigns of which it is to be asked again, each with the last moment for such mails."""
    at, found = seconds(now), {}
    for campaign, text in facts.find_texts(connection, _UNTIL).items():
        value = json.loads(text)
        if value["until"] > at and not 0 <= at - value["asked"] < EVERY.total_seconds():
            found[campaign] = datetime.fromtimestamp(value["until"], now.tzinfo)
    return found


def set_asked(connection: sa.Connection, untils: Mapping[str, datetime], now: datetime) -> None:
    """It was asked of these campaigns now."""
    values = {
        _UNTIL + campaign: {"until": seconds(until), "asked": seconds(now)}
        for campaign, until in untils.items()
    }
    facts.put_all(connection, values, now)


def page(
    connection: sa.Connection,
    campaign: Campaign,
    *,
    after: int,
    size: int,
    consent: ConsentRules,
    now: datetime,
) -> list[Ended]:
    """The campaign's mails that planning has ended so, and that are in time; about the newest
    event only, and of the day that the file names.
    """
    query = _asked(campaign, consent, now).where(_touch.id > after).order_by(_touch.id).limit(size)
    return [_ended(row, now) for row in connection.execute(query)]


def _asked(campaign: Campaign, consent: ConsentRules, now: datetime) -> sa.Select[Any]:
    query = (
        sa.select(
            _touch.id,
            _touch.customer_id,
            _touch.due_at,
            _touch.expires_at,
            _person.email,
            _person.country,
            _person.time_zone,
            _person.region,
            *standing_columns(consent),
        )
        .join_from(t.touches, t.customers, _person.id == _touch.customer_id)
        .where(
            _touch.campaign == campaign.id,
            _touch.state == TouchState.SKIPPED,
            _touch.reason == SkipReason.OUTRANKED,
            # the last look, which is not asked again, says nothing beside, or whence a mail moved
            _touch.detail != "",
            _touch.detail.not_like("% %"),
            _touch.expires_at > now,
            _touch.anchor.not_like("%#%"),
        )
    )
    if isinstance(campaign.anchor, (DateAnchor, FestivalAnchor)):
        return query.where(_touch.campaign_version == campaign.version)
    return query if campaign.is_parallel else query.where(~_is_superseded())


def _is_superseded() -> sa.ColumnElement[bool]:
    """A newer event has begun the campaign anew."""
    newer = t.touches.alias("newer").c
    return sa.exists().where(
        newer.customer_id == _touch.customer_id,
        newer.campaign == _touch.campaign,
        newer.anchored_at > _touch.anchored_at,
        newer.anchor.not_like("%#%"),
    )


def _ended(row: Any, now: datetime) -> Ended:
    whose = Occasion(
        key=row.customer_id,
        customer_id=row.customer_id,
        email=row.email or "",
        country=row.country,
        time_zone=row.time_zone,
        region=row.region,
        standing=standing_of(row, now),
    )
    return Ended(id=row.id, due_at=row.due_at, expires_at=row.expires_at, whose=whose)


def give_back(
    connection: sa.Connection, campaign: Campaign, moments: Sequence[tuple[int, datetime]]
) -> int:
    """Have these mails wait again, each for its moment. How many they were."""
    state = TouchState.HELD if campaign.mode is Mode.MANUAL else TouchState.PLANNED
    statement = (
        sa.update(t.touches)
        .where(
            _touch.id == sa.bindparam("of_touch"),
            (_touch.state + "") == TouchState.SKIPPED.value,
            _touch.reason == SkipReason.OUTRANKED,
        )
        .values(
            state=state,
            reason="",
            detail="",
            due_at=sa.bindparam("at", type_=_touch.due_at.type),
            next_at=sa.bindparam("at", type_=_touch.due_at.type),
            settled_at=None,
        )
    )
    rows = [{"of_touch": id_, "at": at} for id_, at in moments]
    return connection.execute(statement, rows).rowcount if rows else 0
