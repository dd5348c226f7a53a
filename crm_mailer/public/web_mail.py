"""A mail in the browser, as it looked."""

from __future__ import annotations

from collections.abc import Mapping

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import BaseRoute

from crm_mailer.app import web_version
from crm_mailer.public.desk import Desk

#: A mail's own policy: its styles and pictures, links that open, and nothing that could act.
POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; img-src https: http: data:; font-src data:; "
    "form-action 'none'; base-uri 'none'; frame-ancestors 'none'; "
    "sandbox allow-popups allow-popups-to-escape-sandbox"
)


def routes(desk: Desk) -> list[BaseRoute]:
    """The page of a mail."""
    return [desk.route("/w/{token}", lambda *asked: _answer(desk, *asked))]


def _answer(desk: Desk, request: Request, _form: Mapping[str, str]) -> Response:
    try:
        mail = web_version.web_version(desk.app, request.path_params["token"])
    except web_version.Gone:
        return desk.render(request, "gone", status=410)
    headers = {"content-security-policy": POLICY}
    if mail.language:
        headers["content-language"] = mail.language
    return HTMLResponse(mail.html, headers=headers)
