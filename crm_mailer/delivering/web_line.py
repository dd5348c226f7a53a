"""One HTTP connection that knows whether a request has begun to leave.

`http.client` reads the answers; opening is done here, so that a fault before the first byte of a
request can be told from one after it.
"""

from __future__ import annotations

import select
import socket
import ssl
import time
from collections.abc import Mapping
from contextlib import suppress
from http.client import HTTPConnection, HTTPException
from typing import NamedTuple
from urllib.parse import SplitResult

from crm_mailer.delivering.answers import clean
from crm_mailer.model.sentence import Sentence

#: Seconds after which an unused connection is not trusted any more.
IDLE = 20.0
#: Octets of an answer that are read; more means that it is none of ours.
LIMIT = 1 << 16
TOO_SLOW = Sentence("no whole answer in time")


class LineLost(Exception):
    """The connection broke, went silent, or what came is no answer."""


class WebAnswer(NamedTuple):
    """What a server answered."""

    status: int
    #: Names in small letters.
    headers: Mapping[str, str]
    body: bytes


class WebLine:
    """A connection to one host, opened when needed. One thread at a time; `cut` from any."""

    def __init__(
        self, url: SplitResult, context: ssl.SSLContext, *, connect: float, answer: float
    ) -> None:
        self.url = url
        self._context = context
        self._connect, self._answer = connect, answer
        self._http: HTTPConnection | None = None
        self._socket: socket.socket | None = None
        self._used_at = 0.0
        self._is_cut = self._is_over = False

    def open(self) -> None:
        """Be connected: the one there is if it is still good, else a new one.

        Raises:
            ssl.SSLError: there is no safe connection.
            OSError: there is none at all; also TimeoutError.
        """
        if self._http is not None and self._is_fresh():
            return
        self.close()
        self._is_cut = False
        try:
            self._connected()
        except BaseException:
            self.close()
            raise
        self._used_at = time.monotonic()

    def _connected(self) -> None:
        host, is_safe = self.url.hostname or "", self.url.scheme == "https"
        port = self.url.port or (443 if is_safe else 80)
        self._socket = socket.create_connection((host, port), timeout=self._connect)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if is_safe:
            self._socket = self._context.wrap_socket(
                self._socket, server_hostname=host, do_handshake_on_connect=False
            )
            self._socket.do_handshake()
        if self._is_cut or self._is_over:
            raise TimeoutError(Sentence("not connected in time"))
        self._socket.settimeout(self._answer)
        self._http = HTTPConnection(host, port)
        self._http.sock, self._http.auto_open = self._socket, 0

    def post(self, path: str, headers: Mapping[str, str], body: bytes) -> WebAnswer:
        """Send a request and read the answer. Whatever goes wrong here, the request may count.

        Raises:
            LineLost: no whole answer came.
        """
        assert self._http is not None
        try:
            self._http.putrequest("POST", path, skip_host=True, skip_accept_encoding=True)
            for name, value in headers.items():
                self._http.putheader(name, value)
            self._http.endheaders(body)
            response = self._http.getresponse()
            content = response.read(LIMIT)
        except (OSError, HTTPException, ValueError) as error:
            self.close()
            raise LineLost(_words(error, is_cut=self._is_cut)) from error
        if self._is_cut:  # which http.client takes for the end of the answer
            self.close()
            raise LineLost(TOO_SLOW)
        is_whole = response.isclosed()
        if response.will_close or not is_whole:
            self.close()
        self._used_at = time.monotonic()
        found = {name.lower(): value for name, value in response.getheaders()}
        return WebAnswer(response.status, found, content)

    def cut(self, *, for_good: bool = False) -> None:
        """Break off whatever is going on: the thread that waits is told at once.

        Args:
            for_good: it will not be opened again.
        """
        self._is_cut, self._is_over = True, for_good
        if self._socket is not None:
            with suppress(OSError):
                # the socket's own method: that of TLS would touch what the other thread reads
                socket.socket.shutdown(self._socket, socket.SHUT_RDWR)

    def close(self) -> None:
        """Let go of the connection."""
        if self._http is not None:
            self._http.close()
        if self._socket is not None:
            self._socket.close()
        self._http = self._socket = None

    def _is_fresh(self) -> bool:
        """Whether the server has kept it open and said nothing unasked."""
        if self._socket is None or time.monotonic() - self._used_at > IDLE:
            return False
        readable, _writable, _failed = select.select([self._socket], [], [], 0)
        return not readable


def _words(error: Exception, *, is_cut: bool) -> str:
    if is_cut:
        return TOO_SLOW
    if isinstance(error, TimeoutError):
        return Sentence("no answer in time")
    if isinstance(error, HTTPException):
        return Sentence(
            "not an HTTP answer: {error}", error=clean(f"{type(error).__name__}: {error}")
        )
    return str(error) or type(error).__name__
