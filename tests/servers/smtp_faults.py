"""A scripted SMTP server: it fails on command at each stage and keeps what it accepted."""

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


@dataclass(frozen=True, slots=True)
class Fault:
    """What to do at a stage, in this order: accept the message, wait, speak, cut the line."""

    say: bytes = b""
    accept: bool = False
    wait: float = 0
    cut: str = ""


def reply(text: str) -> Fault:
    return Fault(say=text.encode() + b"\r\n", cut="close" if text.startswith("421") else "")


DROP = Fault(cut="close")
RESET = Fault(cut="reset")
HANG = Fault(wait=30)
ACCEPT_DROP = Fault(accept=True, cut="close")
ACCEPT_RESET = Fault(accept=True, cut="reset")
ACCEPT_HANG = Fault(accept=True, wait=30)

Script = Mapping[str, Fault | Callable[[], Fault | None]]


class Cut(Exception):
    """The script ended the connection."""


@dataclass
class FaultServer:
    """Stages: BANNER EHLO STARTTLS AUTH MAIL RCPT DATA BODY DOT RSET QUIT."""

    script: Script = field(default_factory=dict)
    extensions: tuple[str, ...] = ("8BITMIME", "SIZE 1000000")
    context: ssl.SSLContext | None = None
    port: int = 0
    box: list[bytes] = field(default_factory=list)
    log: list[bytes] = field(default_factory=list)
    connections: int = 0
    writers: set[asyncio.StreamWriter] = field(default_factory=set)
    loop: asyncio.AbstractEventLoop | None = None

    def hang_up(self) -> None:
        """Close every connection without a word."""
        assert self.loop is not None
        for writer in list(self.writers):
            self.loop.call_soon_threadsafe(writer.close)

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
        writer.close()
        with contextlib.suppress(OSError, ssl.SSLError):
            await writer.wait_closed()

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if not await self._fault("BANNER", writer):
            await _say(writer, b"220 fault ESMTP\r\n")
        while line := await reader.readline():
            self.log.append(line)
            verb = line.split()[0].decode("latin-1").upper() if line.split() else ""
            stage = "EHLO" if verb == "HELO" else verb
            if await self._fault(verb, writer) and verb != "STARTTLS":
                continue
            if stage == "DATA":
                await self._data(reader, writer)
            elif stage == "STARTTLS" and self.context is not None:
                await self._start_tls(writer)
            elif stage == "QUIT":
                await _say(writer, b"221 bye\r\n")
                return
            else:
                await _say(writer, self._answer(verb))

    def _answer(self, verb: str) -> bytes:
        if verb == "EHLO":
            lines = ["fault", *self.extensions]
            *most, last = lines
            text = "".join(f"250-{line}\r\n" for line in most) + f"250 {last}\r\n"
            return text.encode()
        known = {"HELO": b"250 fault\r\n", "AUTH": b"235 2.7.0 welcome\r\n"}
        if verb in ("MAIL", "RCPT", "RSET", "NOOP"):
            return b"250 2.0.0 ok\r\n"
        return known.get(verb, b"502 5.5.2 what\r\n")

    async def _data(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await _say(writer, b"354 go\r\n")
        if "BODY" in self.script:
            await reader.readexactly(10)
            await self._fault("BODY", writer)
        body = b""
        while (line := await reader.readline()) != b".\r\n":
            if not line:
                raise Cut
            body += line.removeprefix(b".") if line.startswith(b"..") else line
        fault = self._find("DOT")
        if fault is None or fault.accept:
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
        if fault is None:
            return False
        await asyncio.sleep(fault.wait)
        if fault.say:
            await _say(writer, fault.say)
        if fault.cut == "reset":
            raw = writer.get_extra_info("socket")
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            writer.transport.abort()
        if fault.cut:
            raise Cut
        return bool(fault.say)


async def _say(writer: asyncio.StreamWriter, data: bytes) -> None:
    writer.write(data)
    await writer.drain()


@contextmanager
def fault_server(
    script: Script | None = None,
    *,
    extensions: tuple[str, ...] = ("8BITMIME", "SIZE 1000000"),
    context: ssl.SSLContext | None = None,
    is_implicit: bool = False,
) -> Iterator[FaultServer]:
    """A running server on loopback, in a thread of its own."""
    server = FaultServer(script or {}, extensions, context)
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
        for writer in list(server.writers):
            writer.transport.abort()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    thread = threading.Thread(target=lambda: asyncio.run(main()), name="faults")
    thread.start()
    ready.wait(10)
    try:
        yield server
    finally:
        stop.set()
        thread.join(10)
