"""Port Mailbox: where answers come in, and what is known of it. The IMAP one is in `imap`."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Protocol

#: Larger mails are not read whole: their beginning says who wrote what.
LARGE = 5 * 1024 * 1024
BEGINNING = 256 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """How to reach a mailbox. `tls` is implicit, starttls or none."""

    host: str
    port: int
    username: str
    password: str = field(default="", repr=False)
    #: auto, plain, login or xoauth2.
    auth: str = "auto"
    #: Gives an access token that should be good now; it is told which one was refused, if any.
    token: Callable[[str], str] | None = field(default=None, repr=False)
    tls: str = "implicit"
    ca_file: str = ""
    folder: str = "INBOX"
    #: Where mails go once they were understood; empty: they stay.
    move_done_to: str = ""
    #: Seconds that a server may be silent in the middle of an answer.
    patience: float = 60.0
    #: The table of the settings that it is written in, for hints.
    table: str = "imap"

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
        """The first 256 KiB of a mail."""
        ...

    def wait(self, stop: threading.Event) -> bool:
        """Wait until something may have come, or for five minutes; false when stopped."""
        ...


class Mover(Protocol):
    """Port: puts mails out of the way on the server; the one thing that ever changes there."""

    def open(self) -> Opened:
        """Open the folder of the mails, and see that the other one is there."""
        ...

    def list_copied(self, uids: Sequence[int]) -> Mapping[int, bool]:
        """Which of these are still there, and whether a copy lies in the other folder already."""
        ...

    def move(self, uids: Sequence[int], copied: Sequence[int] = ()) -> None:
        """Move these; the copied ones are only removed here. Gone ones are passed over."""
        ...
