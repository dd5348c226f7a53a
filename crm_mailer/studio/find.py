"""The finder in the bar: one hit leads to its page, several are listed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any
from urllib.parse import urlencode

from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from crm_mailer.app import finding
from crm_mailer.app.finding import Found
from crm_mailer.studio.desk import Asked, Desk

PAGES = {
    "customer": "/customers/{number}",
    "order": "/customers/{number}",
    "mail": "/outbox/{number}",
    "case": "/cases/{number}",
    "reply": "/replies/{number}",
}


def routes(desk: Desk) -> list[Route]:
    """The jump, and the list."""
    return [*desk.fetch("/find", jump), *desk.page("/found", "found", look)]


def jump(asked: Asked) -> Response:
    """To the one thing that fits, else to the list."""
    text = asked.query.get("q", "")
    found = finding.find(asked.app, text)
    if len(found) == 1:
        return RedirectResponse(_page(found[0]), 303)
    return RedirectResponse(f"/found?{urlencode({'q': text[: finding.LONGEST]})}", 303)


def look(asked: Asked) -> Mapping[str, Any]:
    """All that fits."""
    text = asked.query.get("q", "")
    found = [asdict(one) | {"page": _page(one)} for one in finding.find(asked.app, text)]
    return {"q": text[: finding.LONGEST], "found": found}


def _page(one: Found) -> str:
    return PAGES[one.kind].format(number=one.number)
