"""When and from where rules are looked at."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import sqlalchemy as sa

from crm_mailer.model import moment
from crm_mailer.model.birthday import LEAP_DAY_STAND_IN
from crm_mailer.model.consent import RECORDED, ConsentRules
from crm_mailer.model.segment import Rule
from crm_mailer.model.shop import Shop
from crm_mailer.model.zones import Overrides
from crm_mailer.store.homes import Homes

#: No shop has older facts: keeps days in the calendar, however large a rule's number.
_MOST_DAYS = 150_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """When and from where a rule is looked at.

    `zone` is the shop's: days are counted there. `segments` holds the rules of segments that are
    worked out afresh; others are looked up in the memberships. `homes`, `time_zones` and
    `leap_day` tell on which day birthdays are: without homes nobody may ask for them. `parts` keeps
    what was made of segments, so that a query works them out once however often they are spoken of.
    `is_of_all`: all customers are looked at, so that what was sold is better read once than for
    each of them. `consent` is the shop's: who may be written to at all.
    """

    now: datetime
    zone: ZoneInfo
    segments: Mapping[str, Rule] = field(default_factory=dict)
    homes: Homes | None = None
    time_zones: Overrides = ()
    leap_day: tuple[int, int] = LEAP_DAY_STAND_IN
    is_of_all: bool = False
    consent: ConsentRules = RECORDED
    parts: dict[frozenset[str], sa.CTE] = field(default_factory=dict, compare=False, repr=False)

    @classmethod
    def of(cls, shop: Shop, now: datetime, homes: Homes, **more: Any) -> Look:
        """As the shop counts: its zone, its word on where clocks hang, its leap day."""
        return cls(
            now=now,
            zone=moment.zone(shop.time_zone),
            homes=homes,
            time_zones=shop.time_zones,
            leap_day=shop.leap_day,
            consent=shop.consent,
            **more,
        )

    @property
    def today(self) -> date:
        """The shop's day."""
        return moment.local_day(self.now, self.zone)

    def midnight(self, days_ago: int) -> datetime:
        """The instant at which the shop's day that many days ago began."""
        days = max(-_MOST_DAYS, min(days_ago, _MOST_DAYS))
        return self.begin_of(self.today - timedelta(days=days))

    def begin_of(self, day: date) -> datetime:
        """The instant at which that day began in the shop's zone."""
        return moment.at_local(day, 0, 0, self.zone)
