"""Orders from a program of the shop's own: `POST /orders`, described at `/openapi.json`.

The request is kept first and read by the daemon, which usually takes a second; the answer waits
for that and says of each order what became of it. Where the daemon takes longer, the answer is
202 with the address at which to ask again.
"""

from __future__ import annotations

import asyncio
from time import monotonic
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlsplit

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from crm_mailer import logs
from crm_mailer.app import App
from crm_mailer.app import hooks as verbs
from crm_mailer.app.hook_signatures import Incoming, Proven, bearer
from crm_mailer.app.hooks import Receipt, Refusals
from crm_mailer.model.errors import StoreError
from crm_mailer.model.hook import NotJson
from crm_mailer.public import openapi
from crm_mailer.public.hooks_body import BadBody, answer, read
from crm_mailer.settings import HookSettings

if TYPE_CHECKING:
    from crm_mailer.store.hooks import HookRequest

#: Seconds that an answer waits for the daemon, and how often it looks.
WAIT, LOOK = 8.0, 0.1
#: Characters of an Idempotency-Key.
LONGEST_KEY = 200
_NO_TOKEN = "the bearer token is missing or wrong"


def routes(app: App, refusals: Refusals) -> list[BaseRoute]:
    """The routes."""
    door = OrdersDoor(app, refusals)
    return [
        Route("/orders", door.take, methods=["POST"]),
        Route("/orders/requests/{key}", door.look, methods=["GET"]),
        Route("/openapi.json", _describe, methods=["GET"]),
    ]


async def _describe(_request: Request) -> Response:
    return answer(openapi.document())


class OrdersDoor:
    """Takes orders in from whoever shows the token of a program that the settings name."""

    def __init__(self, app: App, refusals: Refusals) -> None:
        self.app = app
        self.refusals = refusals
        self.log = logs.get()

    async def take(self, request: Request) -> Response:
        """Keep the orders of one request, and say what became of each."""
        incoming = Incoming(headers=_headers(request), body=b"")
        hook = verbs.find_orders_hook(self.app, bearer(incoming))
        if hook is None:
            return await run_in_threadpool(self._refused)
        try:
            key = _key(request)
            body = await read(request)
            _check_kind(request)
        except BadBody as bad:
            return bad.answer()
        return await self._kept(request, hook, key, Incoming(headers=incoming.headers, body=body))

    async def look(self, request: Request) -> Response:
        """What became of a request that was kept before."""
        hook = verbs.find_orders_hook(
            self.app, bearer(Incoming(headers=_headers(request), body=b""))
        )
        if hook is None:
            return await run_in_threadpool(self._refused)
        key = request.path_params["key"]
        try:
            found = await run_in_threadpool(verbs.find_request, self.app, hook.name, key)
        except StoreError as error:
            return self._down(error)
        if found is None:
            return answer({"error": "there is no such request", "hint": ""}, 404)
        return _told(found) or self._waiting(key)

    async def _kept(
        self, request: Request, hook: HookSettings, key: str, incoming: Incoming
    ) -> Response:
        try:
            wrong = await run_in_threadpool(_look_at, incoming.body)
            if wrong is not None:
                return wrong
            proven = Proven(topic="orders", key=key)
            kept = await run_in_threadpool(verbs.keep, self.app, hook, incoming, proven)
        except StoreError as error:
            return self._down(error)
        if kept.is_other:
            return answer(
                {
                    "error": "this Idempotency-Key was used before, with another body",
                    "hint": "use a new key for each request, the same one only to repeat it",
                },
                422,
            )
        is_hurried = "respond-async" in request.headers.get("prefer", "").lower()
        try:
            return await self._wait(hook, kept, 0.0 if is_hurried else WAIT)
        except StoreError:  # it is kept: whoever asks again learns what became of it
            return self._waiting(kept.key)

    async def _wait(self, hook: HookSettings, kept: Receipt, patience: float) -> Response:
        until = monotonic() + patience
        while True:
            found = await run_in_threadpool(verbs.find_request, self.app, hook.name, kept.key)
            if found is not None and (told := _told(found)) is not None:
                return told
            if monotonic() >= until:
                return self._waiting(kept.key)
            await asyncio.sleep(LOOK)

    def _refused(self) -> Response:
        try:
            self.refusals.note("orders", _NO_TOKEN)
        except StoreError as error:
            self.log.error("orders", error=str(error), hint=error.hint)
        return answer(
            {"error": _NO_TOKEN, "hint": "send `Authorization: Bearer ...`"},
            401,
            {"www-authenticate": "Bearer", "connection": "close"},
        )

    def _waiting(self, key: str) -> Response:
        """Not read yet, and where to ask again: below the shop's public address."""
        root = urlsplit(self.app.shop_or_default.public_url).path.rstrip("/")
        place = f"{root}/orders/requests/{quote(key, safe='')}"
        told = {"status": "waiting", "request": key}
        return answer(told, 202, {"location": place, "retry-after": "2"})

    def _down(self, error: StoreError) -> Response:
        self.log.error("orders", error=str(error), hint=error.hint)
        return answer({"error": "try again later", "hint": ""}, 503, {"retry-after": "60"})


def _headers(request: Request) -> dict[str, str]:
    return {name.lower(): value for name, value in request.headers.items()}


def _key(request: Request) -> str:
    """The sender's name for the request; empty where there is none."""
    key = request.headers.get("idempotency-key", "")
    if len(key) > LONGEST_KEY or not key.isprintable() or "/" in key:
        raise BadBody(
            "this Idempotency-Key cannot be used",
            400,
            f"up to {LONGEST_KEY} printable characters, without /",
        )
    return key


def _check_kind(request: Request) -> None:
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json":
        raise BadBody("the body is not marked as JSON", 415, "send Content-Type: application/json")


def _look_at(body: bytes) -> Response | None:
    """What is wrong with the request as a whole; nothing of such a request is kept."""
    try:
        wrong = verbs.look(body)
    except NotJson as error:
        return answer({"error": str(error), "hint": ""}, 400)
    except ValueError as error:
        return answer({"error": str(error), "hint": "see /openapi.json"}, 422)
    return None if wrong is None else answer(_rows(wrong.as_answer()), 422)


def _told(found: HookRequest) -> Response | None:
    """The answer about a request that was read; None while it waits."""
    if found.state == "failed":
        return answer({"error": found.error, "hint": "see /openapi.json"}, 422)
    if found.state != "done":
        return None
    told = _rows(found.answer or {})
    is_wrong = bool(told["rows"]) and all(row["outcome"] == "wrong" for row in told["rows"])
    return answer(told, 422 if is_wrong else 200)


def _rows(told: dict[str, Any]) -> dict[str, Any]:
    return {name: told.get(name, usual) for name, usual in _EMPTY.items()}


_EMPTY: dict[str, Any] = {"counts": {}, "rows": [], "notes": []}
