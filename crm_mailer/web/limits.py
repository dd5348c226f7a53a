"""How much a stranger may take of us: length of a request, its time, lines at once."""

from __future__ import annotations

import asyncio
from asyncio import Transport
from dataclasses import dataclass
from typing import Any

from starlette.types import Message, Receive
from uvicorn.protocols.http.h11_impl import H11Protocol

#: Bytes of the request's first line, of all its headers, and of its body.
LARGEST_LINE = 8 * 1024
LARGEST_HEADERS = 8 * 1024
LARGEST_BODY = 8 * 1024
#: Seconds in which the whole request must be here.
PATIENCE = 10.0
#: Lines that are open at once.
MOST_LINES = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What a server takes. Sizes in bytes, times in seconds."""

    head: int = LARGEST_LINE + LARGEST_HEADERS
    patience: float = PATIENCE
    lines: int = MOST_LINES


class TooLarge(Exception):
    """The body is longer than it may be."""


class TooSlow(Exception):
    """The body did not come in time, or its sender went away."""


async def read_body(
    receive: Receive, largest: int = LARGEST_BODY, patience: float | None = None
) -> bytes:
    """The whole body of a request.

    Args:
        receive: where it comes from.
        largest: bytes.
        patience: seconds for all of it; None: as many as usual.

    Raises:
        TooLarge: it is longer.
        TooSlow: it did not come in time.
    """
    parts: list[bytes] = []
    try:
        async with asyncio.timeout(PATIENCE if patience is None else patience):
            while True:
                message = await receive()
                if message["type"] == "http.disconnect":
                    raise TooSlow
                parts.append(message.get("body", b""))
                if sum(map(len, parts)) > largest:
                    raise TooLarge
                if not message.get("more_body", False):
                    return b"".join(parts)
    except TimeoutError:
        raise TooSlow from None


def again(body: bytes) -> Receive:
    """The body once more, for whoever comes next."""
    told = False

    async def receive() -> Message:
        nonlocal told
        if told:
            return {"type": "http.disconnect"}
        told = True
        return {"type": "http.request", "body": body, "more_body": False}

    return receive


def patient(limits: Limits) -> type[H11Protocol]:
    """The server's protocol, which hangs up where a request's head does not come in time.

    The library waits for ever: a hundred silent lines would keep everybody else out.
    """

    class Patient(H11Protocol):
        _hang_up: asyncio.TimerHandle | None = None

        def connection_made(self, transport: Transport) -> None:  # type: ignore[override]
            super().connection_made(transport)
            self._wait()

        def connection_lost(self, exc: Exception | None) -> None:
            self._calm()
            super().connection_lost(exc)

        def data_received(self, data: bytes) -> None:
            if self._hang_up is None and self._is_idle():
                self._wait()
            super().data_received(data)
            if not self._is_idle():
                self._calm()

        def _is_idle(self) -> bool:
            cycle: Any = self.cycle
            return cycle is None or cycle.response_complete

        def _wait(self) -> None:
            self._hang_up = self.loop.call_later(limits.patience, self.transport.close)

        def _calm(self) -> None:
            if self._hang_up is not None:
                self._hang_up.cancel()
                self._hang_up = None

    return Patient
