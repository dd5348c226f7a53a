"""What other programs send us: webhooks of mail providers and shop systems, and orders.

A request is kept as it came and answered at once; what it asks for is done by the daemon. So a
sender never waits for us, nothing is lost, and these pages need no right but to append.
"""

from __future__ import annotations

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from crm_mailer import logs
from crm_mailer.app import App
from crm_mailer.app import hooks as verbs
from crm_mailer.app.hook_signatures import Incoming, Ping, Refused
from crm_mailer.app.hooks import Refusals
from crm_mailer.model.errors import StoreError
from crm_mailer.model.hook import HookKind
from crm_mailer.public import orders_in
from crm_mailer.public.hooks_body import BadBody, answer, read
from crm_mailer.settings import HookSettings


def routes(app: App) -> list[BaseRoute]:
    """The routes; none of them reads more than a bounded body, in bounded time."""
    door = Door(app)
    return [
        Route("/hooks/{name}", door.take, methods=["POST"]),
        Route("/hooks/{name}/{secret}", door.take, methods=["POST"]),
        *orders_in.routes(app, door.refusals),
    ]


class Door:
    """Takes webhooks in. Whoever is turned away does not learn why; the shop does."""

    def __init__(self, app: App) -> None:
        self.app = app
        self.refusals = Refusals(app)
        self.log = logs.get()

    async def take(self, request: Request) -> Response:
        """Keep one request."""
        hook = verbs.find_hook(self.app, request.path_params["name"])
        if hook is None or hook.kind is HookKind.ORDERS:
            return answer({"error": "there is no such webhook here"}, 404)
        try:
            body = await read(request)
        except BadBody as bad:
            return bad.answer()
        incoming = Incoming(
            headers={name.lower(): value for name, value in request.headers.items()},
            body=body,
            path_secret=request.path_params.get("secret", ""),
        )
        return await run_in_threadpool(self._take, hook, incoming)

    def _take(self, hook: HookSettings, incoming: Incoming) -> Response:
        try:
            receipt = verbs.receive(self.app, hook, incoming)
        except Ping:
            return answer({"status": "here"})
        except Refused as refused:
            return self._refused(hook.name, str(refused))
        except StoreError as error:
            self.log.error("hook", source=hook.name, error=str(error), hint=error.hint)
            return answer({"error": "try again later"}, 503, {"retry-after": "60"})
        return answer({"status": "kept" if receipt.is_new else "known"})

    def _refused(self, source: str, reason: str) -> Response:
        try:
            self.refusals.note(source, reason)
        except StoreError as error:
            self.log.error("hook", source=source, error=str(error), hint=error.hint)
        return answer({"error": "this request is not signed as it should be"}, 401)
