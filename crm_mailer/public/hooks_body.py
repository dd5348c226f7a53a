"""The body of a request of another program: bounded, whole, and plain."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from crm_mailer.web import limits

#: Bytes of a body; a list of 500 orders is a third of it.
LARGEST = 1024 * 1024
#: So much more is taken from the line before it is refused.
DRAINED = LARGEST
#: Seconds in which all of it must be here.
PATIENCE = 10.0
#: Bodies that are read at once: as many are held in memory, whoever sends them.
TURNS = asyncio.Semaphore(100)


class BadBody(Exception):
    """There is no body that we read."""

    def __init__(self, error: str, status: int, hint: str = "") -> None:
        super().__init__(error)
        self.status = status
        self.hint = hint

    def answer(self) -> Response:
        """What the sender is told; the line is not used again, there may be more on it."""
        return answer({"error": str(self), "hint": self.hint}, self.status, {"connection": "close"})


def answer(
    told: Mapping[str, Any], status: int = 200, headers: Mapping[str, str] | None = None
) -> Response:
    """JSON, and nothing that a browser would run."""
    text = json.dumps(told, ensure_ascii=False)
    return Response(text, status, headers=dict(headers or {}), media_type="application/json")


async def read(request: Request) -> bytes:
    """The whole body.

    Raises:
        BadBody: it is packed, too large or too slow, or too many come at once.
    """
    if TURNS.locked():
        raise BadBody("too much comes at once", 503, "try again later")
    async with TURNS:
        return await _read(request)


async def _read(request: Request) -> bytes:
    if request.headers.get("content-encoding", "identity").strip().lower() != "identity":
        raise BadBody("a packed body is not read", 415, "send it without Content-Encoding")
    told = request.headers.get("content-length", "")
    if told.isdigit() and int(told[:20]) > LARGEST + DRAINED:
        raise _too_large()
    try:
        # a body that is a little too large comes to its end: only then its sender listens
        body = await limits.read_body(request.receive, LARGEST + DRAINED, PATIENCE)
    except limits.TooLarge:
        raise _too_large() from None
    except limits.TooSlow:
        raise BadBody("the body did not come in time", 408) from None
    if len(body) > LARGEST:
        raise _too_large()
    return body


def _too_large() -> BadBody:
    return BadBody(f"the body is larger than {LARGEST:,} bytes", 413, "send it in parts")
