"""What is known of one customer at one moment, field by field: what rules are asked of."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from crm_mailer.model.birthday import LEAP_DAY_STAND_IN, age_on, days_to_birthday
from crm_mailer.model.curve import Signal
from crm_mailer.model.moment import days_between, local_day
from crm_mailer.model.segment_blocks import MARKS
from crm_mailer.model.zones import Overrides, home_zone
from crm_mailer.segmenting import rfm
from crm_mailer.store.stories import Known


@dataclass(frozen=True, slots=True, kw_only=True)
class Bought:
    """A line of a paid order."""

    sku: str
    category: str
    title: str
    quantity: int
    #: Net, in US cents: its share of the order; 0 where no rate is known.
    usd_cents: int
    order_id: int
    placed_on: date


@dataclass(frozen=True, slots=True, kw_only=True)
class Paid:
    """A paid order."""

    order_id: int
    usd_cents: int
    placed_on: date


@dataclass(frozen=True, slots=True, kw_only=True)
class Passed:
    """A mail that passed between the shop and the customer."""

    campaign: str
    intent: str
    on: date | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """`values` holds one value per field (None: unknown), or several as a tuple."""

    values: Mapping[str, Any]
    today: date
    purchases: tuple[Bought, ...] = ()
    paid: tuple[Paid, ...] = ()
    #: `mailed`, `replied`, `clicked`, `opened`: the mails.
    passed: Mapping[str, tuple[Passed, ...]] = field(default_factory=dict)
    segments: frozenset[str] = field(default=frozenset())
    #: Memberships, past ones too: the segment, the first day, the last (None: in it still).
    stays: tuple[tuple[str, date, date | None], ...] = ()
    #: Changes of marks, oldest first: the day, and the marks before.
    moves: tuple[tuple[date, Mapping[str, int | None]], ...] = ()
    #: How lists know the customer.
    address: str = ""
    number: int = 0


def facts(
    known: Known,
    *,
    now: datetime,
    zone: ZoneInfo,
    time_zones: Overrides = (),
    leap_day: tuple[int, int] = LEAP_DAY_STAND_IN,
) -> Facts:
    """What rules may ask of the customer.

    Args:
        known: the customer's rows.
        now: the clock.
        zone: the shop's, where days are counted.
        time_zones: the shop's word on where customers' clocks hang, for birthdays.
        leap_day: when those born on 29 February celebrate in other years.
    """
    row = known.customer
    home = home_zone(
        row["time_zone"], row["country"], zone.key, region=row["region"], overrides=time_zones
    )
    return Facts(
        values={
            **_own(known),
            **_figures(known, now, zone),
            **_dates(known, now, zone),
            "birthday_in_days": _birthday(known, local_day(now, home), leap_day),
            **_values(known),
            "tag": known.tags,
            "order_state": known.order_states,
            "reviewed_stars": known.stars,
            "has_open_case": known.has_open_case,
            "is_suppressed": known.is_suppressed,
            "is_left_alone": known.is_left_alone,
        },
        today=local_day(now, zone),
        purchases=tuple(_purchases(known, zone)),
        paid=tuple(
            Paid(
                order_id=row["id"],
                usd_cents=row["net_usd_cents"] or 0,
                placed_on=local_day(row["placed_at"], zone),
            )
            for row in known.paid
        ),
        passed={
            "mailed": _passed(known.mailed, zone),
            "replied": _passed(known.replied, zone),
            **{
                name: _passed([row for row in known.seen if row["kind"] == kind], zone)
                for name, kind in (("clicked", Signal.CLICK), ("opened", Signal.HUMAN_OPEN))
            },
        },
        segments=known.segments,
        stays=tuple(
            (
                row["segment"],
                local_day(row["since"], zone),
                local_day(row["until"], zone) if row["until"] else None,
            )
            for row in known.stays
        ),
        moves=tuple(
            (local_day(row["at"], zone), {mark: row[f"{mark}_before"] for mark in MARKS})
            for row in known.moves
        ),
        address=known.customer["email_key"] or "",
        number=known.customer["id"],
    )


def _own(known: Known) -> dict[str, Any]:
    row = known.customer
    names = ("country", "language", "region", "city", "gender", "age_band", "address_kind")
    concluded = ("occupation", "personality", "buying_behaviour", "shopping_age")
    own: dict[str, Any] = {name: row[name] or None for name in (*names, *concluded)}
    own["platform"] = row["source_platform"] or None
    own["postcode"] = row["postcode"] or None
    own["time_zone"] = row["time_zone"] or None
    own["mail_domain"] = (row["email_key"] or "").partition("@")[2] or None
    own["has_email"] = bool(row["email_key"])
    own["is_flagged"] = bool(row["is_flagged"])
    return own


def _figures(known: Known, now: datetime, zone: ZoneInfo) -> dict[str, Any]:
    score = known.score
    if score is None:
        marks = ("r", "f", "m", "rfm_total", "rfm_segment", "value_class")
        days = ("days_since_last", "first_order_days_ago", "last_order_on", "first_order_on")
        nothing = dict.fromkeys((*marks, *days))
        return {**nothing, "order_count": 0, "spent_usd": Decimal(0)}
    r, f, m = score["r"], score["f"], score["m"]
    return {
        "r": r,
        "f": f,
        "m": m,
        "rfm_total": r + f + m,
        "rfm_segment": rfm.segment(r, f).value,
        "value_class": score["value_class"] or None,
        "order_count": score["order_count"],
        "spent_usd": Decimal(score["spent_usd_cents"]) / 100,
        "days_since_last": _days(score["last_order_at"], now, zone),
        "first_order_days_ago": _days(score["first_order_at"], now, zone),
        "last_order_on": local_day(score["last_order_at"], zone),
        "first_order_on": local_day(score["first_order_at"], zone),
    }


def _values(known: Known) -> dict[str, Any]:
    value = known.value or {}
    cents = value.get("clv_usd_cents")
    return {
        "churn": value.get("churn") or None,
        "chance_percent": value.get("chance_percent"),
        "clv_usd": None if cents is None else Decimal(cents) / 100,
    }


def _dates(known: Known, now: datetime, zone: ZoneInfo) -> dict[str, Any]:
    row = known.customer
    year, month, day = row["birth_year"], row["birth_month"], row["birth_day"]
    return {
        "known_for_days": _days(row["created_at"], now, zone),
        "known_since": local_day(row["created_at"], zone),
        "age": _age(year, month, day, local_day(now, zone)),
    }


def _birthday(known: Known, today: date, leap_day: tuple[int, int]) -> int | None:
    month, day = known.customer["birth_month"], known.customer["birth_day"]
    if not month or not day:
        return None
    return days_to_birthday(month, day, today=today, stand_in=leap_day)


def _age(year: int | None, month: int | None, day: int | None, today: date) -> int | None:
    if year is None:
        return None
    age = age_on(today, birth_year=year, birth_month=month, birth_day=day)
    return age if age >= 0 else None


def _purchases(known: Known, zone: ZoneInfo) -> Iterable[Bought]:
    for line in known.purchases:
        net, cost = line["net_usd_cents"] or 0, line["amount_minor"]
        yield Bought(
            sku=line["sku"],
            category=line["category"],
            title=line["title"],
            quantity=line["quantity"],
            usd_cents=net * line["price_minor"] * line["quantity"] // cost if cost > 0 else 0,
            order_id=line["id"],
            placed_on=local_day(line["placed_at"], zone),
        )


def _passed(rows: Iterable[Mapping[str, Any]], zone: ZoneInfo) -> tuple[Passed, ...]:
    return tuple(
        Passed(
            campaign=row["campaign"] or "",
            intent=row["intent"] or "",
            on=local_day(row["at"], zone) if row["at"] else None,
        )
        for row in rows
    )


def _days(moment: datetime, now: datetime, zone: ZoneInfo) -> int:
    return max(0, days_between(moment, now, zone))
