"""Port Mailbox, and the IMAP one: the only place that speaks to a mail store; changes nothing."""

from __future__ import annotations

import imaplib
import socket
import ssl
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from types import TracebackType
from typing import Any, Protocol, Self

from imapclient import IMAPClient, SocketTimeout
from imapclient.exceptions import CapabilityError, IMAPClientError, LoginError

from crm_mailer.model.errors import LoginRefused, MailboxError, ServiceDown, SettingsError

CONNECT_SECONDS = 30.0
READ_SECONDS = 60.0
#: Servers drop an idle connection after 10 to 29 minutes; some routers after 5.
IDLE_SECONDS = 300.0
#: Between two looks where the server cannot say when something comes.
POLL_SECONDS = 60.0
#: How soon a stop is noticed while waiting.
SLICE_SECONDS = 1.0
#: Larger mails are not read whole: their beginning says who wrote what.
LARGE = 5 * 1024 * 1024
BEGINNING = 256 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """How to reach a mailbox. `tls` is implicit, starttls or none."""

    host: str
    port: int
    username: str
    password: str = field(repr=False)
    tls: str = "implicit"
    ca_file: str = ""
    folder: str = "INBOX"

    @property
    def name(self) -> str:
        """How it is known in the database: user and server."""
        return f"{self.username}@{self.host}" if "@" not in self.username else self.username


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """What a mailbox says of itself. Uids below `uidnext` never come anew."""

    uidvalidity: int
    uidnext: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetched:
    """One mail as the server has it, or its beginning."""

    uid: int
    raw: bytes
    received_at: datetime | None
    is_truncated: bool = False


class Mailbox(Protocol):
    """Port: where answers come in."""

    def open(self) -> Opened:
        """Look at it anew, without changing any flag."""
        ...

    def uids(self, first: int, last: int, since: date | None = None) -> list[int]:
        """The uids in [first, last], rising."""
        ...

    def sizes(self, uids: Sequence[int]) -> dict[int, int]:
        """Bytes of each mail that is still there."""
        ...

    def fetch(self, uids: Sequence[int]) -> list[Fetched]:
        """Whole mails; those that went away meanwhile are missing."""
        ...

    def fetch_beginning(self, uid: int) -> Fetched | None:
        """The first 256 KiB of a large mail."""
        ...

    def wait(self, stop: threading.Event) -> bool:
        """Wait until something may have come, or for five minutes; false when stopped."""
        ...


