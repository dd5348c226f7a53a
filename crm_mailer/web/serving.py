"""A web server in this process: a port that is free, and an end that lets go of open streams."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass

import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.h11_impl import H11Protocol

from crm_mailer.model.errors import CannotWrite
from crm_mailer.model.sentence import Sentence
from crm_mailer.web.limits import Limits, patient

LOOPBACK = "127.0.0.1"
#: Ports tried where nobody asked for a certain one.
NEAR = 20


def open_port(port: int | None, *, usual: int, host: str = LOOPBACK) -> socket.socket:
    """The wanted port, or the first free one near the usual.

    Args:
        port: None for any near `usual`, 0 for any that is free.
        usual: where to look first.
        host: the address to listen on.

    Raises:
        CannotWrite: it is taken, or may not be used.
    """
    wanted: Iterable[int] = range(usual, usual + NEAR) if port is None else [port]
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    for one in wanted:
        door = socket.socket(family, socket.SOCK_STREAM)
        door.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            door.bind((host, one))
        except OSError:
            door.close()
            continue
        door.listen(512)
        return door
    raise CannotWrite(
        Sentence("port {port} of {host} is taken", port=usual if port is None else port, host=host),
        hint="choose another with --port; --port 0 takes any that is free",
    )


def address_of(door: socket.socket) -> str:
    """Where a browser finds what is served at an open port."""
    host, port = door.getsockname()[:2]
    return f"http://[{host}]:{port}/" if ":" in host else f"http://{host}:{port}/"


class Server(uvicorn.Server):
    """Ends the open streams first: uvicorn waits for them."""

    def __init__(self, config: uvicorn.Config, end_streams: Callable[[], None]) -> None:
        super().__init__(config)
        self._end_streams = end_streams

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Let go of everything."""
        self._end_streams()
        await super().shutdown(sockets)


#: Makes another protocol of the server's own.
Change = Callable[[type[H11Protocol]], type[H11Protocol]]


def server(
    app: ASGIApp,
    end_streams: Callable[[], None] = lambda: None,
    limits: Limits | None = None,
    change: Change | None = None,
) -> Server:
    """A server that says nothing and stops within seconds.

    Args:
        app: what it serves.
        end_streams: called before it waits for open answers.
        limits: of what strangers may take; None where only people of ours come.
        change: puts a short way before the usual one; needs `limits`.
    """
    return Server(_config(app, limits, change), end_streams)


def serve(
    app: ASGIApp,
    door: socket.socket,
    end_streams: Callable[[], None] = lambda: None,
    limits: Limits | None = None,
    change: Change | None = None,
) -> None:
    """Serve until somebody ends it."""
    with suppress(KeyboardInterrupt):
        server(app, end_streams, limits, change).run(sockets=[door])


@dataclass(frozen=True, slots=True, kw_only=True)
class Running:
    """A server in a thread of its own, from its start until `stop`."""

    address: str
    server: Server
    thread: threading.Thread
    #: Called once it has ended.
    at_end: Callable[[], None] = lambda: None

    def stop(self, patience: float = 10.0) -> bool:
        """Let it end; False where it is still at work after `patience` seconds."""
        self.server.should_exit = True
        self.thread.join(patience)
        if self.thread.is_alive():
            return False
        self.at_end()
        return True


def start(
    app: ASGIApp,
    door: socket.socket,
    end_streams: Callable[[], None] = lambda: None,
    limits: Limits | None = None,
    change: Change | None = None,
) -> Running:
    """Serve in a thread beside other work."""
    made = server(app, end_streams, limits, change)
    host, port = door.getsockname()[:2]
    thread = threading.Thread(
        target=made.run, kwargs={"sockets": [door]}, name=f"web:{port}", daemon=True
    )
    thread.start()
    shown = f"[{host}]" if ":" in host else host
    return Running(address=f"http://{shown}:{port}/", server=made, thread=thread)


def _config(app: ASGIApp, limits: Limits | None, change: Change | None) -> uvicorn.Config:
    given = limits or Limits(head=16_384)
    own = patient(given)
    return uvicorn.Config(
        app,
        http="auto" if limits is None else change(own) if change is not None else own,
        ws="none",
        log_level="error",
        access_log=False,
        lifespan="on",
        server_header=False,
        date_header=True,
        # only a proxy on this machine may say for whom it asks
        forwarded_allow_ips=["127.0.0.1", "::1"],
        limit_concurrency=limits.lines if limits is not None else None,
        timeout_graceful_shutdown=2,
        h11_max_incomplete_event_size=given.head,
    )
