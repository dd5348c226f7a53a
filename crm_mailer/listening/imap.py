"""The IMAP mailbox, opened for reading only: no flag of it ever changes."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, date, datetime
from types import TracebackType
from typing import Any, Self

from imapclient.exceptions import IMAPClientError

from crm_mailer.listening.imap_errors import plain_errors
from crm_mailer.listening.imap_line import Client, connect, hang_up
from crm_mailer.listening.imap_login import log_in
from crm_mailer.listening.mailbox import BEGINNING, Account, Fetched, Opened
from crm_mailer.model.sentence import Sentence

#: Servers drop an idle connection after 10 to 29 minutes; some routers after 5. And even where
#: the server tells what comes, we look ourselves so often.
IDLE_SECONDS = 300.0
#: Between two looks where the server cannot say when something comes.
POLL_SECONDS = 60.0
#: How soon a stop is noticed while waiting.
SLICE_SECONDS = 1.0
#: How long a server may take to say goodbye.
GOODBYE_SECONDS = 2.0

_NEWS = re.compile(rb"\* \d+ (EXISTS|RECENT)\b", re.IGNORECASE)


class Session:
    """A line to a server, logged in. Use as a context manager.

    Raises:
        ServiceDown: no answer, or the line was lost; connect anew.
        LoginRefused: wrong user name, password or token.
        MailboxError: the server answers, but not with what was asked for.
    """

    def __init__(self, account: Account) -> None:
        self.account = account
        self._client: Client | None = None

    def __enter__(self) -> Self:
        with plain_errors(self.account):
            self._client = connect(self.account)
            try:
                self._client.begin()
                log_in(self._client, self.account)
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
        self.close(in_peace=error is None)

    def close(self, *, in_peace: bool = False) -> None:
        """Leave; goodbye is said only over a line that works."""
        client, self._client = self._client, None
        if client is None:
            return
        if in_peace:
            with suppress(Exception):
                client.begin(GOODBYE_SECONDS)
                client.logout()
        hang_up(client)

    @contextmanager
    def asking(self, folder: str = "") -> Iterator[Client]:
        """The client for one command, whose errors are told in our words."""
        with plain_errors(self.account, folder):
            if self._client is None:
                raise ConnectionResetError(Sentence("not connected"))
            self._client.begin()
            yield self._client


class ImapMailbox(Session):
    """A folder on an IMAP server; see `Session` for its errors."""

    def open(self) -> Opened:
        """EXAMINE the folder.

        Raises:
            SettingsError: it is not there.
        """
        with self.asking() as client:
            return opened(client, self.account.folder, readonly=True)

    def capabilities(self) -> frozenset[str]:
        """What the server can do, in capitals."""
        with self.asking() as client:
            return frozenset(one.decode("ascii", "replace") for one in client.capabilities())

    def uids(self, first: int, last: int, since: date | None = None) -> list[int]:
        """SEARCH within a window, so that no answer line grows without bound."""
        criteria: list[Any] = ["UID", f"{int(first)}:{int(last)}"]
        if since is not None:
            criteria += ["SINCE", since]
        with self.asking() as client:
            found = client.search(criteria)
        # `UID n:*` and some servers also name the last mail there is
        return sorted({int(uid) for uid in found if first <= int(uid) <= last})

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
        return Fetched(
            uid=uid,
            raw=raw[:BEGINNING],
            received_at=_utc(told.get(b"INTERNALDATE")),
            is_truncated=len(raw) >= BEGINNING,
        )

    def wait(self, stop: threading.Event) -> bool:
        """IDLE where the server can, else a pause."""
        with self.asking() as client:
            if not client.has_capability("IDLE"):
                return not stop.wait(POLL_SECONDS)
            client.idle()
            _listen(client, stop)
            client.begin()
            client.idle_done()
        return not stop.is_set()

    def _fetch(self, uids: Sequence[int], *what: str) -> dict[int, dict[bytes, Any]]:
        if not uids:
            return {}
        with self.asking() as client:
            found = client.fetch([int(uid) for uid in uids], list(what))
        asked = set(uids)  # a server may speak of other mails, too
        return {int(uid): dict(told) for uid, told in found.items() if int(uid) in asked}


def opened(client: Client, folder: str, *, readonly: bool) -> Opened:
    """Open a folder: EXAMINE or SELECT."""
    told = client.select_folder(folder, readonly=readonly)
    uidnext = told.get(b"UIDNEXT")
    if uidnext is None:
        uidnext = client.folder_status(folder, ["UIDNEXT"])[b"UIDNEXT"]
    return Opened(uidvalidity=int(told[b"UIDVALIDITY"]), uidnext=int(uidnext))


def _listen(client: Client, stop: threading.Event) -> None:
    until = time.monotonic() + IDLE_SECONDS
    while not stop.is_set() and (left := until - time.monotonic()) > 0:
        line = client.next_line(min(left, SLICE_SECONDS))
        if line is None:
            continue
        if line.upper().startswith(b"* BYE"):
            raise ConnectionResetError(Sentence("the server said BYE"))
        if _NEWS.match(line):
            return
        if not line.startswith((b"* ", b"+")):
            raise IMAPClientError(Sentence("unexpected while idle: {line!r}", line=line[:80]))


def _utc(moment: datetime | None) -> datetime | None:
    if moment is None:
        return None
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    try:
        return aware.astimezone(UTC)
    except (OverflowError, ValueError):
        return None
