"""For monitoring programs: `/metrics`, `/healthz` (it lives), `/readyz` (it can work)."""

from __future__ import annotations

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from crm_mailer.app import metrics
from crm_mailer.app.wiring import App
from crm_mailer.model.errors import CrmMailerError

USUAL_PORT = 8029


def application(app: App) -> Starlette:
    """The answers, for one shop. They hold figures only: no name, no address."""
    monitor = metrics.Monitor(app)

    def figures(_request: Request) -> Response:
        try:
            return Response(monitor.text(), headers={"content-type": metrics.KIND})
        except CrmMailerError as error:
            return PlainTextResponse(f"{error}\n", 503)

    def alive(_request: Request) -> Response:
        return PlainTextResponse("ok\n")

    def ready(_request: Request) -> Response:
        found = monitor.fitness()
        return PlainTextResponse("ok\n" if found.is_fit else f"{found.why}\n",
                                 200 if found.is_fit else 503)  # fmt: skip

    return Starlette(
        routes=[Route("/metrics", figures), Route("/healthz", alive), Route("/readyz", ready)]
    )
