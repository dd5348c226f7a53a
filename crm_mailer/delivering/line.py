"""One TCP connection to a mail server: bytes out, answers in, and whether it still stands."""

from __future__ import annotations

import asyncio
import contextlib
import math
import socket
import ssl
from collections import deque
from collections.abc import Mapping
from typing import Protocol, cast

from crm_mailer.delivering.answers import Answer, AnswerParser
from crm_mailer.delivering.cipher import Cipher
from crm_mailer.delivering.faults import LineLost
from crm_mailer.model.sentence import Sentence

#: The words of a line that was cut since a stage took too long.
TOO_SLOW = Sentence("no answer in time")


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


class Line:
    """Answers go to the `hearer` if there is one; else they wait for whoever asks.

    It is an `asyncio.Protocol` in all but name: a class that is compiled has no parent that is not.
    """

    def __init__(self) -> None:
        self.hearer: Hearer | None = None
        #: On the clock of the event loop: when the present stage has taken too long.
        self.deadline = math.inf
        self._parser = AnswerParser()
        self._answers: deque[Answer] = deque()
        self._waiter: asyncio.Future[None] | None = None
        self._transport: asyncio.Transport | None = None
        self._cipher: Cipher | None = None
        #: What came in while the handshake was under way.
        self._handshake: bytearray | None = None
        #: Whether the kernel has not yet taken all that was written.
        self.is_stuck = False
        self._loss: str = ""

    # -- what the event loop calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The connection stands: no waiting for full packets, no buffer of our own."""
        self._transport = cast(asyncio.Transport, transport)
        self._limit(0)
        raw = transport.get_extra_info("socket")
        if raw is not None and raw.family in (socket.AF_INET, socket.AF_INET6):
            with contextlib.suppress(OSError):  # it may be gone already
                raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def data_received(self, data: bytes) -> None:
        """Bytes came in."""
        if self._handshake is not None:
            self._handshake += data
            self._wake()
            return
        if self._cipher is not None:
            data = self._opened(self._cipher, data)
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
        self._lose(Sentence("the server closed the connection"))
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is gone."""
        self._lose(Sentence("the connection was lost ({why})", why=exc or Sentence("closed")))

    def pause_writing(self) -> None:
        """The kernel takes no more for now."""
        self.is_stuck = True

    def resume_writing(self) -> None:
        """The kernel has taken it, down to the mark."""
        self.is_stuck = False
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
        return self._transport is None or self._transport.is_closing()

    def write(self, data: bytes) -> None:
        """Send `data`: at once, as far as the kernel takes it. On a lost line nothing happens."""
        if self._cipher is not None:
            try:
                data = self._cipher.sealed(data)
            except ssl.SSLError as error:
                self.cut(Sentence("TLS failed: {why}", why=error.reason or error))
                return
        self._carry(data)

    def backlog(self) -> int:
        """Bytes on the wire's side of TLS that were written and have not left."""
        return self._transport.get_write_buffer_size() if self._transport is not None else 0

    def tell_at(self, number: int) -> None:
        """Call the hearer's `flowed` as soon as at most `number` bytes wait to be sent."""
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

    def certificate(self) -> Mapping[str, object] | None:
        """The server's certificate; None without TLS, or where it is not checked."""
        return self._cipher.certificate() if self._cipher is not None else None

    async def start_tls(self, context: ssl.SSLContext, host: str, seconds: float) -> None:
        """Encrypt the connection; whatever was received in clear text is forgotten.

        Args:
            host: the name that the certificate must have.
            seconds: how long the handshake may take.

        Raises:
            OSError: the handshake failed (`ssl.SSLError` is one).
        """
        if self._transport is None or self._loss:
            raise LineLost(self._loss or Sentence("not connected"))
        self._parser.forget()
        self._answers.clear()
        cipher, self._handshake = Cipher(context, host), bytearray()
        self.deadline = asyncio.get_running_loop().time() + seconds
        data = b""
        try:
            while not cipher.shake(data):
                self._carry(cipher.outgoing())
                data = await self._received(self._handshake)
        finally:
            self._carry(cipher.outgoing())
        self.deadline = math.inf
        self._handshake, self._cipher = None, cipher
        # a server that speaks first may have done so already
        self.data_received(b"")

    def local_address(self) -> str:
        """Our end of the connection as an address literal for EHLO."""
        name = self._transport.get_extra_info("sockname") if self._transport else None
        host = str(name[0]) if name else "127.0.0.1"
        return f"[IPv6:{host}]" if ":" in host else f"[{host}]"

    def cut(self, why: str = Sentence("closed by us")) -> None:
        """Drop the connection at once: no byte more, not even what waits to be sent."""
        self._lose(why)
        if self._transport is not None:
            self._transport.abort()

    # -- inner

    async def _received(self, data: bytearray) -> bytes:
        """What has come in of a handshake, waiting for some.

        Raises:
            LineLost: the connection ended.
        """
        while not data:
            if self._loss:
                raise LineLost(self._loss)
            self._waiter = asyncio.get_running_loop().create_future()
            await self._waiter
        found = bytes(data)
        data.clear()
        return found

    def _opened(self, cipher: Cipher, data: bytes) -> bytes:
        try:
            clear = cipher.opened(data)
        except ssl.SSLError as error:
            self.cut(Sentence("TLS failed: {why}", why=error.reason or error))
            return b""
        self._carry(cipher.outgoing())
        if cipher.is_closed:
            # what it said before still counts
            asyncio.get_running_loop().call_soon(
                self._lose, Sentence("the server closed the connection")
            )
        return clear

    def _carry(self, data: bytes) -> None:
        """Put bytes on the wire; a closed transport may not be touched any more."""
        if data and self._transport is not None and not self._loss:
            self._transport.write(data)

    def _limit(self, number: int) -> None:
        if self._transport is not None:
            self._transport.set_write_buffer_limits(high=number, low=number)

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
