"""What is known of one customer at one moment, field by field: what rules are asked of."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from crm_mailer.model.birthday import age_on, days_to_birthday
from crm_mailer.model.moment import days_between, local_day
from crm_mailer.model.zones import home_zone
from crm_mailer.segmenting import rfm
from crm_mailer.store.stories import Known


@dataclass(frozen=True, slots=True, kw_only=True)
class Bought:
    """A line of a paid order."""

    sku: str
    category: str
    title: str
    days_ago: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """`values` holds one value per field (None: unknown), or several as a tuple."""

    values: Mapping[str, Any]
    purchases: tuple[Bought, ...] = ()
    segments: frozenset[str] = field(default=frozenset())


def facts(known: Known, *, now: datetime, zone: ZoneInfo) -> Facts:
    """What rules may ask of the customer; days are counted in the shop's `zone`."""
    return Facts(
        values={
            **_own(known),
            **_figures(known, now, zone),
            **_dates(known, now, zone),
            "tag": known.tags,
            "order_state": known.order_states,
            "reviewed_stars": known.stars,
            "has_open_case": known.has_open_case,
        },
        purchases=tuple(_purchases(known, now, zone)),
        segments=known.segments,
    )


def _own(known: Known) -> dict[str, Any]:
    row = known.customer
    names = ("country", "language", "region", "city", "gender", "age_band", "address_kind")
    concluded = ("occupation", "personality", "buying_behaviour", "shopping_age")
    own: dict[str, Any] = {name: row[name] or None for name in (*names, *concluded)}
    own["platform"] = row["source_platform"] or None
    own["is_flagged"] = bool(row["is_flagged"])
    return own


def _figures(known: Known, now: datetime, zone: ZoneInfo) -> dict[str, Any]:
    score = known.score
    if score is None:
        marks = ("r", "f", "m", "rfm_total", "rfm_segment", "value_class")
        days = ("days_since_last", "first_order_days_ago")
        nothing = dict.fromkeys((*marks, *days))
        return {**nothing, "order_count": 0, "spent_usd": Decimal(0)}
    r, f, m = score["r"], score["f"], score["m"]
    return {
        "r": r,
        "f": f,
        "m": m,
        "rfm_total": r + f + m,
        "rfm_segment": rfm.segment(r, f).value,
        "value_class": rfm.value_class(r, f, m).value,
        "order_count": score["order_count"],
        "spent_usd": Decimal(score["spent_usd_cents"]) / 100,
        "days_since_last": _days(score["last_order_at"], now, zone),
        "first_order_days_ago": _days(score["first_order_at"], now, zone),
    }


def _dates(known: Known, now: datetime, zone: ZoneInfo) -> dict[str, Any]:
    row = known.customer
    year, month, day = row["birth_year"], row["birth_month"], row["birth_day"]
    place = home_zone(row["time_zone"], row["country"], zone.key)
    return {
        "known_for_days": _days(row["created_at"], now, zone),
        "age": _age(year, month, day, local_day(now, zone)),
        "birthday_in_days": (
            days_to_birthday(month, day, today=local_day(now, place)) if month and day else None
        ),
    }


def _age(year: int | None, month: int | None, day: int | None, today: date) -> int | None:
    if year is None:
        return None
    return age_on(today, birth_year=year, birth_month=month, birth_day=day)


def _purchases(known: Known, now: datetime, zone: ZoneInfo) -> Iterable[Bought]:
    for line in known.purchases:
        yield Bought(
            sku=line["sku"],
            category=line["category"],
            title=line["title"],
            days_ago=_days(line["placed_at"], now, zone),
        )


def _days(moment: datetime, now: datetime, zone: ZoneInfo) -> int:
    return max(0, days_between(moment, now, zone))
