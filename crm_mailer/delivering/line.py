"""One TCP connection to a mail server: bytes out, answers in, and whether it still stands."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from collections import deque
from typing import cast

from crm_mailer.delivering.answers import Answer, AnswerParser


class LineLost(ConnectionError):
    """The connection is gone."""


class Line(asyncio.Protocol):
    """Answers are queued as they come, so that commands may be sent ahead of them."""

    def __init__(self) -> None:
        self._parser = AnswerParser()
        self._answers: deque[Answer] = deque()
        self._waiter: asyncio.Future[None] | None = None
        self._drain: asyncio.Future[None] | None = None
        self._transport: asyncio.Transport | None = None
        self._loss: str = ""

    # -- what the event loop calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The connection stands: no waiting for full packets, no buffer of our own."""
        self._adopt(cast(asyncio.Transport, transport))

    def data_received(self, data: bytes) -> None:
        """Bytes came in."""
        self._answers.extend(self._parser.feed(data))
        self._wake(self._waiter)

    def eof_received(self) -> bool:
        """The server has said its last word."""
        self._lose("the server closed the connection")
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is gone."""
        self._lose(f"the connection was lost ({exc or 'closed'})")

    def pause_writing(self) -> None:
        """The kernel takes no more for now."""
        self._drain = asyncio.get_running_loop().create_future()

    def resume_writing(self) -> None:
        """All that was written has left."""
        drain, self._drain = self._drain, None
        self._wake(drain)

    # -- what the conversation calls

    @property
    def is_up(self) -> bool:
        """Whether a command may be sent: the line stands, and nothing was said unasked."""
        return not self._loss and not self._answers and not self._parser.is_broken

    @property
    def has_spoken(self) -> bool:
        """Whether an answer waits to be read."""
        return bool(self._answers)

    def write(self, data: bytes) -> None:
        """Send `data` soon.

        Raises:
            LineLost: the connection is gone.
        """
        if self._loss or self._transport is None:
            raise LineLost(self._loss or "not connected")
        self._transport.write(data)

    async def drained(self) -> None:
        """Wait until the kernel has taken all that was written.

        Raises:
            LineLost: the connection is gone.
        """
        if self._drain is not None:
            await self._drain
        if self._loss:
            raise LineLost(self._loss)

    async def answer(self) -> Answer:
        """The next answer, in the order of the commands.

        Raises:
            LineLost: the connection ended before it.
        """
        while not self._answers:
            if self._loss:
                raise LineLost(self._loss)
            self._waiter = asyncio.get_running_loop().create_future()
            await self._waiter
        return self._answers.popleft()

    async def start_tls(self, context: ssl.SSLContext, host: str, seconds: float) -> None:
        """Encrypt the connection; whatever was received in clear text is forgotten.

        Raises:
            OSError: the handshake failed (`ssl.SSLError` is one).
        """
        assert self._transport is not None
        self._parser.forget()
        self._answers.clear()
        transport = await asyncio.get_running_loop().start_tls(
            self._transport, self, context, server_hostname=host, ssl_handshake_timeout=seconds
        )
        if transport is None:
            raise LineLost("the connection was lost in the TLS handshake")
        self._adopt(transport)

    def local_address(self) -> str:
        """Our end of the connection as an address literal for EHLO."""
        name = self._transport.get_extra_info("sockname") if self._transport else None
        host = str(name[0]) if name else "127.0.0.1"
        return f"[IPv6:{host}]" if ":" in host else f"[{host}]"

    def cut(self) -> None:
        """Drop the connection at once: no byte more, not even what waits to be sent."""
        self._lose("closed by us")
        if self._transport is not None:
            self._transport.abort()

    # -- inner

    def _adopt(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        is_tls = transport.get_extra_info("sslcontext") is not None
        # a TLS transport pauses at its limit, a plain one above it
        transport.set_write_buffer_limits(high=1 if is_tls else 0, low=0)
        raw = transport.get_extra_info("socket")
        if raw is not None and raw.family in (socket.AF_INET, socket.AF_INET6):
            with contextlib.suppress(OSError):  # it may be gone already
                raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def _lose(self, why: str) -> None:
        self._loss = self._loss or why
        self._wake(self._waiter)
        self._wake(self._drain)

    @staticmethod
    def _wake(future: asyncio.Future[None] | None) -> None:
        if future is not None and not future.done():
            future.set_result(None)
