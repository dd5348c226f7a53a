"""A scripted SMTP server: it fails on command at each stage and keeps what it accepted.

It knows what an envelope is: DATA without a recipient is refused, unless it `is_lax`. Commands
that were sent ahead are answered one by one, in order.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
import struct
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

#: What a server says that takes commands ahead of its answers.
PIPELINED = ("PIPELINING", "8BITMIME", "SIZE 1000000")
CHUNKED = (*PIPELINED, "CHUNKING")
LOCK_STEP = ("8BITMIME", "SIZE 1000000")


@dataclass(frozen=True, slots=True)
class Fault:
    """What to do at a stage, in this order: accept the message, wait, speak, cut the line.

    With `drip` the words leave one octet at a time, so many seconds apart. With `is_aside` the
    usual answer follows.
    """

    say: bytes = b""
    accept: bool = False
    wait: float = 0
    cut: str = ""
    drip: float = 0
    is_aside: bool = False


def reply(text: str) -> Fault:
    return Fault(say=text.encode() + b"\r\n", cut="close" if text.startswith("421") else "")


DROP = Fault(cut="close")
RESET = Fault(cut="reset")
HANG = Fault(wait=30)
ACCEPT_DROP = Fault(accept=True, cut="close")
ACCEPT_RESET = Fault(accept=True, cut="reset")
ACCEPT_HANG = Fault(accept=True, wait=30)

Script = Mapping[str, Fault | Callable[[], Fault | None]]


def in_turn(*faults: Fault | None) -> Callable[[], Fault | None]:
    """A different thing each time the stage is reached; then nothing any more."""
    left = iter(faults)
    return lambda: next(left, None)


class Cut(Exception):
    """The script ended the connection."""


@dataclass
class Envelope:
    """What a connection has named so far."""

    has_sender: bool = False
    has_recipient: bool = False

    def clear(self) -> None:
        self.has_sender = self.has_recipient = False


@dataclass
class FaultServer:
    """Stages: BANNER EHLO STARTTLS AUTH MAIL RCPT DATA BODY DOT BDAT RSET QUIT."""

    script: Script = field(default_factory=dict)
    extensions: tuple[str, ...] = LOCK_STEP
    context: ssl.SSLContext | None = None
    #: Says 354 though no recipient was accepted.
    is_lax: bool = False
    port: int = 0
    box: list[bytes] = field(default_factory=list)
    log: list[bytes] = field(default_factory=list)
    connections: int = 0
    writers: set[asyncio.StreamWriter] = field(default_factory=set)
    closing: list[asyncio.StreamWriter] = field(default_factory=list)
    loop: asyncio.AbstractEventLoop | None = None

    def hang_up(self) -> None:
        """Close every connection without a word."""
        assert self.loop is not None
        for writer in list(self.writers):
            self.loop.call_soon_threadsafe(writer.close)

    def say(self, data: bytes) -> None:
        """Speak on every connection, unasked."""
        assert self.loop is not None
        for writer in list(self.writers):
            self.loop.call_soon_threadsafe(writer.write, data)

    @property
    def verbs(self) -> list[str]:
        return [line.split()[0].decode("latin-1").upper() for line in self.log if line.split()]

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self.writers.add(writer)
        ends = (Cut, OSError, asyncio.IncompleteReadError, ValueError, asyncio.CancelledError)
        with contextlib.suppress(*ends):
            await self._talk(reader, writer)
        self.writers.discard(writer)
        # not `wait_closed`, which may wait for ever after STARTTLS
        writer.close()
        self.closing.append(writer)

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        envelope = Envelope()
        if not await self._fault("BANNER", writer):
            await _say(writer, b"220 fault ESMTP\r\n")
        while line := await reader.readline():
            self.log.append(line)
            verb = line.split()[0].decode("latin-1").upper() if line.split() else ""
            block = await reader.readexactly(int(line.split()[1])) if verb == "BDAT" else b""
            fault = self._find(verb) if verb != "BDAT" else None
            if await self._do(fault, writer) and verb != "STARTTLS":
                _note(envelope, verb, fault.say if fault else b"")
                continue
            await self._obey(verb, block, envelope, reader, writer)

    async def _obey(
        self,
        verb: str,
        block: bytes,
        envelope: Envelope,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> None:
        if verb == "DATA":
            await self._data(envelope, reader, writer)
        elif verb == "BDAT":
            await self._bdat(envelope, block, writer)
        elif verb == "STARTTLS" and self.context is not None:
            await self._start_tls(writer)
        elif verb == "QUIT":
            await _say(writer, b"221 bye\r\n")
            raise Cut
        else:
            answer = self._answer(verb, envelope)
            _note(envelope, verb, answer)
            await _say(writer, answer)

    def _answer(self, verb: str, envelope: Envelope) -> bytes:
        if verb == "EHLO":
            lines = ["fault", *self.extensions]
            *most, last = lines
            text = "".join(f"250-{line}\r\n" for line in most) + f"250 {last}\r\n"
            return text.encode()
        if verb == "MAIL" and envelope.has_sender:
            return b"503 5.5.1 a mail has begun already\r\n"
        if verb == "RCPT" and not envelope.has_sender:
            return b"503 5.5.1 MAIL first\r\n"
        known = {"HELO": b"250 fault\r\n", "AUTH": b"235 2.7.0 welcome\r\n"}
        if verb in ("MAIL", "RCPT", "RSET", "NOOP"):
            return b"250 2.0.0 ok\r\n"
        return known.get(verb, b"502 5.5.2 what\r\n")

    async def _data(
        self, envelope: Envelope, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        is_named = envelope.has_recipient
        if not is_named and not self.is_lax:
            await _say(writer, b"554 5.5.1 no valid recipients\r\n")
            return
        envelope.clear()
        await _say(writer, b"354 go\r\n")
        begin = b""
        if is_named and "BODY" in self.script:
            begin = await reader.readexactly(10)
            await self._fault("BODY", writer)
        lines: list[bytes] = []
        while (line := begin + await reader.readline()) != b".\r\n":
            if not line:
                raise Cut
            begin = b""
            lines.append(line.removeprefix(b".") if line.startswith(b"..") else line)
        body = b"".join(lines)
        await self._take(body, "DOT" if is_named else "VOID", writer)

    async def _bdat(self, envelope: Envelope, block: bytes, writer: asyncio.StreamWriter) -> None:
        if not envelope.has_recipient:
            await _say(writer, b"503 5.5.1 no valid recipients\r\n")
            return
        envelope.clear()
        await self._take(block, "BDAT", writer)

    async def _take(self, body: bytes, stage: str, writer: asyncio.StreamWriter) -> None:
        fault = self._find(stage)
        is_said = fault is not None and fault.say.startswith(b"2")
        if fault is None or fault.accept or is_said:
            self.box.append(body)
        if not await self._do(fault, writer):
            await _say(writer, b"250 2.0.0 queued as %d\r\n" % len(self.box))

    async def _start_tls(self, writer: asyncio.StreamWriter) -> None:
        if "STARTTLS" not in self.script:
            await _say(writer, b"220 go\r\n")
        assert self.context is not None
        await writer.start_tls(self.context)

    async def _fault(self, stage: str, writer: asyncio.StreamWriter) -> bool:
        return await self._do(self._find(stage), writer)

    def _find(self, stage: str) -> Fault | None:
        fault = self.script.get(stage)
        return fault() if callable(fault) else fault

    async def _do(self, fault: Fault | None, writer: asyncio.StreamWriter) -> bool:
        """Do as the script says; whether that was the answer."""
        if fault is None:
            return False
        await asyncio.sleep(fault.wait)
        if fault.drip:
            for octet in fault.say:
                await _say(writer, bytes([octet]))
                await asyncio.sleep(fault.drip)
        elif fault.say:
            await _say(writer, fault.say)
        if fault.cut == "reset":
            raw = writer.get_extra_info("socket")
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            writer.transport.abort()
        if fault.cut:
            raise Cut
        return bool(fault.say) and not fault.is_aside


def _note(envelope: Envelope, verb: str, answer: bytes) -> None:
    is_good = answer.startswith(b"2")
    if verb in ("RSET", "EHLO", "HELO"):
        envelope.clear()
    elif verb == "MAIL":
        envelope.has_sender = is_good
    elif verb == "RCPT" and is_good:
        envelope.has_recipient = True


async def _say(writer: asyncio.StreamWriter, data: bytes) -> None:
    writer.write(data)
    await writer.drain()


@contextmanager
def fault_server(
    script: Script | None = None,
    *,
    extensions: tuple[str, ...] = LOCK_STEP,
    context: ssl.SSLContext | None = None,
    is_implicit: bool = False,
    is_lax: bool = False,
) -> Iterator[FaultServer]:
    """A running server on loopback, in a thread of its own."""
    server = FaultServer(script or {}, extensions, context, is_lax)
    ready, stop = threading.Event(), threading.Event()

    async def main() -> None:
        listener = await asyncio.start_server(
            server.serve, "127.0.0.1", 0, ssl=context if is_implicit else None
        )
        server.port = listener.sockets[0].getsockname()[1]
        server.loop = asyncio.get_running_loop()
        ready.set()
        while not stop.is_set():
            await asyncio.sleep(0.01)
        listener.close()
        for writer in [*server.writers, *server.closing]:
            with contextlib.suppress(AttributeError):  # in Python 3.11.2, where TLS was closed
                writer.transport.abort()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        if others:
            await asyncio.wait(others, timeout=5)
        await asyncio.sleep(0.01)  # lets the event loop close the sockets

    thread = threading.Thread(target=lambda: asyncio.run(main()), name="faults", daemon=True)
    thread.start()
    ready.wait(10)
    try:
        yield server
    finally:
        stop.set()
        thread.join(10)
