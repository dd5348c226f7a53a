"""Whose turn it is: the order in which mails that wait are read."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from pathlib import Path

from crm_mailer.listening import letters
from crm_mailer.store import inbound
from crm_mailer.store.engine import Connection, Store
from crm_mailer.store.inbound import MailHead

#: Ids read at a time.
BATCH = 200
#: A mail no older than this is not kept waiting by a backlog.
FRESH = timedelta(days=2)
#: A second mail within this time without an answer in between is a follow-up.
FOLLOW_UP = timedelta(days=30)

_END_OF_HEADERS = re.compile(rb"\r?\n\r?\n")


def waiting(store: Store, now: datetime, raw_folder: Path) -> Iterator[int]:
    """The mails that wait, each once: fresh ones before the backlog, and so what comes meanwhile.

    A complaint of today is not left behind the letters of years that a first look at a mailbox
    brings. What the same sender wrote in the weeks before goes along with it and comes first:
    thanks that end a complaint are of no use before the complaint.

    Args:
        store: the shop's database.
        now: the present instant.
        raw_folder: where the bytes of large mails lie.
    """
    since, older = now - FRESH, _Older(now - FOLLOW_UP, now - FRESH, raw_folder)
    known: set[int] = set()
    top = after = 0
    while True:
        with store.read() as connection:
            fresh = inbound.list_fresh(connection, since=since, after=top)
            top = inbound.newest(connection)
            ids = _in_order(connection, fresh, older, raw_folder) if fresh else []
            if not fresh:
                ids = inbound.list_new(connection, after=after, limit=BATCH)
                after = ids[-1] if ids else after
        if not ids:
            return
        turn = [one for one in ids if one not in known]
        known.update(turn)
        yield from turn


def _in_order(
    connection: Connection, fresh: Sequence[int], older: _Older, raw_folder: Path
) -> list[int]:
    """Fresh mails and what their senders wrote before, in the order of their coming."""
    older.look(connection)
    if not older.by_sender:
        return list(fresh)
    found: dict[int, datetime] = {}
    for start in range(0, len(fresh), BATCH):
        for head in inbound.heads(connection, fresh[start : start + BATCH]):
            found[head.id] = head.received_at
            found |= older.by_sender.get(_sender(head, raw_folder), {})
    return sorted(found, key=lambda one: (found[one], one))


class _Older:
    """What waits and is not fresh, by sender, as far back as a follow-up may reach."""

    def __init__(self, since: datetime, until: datetime, raw_folder: Path) -> None:
        self.since, self.until, self.raw_folder = since, until, raw_folder
        self.after = 0
        self.by_sender: defaultdict[str, dict[int, datetime]] = defaultdict(dict)

    def look(self, connection: Connection) -> None:
        """Note what was added since the last look."""
        while ids := inbound.list_new(
            connection, after=self.after, since=self.since, until=self.until, limit=BATCH
        ):
            for head in inbound.heads(connection, ids):
                if sender := _sender(head, self.raw_folder):
                    self.by_sender[sender][head.id] = head.received_at
            self.after = ids[-1]


def _sender(head: MailHead, raw_folder: Path) -> str:
    """Who wrote it; empty where nobody can tell before it is read."""
    try:
        headers = _END_OF_HEADERS.split(head.content(raw_folder), 1)[0]
        return letters.read(headers + b"\r\n\r\n").sender.casefold()
    except Exception:
        return ""  # whatever is wrong with it is told when its turn comes
