"""What a link in a mail leads to, and the picture that tells of its opening.

The address proves which mail it stands in and which links that mail has; where a link leads is
looked up, never read from the request. Nothing is done but to write the request down.
"""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from crm_mailer.app import App, web_events
from crm_mailer.model import hit as hits_
from crm_mailer.model import tracking
from crm_mailer.model.hit import Kind, WebHit
from crm_mailer.model.token import Purpose
from crm_mailer.public.hits import Hits

#: Targets that are remembered, and mails of which it is known how often they asked.
REMEMBERED = 20_000
#: One pixel, transparent.
PICTURE = (
    b"GIF89a\x01\x00\x01\x00\x80\x00\x00\x00\x00\x00\xff\xff\xff!\xf9\x04\x01\x00\x00\x00\x00,"
    b"\x00\x00\x00\x00\x01\x00\x01\x00\x00\x02\x02D\x01\x00;"
)
HEADERS = {
    "cache-control": "no-store",
    "referrer-policy": "no-referrer",
    "x-robots-tag": "noindex, nofollow",
    "x-content-type-options": "nosniff",
}
PICTURE_NAME = re.compile(r"([a-z2-7]{15}\.[a-z2-7]{16})\.gif", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """Who asks, and how."""

    method: str
    agent: str
    address: str


class Clicks:
    """Reads addresses of links and pictures, and notes who asked for them."""

    def __init__(self, app: App, hits: Hits | None = None) -> None:
        self._app = app
        self._hits = hits or Hits(app)
        self._keys = app.keys
        self._targets: OrderedDict[int, str] = OrderedDict()
        self._times: OrderedDict[tuple[int, Kind], int] = OrderedDict()

    @asynccontextmanager
    async def lifespan(self, _application: object) -> AsyncIterator[None]:
        """While the server runs, requests are written down."""
        self._hits.start()
        try:
            yield
        finally:
            await run_in_threadpool(self._hits.stop)

    def follow(self, token: str, code: str, asked: Asked) -> str | None:
        """Where a link of a mail leads, with the request noted.

        None: we did not write this address, or its target must be looked up first (`look_up`).
        """
        link = tracking.read_code(code)
        target = self._targets.get(link) if link is not None else None
        if link is None or not target:
            return None
        touch_id = self._touch(token, link)
        if touch_id is None:
            return None
        self._note("click", touch_id, asked, link)
        return target

    def look_up(self, token: str, code: str) -> bool:
        """Remember where a link leads, whose address is genuine; whether it leads anywhere."""
        link = tracking.read_code(code)
        if link is None or self._touch(token, link) is None:
            return False
        target = self._targets.get(link) or web_events.find_target(self._app, link)
        if target:
            self._targets[link] = target
            while len(self._targets) > REMEMBERED:
                self._targets.popitem(last=False)
        return bool(target)

    def see(self, token: str, asked: Asked) -> bool:
        """Note that a picture was asked for; False where its address is none of ours."""
        touch_id = self._keys.read_for(Purpose.OPEN, token, b"")
        if touch_id is None:
            return False
        self._note("open", touch_id, asked)
        return True

    def _touch(self, token: str, link: int) -> int | None:
        return self._keys.read_for(Purpose.CLICK, token, tracking.set_bytes(link))

    def _note(self, kind: Kind, touch_id: int, asked: Asked, link: int | None = None) -> None:
        if self._is_flood(kind, touch_id):
            return
        at = int(self._app.clock.now().timestamp())
        agent, address = hits_.agent(asked.agent), hits_.network(asked.address)
        self._hits.add(WebHit(kind, touch_id, at, link, agent, address, asked.method))

    def _is_flood(self, kind: Kind, touch_id: int) -> bool:
        """Whether a mail was asked for more often than anything can be learned from."""
        times = self._times.pop((touch_id, kind), 0) + 1
        self._times[touch_id, kind] = times
        if len(self._times) > REMEMBERED:
            self._times.popitem(last=False)
        return times > web_events.MOST_OF_A_MAIL


class ClickPages:
    """The same as pages: what is asked for first, or oddly, comes this way."""

    def __init__(self, clicks: Clicks) -> None:
        self._clicks = clicks

    async def link(self, request: Request) -> Response:
        """Send the reader on to where a link leads."""
        token, code = request.path_params["token"], request.path_params["code"]
        target = self._clicks.follow(token, code, _asked(request))
        if target is None and await run_in_threadpool(self._clicks.look_up, token, code):
            target = self._clicks.follow(token, code, _asked(request))
        if target is None:
            raise HTTPException(404)
        return Response(status_code=302, headers={**HEADERS, "location": target})

    async def picture(self, request: Request) -> Response:
        """A picture of one pixel, whoever asks: nobody learns whether an address was genuine."""
        name = PICTURE_NAME.fullmatch(request.path_params["name"])
        if name is not None:
            self._clicks.see(name[1], _asked(request))
        return Response(PICTURE, media_type="image/gif", headers=HEADERS)


def routes(clicks: Clicks) -> list[BaseRoute]:
    """Links and pictures."""
    pages = ClickPages(clicks)
    return [
        Route("/c/{token}/{code}", pages.link, methods=["GET", "HEAD"]),
        Route("/o/{name}", pages.picture, methods=["GET", "HEAD"]),
    ]


def _asked(request: Request) -> Asked:
    return Asked(
        method=request.method,
        agent=request.headers.get("user-agent", ""),
        address=request.client.host if request.client is not None else "",
    )
