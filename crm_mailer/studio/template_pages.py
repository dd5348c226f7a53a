"""The studio's page of templates: the live preview, behind the studio's own door."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import suppress
from functools import cached_property
from threading import Lock
from typing import Any

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from crm_mailer.app import App
from crm_mailer.app.showroom import Showroom
from crm_mailer.studio.desk import Asked, Desk
from crm_mailer.studio.preview.server import Pages, in_page
from crm_mailer.studio.preview.watching import END
from crm_mailer.studio.preview.words import words


def routes(desk: Desk) -> list[Route]:
    """The page and what its script asks for."""
    room = _Room(desk.app)
    desk.ends.append(room.end)
    desk.closers.append(room.close)
    return [
        *desk.page("/templates", "templates", room.look),
        Route("/templates/catalogue.json", room.catalogue),
        Route("/templates/look.json", room.mail_look),
        Route("/templates/mail.html", room.mail),
        Route("/templates/checks.json", room.checks),
        Route("/templates/events", room.events),
        Route("/templates/assets/{name}", room.asset),
    ]


class _Room:
    """The preview, made when somebody looks at it for the first time.

    It has the shop opened once more for itself: it reads files anew at each save, which the other
    pages must not be disturbed by.
    """

    def __init__(self, app: App) -> None:
        self._app = app
        self._lock = Lock()
        self._watching: asyncio.Task[None] | None = None
        self._own: App | None = None

    @cached_property
    def _pages(self) -> Pages:
        self._own = App(self._app.home, self._app.settings, self._app.clock)
        return Pages(Showroom(self._own))

    @property
    def pages(self) -> Pages:
        """What is answered."""
        with self._lock:
            return self._pages

    def look(self, asked: Asked) -> Mapping[str, Any]:
        """The templates, and the texts of the page."""
        code = asked.visitor.language
        return {**self.pages.listed(), "say": words(code), "words": in_page(code)}

    def catalogue(self, request: Request) -> Response:
        """What there is to look at."""
        return self.pages.catalogue(request)

    def mail_look(self, request: Request) -> Response:
        """One mail, all of it but its HTML."""
        return self.pages.look(request)

    def mail(self, request: Request) -> Response:
        """The HTML of one mail, under a policy of its own."""
        return self.pages.mail(request)

    def checks(self, request: Request) -> Response:
        """The findings of the last check."""
        return self.pages.checks(request)

    def asset(self, request: Request) -> Response:
        """The preview's own stylesheet and script."""
        return self.pages.asset(request)

    async def events(self, _request: Request) -> Response:
        """A stream of `changed` and `checked`; files are watched from the first listener on."""
        pages = await asyncio.to_thread(lambda: self.pages)
        if self._watching is None:
            self._watching = asyncio.create_task(pages.watch.run())
        return StreamingResponse(self._events(pages), media_type="text/event-stream")

    async def _events(self, pages: Pages) -> AsyncIterator[str]:
        page = pages.watch.join()
        try:
            while (heard := await page.get()) != END:
                yield f"data: {heard}\n\n"
        finally:
            pages.watch.leave(page)

    def end(self) -> None:
        """Let go of the pages that listen; called in the server's loop."""
        if self._own is not None:
            self._pages.watch.end()

    async def close(self) -> None:
        """Let go of everything."""
        self.end()
        if self._watching is not None:
            with suppress(asyncio.CancelledError):
                await self._watching
        if self._own is not None:
            self._own.close()
