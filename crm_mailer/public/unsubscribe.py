"""No more marketing mail: a page that asks, a button that acts at once, a way back."""

from __future__ import annotations

from collections.abc import Mapping

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute

from crm_mailer.app import preferences
from crm_mailer.model.choices import ActKind, OptOutReason
from crm_mailer.model.token import Purpose
from crm_mailer.public.desk import Desk

#: The words of RFC 8058 in a body that no person sent.
ONE_CLICK = "List-Unsubscribe"
#: The fields of the page's forms.
REASONS = {
    "too_many": OptOutReason.TOO_MANY,
    "not_interested": OptOutReason.NOT_INTERESTED,
    "never_signed_up": OptOutReason.NEVER_SIGNED_UP,
    "other": OptOutReason.OTHER,
}


def routes(desk: Desk) -> list[BaseRoute]:
    """The page of an unsubscribe link."""
    return [desk.route("/u/{token}", lambda *asked: _answer(desk, *asked), acts=True)]


def _answer(desk: Desk, request: Request, form: Mapping[str, str]) -> Response:
    """GET shows and changes nothing; a POST opts out, unless the page's form says otherwise."""
    reader = preferences.reader(desk.app, Purpose.UNSUBSCRIBE, request.path_params["token"])
    stage = "done" if reader.is_stopped else "ask"
    if request.method == "POST":
        wish = form.get("act", "")
        how = "one click" if ONE_CLICK in form else "page"
        told = desk.told(request, how)
        match wish:
            case "undo":
                reader = preferences.act(desk.app, reader, ActKind.UNDO, told=told)
                stage = "done" if reader.is_stopped else "undone"
            case "why" if form.get("reason") in REASONS:
                reason = REASONS[form["reason"]]
                preferences.act(desk.app, reader, ActKind.REASON, reason=reason, told=told)
                stage = "thanks"
            case "why":
                pass  # nothing was chosen
            case _:
                reader = preferences.act(desk.app, reader, ActKind.OPT_OUT, told=told)
                stage = "done"
    token = desk.app.keys.make(Purpose.PREFERENCES, reader.touch_id)
    return desk.render(
        request,
        "unsubscribe",
        reader,
        stage=stage,
        reasons=list(REASONS),
        preferences=f"{desk.root}/p/{token}",
    )
