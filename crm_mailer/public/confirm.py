"""Yes, write to me: the second half of a double opt-in."""

from __future__ import annotations

from collections.abc import Mapping

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute

from crm_mailer.app import preferences
from crm_mailer.model.choices import ActKind
from crm_mailer.model.token import Purpose
from crm_mailer.public.desk import Desk


def routes(desk: Desk) -> list[BaseRoute]:
    """The page of a confirmation link."""
    return [desk.route("/y/{token}", lambda *asked: _answer(desk, *asked), acts=True)]


def _answer(desk: Desk, request: Request, _form: Mapping[str, str]) -> Response:
    """GET asks, a POST is the yes."""
    reader = preferences.reader(desk.app, Purpose.CONFIRM, request.path_params["token"])
    if request.method == "POST":
        told = desk.told(request, "page")
        host = request.client.host if request.client is not None else ""
        reader = preferences.act(desk.app, reader, ActKind.CONFIRM, told=told, host=host)
    stage = "done" if reader.is_confirmed and not reader.is_stopped else "ask"
    return desk.render(request, "confirm", reader, stage=stage)
