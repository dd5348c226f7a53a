"""The page of the coming month: how many mails on which day, of which campaign."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from starlette.routing import Route

from crm_mailer.app import campaign_calendar
from crm_mailer.app.campaign_calendar import CalendarDay, MonthAhead
from crm_mailer.studio import campaign_words
from crm_mailer.studio.desk import Asked, Desk

DAY = timedelta(days=1)
A_WEEK = 7
#: Campaigns named in a day's cell.
NAMED = 3


def routes(desk: Desk) -> list[Route]:
    """The page."""
    return desk.page("/campaigns/calendar", "campaigns-calendar", look)


def look(asked: Asked) -> Mapping[str, Any]:
    """The month in weeks, and the same by campaign."""
    month = campaign_calendar.month(asked.app)
    shop = asked.app.shop_or_default
    most = max((one.planned + one.expected for one in month.days), default=0)
    days = [_told(one, month, most) for one in month.days]
    before = month.days[0].day.weekday()
    blank: list[dict[str, Any] | None] = [None] * before
    cells = [*blank, *days]
    cells += [None] * (-len(cells) % A_WEEK)
    return {
        "weeks": [cells[start : start + A_WEEK] for start in range(0, len(cells), A_WEEK)],
        "days": days,
        "campaigns": _by_campaign(month),
        "planned": sum(one.planned for one in month.days),
        "expected": sum(one.expected for one in month.days),
        "quiet": campaign_words.quiet(shop),
        "cap": campaign_words.cap(shop),
        "counted_at": month.counted_at,
        "is_counting": month.is_counting,
    }


def _told(one: CalendarDay, month: MonthAhead, most: int) -> dict[str, Any]:
    both = one.planned + one.expected
    return {
        "day": one.day,
        "is_today": one is month.days[0],
        "festivals": [{"id": found.id, "name": found.name or found.id} for found in one.festivals],
        "birthdays": one.birthdays,
        "planned": one.planned,
        "expected": one.expected,
        "volumes": [
            {"campaign": found.campaign, "planned": found.planned, "expected": found.expected,
             "basis": found.basis}
            for found in one.volumes
        ],
        "more": max(0, len(one.volumes) - NAMED),
        "drafts": month.drafts.get(one.day, ()),
        "bar": round(100 * both / most, 1) if most else 0,
        "solid": round(100 * one.planned / most, 1) if most else 0,
    }  # fmt: skip


def _by_campaign(month: MonthAhead) -> list[dict[str, Any]]:
    sums: dict[str, list[int]] = {}
    bases: dict[str, str] = {}
    for day in month.days:
        for one in day.volumes:
            both = sums.setdefault(one.campaign, [0, 0])
            both[0] += one.planned
            both[1] += one.expected
            bases[one.campaign] = one.basis
    return [
        {"campaign": name, "planned": planned, "expected": expected, "basis": bases[name]}
        for name, (planned, expected) in sorted(
            sums.items(), key=lambda one: (-sum(one[1]), one[0])
        )
    ]
