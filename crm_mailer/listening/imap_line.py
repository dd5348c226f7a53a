"""The line to an IMAP server, bounded: no answer takes for ever, and none fills the memory."""

from __future__ import annotations

import imaplib
import socket
import ssl
import time
from contextlib import suppress
from typing import Any

from imapclient import IMAPClient, SocketTimeout
from imapclient.imap4 import IMAP4WithTimeout
from imapclient.tls import IMAP4_TLS

from crm_mailer.listening.mailbox import Account
from crm_mailer.model import domains
from crm_mailer.model.errors import SettingsError
from crm_mailer.model.sentence import Sentence

CONNECT_SECONDS = 30.0
#: A server that gives less than this a second for long is as good as silent.
SLOWEST = 16 * 1024
#: More than any answer has: a chunk of 16 MiB, its sizes being a little off.
LONGEST_ANSWER = 40 * 1024 * 1024
#: imaplib's own limit for a line.
LONGEST_LINE = 1_000_000
PIECE = 64 * 1024


class Client(IMAPClient):  # type: ignore[misc]
    """IMAPClient, each of whose answers is bounded in time and length."""

    def __init__(self, account: Account, context: ssl.SSLContext | None) -> None:
        self.patience = account.patience
        super().__init__(
            domains.wire_place(account.host),
            port=account.port,
            ssl=account.tls == "implicit",
            ssl_context=context,
            timeout=SocketTimeout(connect=CONNECT_SECONDS, read=account.patience),
        )
        self.normalise_times = False

    def begin(self, seconds: float | None = None) -> None:
        """A command begins: its answer gets its full length, and so much time beside it."""
        self._imap.incoming.begin(self.patience if seconds is None else seconds)

    def offers(self, name: str) -> bool:
        """Whether the server says, before the login, that it can do this."""
        return name in self._imap.capabilities

    def ask_anew(self) -> None:
        """Ask what the server can do, after the login; what it said before counts no more."""
        self._cached_capabilities = None
        self._imap.untagged_responses.pop("CAPABILITY", None)
        self.capabilities()

    def next_line(self, seconds: float) -> bytes | None:
        """The next line of a server that was asked to tell of itself (IDLE); None: nothing came.

        `idle_check` of the library cannot tell a closed line from silence, breaks at a line that
        comes in two pieces, and misses what came together with the answer to IDLE.

        Raises:
            imaplib.IMAP4.abort: the server has closed the line.
        """
        line: bytes | None = self._imap.incoming.next_line(self._imap.sock, seconds)
        return line

    def _create_IMAP4(self) -> imaplib.IMAP4:
        if self.ssl:
            return _TlsLine(self.patience, self.host, self.port, self.ssl_context, CONNECT_SECONDS)
        return _PlainLine(self.patience, self.host, self.port, CONNECT_SECONDS)


