"""Numbers that live: a page that is looked at is told every second what has changed."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import asdict
from time import monotonic

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse

from crm_mailer.app import App, today

#: Seconds between two looks, and how much longer than a look the rest must be.
EVERY, REST = 1.0, 10
#: A stream ends after so long; the browser opens another, and is asked anew who it is.
LONGEST = 300.0
#: Something is said at least so often, so that a line that broke is noticed.
SILENCE = 15.0
#: Pages that may listen at once.
MOST = 64


class Live:
    """Counts for all who listen together, and not at all where nobody does."""

    def __init__(self, app: App) -> None:
        self._app = app
        self._end = asyncio.Event()
        self._lock = asyncio.Lock()
        self._told = ""
        self._next_at = 0.0
        self._listeners = 0

    def end(self) -> None:
        """Let go of all who listen; called in the server's loop."""
        self._end.set()

    async def answer(self, _request: Request) -> Response:
        """A stream of JSON objects, one whenever a number has changed."""
        if self._listeners >= MOST:
            return PlainTextResponse("Too many pages listen.", 503)
        return StreamingResponse(self._stream(), media_type="text/event-stream")

    async def _stream(self) -> AsyncIterator[str]:
        self._listeners += 1
        until, said, said_at = monotonic() + LONGEST, "", monotonic()
        try:
            while not self._end.is_set() and monotonic() < until:
                told = await self._look()
                if told != said:
                    said, said_at = told, monotonic()
                    yield f"data: {told}\n\n"
                elif monotonic() - said_at > SILENCE:
                    said_at = monotonic()
                    yield ": still here\n\n"
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._end.wait(), EVERY)
        finally:
            self._listeners -= 1

    async def _look(self) -> str:
        async with self._lock:
            if monotonic() >= self._next_at:
                began = monotonic()
                found = await run_in_threadpool(today.live, self._app)
                self._told = json.dumps(asdict(found))
                took = monotonic() - began
                self._next_at = monotonic() + max(EVERY * 0.9, took * REST)
        return self._told
