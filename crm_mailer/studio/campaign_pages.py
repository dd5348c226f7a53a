"""The studio's pages of campaigns: the list, and the routes of all the others."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from starlette.routing import Route

from crm_mailer.app import campaign_looks
from crm_mailer.app.campaign_looks import Row, Standing
from crm_mailer.model.touch import TouchState
from crm_mailer.studio import (
    campaign_acts,
    campaign_calendar_page,
    campaign_charts,
    campaign_one,
    campaign_plan_pages,
    campaign_words,
)
from crm_mailer.studio.desk import Asked, Desk

#: What comes back of mails.
ECHOES = ("reply", "complaint", "click", "bounce", "spam")
#: What the list can be sorted by.
SORTS: dict[str, Callable[[Row], Any]] = {
    "standing": lambda row: (list(Standing).index(row.standing), row.id),
    "name": lambda row: (row.name or row.id).casefold(),
    "next": lambda row: (row.next_on is None and row.next_at is None, str(row.next_on or ""),
                         str(row.next_at or ""), row.id),
    "sent": lambda row: (-row.states.get("accepted", 0), row.id),
    "replies": lambda row: (-row.echoes.get("reply", 0), row.id),
    "complaints": lambda row: (-row.echoes.get("complaint", 0), row.id),
    "orders": lambda row: (-(row.orders or 0), row.id),
    "revenue": lambda row: (-(row.usd_cents or 0), row.id),
}  # fmt: skip


def routes(desk: Desk) -> list[Route]:
    """All of them."""
    return [
        *campaign_calendar_page.routes(desk),
        *desk.page("/campaigns", "campaigns", look),
        *campaign_plan_pages.routes(desk),
        *campaign_acts.routes(desk),
        *campaign_one.routes(desk),
    ]


def look(asked: Asked) -> Mapping[str, Any]:
    """All campaigns, or those that are asked for."""
    shelf = campaign_looks.shelf(asked.app)
    sort = asked.query.get("sort", "")
    sort = sort if sort in SORTS else "standing"
    rows = sorted((row for row in shelf.rows if _is_wanted(row, asked.query)), key=SORTS[sort])
    return {
        "campaigns": [_told(asked, row) for row in rows],
        "sort": sort,
        "filters": {
            name: asked.query.get(name, "") for name in ("q", "kind", "stream", "mode", "standing")
        },
        "all": len(shelf.rows),
        "standings": _standings(shelf.rows),
        "counted_at": shelf.counted_at,
        "is_counting": shelf.is_counting,
        "first_day": shelf.first_day,
    }


def _is_wanted(row: Row, query: Mapping[str, str]) -> bool:
    asked = query.get("q", "").strip().casefold()
    if asked and asked not in f"{row.id} {row.name}".casefold():
        return False
    given = {"kind": row.kind, "stream": row.stream, "mode": row.mode, "standing": row.standing}
    return all(query.get(name, "") in ("", value) for name, value in given.items())


def _standings(rows: tuple[Row, ...]) -> dict[str, int]:
    """How many campaigns stand so, those that there are."""
    numbers = {one.value: sum(row.standing is one for row in rows) for one in Standing}
    return {name: number for name, number in numbers.items() if number}


def _told(asked: Asked, row: Row) -> dict[str, Any]:
    campaign = asked.app.definitions.campaigns.get(row.id)
    return {
        "id": row.id,
        "name": row.name or row.id,
        "kind": row.kind,
        "stream": row.stream,
        "mode": row.mode,
        "standing": row.standing.value,
        "badge": campaign_words.BADGES[row.standing],
        "has_page": campaign is not None,
        "begins": campaign_words.anchor(campaign.anchor) if campaign else "",
        "path": row.path,
        "steps": row.steps,
        "pause": {"reason": row.pause.reason, "by": row.pause.by, "at": row.pause.at}
        if row.pause
        else None,
        "findings": [
            {"place": one.place, "message": one.message, "help": one.help, "is_error": one.is_error}
            for one in row.findings
        ],
        "next_on": row.next_on,
        "next_at": row.next_at,
        "audience": row.audience,
        "waiting": row.waiting,
        "states": {state.value: row.states.get(state, 0) for state in TouchState},
        "echoes": {kind: row.echoes.get(kind, 0) for kind in ECHOES},
        "orders": row.orders,
        "usd_cents": row.usd_cents,
        "lately": list(row.lately),
        "bars": campaign_charts.sparkline(row.lately),
    }
