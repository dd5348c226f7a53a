"""One TCP connection to a mail server: bytes out, answers in, and whether it still stands."""

from __future__ import annotations

import asyncio
import contextlib
import math
import socket
import ssl
from collections import deque
from typing import Protocol, cast

from crm_mailer.delivering.answers import Answer, AnswerParser

#: The words of a line that was cut since a stage took too long.
TOO_SLOW = "no answer in time"
#: Octets that a TLS transport is given at once: it swallows everything and does not tell how much
#: of it has left, so it is fed by the spoon.
SPOON = 65_536


class LineLost(ConnectionError):
    """The connection is gone."""


class Hearer(Protocol):
    """Who is told at once what happens on a line; the line waits for it."""

    def heard(self, answers: list[Answer]) -> None:
        """Answers came, in the order of the commands; never an empty list."""
        ...

    def heard_usual(self, answer: Answer) -> bool:
        """Four good answers came, the last of them 354; `answer` is the first.

        Returns:
            False: they do not fit and must be taken one by one.
        """
        ...

    def flowed(self) -> None:
        """The kernel has taken what was written, down to the mark that was asked for."""
        ...

    def lost(self, why: str) -> None:
        """The line is gone; nothing more will come."""
        ...


class Line(asyncio.Protocol):
    """Answers go to the `hearer` if there is one; else they wait for whoever asks."""

    def __init__(self) -> None:
        self.hearer: Hearer | None = None
        #: On the clock of the event loop: when the present stage has taken too long.
        self.deadline = math.inf
        self._parser = AnswerParser()
        self._answers: deque[Answer] = deque()
        self._waiter: asyncio.Future[None] | None = None
        self._transport: asyncio.Transport | None = None
        #: What carries the bytes: under TLS another one than what we write to.
        self._carrier: asyncio.Transport | None = None
        self._is_tls = False
        #: What a TLS transport has not been given yet.
        self._queue = memoryview(b"")
        self._is_paused = False
        self._mark: int | None = None
        self._loss: str = ""

    # -- what the event loop calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The connection stands: no waiting for full packets, no buffer of our own."""
        self._carrier = self._transport = cast(asyncio.Transport, transport)
        self._limit(0)
        raw = transport.get_extra_info("socket")
        if raw is not None and raw.family in (socket.AF_INET, socket.AF_INET6):
            with contextlib.suppress(OSError):  # it may be gone already
                raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def data_received(self, data: bytes) -> None:
        """Bytes came in."""
        hearer = self.hearer
        if hearer is not None and not self._loss:
            answer = self._parser.usual(data)
            if answer is not None and hearer.heard_usual(answer):
                return
        answers = self._parser.feed(data)
        if not answers or self._loss:
            return
        if hearer is not None:
            hearer.heard(answers)
        else:
            self._answers.extend(answers)
            self._wake()

    def eof_received(self) -> bool:
        """The server has said its last word."""
        self._lose("the server closed the connection")
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is gone."""
        self._lose(f"the connection was lost ({exc or 'closed'})")

    def pause_writing(self) -> None:
        """The kernel takes no more for now."""
        self._is_paused = True

    def resume_writing(self) -> None:
        """The kernel has taken it, down to the mark."""
        if self.is_closing:
            return  # it makes room only since nobody takes it any more
        self._is_paused = False
        self._feed()
        if self.is_closing:
            return
        if self._mark is not None and self.backlog() <= self._mark:
            self._mark = None
            self._limit(0)
            if self.hearer is not None and not self._loss:
                self.hearer.flowed()

    # -- what the conversation calls

    @property
    def is_up(self) -> bool:
        """Whether a command may be sent: the line stands, and nothing was said unasked."""
        return not self._loss and not self._answers and not self._parser.is_broken

    @property
    def has_spoken(self) -> bool:
        """Whether an answer waits to be read."""
        return bool(self._answers)

    @property
    def is_closing(self) -> bool:
        """Whether the last write failed at once, so that no byte of it has left."""
        return self._carrier is None or self._carrier.is_closing()

    @property
    def is_stuck(self) -> bool:
        """Whether the kernel has not yet taken all that was written."""
        return self._is_paused or len(self._queue) > 0

    def write(self, data: bytes) -> None:
        """Send `data`: at once, as far as the kernel takes it."""
        if self._transport is None:
            return
        if self._is_tls and (self._queue or len(data) > SPOON):
            self._queue = memoryview(bytes(self._queue) + data)
            self._feed()
        else:
            self._transport.write(data)

    def backlog(self) -> int:
        """Bytes that were written and have not left.

        Under TLS up to some 200 kB more may wait where nobody can see them.
        """
        waiting = self._transport.get_write_buffer_size() if self._transport is not None else 0
        return waiting + len(self._queue)

    def tell_at(self, number: int) -> None:
        """Call the hearer's `flowed` once, as soon as at most `number` bytes wait to be sent."""
        self._mark = number
        if not self._is_tls:
            self._limit(number)

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

        Args:
            host: the name that the certificate must have.
            seconds: how long the handshake may take.

        Raises:
            OSError: the handshake failed (`ssl.SSLError` is one).
        """
        if self._transport is None or self._loss:
            raise LineLost(self._loss or "not connected")
        self._parser.forget()
        self._answers.clear()
        transport = await asyncio.get_running_loop().start_tls(
            self._transport, self, context, server_hostname=host, ssl_handshake_timeout=seconds
        )
        if transport is None:
            raise LineLost("the connection was lost in the TLS handshake")
        self._transport, self._is_tls = transport, True
        self._limit(0)

    def local_address(self) -> str:
        """Our end of the connection as an address literal for EHLO."""
        name = self._transport.get_extra_info("sockname") if self._transport else None
        host = str(name[0]) if name else "127.0.0.1"
        return f"[IPv6:{host}]" if ":" in host else f"[{host}]"

    def cut(self, why: str = "closed by us") -> None:
        """Drop the connection at once: no byte more, not even what waits to be sent."""
        self._lose(why)
        if self._transport is not None:
            self._transport.abort()

    # -- inner

    def _feed(self) -> None:
        while self._queue and not self._is_paused and self._transport is not None:
            self._transport.write(bytes(self._queue[:SPOON]))
            if self.is_closing:
                return
            self._queue = self._queue[SPOON:]

    def _limit(self, number: int) -> None:
        if self._transport is not None:
            # a TLS transport pauses at its limit, a plain one above it
            high = max(number, 1) if self._is_tls else number
            self._transport.set_write_buffer_limits(high=high, low=number)

    def _lose(self, why: str) -> None:
        if self._loss:
            return
        self._loss = why
        self.deadline = math.inf
        self._wake()
        if self.hearer is not None:
            self.hearer.lost(why)

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)