class _Incoming:
    """What comes from the server, read with a limit for each answer."""

    def __init__(self, patience: float) -> None:
        self._patience = patience
        self._socket: Any = None
        self._kept = bytearray()
        self.begin(patience)

    def begin(self, seconds: float) -> None:
        self._begun = time.monotonic()
        self._seconds = seconds
        self._taken = 0

    def read(self, line: Any, size: int) -> bytes:
        self._look_at(line)
        if self._taken + size > LONGEST_ANSWER:
            raise imaplib.IMAP4.abort(
                Sentence("the server announces {size:,} bytes more", size=size)
            )
        while len(self._kept) < size:
            self._fill()
        return self._cut(size)

    def readline(self, line: Any) -> bytes:
        self._look_at(line)
        searched = 0
        while (end := self._kept.find(b"\n", searched)) < 0:
            searched = len(self._kept)
            if searched > LONGEST_LINE:
                raise imaplib.IMAP4.abort(
                    Sentence("a line of more than {most:,} bytes", most=LONGEST_LINE)
                )
            self._fill()
        return self._cut(end + 1)

    def next_line(self, line: Any, seconds: float) -> bytes | None:
        self._look_at(line)
        self.begin(self._patience)
        until = time.monotonic() + seconds
        while (end := self._kept.find(b"\n")) < 0:
            left = until - time.monotonic()
            if left <= 0 or len(self._kept) > LONGEST_LINE:
                return None
            try:
                self._fill(left)
            except TimeoutError:
                return None
        return self._cut(end + 1)

    def _fill(self, seconds: float | None = None) -> None:
        """One piece more; what is not worth waiting for ends the line."""
        worth = self._seconds + self._taken / SLOWEST
        left = self._begun + worth - time.monotonic()
        if left <= 0:
            raise _too_slow(worth)
        patience = self._patience if seconds is None else seconds
        self._socket.settimeout(max(0.001, min(patience, left)))
        try:
            piece = self._socket.recv(PIECE)
        except TimeoutError:
            if left < patience:
                raise _too_slow(worth) from None
            raise TimeoutError(
                Sentence("nothing came for {seconds:.0f} s", seconds=patience)
            ) from None
        if not piece:
            raise imaplib.IMAP4.abort(Sentence("the server has closed it"))
        self._taken += len(piece)
        if self._taken > LONGEST_ANSWER:
            raise imaplib.IMAP4.abort(
                Sentence("its answer has more than {most:,} bytes", most=LONGEST_ANSWER)
            )
        self._kept += piece

    def _cut(self, size: int) -> bytes:
        taken = bytes(self._kept[:size])
        del self._kept[:size]
        if not self._kept and self._socket is not None:  # sending must not inherit a short wait
            self._socket.settimeout(self._patience)
        return taken

    def _look_at(self, line: Any) -> None:
        """After STARTTLS nothing counts that came before it (as in CVE-2011-0411)."""
        if line is not self._socket:
            self._socket = line
            self._kept.clear()


class _Bounded:
    """The reading half of imaplib, over `_Incoming`."""

    sock: Any

    def __init__(self, patience: float, *arguments: Any) -> None:
        self.patience = patience
        super().__init__(*arguments)

    def open(self, *arguments: Any, **more: Any) -> None:
        self.incoming = _Incoming(self.patience)
        super().open(*arguments, **more)  # type: ignore[misc]

    def read(self, size: int) -> bytes:
        return self.incoming.read(self.sock, size)

    def readline(self) -> bytes:
        return self.incoming.readline(self.sock)


class _PlainLine(_Bounded, IMAP4WithTimeout):  # type: ignore[misc]
    pass


class _TlsLine(_Bounded, IMAP4_TLS):  # type: ignore[misc]
    pass


def connect(account: Account) -> Client:
    """A new line to the server of an account, encrypted as it says."""
    # Reading the system's certificates takes 30 ms: only where they are needed.
    context = _trust(account) if account.tls != "none" else None
    client = Client(account, context)
    try:
        if account.tls == "starttls":
            client.starttls(context)
        with suppress(OSError):  # small commands would wait 40 ms each
            client.socket().setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    except BaseException:
        hang_up(client)
        raise
    return client


def hang_up(client: Client) -> None:
    """Leave; a server that does not answer any more cannot hinder it."""
    with suppress(Exception):
        client.shutdown()


def _too_slow(seconds: float) -> TimeoutError:
    return TimeoutError(Sentence("its answer takes longer than {seconds:.0f} s", seconds=seconds))


def _trust(account: Account) -> ssl.SSLContext:
    context = ssl.create_default_context()
    if account.ca_file:
        try:
            context.load_verify_locations(account.ca_file)
        except OSError as error:  # ssl.SSLError is one
            raise SettingsError(
                Sentence(
                    "no certificates can be read from {ca_file}: {why}",
                    ca_file=account.ca_file,
                    why=error.strerror or error,
                ),
                hint=Sentence(
                    "{table}.ca_file names a file of certificates in PEM form", table=account.table
                ),
            ) from error
    return context
