"""The gate of the public pages: who is let through, how much of them, and what every answer says.

Everybody in the world may ask here. So a request is refused before anybody reads it where its
host is not ours, where it is too long, and where it asks for anything but to see or to post.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from urllib.parse import urlsplit

from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from crm_mailer.model import domains
from crm_mailer.model.shop import Shop
from crm_mailer.web import limits

LOOPBACK_NAMES = frozenset({"127.0.0.1", "localhost", "[::1]"})
METHODS = frozenset({"GET", "HEAD", "POST"})
#: A page of ours: its stylesheet, pictures over https, its own forms. Nothing runs.
POLICY = (
    "default-src 'none'; style-src 'self'; img-src 'self' https: data:; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "cache-control": "no-store",
    "content-security-policy": POLICY,
    "cross-origin-opener-policy": "same-origin",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    "x-robots-tag": "noindex, nofollow",
}


class Gate:
    """Stands before the public pages.

    Args:
        app: what lies behind.
        shop: whose pages they are; its `public_url` says under which host and path.
        wide: beginnings of paths whose routes read bodies themselves, with limits of their own.
    """

    def __init__(self, app: ASGIApp, shop: Shop, wide: Collection[str] = ()) -> None:
        self._app = app
        self._wide = tuple(wide)
        self._names, self._root = place_of(shop)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, or refuse."""
        if scope["type"] == "http":
            await self._through(scope, receive, _safely(send))
        elif scope["type"] == "lifespan":
            await self._app(scope, receive, send)

    async def _through(self, scope: Scope, receive: Receive, send: Send) -> None:
        told = dict(reversed(scope["headers"]))
        if (refusal := self._refusal(scope, told)) is not None:
            await refusal(scope, receive, send)
            return
        path = self._inside(scope["path"])
        scope = {**scope, "path": path, "raw_path": path.encode(), "root_path": ""}
        if not path.startswith(self._wide):
            try:
                body = await limits.read_body(receive)
            except limits.TooLarge:
                await _no("This is too large.", 413)(scope, receive, send)
                return
            except limits.TooSlow:
                await _no("This took too long.", 408)(scope, receive, send)
                return
            receive = limits.again(body)
        await self._app(scope, receive, send)

    def _refusal(self, scope: Scope, told: Mapping[bytes, bytes]) -> PlainTextResponse | None:
        host = told.get(b"host", b"").decode("latin-1").lower()
        name = host.rpartition(":")[0] if host.rpartition(":")[2].isdigit() else host
        if name not in self._names:
            return _no("There is no such site here.", 421)
        if len(scope["raw_path"]) + len(scope["query_string"]) > limits.LARGEST_LINE:
            return _no("This address is too long.", 414)
        if sum(len(key) + len(value) + 4 for key, value in scope["headers"]) > (
            limits.LARGEST_HEADERS
        ):
            return _no("These headers are too long.", 431)
        if scope["method"] not in METHODS:
            return PlainTextResponse(
                "This is not done here.", 405, headers={"allow": "GET, HEAD, POST"}
            )
        return None

    def _inside(self, path: str) -> str:
        """The path below the shop's public address: a proxy may leave its part in or take it."""
        root = self._root
        if root and (path == root or path.startswith(f"{root}/")):
            return path[len(root) :] or "/"
        return path


def place_of(shop: Shop) -> tuple[frozenset[str], str]:
    """Under which names we are asked, and below which path."""
    public = urlsplit(shop.public_url)
    return LOOPBACK_NAMES | _names(public.hostname or ""), public.path.rstrip("/")


def _names(host: str) -> frozenset[str]:
    """A host as people write it and as it goes over the wire."""
    if not host:
        return frozenset()
    try:
        return frozenset({host.lower(), domains.wire(host).lower()})
    except UnicodeError:
        return frozenset({host.lower()})


def _no(text: str, status: int) -> PlainTextResponse:
    return PlainTextResponse(text, status, headers={"connection": "close"})


def _safely(send: Send) -> Send:
    """Adds to every answer what it does not say itself."""

    async def send_safely(message: Message) -> None:
        if message["type"] == "http.response.start":
            said = {name.lower() for name, _value in message["headers"]}
            message["headers"] = [
                *message["headers"],
                *(
                    (name.encode(), value.encode())
                    for name, value in HEADERS.items()
                    if name.encode() not in said
                ),
            ]
        await send(message)

    return send_safely
