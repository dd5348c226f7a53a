"""Detailed ratings of the shop, by platform and period: anonymous, so of no customer."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum

import sqlalchemy as sa

from crm_mailer.store.tables import shop_ratings

_FIGURES = ("item_as_described", "communication", "shipping_speed", "ratings")


class Kept(StrEnum):
    """What keeping a rating changed."""

    NEW = "new"
    CHANGED = "changed"
    UNCHANGED = "unchanged"


@dataclass(frozen=True, slots=True, kw_only=True)
class ShopRating:
    """Averages in hundredths of a star (480 = 4.80), None where the platform tells none.

    `until_on` belongs to the period.
    """

    platform: str
    from_on: date
    until_on: date
    item_as_described: int | None
    communication: int | None
    shipping_speed: int | None
    #: How many customers rated; 0 where it is not told.
    ratings: int = 0


def put(connection: sa.Connection, one: ShopRating, now: datetime) -> Kept:
    """Keep the figures of a platform's period; what a later file leaves out stays."""
    of_period = sa.and_(
        shop_ratings.c.platform == one.platform,
        shop_ratings.c.from_on == one.from_on,
        shop_ratings.c.until_on == one.until_on,
    )
    known = connection.execute(sa.select(shop_ratings).where(of_period).with_for_update()).first()
    told = {name: value for name in _FIGURES if (value := getattr(one, name))}
    if known is None:
        period = {"platform": one.platform, "from_on": one.from_on, "until_on": one.until_on}
        connection.execute(shop_ratings.insert().values(**period, **told, at=now))
        return Kept.NEW
    if all(getattr(known, name) == value for name, value in told.items()):
        return Kept.UNCHANGED
    connection.execute(
        shop_ratings.update().where(shop_ratings.c.id == known.id).values(**told, at=now)
    )
    return Kept.CHANGED