class ImapMailbox:
    """A folder on an IMAP server, opened for reading only. Use as a context manager.

    Raises:
        ServiceDown: no answer, or the line was lost; connect anew.
        LoginRefused: wrong user name or password.
        MailboxError: the server answers, but not with what was asked for.
    """

    def __init__(self, account: Account) -> None:
        self.account = account
        self._client: IMAPClient | None = None

    def __enter__(self) -> Self:
        with _plain_errors(self.account):
            self._client = _connect(self.account)
            try:
                _log_in(self._client, self.account)
            except BaseException:
                self.close()
                raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Leave; a server that does not answer any more cannot hinder it."""
        client, self._client = self._client, None
        if client is None:
            return
        with suppress(Exception):
            client.socket().settimeout(2.0)
            client.logout()
        with suppress(Exception):
            client.shutdown()

    def open(self) -> Opened:
        """EXAMINE the folder."""
        with _plain_errors(self.account):
            told = self._live.select_folder(self.account.folder, readonly=True)
            uidnext = told.get(b"UIDNEXT")
            if uidnext is None:
                status = self._live.folder_status(self.account.folder, ["UIDNEXT"])
                uidnext = status[b"UIDNEXT"]
            return Opened(uidvalidity=int(told[b"UIDVALIDITY"]), uidnext=int(uidnext))

    def uids(self, first: int, last: int, since: date | None = None) -> list[int]:
        """SEARCH within a window, so that no answer line grows without bound."""
        criteria: list[Any] = ["UID", f"{int(first)}:{int(last)}"]
        if since is not None:
            criteria += ["SINCE", since]
        with _plain_errors(self.account):
            found = self._live.search(criteria)
        # `UID n:*` and some servers also name the last mail there is
        return sorted(int(uid) for uid in found if first <= int(uid) <= last)

    def sizes(self, uids: Sequence[int]) -> dict[int, int]:
        """RFC822.SIZE."""
        found = self._fetch(uids, "RFC822.SIZE")
        return {uid: int(told.get(b"RFC822.SIZE", 0)) for uid, told in found.items()}

    def fetch(self, uids: Sequence[int]) -> list[Fetched]:
        """Bodies, by PEEK."""
        found = self._fetch(uids, "BODY.PEEK[]", "INTERNALDATE")
        return [
            Fetched(uid=uid, raw=told[b"BODY[]"], received_at=_utc(told.get(b"INTERNALDATE")))
            for uid, told in sorted(found.items())
            if isinstance(told.get(b"BODY[]"), bytes)
        ]

    def fetch_beginning(self, uid: int) -> Fetched | None:
        """The beginning of one mail, by PEEK."""
        told = self._fetch([uid], f"BODY.PEEK[]<0.{BEGINNING}>", "INTERNALDATE").get(uid, {})
        raw = told.get(b"BODY[]<0>")
        if not isinstance(raw, bytes):
            return None
        received = _utc(told.get(b"INTERNALDATE"))
        return Fetched(uid=uid, raw=raw, received_at=received, is_truncated=True)

    def wait(self, stop: threading.Event) -> bool:
        """IDLE where the server can, else a pause."""
        with _plain_errors(self.account):
            if not self._live.has_capability("IDLE"):
                return not stop.wait(POLL_SECONDS)
            self._live.idle()
            self._listen(stop)
            self._live.idle_done()
        return not stop.is_set()

    def _listen(self, stop: threading.Event) -> None:
        until = time.monotonic() + IDLE_SECONDS
        while not stop.is_set() and (left := until - time.monotonic()) > 0:
            slice_ = min(left, SLICE_SECONDS)
            begun = time.monotonic()
            told = self._live.idle_check(timeout=slice_)
            if not told and time.monotonic() - begun < slice_ * 0.5:
                raise ConnectionResetError("the server closed the connection while idle")
            if any(b"BYE" in line[:1] for line in told):
                raise ConnectionResetError("the server said BYE")
            if any(b"EXISTS" in line or b"RECENT" in line for line in told):
                return

    def _fetch(self, uids: Sequence[int], *what: str) -> dict[int, dict[bytes, Any]]:
        if not uids:
            return {}
        with _plain_errors(self.account):
            found = self._live.fetch([int(uid) for uid in uids], list(what))
        return {int(uid): dict(told) for uid, told in found.items()}

    @property
    def _live(self) -> IMAPClient:
        if self._client is None:
            raise ConnectionResetError("not connected")
        return self._client


def _connect(account: Account) -> IMAPClient:
    # Reading the system's certificates takes 30 ms: only where they are needed.
    context = _trust(account) if account.tls != "none" else None
    client = IMAPClient(
        account.host,
        port=account.port,
        ssl=account.tls == "implicit",
        ssl_context=context,
        timeout=SocketTimeout(connect=CONNECT_SECONDS, read=READ_SECONDS),
    )
    client.normalise_times = False
    if account.tls == "starttls":
        client.starttls(context)
    with suppress(OSError):  # small commands would wait 40 ms each
        client.socket().setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return client


def _trust(account: Account) -> ssl.SSLContext:
    context = ssl.create_default_context()
    if account.ca_file:
        try:
            context.load_verify_locations(account.ca_file)
        except OSError as error:  # ssl.SSLError is one
            raise SettingsError(
                f"no certificates can be read from {account.ca_file}: {error.strerror or error}",
                hint="imap.ca_file names a file of certificates in PEM form",
            ) from error
    return context


def _log_in(client: IMAPClient, account: Account) -> None:
    client.login(account.username, account.password)
    if client.has_capability("ID"):
        # 163.com and 126.com refuse to open a folder for programs without a name
        with suppress(IMAPClientError):
            client.id_({"name": "crm-mailer", "vendor": "crm-mailer"})


def _utc(moment: datetime | None) -> datetime | None:
    if moment is None:
        return None
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    try:
        return aware.astimezone(UTC)
    except (OverflowError, ValueError):
        return None


@contextmanager
def _plain_errors(account: Account) -> Iterator[None]:
    """What went wrong, in words that name the server and the remedy."""
    place = f"{account.host}:{account.port}"
    try:
        yield
    except LoginError as error:
        raise LoginRefused(
            f"{place} refuses the login of {account.username}: {_said(error)}",
            hint="check imap.username and imap.password; Gmail, QQ, 163 and Outlook want an "
            "app password",
        ) from error
    except ssl.SSLError as error:
        raise ServiceDown(
            f"no safe connection to {place}: {_said(error)}",
            hint="check imap.tls and imap.port (implicit: 993, starttls: 143) and imap.ca_file",
        ) from error
    except (TimeoutError, socket.gaierror, ConnectionError) as error:
        raise ServiceDown(
            f"the mailbox server {place} does not answer: {_said(error)}",
            hint="check imap.host and imap.port; nothing is lost, reading goes on later",
        ) from error
    except (imaplib.IMAP4.abort, OSError) as error:
        raise ServiceDown(
            f"the line to {place} was lost: {_said(error)}",
            hint="nothing is lost, reading goes on from where it was",
        ) from error
    except (CapabilityError, IMAPClientError, imaplib.IMAP4.error) as error:
        if "[NONEXISTENT]" in str(error):  # RFC 5530
            raise SettingsError(
                f"{place} has no folder {account.folder} for {account.username}",
                hint="correct imap.folder in crm-mailer.toml",
            ) from error
        raise MailboxError(
            f"{place} cannot do what was asked of the folder {account.folder}: {_said(error)}",
            hint="check imap.folder; 163 and 126 want IMAP switched on in the web mail's settings",
        ) from error
    except (KeyError, TypeError, ValueError, AssertionError, MemoryError) as error:
        raise MailboxError(
            f"{place} answered in a way that cannot be read: {type(error).__name__} {_said(error)}",
            hint="nothing is lost, reading goes on from where it was",
        ) from error


def _said(error: BaseException) -> str:
    text = " ".join(str(error).split())[:200]
    if text.startswith(("b'", 'b"')):  # imaplib passes on the bytes of the server
        text = text[2:-1]
    return "".join(c for c in text if c.isprintable()) or type(error).__name__
