"""A web server on loopback that answers as it is told, well or badly, one act a request."""

from __future__ import annotations

import json
import socket
import ssl
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

#: What is done with a request that was read.
Act = Callable[[socket.socket], None]


def answer(status: int, body: object, *, kind: str = "", is_last: bool = False) -> Act:
    """A whole answer with a JSON body; `kind` goes into the header that names an error."""
    content = json.dumps(body).encode("utf-8")
    head = f"HTTP/1.1 {status} Said\r\nContent-Type: application/json\r\n"
    head += f"Content-Length: {len(content)}\r\n"
    head += f"x-amzn-ErrorType: {kind}\r\n" if kind else ""
    head += "Connection: close\r\n" if is_last else ""
    return say(head.encode("ascii") + b"\r\n" + content, then_close=is_last)


def say(content: bytes, *, then_close: bool = False) -> Act:
    """These bytes, whatever they are."""

    def act(line: socket.socket) -> None:
        line.sendall(content)
        if then_close:
            raise ConnectionAbortedError

    return act


def reset(line: socket.socket) -> None:
    """Hang up with RST."""
    line.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    raise ConnectionAbortedError


def close(_line: socket.socket) -> None:
    """Hang up."""
    raise ConnectionAbortedError


def hang(line: socket.socket) -> None:
    """Say nothing until the other side has had enough."""
    while line.recv(1024):
        pass


def drip(line: socket.socket) -> None:
    """Say something every moment, and never come to an end."""
    line.sendall(b"HTTP/1.1 200 OK\r\n")
    while True:
        line.sendall(b"X")
        time.sleep(0.05)


@dataclass
class WebServer:
    """Where it listens, and what it was sent."""

    port: int
    is_safe: bool
    #: What to do with each request, in turn; after them, `usual`.
    acts: list[Act]
    usual: Act
    requests: list[tuple[bytes, bytes]] = field(default_factory=list)
    connections: int = 0

    @property
    def address(self) -> str:
        return f"{'https' if self.is_safe else 'http'}://127.0.0.1:{self.port}"


@contextmanager
def web_server(
    *acts: Act, usual: Act | None = None, tls: ssl.SSLContext | None = None
) -> Iterator[WebServer]:
    """A server until the block ends."""
    listener = socket.create_server(("127.0.0.1", 0))
    port = listener.getsockname()[1]
    server = WebServer(port, tls is not None, list(acts), usual or answer(200, {"MessageId": "id"}))
    lines: list[socket.socket] = []

    def accept() -> None:
        while True:
            try:
                line, _peer = listener.accept()
            except OSError:
                return
            server.connections += 1
            lines.append(line)
            thread = threading.Thread(target=_serve, args=(server, line, tls), daemon=True)
            threads.append(thread)
            thread.start()

    threads = [threading.Thread(target=accept, daemon=True)]
    threads[0].start()
    try:
        yield server
    finally:
        with suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        for line in lines:
            with suppress(OSError):
                line.shutdown(socket.SHUT_RDWR)
        for thread in threads:
            thread.join(timeout=5)


def _serve(server: WebServer, line: socket.socket, tls: ssl.SSLContext | None) -> None:
    with suppress(OSError), line:
        if tls is None:
            _talk(server, line)
        else:
            with tls.wrap_socket(line, server_side=True) as safe:
                _talk(server, safe)


def _talk(server: WebServer, line: socket.socket) -> None:
    received = b""
    while True:
        while b"\r\n\r\n" not in received:
            part = line.recv(65_536)
            if not part:
                return
            received += part
        head, _gap, received = received.partition(b"\r\n\r\n")
        length = _length(head)
        while len(received) < length:
            part = line.recv(65_536)
            if not part:
                return
            received += part
        server.requests.append((head, received[:length]))
        received = received[length:]
        (server.acts.pop(0) if server.acts else server.usual)(line)


def _length(head: bytes) -> int:
    for row in head.split(b"\r\n"):
        name, _colon, value = row.partition(b":")
        if name.strip().lower() == b"content-length":
            return int(value)
    return 0
